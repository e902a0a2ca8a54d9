/** Whether a copy in a consistency group goes on without a cut. Pure. */
import { type PeerTold, sameGeneration, type VolumeRecord } from '@salvor/config-store';

export interface Held {
  /** Of what arrived here, that lies behind the newest cut up to which it may go. */
  readonly bytes: number;
  /** So much may wait for a cut. */
  readonly maxBytes: number;
  /** For how long volumes wait for a cut that cannot come as their group is, milliseconds. */
  readonly hinderedMs: number;
}

/**
 * Why it goes on now, as a sentence; null: it waits for a cut that all volumes of its group have. It goes on where so much waits that
 * it would fill the stream which all logs of the container share; where the group cannot cut, and has not for long; and where
 * it is promoted as planned, and nobody writes it any more: then what came is the end, which every volume has to come to.
 */
export function decideHeld(
  { volume, group, promotion, generation }: VolumeRecord,
  { bytes, maxBytes, hinderedMs }: Held,
  told: PeerTold | null,
  now: number,
): string | null {
  if (group === null || bytes === 0 || promotion?.force === true) return null;
  if (bytes >= maxBytes)
    return `${mib(bytes)} MiB of volume ${volume} waited for a cut of group ${group.name} that all of its volumes have: it went on without one, and is at the moment of the others again with a later cut`;
  const isTold = told !== null && sameGeneration(told.generation, generation);
  if (isTold && promotion !== null && told.role === 'secondary' && told.phase === 'waiting')
    return `volume ${volume} is promoted as planned, and goes on to the end of its log in zone ${told.zone}, where nobody writes it any more`;
  const { hinderedAt, reason } = group;
  const isHindered = hinderedAt !== null && now - hinderedAt >= hinderedMs;
  return isHindered && isTold && told.role === 'primary' && promotion === null ? reason : null;
}

function mib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 1 : 0);
}
