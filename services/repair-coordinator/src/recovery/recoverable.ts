/** How much of what a vdisk has lost its log can bring back. */
import type { RecordedTlog, RecoveryVdisk } from '@salvor/config-store';

export interface VdiskLoss {
  readonly vdisk: string;
  readonly type: string;
  readonly blocks: number;
  readonly counted: boolean;
}

/** What etcd tells of the log; a walk through the log itself may find less. Pure. */
export function decideRecoverable(
  { vdisk, type, blocks, counted }: VdiskLoss,
  log: Omit<RecordedTlog, 'stateRevision'> | null,
): RecoveryVdisk {
  const about = { vdisk, blocks, counted };
  if (type === 'boot') return { ...about, recoverable: 'nothing', why: 'vdisks of type boot have no log' };
  if (log === null) return { ...about, recoverable: 'nothing', why: 'it has no log' };
  const { state } = log;
  return state?.status === 'broken'
    ? { ...about, recoverable: 'part', why: `its log is not whole: ${state.reason}` }
    : { ...about, recoverable: 'all' };
}
