import type { VolumeRecord, VolumeSight } from '@salvor/config-store';
import type { Measured } from './etcd-measures.ts';

export interface VolumeKept {
  readonly record: VolumeRecord;
  /** Some replication-manager keeps it in step. */
  readonly isKept: boolean;
  /** What that one saw last. */
  readonly sight: VolumeSight | null;
}

/** @param now in milliseconds; where clocks of zones differ, so does what a secondary is behind */
export function volumeSamples(volumes: readonly VolumeKept[], now: number): Measured {
  const secondaries = volumes.filter(({ record }) => record.role === 'secondary');
  return {
    salvor_volumes: volumes.map(({ record: { volume, role, phase } }) => [{ volume, role, phase }, 1]),
    salvor_volume_managers: volumes.map(({ record, isKept }) => [{ volume: record.volume }, isKept ? 1 : 0]),
    salvor_volume_rpo_seconds: secondaries.flatMap((kept) => {
      const rpo = rpoSeconds(kept, now);
      return rpo === null ? [] : [[{ volume: kept.record.volume }, rpo] as const];
    }),
    salvor_volume_schedule_interval_seconds: secondaries.map(({ record: { volume, schedule } }) => [
      { volume },
      (schedule?.everyMs ?? 0) / 1_000,
    ]),
    salvor_volume_arrived_bytes: secondaries.flatMap(({ record: { volume }, sight }) =>
      sight === null ? [] : [[{ volume }, sight.bytes] as const],
    ),
    salvor_volume_peer_reachable: volumes.flatMap(({ record: { volume }, sight }) =>
      sight === null ? [] : [[{ volume }, sight.reachable ? 1 : 0] as const],
    ),
    salvor_volume_split_brain: volumes.map(({ record: { volume, phase, rival } }) => [
      { volume },
      phase === 'split' || rival !== null ? 1 : 0,
    ]),
  };
}

/** Null where there is no complete copy, or nobody says how old it is. */
function rpoSeconds({ record: { schedule, sync, sequence }, sight }: VolumeKept, now: number): number | null {
  if (sequence === null || sight === null) return null;
  if (schedule !== null && sync?.last != null) return Math.max(0, now - sync.last.beganAt) / 1_000;
  if (sight.level) return 0;
  return sight.writtenAt === 0 ? null : Math.max(0, now - sight.writtenAt) / 1_000;
}
