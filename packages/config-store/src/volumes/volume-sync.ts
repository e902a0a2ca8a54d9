/** How a secondary comes to have what its primary has. Pure. */
import { sameLog, withArrivedCuts, withoutCuts, withReachedCut } from './volume-group.ts';
import { sameGeneration } from './volume-lineage.ts';
import { changed, refuseVolume, unchanged, unknownVolume, type VolumeDecision } from './volume-outcome.ts';
import type {
  Generation,
  KeptState,
  LogEnd,
  ReachedCut,
  ReplicationPoint,
  VolumeCopyState,
  VolumeCut,
  VolumeRecord,
} from './volume-records.ts';
import { decideSchedule, noSync, scheduled } from './volume-schedule.ts';

export type SyncNews =
  /** Everything up to this record of the log that is followed is on the vdisk and in its own log. */
  | ({
      readonly kind: 'applied';
      readonly point: ReplicationPoint | null;
      /** Of a group: the cut that this is; absent: none. */
      readonly reached?: ReachedCut;
    } & LogEnd)
  /** Cuts of its group are whole in this zone, applied or not. */
  | { readonly kind: 'arrived'; readonly cuts: readonly VolumeCut[] }
  /** What is on record as its place may be behind what is on the vdisk: no cut that arrived before counts. */
  | { readonly kind: 'unsettled' }
  /**
   * It goes on without a cut: the volume is at no moment of its group until a later one. `released`: the id of the cut up to which
   * it might go when that was decided; null: there was none.
   */
  | { readonly kind: 'overran'; readonly reason: string; readonly released: string | null }
  /** A copy is about to write: what was there is behind this record of its own log, and was complete up to that one. */
  | ({ readonly kind: 'kept'; readonly own: LogEnd } & LogEnd)
  /** How far a copy is, so that another process goes on there; null: it begins anew. */
  | { readonly kind: 'copying'; readonly copy: VolumeCopyState | null }
  /** A copy is complete with this record. */
  | ({
      readonly kind: 'copied';
      readonly point: ReplicationPoint;
      readonly copy?: VolumeCopyState | null;
    } & LogEnd)
  /** The log does not go on where this zone is: everything is to be compared. */
  | { readonly kind: 'lost-place'; readonly reason: string }
  /** It is time to look whether a run is due. */
  | { readonly kind: 'due' }
  /** The run that is under way goes up to this record. */
  | { readonly kind: 'aimed'; readonly sequence: number }
  /** It is there. */
  | { readonly kind: 'synced'; readonly sequence: number; readonly point: ReplicationPoint | null }
  | { readonly kind: 'trouble'; readonly code: string; readonly reason: string }
  | { readonly kind: 'relief' };

/** @param generation that was followed: what was begun under another one is void */
export function decideVolumeProgress(
  record: VolumeRecord | null,
  { volume, generation }: { readonly volume: string; readonly generation: Generation },
  news: SyncNews,
  now: number,
): VolumeDecision {
  if (record === null) return unknownVolume(volume);
  if (record.role === 'primary' || !sameGeneration(record.generation, generation))
    return refuseVolume(
      'wrong-role',
      `volume ${volume} does not follow generation ${generation.number} of zone ${generation.zone} any more`,
    );
  switch (news.kind) {
    case 'applied': {
      if (record.phase !== 'following' || record.sequence === null)
        return refuseVolume('wrong-role', `volume ${volume} is ${record.phase}`);
      const { sequence, segment } = news;
      // What arrived twice, or late.
      if (sequence < record.sequence) return unchanged(record.reason);
      const isFurther = sequence > record.sequence || (segment?.number ?? 0) > (record.segment?.number ?? 0);
      const point = newerPoint(record.point, news.point);
      const group = withReachedCut(record.group, news.reached ?? null);
      if (!isFurther && point === record.point && group === record.group) return unchanged(record.reason);
      return changed(
        record,
        { sequence, segment: isFurther ? segment : record.segment, point, group },
        record.reason,
        now,
      );
    }
    case 'arrived': {
      const arrived = withArrivedCuts(record, news.cuts);
      return arrived === null ? unchanged(record.reason) : changed(record, arrived, record.reason, now);
    }
    case 'unsettled': {
      const { group } = record;
      if (group === null) return unchanged(record.reason);
      if (group.released !== null && sameLog(group.released.generation, generation))
        return refuseVolume('wrong-role', `volume ${volume} has a cut of its group that all have`);
      if (group.arrived.length === 0) return unchanged(record.reason);
      return changed(record, { group: { ...group, arrived: [] } }, record.reason, now);
    }
    case 'overran': {
      const { group, promotion } = record;
      if (group === null) return unchanged(record.reason);
      if (record.phase !== 'following' || promotion?.force === true)
        return refuseVolume('wrong-role', `volume ${volume} does not go on: it is ${record.phase}`);
      if ((group.released?.id ?? null) !== news.released)
        return refuseVolume('wrong-role', `volume ${volume} may go up to another cut of its group by now`);
      if (group.released === null && group.arrived.length === 0 && group.reason === news.reason)
        return unchanged(record.reason);
      const next = { ...group, arrived: [], released: null, reason: news.reason };
      return changed(record, { group: next }, record.reason, now);
    }
    case 'kept': {
      const { kept } = record;
      if (kept === null || kept.ownSequence !== null)
        return refuseVolume('wrong-role', `volume ${volume} has nothing that is written over now`);
      const { sequence, segment, own } = news;
      const place = { ownSequence: own.sequence, ownSegment: own.segment };
      return changed(record, { kept: { ...kept, sequence, segment, ...place } }, record.reason, now);
    }
    case 'copying': {
      if (!isCopied(record)) return refuseVolume('wrong-role', `volume ${volume} is ${record.phase}`);
      // What was there before is brought back by it: what was copied is written over.
      if (record.promotion?.force === true) return unchanged(record.reason);
      return changed(record, { copy: news.copy }, record.reason, now);
    }
    case 'copied': {
      if (!isCopied(record)) return refuseVolume('wrong-role', `volume ${volume} is ${record.phase}`);
      const reason = `volume ${volume} is complete, and follows zone ${generation.zone} behind record ${news.sequence}`;
      const { sequence, segment, point, copy = null } = news;
      return changed(
        record,
        {
          copy,
          ...{ phase: 'following', sequence, segment, point: newerPoint(record.point, point), kept: null },
          ...{ divergence: null, trouble: null, rival: null, group: withoutCuts(record.group) },
        },
        reason,
        now,
      );
    }
    case 'lost-place': {
      // What is here is complete; an operator who wants it as it is gets it.
      if (record.phase !== 'following' || record.promotion?.force === true) return unchanged(record.reason);
      const reason = `volume ${volume} is compared with zone ${generation.zone}: ${news.reason}`;
      return changed(record, overwritten(record, 'copying'), reason, now);
    }
    case 'due': {
      const { schedule, sync, phase } = record;
      if (schedule === null || phase !== 'following') return unchanged(record.reason);
      const before = sync ?? noSync;
      const decision = decideSchedule(schedule, before, now);
      return decision.kind === 'wait'
        ? unchanged(record.reason)
        : changed(record, { sync: scheduled(before, decision, now) }, record.reason, now);
    }
    case 'aimed': {
      const { sync } = record;
      if (sync === null || aimOf(record) !== 'unknown') return unchanged(record.reason);
      const run = sync.run && { ...sync.run, target: { generation, sequence: news.sequence } };
      return changed(record, { sync: { ...sync, run } }, record.reason, now);
    }
    case 'synced': {
      const { sync, point } = record;
      if (sync === null || sync.run === null) return unchanged(record.reason);
      const { slotAt, beganAt } = sync.run;
      const last = { slotAt, beganAt, endedAt: now, sequence: news.sequence };
      return changed(
        record,
        { sync: { ...sync, run: null, runs: sync.runs + 1, last }, point: newerPoint(point, news.point) },
        `volume ${volume} has what zone ${generation.zone} had up to record ${news.sequence}`,
        now,
      );
    }
    case 'trouble': {
      const { code, reason } = news;
      if (record.trouble?.code === code && record.trouble.reason === reason) return unchanged(record.reason);
      return changed(record, { trouble: { code, reason, at: now } }, reason, now);
    }
    case 'relief':
      return record.trouble === null || record.trouble.code === 'not-replicated'
        ? unchanged(record.reason)
        : changed(record, { trouble: null }, `volume ${volume} goes on`, now);
  }
}

/** Up to which record the run under way goes; `none`: there is none; `unknown`: the primary is to be asked. */
export function aimOf({
  sync,
  generation,
}: Pick<VolumeRecord, 'sync' | 'generation'>): number | 'none' | 'unknown' {
  if (sync === null || sync.run === null) return 'none';
  const { target } = sync.run;
  return target !== null && sameGeneration(target.generation, generation) ? target.sequence : 'unknown';
}

function isCopied({ phase }: VolumeRecord): boolean {
  return phase === 'copying' || phase === 'resyncing';
}

/** What a complete state becomes that is about to be written over: it stays in this zone's own log. */
export function overwritten(
  record: VolumeRecord,
  phase: 'copying' | 'resyncing',
): Pick<VolumeRecord, 'phase' | 'sequence' | 'segment' | 'promotion' | 'kept' | 'copy'> {
  const { generation, lineage, sequence, segment } = record;
  const kept: KeptState | null =
    sequence === null
      ? record.kept
      : { generation, lineage, sequence, segment, ownSequence: null, ownSegment: null };
  return { phase, sequence: null, segment: null, promotion: null, kept, copy: null };
}

/** Numbers of points count under their generation. */
function newerPoint(known: ReplicationPoint | null, news: ReplicationPoint | null): ReplicationPoint | null {
  if (news === null || known === null) return news ?? known;
  return sameGeneration(known.generation, news.generation) && news.number <= known.number ? known : news;
}

/** @param discard the zone whose writes past the fork are given up; null: none are */
export function decideVolumeResync(
  record: VolumeRecord | null,
  {
    volume,
    zone,
    discard,
  }: { readonly volume: string; readonly zone: string; readonly discard: string | null },
  now: number,
): VolumeDecision {
  if (record === null) return unknownVolume(volume);
  if (record.promotion?.force === true)
    return refuseVolume(
      'wrong-role',
      `volume ${volume} is being promoted by operation ${record.promotion.operation}`,
    );
  if (record.role === 'primary')
    return refuseVolume(
      'wrong-role',
      `volume ${volume} is primary in zone ${zone}: resync is ordered in the zone whose content is replaced`,
    );
  if (discard !== null && discard !== zone)
    return refuseVolume(
      'wrong-zone',
      `to give up the writes of zone ${discard}, order the resync there; this is zone ${zone}`,
    );
  switch (record.phase) {
    case 'split': {
      if (discard === null)
        return refuseVolume(
          'split-brain',
          `volume ${volume} has writes that no other zone has; 'salvor volume resync ${volume} --discard ${zone}' gives them up`,
        );
      const other = record.divergence?.other ?? record.generation;
      const reason = `volume ${volume} gives up ${record.divergence?.records ?? 'its'} records of zone ${zone} past the fork, and is brought to what zone ${other.zone} has`;
      return changed(record, overwritten(record, 'resyncing'), reason, now);
    }
    case 'copying':
    case 'resyncing':
      return unchanged(`volume ${volume} is being brought to what zone ${record.peer} has`);
    case 'serving':
    case 'settling':
    case 'waiting':
      return refuseVolume(
        'not-settled',
        `volume ${volume} is ${record.phase}: whether it has writes of its own that zone ${record.peer} lacks is not known before that zone was asked`,
      );
    case 'following':
      return changed(
        record,
        overwritten(record, 'copying'),
        `volume ${volume} is compared with what zone ${record.peer} has`,
        now,
      );
  }
}
