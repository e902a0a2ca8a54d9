/** What the other zone tells, and what follows from it. Pure. */
import { generationText, isHigher, relationOf, sameGeneration } from './volume-lineage.ts';
import { changed, unchanged, unknownVolume, type VolumeDecision } from './volume-outcome.ts';
import type { EndedGeneration, Generation, VolumeMode, VolumePhase, VolumeRecord } from './volume-records.ts';
import { mustStepDown, stepDown } from './volume-role.ts';

/** A volume as its other zone describes it; perhaps late, perhaps again. */
export interface PeerTold {
  readonly zone: string;
  readonly role: 'primary' | 'secondary';
  readonly phase: VolumePhase;
  readonly generation: Generation;
  readonly lineage: readonly EndedGeneration[];
  readonly begins: number;
  readonly sequence: number | null;
  readonly peer: string | null;
  readonly mode: VolumeMode;
}

export function decideVolumePeer(
  record: VolumeRecord | null,
  { volume, zone }: { readonly volume: string; readonly zone: string },
  told: PeerTold,
  now: number,
): VolumeDecision {
  if (record === null) return unknownVolume(volume);
  if (told.zone !== record.peer) return unchanged(`zone ${told.zone} has no say in volume ${volume}`);
  if (mustStepDown(record, told)) return stepDown(record, told.generation, now);
  const heard = hears(record, told, zone, now);
  const decision = decideContent(heard.next ?? record, told, zone, now);
  return decision.outcome === 'applied' ? decision : heard;
}

/** What is remembered of it, whatever follows. */
function hears(record: VolumeRecord, told: PeerTold, zone: string, now: number): VolumeDecision {
  const known = Math.max(record.known, told.generation.number);
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
    : record.trouble?.code === 'not-replicated'
      ? null
      : record.trouble;
  if (known === record.known && rival === record.rival && trouble === record.trouble)
    return unchanged(record.reason);
  const reason = isRival
    ? `zone ${told.zone} is primary as well, generation ${told.generation.number}; it steps down as soon as it hears of this one`
    : (trouble?.reason ?? record.reason);
  return changed(record, { known, rival, trouble }, reason, now);
}

function decideContent(record: VolumeRecord, told: PeerTold, zone: string, now: number): VolumeDecision {
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
      const isOther = isHigher(told.generation, record.generation);
      const reason = `volume ${record.volume} is brought to generation ${generationText(told.generation)}`;
      return isOther ? changed(record, adopted, reason, now) : unchanged(record.reason);
    }
    case 'waiting':
    case 'following':
      break;
  }
  const { sequence, generation, lineage } = record;
  if (sequence === null) return unchanged(record.reason);
  // It does not know yet that this one was promoted after it, and steps down when it hears of it.
  if (isHigher(generation, told.generation)) return unchanged(record.reason);
  if (record.phase === 'following' && sameGeneration(generation, told.generation))
    return unchanged(record.reason);
  const relation = relationOf({ generation, lineage, sequence }, told);
  switch (relation.kind) {
    case 'follow':
      return changed(
        record,
        { ...adopted, phase: 'following', sequence: relation.sequence, divergence: null, rival: null },
        `volume ${record.volume} follows zone ${told.zone}, generation ${told.generation.number}, behind record ${relation.sequence}`,
        now,
      );
    case 'behind':
      return changed(
        record,
        { ...adopted, phase: 'copying', sequence: null, promotion: null, rival: null },
        `volume ${record.volume} is copied from zone ${told.zone}: ${relation.reason}`,
        now,
      );
    case 'split': {
      const { fork, records } = relation;
      const past = records === null ? 'writes' : `${records} records`;
      const reason = `split brain: volume ${record.volume} has ${past} that zone ${told.zone}, generation ${told.generation.number}, lacks; nothing is dropped until 'salvor volume resync --discard <zone>' names the zone to give up`;
      return changed(
        record,
        { phase: 'split', divergence: { other: told.generation, fork, records, at: now }, rival: null },
        reason,
        now,
      );
    }
  }
}
