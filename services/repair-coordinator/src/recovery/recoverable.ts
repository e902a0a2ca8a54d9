/** How much of what a vdisk has lost its log can bring back. */
import type { RecoveryVdisk } from '@salvor/config-store';
import type { KnownLog } from './known-log.ts';

export interface VdiskLoss {
  readonly vdisk: string;
  readonly type: string;
  readonly blocks: number;
  readonly counted: boolean;
}

/** What etcd tells of the log; a walk through the log itself may find less. Pure. */
export function decideRecoverable({ vdisk, type, blocks, counted }: VdiskLoss, log: KnownLog): RecoveryVdisk {
  const about = { vdisk, blocks, counted };
  if (type === 'boot') return { ...about, recoverable: 'nothing', why: 'vdisks of type boot have no log' };
  switch (log.status) {
    case 'none':
      return { ...about, recoverable: 'nothing', why: 'it has no log' };
    case 'broken':
      return { ...about, recoverable: 'part', why: `its log is not whole: ${log.reason}` };
    case 'whole':
      return { ...about, recoverable: 'all' };
  }
}
