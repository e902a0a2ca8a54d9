/** What a decision about a volume comes to. */
import type { VolumeRecord } from './volume-records.ts';

export type VolumeCode =
  | 'decided'
  | 'same-operation'
  | 'operation-reused'
  | 'as-it-was'
  | 'invalid-volume-id'
  | 'unknown-volume'
  | 'unknown-vdisk'
  | 'unknown-zone'
  | 'volume-exists'
  | 'vdisk-busy'
  | 'vdisk-owned'
  | 'vdisk-taken'
  | 'no-log'
  | 'invalid-link'
  | 'invalid-schedule'
  | 'wrong-role'
  | 'wrong-zone'
  | 'not-complete'
  | 'not-consistent'
  | 'not-settled'
  | 'split-brain'
  | 'peer-is-primary'
  | 'peer-unreachable'
  | 'conflict';

export interface VolumeDecision {
  readonly outcome: 'applied' | 'already' | 'refused';
  readonly code: VolumeCode;
  /** A sentence for the log and the operator. */
  readonly reason: string;
  /** Of `applied`: what the volume is from now on; null: it is one no more. */
  readonly next?: VolumeRecord | null;
}

export function refuseVolume(code: VolumeCode, reason: string): VolumeDecision {
  return { outcome: 'refused', code, reason };
}

export function unchanged(reason: string): VolumeDecision {
  return { outcome: 'already', code: 'as-it-was', reason };
}

export function changed(
  before: VolumeRecord,
  change: Partial<VolumeRecord>,
  reason: string,
  now: number,
): VolumeDecision {
  return {
    outcome: 'applied',
    code: 'decided',
    reason,
    next: { ...before, ...change, reason, changedAt: now },
  };
}

export function unknownVolume(volume: string): VolumeDecision {
  return refuseVolume(
    'unknown-volume',
    `there is no volume ${volume} in this zone; 'salvor volume enable' makes a vdisk one`,
  );
}
