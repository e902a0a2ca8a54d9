import type { VolumeDescription } from '@salvor/contracts';

type Standing = Pick<
  VolumeDescription,
  'zone' | 'volume' | 'role' | 'generation' | 'generationZone' | 'incarnation' | 'begins'
>;

/**
 * Why the log of a zone does not tell what the volume held; null: it does. The log of a secondary tells of each block once in a
 * while, in an order of its own. Pure.
 *
 * @param last the last record of the log that was taken
 */
export function reasonNotToTake(source: Standing, last: number): string | null {
  const { zone, volume, role, generation, begins } = source;
  if (role !== 'primary') return secondaryReason(source);
  return begins > last
    ? `zone ${zone} was secondary since, and is primary of volume ${volume} again from record ${begins} on (generation ${generation})`
    : null;
}

/** As {@link reasonNotToTake}, of what was read of a log after `source` was asked and before `now` was. */
export function reasonNotToStore(source: Standing, now: Standing): string | null {
  const { zone, volume, role, generation } = now;
  if (role !== 'primary') return secondaryReason(now);
  const isSame =
    generation === source.generation &&
    now.generationZone === source.generationZone &&
    now.incarnation === source.incarnation;
  return isSame ? null : `zone ${zone} was made primary of volume ${volume} anew (generation ${generation})`;
}

export function secondaryReason({ zone, volume, generationZone }: Standing): string {
  const where = generationZone === '' || generationZone === zone ? '' : ` --zone ${generationZone}`;
  return `volume ${volume} is secondary in zone ${zone}: its log there tells no states of the volume. 'salvor archive start-synchronizing <archive> ${volume}${where}' follows the primary`;
}
