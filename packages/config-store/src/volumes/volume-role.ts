/** Who is primary. Pure. */
import { inconsistency, newlyPrimary } from './volume-group.ts';
import { extended, generationText, isHigher, isOtherLife, sameGeneration } from './volume-lineage.ts';
import { changed, refuseVolume, unchanged, unknownVolume, type VolumeDecision } from './volume-outcome.ts';
import type { PeerTold } from './volume-peer.ts';
import type { Generation, LogEnd, VolumeRecord } from './volume-records.ts';

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
  if (isIncomplete(record) && !(force && record.kept !== null))
    return refuseVolume(
      'not-complete',
      record.kept === null
        ? `volume ${volume} is not complete here (${record.phase}), and never was: wait until its source is back`
        : `volume ${volume} is not complete here (${record.phase}): its blocks are from several states; wait, or, when its source is lost, 'salvor volume promote --force' brings back the state before`,
    );
  const torn = force ? tornBy(record, false) : null;
  if (torn !== null)
    return refuseVolume(
      'not-consistent',
      `${torn}; wait for a cut that all have, or, to promote it alone as it is, take consistent: true off the group ('salvor plan apply')`,
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
    // What was compared is written over when the state before is brought back: no copy may go on behind that.
    {
      promotion: { operation, force, at: Math.max(now, record.promotionHeardAt + 1) },
      ...(isIncomplete(record) ? { copy: null } : {}),
    },
    isIncomplete(record)
      ? `volume ${volume} becomes primary once what it had before it was written over is brought back`
      : `volume ${volume} becomes primary once all that arrived is applied`,
    now,
  );
}

/** Why it would not be the moment that the other volumes of its group have; null: it would, or it is in no group. */
function tornBy(record: VolumeRecord, isDrained: boolean): string | null {
  const content = isIncomplete(record) ? record.kept : record;
  if (record.group === null || content === null || content.sequence === null) return null;
  const { generation, sequence, segment } = content;
  return inconsistency(record, { generation, sequence, segment }, isDrained);
}

/** Its blocks are from several states. */
export function isIncomplete({ phase }: Pick<VolumeRecord, 'phase'>): boolean {
  return phase === 'copying' || phase === 'resyncing';
}

/**
 * All that arrived is applied, nobody has the vdisk, and its own log ends with `head`.
 *
 * @param isRestored what was there before an incomplete copy was brought back, and is all that the vdisk holds
 */
export function decideVolumePromoted(
  record: VolumeRecord | null,
  {
    volume,
    zone,
    head,
    applied = null,
    isRestored = false,
  }: {
    readonly volume: string;
    readonly zone: string;
    readonly head: LogEnd;
    /** Up to which record of the log that it followed the vdisk has everything; null: it did not follow any. */
    readonly applied?: number | null;
    readonly isRestored?: boolean;
  },
  peer: PeerNow,
  now: number,
): VolumeDecision {
  if (record === null) return unknownVolume(volume);
  const { promotion } = record;
  if (record.role === 'primary' || promotion === null)
    return unchanged(`no promote of volume ${volume} was asked for`);
  const content = isIncomplete(record) ? (isRestored ? record.kept : null) : record;
  if (content === null || content.sequence === null)
    return refuseVolume('not-settled', `volume ${volume} does not know yet how far its content goes`);
  if (applied !== null && applied > content.sequence)
    return refuseVolume(
      'not-settled',
      `volume ${volume} has record ${applied} on its vdisk, and ${content.sequence} on record`,
    );
  const { generation, lineage, sequence, segment } = content;
  const torn = promotion.force ? tornBy(record, true) : null;
  if (torn !== null) return refuseVolume('not-consistent', torn);
  if (!promotion.force) {
    const missing = plannedHindrance(record, { sequence, zone, askedAt: promotion.at }, peer);
    if (missing !== null) return refuseVolume('not-complete', missing);
  }
  const heard = peer === null || isBeyondBelief(record, peer.generation) ? 0 : peer.generation.number;
  const known = Math.max(record.known, record.generation.number, heard) + 1;
  const next: Generation = { number: known, zone, incarnation: generation.incarnation };
  return changed(
    record,
    {
      ...{ role: 'primary', phase: 'serving', generation: next, known },
      ...{ begins: head.sequence, begun: head.segment, sequence: null, segment: null, kept: null },
      ...{ promotion: null, divergence: null, rival: null, trouble: null, sync: null },
      group: newlyPrimary(record.group),
      lineage: extended(lineage, { generation, ends: sequence, segment }),
    },
    `volume ${volume} is primary in zone ${zone}, generation ${known}, from record ${sequence} of generation ${generationText(generation)} on`,
    now,
  );
}

/** What the other zone has and this one lacks, in words; null: nothing. */
function plannedHindrance(
  { peer: zone, generation, volume }: VolumeRecord,
  own: { readonly sequence: number; readonly zone: string; readonly askedAt: number },
  peer: PeerNow,
): string | null {
  const { sequence } = own;
  if (peer === null) return `volume ${volume} waits for zone ${zone} to say how far it came`;
  if (peer.role === 'primary')
    return `volume ${volume} waits for zone ${zone}, which is primary, to be demoted`;
  if (peer.sequence === null) return `volume ${volume} waits for zone ${zone} to say how far it came`;
  if (!sameGeneration(peer.generation, generation))
    return `volume ${volume} belongs to generation ${generationText(generation)}, that of zone ${zone} to ${generationText(peer.generation)}`;
  if (peer.sequence > sequence)
    return `volume ${volume} waits for records ${sequence + 1} to ${peer.sequence} of zone ${zone}`;
  const at = peer.promotionAt;
  // The same order in both zones.
  if (at !== null && (at < own.askedAt || (at === own.askedAt && peer.zone < own.zone)))
    return `volume ${volume} waits for zone ${zone}, which was to be promoted before this one`;
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
  if (record.role === 'secondary') {
    const { promotion } = record;
    if (promotion === null) return unchanged(`volume ${volume} is secondary in this zone`);
    const reason = `volume ${volume} stays secondary: its promote (${promotion.operation}) is given up`;
    // A promote by force may have brought back a part of what was there before the copy.
    const copy = promotion.force && isIncomplete(record) ? null : record.copy;
    return changed(record, { promotion: null, copy }, reason, now);
  }
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

const steppedDown: Partial<VolumeRecord> = {
  ...{ role: 'secondary', phase: 'settling', sequence: null, segment: null, promotion: null },
};

/** A zone that was promoted meanwhile is the primary: this one writes nothing from now on. */
export function stepDown(record: VolumeRecord, higher: Generation, now: number): VolumeDecision {
  const { volume, generation } = record;
  const found = isOtherLife(generation, higher)
    ? `zone ${higher.zone} is primary of generation ${higher.number} of another volume ${volume}: one of the two was enabled anew`
    : `zone ${higher.zone} was promoted to generation ${higher.number}`;
  const reason = `${found}: volume ${volume}, generation ${generationText(generation)}, is primary here no more`;
  return changed(
    record,
    {
      ...steppedDown,
      trouble: null,
      known: Math.max(record.known, higher.number),
      rival: { generation: higher, at: now },
    },
    reason,
    now,
  );
}

/** It was primary, nobody else can write any more, and everything it wrote is in its own log, which ends with `head`. */
export function decideVolumeSettled(
  record: VolumeRecord | null,
  { volume, head }: { readonly volume: string; readonly head: LogEnd },
  now: number,
): VolumeDecision {
  if (record === null) return unknownVolume(volume);
  if (record.phase !== 'settling') return unchanged(`volume ${volume} is settled`);
  const sequence = Math.max(head.sequence, record.begins);
  return changed(
    record,
    { phase: 'waiting', sequence, segment: head.segment },
    `volume ${volume} ends with record ${sequence} of its own log`,
    now,
  );
}

/** What a promote waits for, for whoever asks why nothing happens. */
export function decideVolumePromoteWaits(
  record: VolumeRecord | null,
  { volume, reason }: { readonly volume: string; readonly reason: string },
  now: number,
): VolumeDecision {
  if (record === null) return unknownVolume(volume);
  return record.promotion === null || record.reason === reason
    ? unchanged(record.reason)
    : changed(record, {}, reason, now);
}

/** Generations that a zone may have missed while it did not hear of the other one. */
const GENERATION_JUMP_MAX = 1_000_000;

/** One such number taken for true would leave none for any promote after it. */
export function isBeyondBelief({ known }: Pick<VolumeRecord, 'known'>, { number }: Generation): boolean {
  return number > known + GENERATION_JUMP_MAX;
}

/** Whether what is told makes this zone step down. What is left there of an earlier life of the volume is no promote of this one. */
export function mustStepDown(record: VolumeRecord, told: Pick<PeerTold, 'generation' | 'role'>): boolean {
  if (record.role !== 'primary' || !isHigher(told.generation, record.generation)) return false;
  return told.role === 'primary' || !isOtherLife(told.generation, record.generation);
}
