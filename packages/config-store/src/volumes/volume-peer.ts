/** What the other zone tells, and what follows from it. Pure. */

import { sameLink } from './volume-admission.ts';
import {
  generationText,
  isHigher,
  isOtherLife,
  type Relation,
  relationOf,
  type SoughtSegment,
  sameGeneration,
} from './volume-lineage.ts';
import { changed, unchanged, unknownVolume, type VolumeDecision } from './volume-outcome.ts';
import type {
  EndedGeneration,
  Generation,
  LogSegment,
  VolumeLink,
  VolumeMode,
  VolumePhase,
  VolumeRecord,
  VolumeSchedule,
} from './volume-records.ts';
import { isBeyondBelief, mustStepDown, stepDown } from './volume-role.ts';
import { noSync, sameSchedule } from './volume-schedule.ts';
import { overwritten } from './volume-sync.ts';

/** A volume as its other zone describes it; perhaps late, perhaps again. */
export interface PeerTold {
  readonly zone: string;
  readonly role: 'primary' | 'secondary';
  readonly phase: VolumePhase;
  readonly generation: Generation;
  readonly lineage: readonly EndedGeneration[];
  readonly begins: number;
  readonly begun: LogSegment | null;
  readonly sequence: number | null;
  readonly peer: string | null;
  readonly mode: VolumeMode;
  readonly link: VolumeLink;
  readonly schedule: VolumeSchedule | null;
  /** When a promote was asked for there that is not done yet; null: none was. */
  readonly promotionAt: number | null;
}

export interface PeerHearing {
  readonly volume: string;
  readonly zone: string;
  /** What was found out about {@link segmentToSeek}; null: it was not looked for. */
  readonly sought?: SoughtSegment | null;
  /** The promote that was on record before the other zone was asked; null: none was. */
  readonly promotion?: string | null;
}

export function decideVolumePeer(
  record: VolumeRecord | null,
  { volume, zone, sought = null, promotion = null }: PeerHearing,
  told: PeerTold,
  now: number,
): VolumeDecision {
  if (record === null) return unknownVolume(volume);
  if (told.zone !== record.peer) return unchanged(`zone ${told.zone} has no say in volume ${volume}`);
  if (isBeyondBelief(record, told.generation))
    return unchanged(
      `zone ${told.zone} tells generation ${told.generation.number} of volume ${volume}, and ${record.known} is the highest that was heard of: that is not believed`,
    );
  if (mustStepDown(record, told)) return stepDown(record, told.generation, now);
  const heard = hears(record, told, zone, now);
  const kept = withoutPromotion(heard.next ?? record, told, promotion, now);
  const decision = decideContent(kept.next ?? heard.next ?? record, told, zone, sought, now);
  if (decision.outcome === 'applied') return decision;
  return kept.outcome === 'applied' ? kept : heard;
}

/** The segment to look for in this zone's own log before what is told can be decided about; null: none. */
export function segmentToSeek(record: VolumeRecord, told: PeerTold, zone: string): LogSegment | null {
  if (record.role === 'primary' || told.role !== 'primary') return null;
  if (record.phase !== 'waiting' && record.phase !== 'following') return null;
  const relation = relationTo(record, told, zone, null);
  return relation?.kind === 'unproven' ? relation.segment : null;
}

/** A promote that waits for the other zone to be demoted was given up where that zone is promoted instead. */
function withoutPromotion(
  record: VolumeRecord,
  told: PeerTold,
  asked: string | null,
  now: number,
): VolumeDecision {
  const { promotion } = record;
  if (promotion === null || promotion.force || told.role !== 'primary') return unchanged(record.reason);
  // What was told before it was asked for says nothing.
  if (promotion.operation !== asked || isHigher(record.generation, told.generation))
    return unchanged(record.reason);
  const reason = `volume ${record.volume} is not promoted (${promotion.operation}): zone ${told.zone} is primary, generation ${told.generation.number}`;
  return changed(record, { promotion: null }, reason, now);
}

function relationTo(
  { generation, lineage, sequence, segment }: VolumeRecord,
  told: PeerTold,
  zone: string,
  sought: SoughtSegment | null,
): Relation | null {
  if (sequence === null) return null;
  const isOwn = generation.zone === zone;
  return relationOf({ generation, lineage, sequence, segment, isOwn }, told, sought);
}

/** What is remembered of it, whatever follows. */
function hears(record: VolumeRecord, told: PeerTold, zone: string, now: number): VolumeDecision {
  const known = Math.max(record.known, told.generation.number);
  const promotionHeardAt = Math.max(record.promotionHeardAt, told.promotionAt ?? 0);
  const isRival = record.role === 'primary' && told.role === 'primary';
  const rival = isRival
    ? (record.rival ?? { generation: told.generation, at: now })
    : record.role === 'primary'
      ? null
      : record.rival;
  const refused =
    told.role === 'primary' && record.role === 'secondary' && (told.peer !== zone || told.mode === 'none');
  const trouble = refused
    ? record.trouble?.code === 'not-replicated'
      ? record.trouble
      : {
          code: 'not-replicated',
          reason: `zone ${told.zone} does not replicate volume ${record.volume} to zone ${zone}: 'salvor volume replicate ${record.volume} --to ${zone}' there`,
          at: now,
        }
    : record.trouble?.code === 'not-replicated' ||
        (record.trouble?.code === 'vdisk-busy' && record.role === 'primary' && !isRival)
      ? null
      : record.trouble;
  const terms = toldTerms(record, told);
  const isKnown = known === record.known && promotionHeardAt === record.promotionHeardAt;
  if (isKnown && rival === record.rival && trouble === record.trouble && terms === null)
    return unchanged(record.reason);
  const reason = isRival
    ? `zone ${told.zone} is primary as well, generation ${told.generation.number}; it steps down as soon as it hears of this one`
    : (trouble?.reason ?? record.reason);
  return changed(record, { known, promotionHeardAt, rival, trouble, ...terms }, reason, now);
}

/** How a secondary is kept in step: from its primary, and kept when it is promoted; null: as it has it. */
function toldTerms(record: VolumeRecord, told: PeerTold): Partial<VolumeRecord> | null {
  const isFromPrimary = record.role === 'secondary' && told.role === 'primary' && told.mode !== 'none';
  const { generation, link, mode, schedule, sync } = record;
  const isLate = isHigher(generation, told.generation) && !isOtherLife(generation, told.generation);
  if (!isFromPrimary || isLate) return null;
  const isSame = sameSchedule(schedule, told.schedule);
  if (isSame && sameLink(link, told.link) && mode === told.mode) return null;
  const terms = { link: told.link, mode: told.mode, schedule: told.schedule };
  return isSame ? terms : { ...terms, sync: { ...(sync ?? noSync), slotAt: null } };
}

function decideContent(
  record: VolumeRecord,
  told: PeerTold,
  zone: string,
  sought: SoughtSegment | null,
  now: number,
): VolumeDecision {
  if (record.role === 'primary' || told.role !== 'primary') return unchanged(record.reason);
  if (record.trouble?.code === 'not-replicated' || told.peer !== zone) return unchanged(record.reason);
  const adopted = { generation: told.generation, lineage: [...told.lineage] };
  switch (record.phase) {
    case 'serving':
    case 'settling':
    case 'split':
      return unchanged(record.reason);
    case 'copying':
    case 'resyncing': {
      // What was copied so far is compared anew: it is written over either way.
      const isOther =
        isHigher(told.generation, record.generation) || isOtherLife(told.generation, record.generation);
      const reason = `volume ${record.volume} is brought to generation ${generationText(told.generation)}`;
      return isOther ? changed(record, adopted, reason, now) : unchanged(record.reason);
    }
    case 'waiting':
    case 'following':
      break;
  }
  const { generation } = record;
  // It does not know yet that this one was promoted after it, and steps down when it hears of it.
  if (isHigher(generation, told.generation) && !isOtherLife(generation, told.generation))
    return unchanged(record.reason);
  if (record.phase === 'following' && sameGeneration(generation, told.generation))
    return unchanged(record.reason);
  const relation = relationTo(record, told, zone, sought);
  switch (relation?.kind) {
    case undefined:
    case 'unproven':
      return unchanged(record.reason);
    case 'follow':
      return changed(
        record,
        {
          ...adopted,
          ...{ phase: 'following', sequence: relation.sequence, segment: relation.segment },
          ...{ divergence: null, rival: null },
        },
        `volume ${record.volume} follows zone ${told.zone}, generation ${told.generation.number}, behind record ${relation.sequence}`,
        now,
      );
    case 'behind':
      // What is here is complete, and an operator has asked for it.
      if (record.promotion?.force === true) return unchanged(record.reason);
      return changed(
        record,
        { ...overwritten(record, 'copying'), ...adopted, rival: null },
        `volume ${record.volume} is copied from zone ${told.zone}: ${relation.reason}`,
        now,
      );
    case 'split': {
      const { fork, records, reason } = relation;
      const past = records === null ? 'writes' : `${records} records`;
      const why = reason === '' ? '' : ` (${reason})`;
      return changed(
        record,
        { phase: 'split', divergence: { other: told.generation, fork, records, at: now }, rival: null },
        `split brain: volume ${record.volume} has ${past} that zone ${told.zone}, generation ${told.generation.number}, lacks${why}; nothing is dropped until 'salvor volume resync --discard <zone>' names the zone to give up`,
        now,
      );
    }
  }
}
