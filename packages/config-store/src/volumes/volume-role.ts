/** Who is primary. Pure. */
import { extended, generationText, isHigher, sameGeneration } from './volume-lineage.ts';
import { changed, refuseVolume, unchanged, unknownVolume, type VolumeDecision } from './volume-outcome.ts';
import type { PeerTold } from './volume-peer.ts';
import type { Generation, VolumeRecord } from './volume-records.ts';

/** What is known of the other zone at this moment; null: it could not be asked. */
export type PeerNow = PeerTold | null;

/** Whether a promote may begin; {@link decideVolumePromoted} completes it once all that arrived is applied. */
export function decideVolumePromote(
  record: VolumeRecord | null,
  request: { readonly volume: string; readonly force: boolean; readonly operation: string },
  peer: PeerNow,
  now: number,
): VolumeDecision {
  const { volume, force, operation } = request;
  if (record === null) return unknownVolume(volume);
  if (record.role === 'primary') return unchanged(`volume ${volume} is primary in this zone`);
  const incomplete = record.phase === 'copying' || record.phase === 'resyncing';
  if (incomplete)
    return refuseVolume(
      'not-complete',
      `volume ${volume} is not complete here (${record.phase}): its blocks are from several states; wait, or 'salvor volume resync' once its source is back`,
    );
  if (!force) {
    if (record.divergence !== null)
      return refuseVolume(
        'split-brain',
        `volume ${volume} has writes that zone ${record.divergence.other.zone} lacks, and the other way round; 'salvor volume promote --force' makes this side the primary, 'salvor volume resync --discard' gives it up`,
      );
    if (peer === null)
      return refuseVolume(
        'peer-unreachable',
        `zone ${record.peer} does not answer: whether it still takes writes is not known; if it is lost, 'salvor volume promote --force'`,
      );
    if (peer.role === 'primary')
      return refuseVolume(
        'peer-is-primary',
        `zone ${record.peer} is primary; 'salvor volume demote' there first, or 'salvor volume promote --force' if it must not be`,
      );
  }
  const asked = record.promotion;
  if (asked !== null && (asked.force || !force))
    return unchanged(`volume ${volume} is being promoted by operation ${asked.operation}`);
  return changed(
    record,
    { promotion: { operation, force, at: now } },
    `volume ${volume} becomes primary once all that arrived is applied`,
    now,
  );
}

/** All that arrived is applied, nobody has the vdisk, and its own log ends with record `head`. */
export function decideVolumePromoted(
  record: VolumeRecord | null,
  { volume, zone, head }: { readonly volume: string; readonly zone: string; readonly head: number },
  peer: PeerNow,
  now: number,
): VolumeDecision {
  if (record === null) return unknownVolume(volume);
  const { promotion, sequence, generation, lineage } = record;
  if (record.role === 'primary' || promotion === null)
    return unchanged(`no promote of volume ${volume} was asked for`);
  if (sequence === null)
    return refuseVolume('not-settled', `volume ${volume} does not know yet how far its content goes`);
  if (!promotion.force) {
    const missing = plannedHindrance(record, sequence, peer);
    if (missing !== null) return refuseVolume('not-complete', missing);
  }
  const known = Math.max(record.known, generation.number, peer?.generation.number ?? 0) + 1;
  const next: Generation = { number: known, zone };
  return changed(
    record,
    {
      ...{ role: 'primary', phase: 'serving', generation: next, known, begins: head, sequence: null },
      ...{ promotion: null, divergence: null, rival: null, trouble: null },
      lineage: extended(lineage, { generation, ends: sequence }),
    },
    `volume ${volume} is primary in zone ${zone}, generation ${known}, from record ${sequence} of generation ${generationText(generation)} on`,
    now,
  );
}

/** What the other zone has and this one lacks, in words; null: nothing. */
function plannedHindrance(
  { peer: zone, generation, volume }: VolumeRecord,
  sequence: number,
  peer: PeerNow,
): string | null {
  if (peer === null) return `volume ${volume} waits for zone ${zone} to say how far it came`;
  if (peer.role === 'primary')
    return `volume ${volume} waits for zone ${zone}, which is primary, to be demoted`;
  if (peer.sequence === null) return `volume ${volume} waits for zone ${zone} to say how far it came`;
  if (!sameGeneration(peer.generation, generation))
    return `volume ${volume} belongs to generation ${generationText(generation)}, that of zone ${zone} to ${generationText(peer.generation)}`;
  if (peer.sequence > sequence)
    return `volume ${volume} waits for records ${sequence + 1} to ${peer.sequence} of zone ${zone}`;
  return null;
}

/** Nobody may write from now on. `owner`: who has the vdisk. */
export function decideVolumeDemote(
  record: VolumeRecord | null,
  { volume }: { readonly volume: string },
  owner: string | null,
  now: number,
): VolumeDecision {
  if (record === null) return unknownVolume(volume);
  if (record.role === 'secondary') return unchanged(`volume ${volume} is secondary in this zone`);
  if (record.peer === null)
    return refuseVolume(
      'unknown-zone',
      `volume ${volume} has no copy in another zone that could become primary; 'salvor volume replicate' makes one`,
    );
  if (owner !== null)
    return refuseVolume(
      'vdisk-owned',
      `vdisk ${record.vdisk} is in use by ${owner}; shut its clients down first`,
    );
  return changed(record, steppedDown, `volume ${volume} is primary no more`, now);
}

const steppedDown = { role: 'secondary', phase: 'settling', sequence: null, promotion: null } as const;

/** A zone that was promoted meanwhile is the primary: this one writes nothing from now on. */
export function stepDown(record: VolumeRecord, higher: Generation, now: number): VolumeDecision {
  const reason = `zone ${higher.zone} was promoted to generation ${higher.number}: volume ${record.volume}, generation ${generationText(record.generation)}, is primary here no more`;
  return changed(
    record,
    { ...steppedDown, known: Math.max(record.known, higher.number), rival: { generation: higher, at: now } },
    reason,
    now,
  );
}

/** It was primary, nobody else can write any more, and everything it wrote is in its own log up to record `head`. */
export function decideVolumeSettled(
  record: VolumeRecord | null,
  { volume, head }: { readonly volume: string; readonly head: number },
  now: number,
): VolumeDecision {
  if (record === null) return unknownVolume(volume);
  if (record.phase !== 'settling') return unchanged(`volume ${volume} is settled`);
  const sequence = Math.max(head, record.begins);
  return changed(
    record,
    { phase: 'waiting', sequence },
    `volume ${volume} ends with record ${sequence} of its own log`,
    now,
  );
}

/** Whether what is told makes this zone step down. */
export function mustStepDown(record: VolumeRecord, told: Pick<PeerTold, 'generation'>): boolean {
  return record.role === 'primary' && isHigher(told.generation, record.generation);
}
