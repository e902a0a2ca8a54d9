import type { RepairRecordResult } from '@salvor/config-store';

export type RecordingStep = 'recorded' | 'unwanted' | 'again';

/**
 * What an owner that still holds its vdisk does after it tried to put a finished repair on record. A lease that ran out takes
 * the owner key with it, until the owner has taken the vdisk again or is told that it is over: that the key is not there now
 * says nothing about the repair. Whoever gave up then would own a vdisk whose repair nobody records.
 */
export function decideRecordingStep({
  outcome,
  code,
}: Pick<RepairRecordResult, 'outcome' | 'code'>): RecordingStep {
  if (outcome === 'conflict' || code === 'not-owner') return 'again';
  return outcome === 'refused' ? 'unwanted' : 'recorded';
}
