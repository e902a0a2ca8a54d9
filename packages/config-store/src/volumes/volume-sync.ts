/** How a secondary comes to have what its primary has. Pure. */
import { sameGeneration } from './volume-lineage.ts';
import { changed, refuseVolume, unchanged, unknownVolume, type VolumeDecision } from './volume-outcome.ts';
import type { Generation, ReplicationPoint, VolumeRecord } from './volume-records.ts';

export type SyncNews =
  /** Everything up to this record of the log that is followed is on the vdisk and in its own log. */
  | { readonly kind: 'applied'; readonly sequence: number; readonly point: ReplicationPoint | null }
  /** A copy is complete with this record. */
  | { readonly kind: 'copied'; readonly sequence: number; readonly point: ReplicationPoint }
  /** The log does not go on where this zone is: everything is to be compared. */
  | { readonly kind: 'lost-place'; readonly reason: string }
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
      if (news.sequence <= record.sequence && news.point === null) return unchanged(record.reason);
      const sequence = Math.max(record.sequence, news.sequence);
      const point =
        news.point === null || news.point.number <= (record.point?.number ?? 0) ? record.point : news.point;
      return changed(record, { sequence, point }, record.reason, now);
    }
    case 'copied': {
      if (record.phase !== 'copying' && record.phase !== 'resyncing')
        return refuseVolume('wrong-role', `volume ${volume} is ${record.phase}`);
      const reason = `volume ${volume} is complete, and follows zone ${generation.zone} behind record ${news.sequence}`;
      const { sequence, point } = news;
      return changed(
        record,
        { phase: 'following', sequence, point, divergence: null, trouble: null, rival: null },
        reason,
        now,
      );
    }
    case 'lost-place': {
      if (record.phase !== 'following') return unchanged(record.reason);
      const reason = `volume ${volume} is compared with zone ${generation.zone}: ${news.reason}`;
      return changed(record, { phase: 'copying', sequence: null, promotion: null }, reason, now);
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
      return changed(record, { phase: 'resyncing', sequence: null, promotion: null }, reason, now);
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
        { phase: 'copying', sequence: null, promotion: null },
        `volume ${volume} is compared with what zone ${record.peer} has`,
        now,
      );
  }
}
