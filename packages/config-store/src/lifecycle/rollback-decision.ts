/** Whether a vdisk may be rolled back now. Pure. */
import type { OperationRecord, OwnerRecord } from '../healing/records.ts';
import { refuse, settledBefore, type VdiskAdmission } from '../healing/vdisk-admission.ts';
import type { RecoveryRecord } from '../recovery/recovery-record.ts';
import { pointText, type RequestedPoint } from '../tlog/log-point.ts';
import type { VdiskLifecycle } from './vdisk-lifecycle.ts';

export interface VdiskRollbackState {
  readonly exists: boolean;
  readonly hasLog: boolean;
  readonly owner: OwnerRecord | null;
  readonly lifecycle: VdiskLifecycle | null;
  /** The latest one of its cluster. */
  readonly recovery: Pick<RecoveryRecord, 'id' | 'status' | 'vdisks'> | null;
  readonly mark: OperationRecord | null;
}

export function decideVdiskRollback(
  state: VdiskRollbackState,
  { vdisk, point }: { readonly vdisk: string; readonly point: RequestedPoint },
  canonical: string,
): VdiskAdmission {
  const settled = settledBefore(state, vdisk, canonical);
  if (settled !== null) return settled;
  if (!state.exists) return refuse('unknown-vdisk', `there is no vdisk ${vdisk}`);
  if (!state.hasLog)
    return refuse('no-log', `vdisk ${vdisk} has no transaction log: what it held before is not known`);
  const { recovery } = state;
  if (recovery?.status === 'prepared' && recovery.vdisks.some((one) => one.vdisk === vdisk))
    return refuse(
      'vdisk-busy',
      `vdisk ${vdisk} has lost blocks, and recovery ${recovery.id} waits for an operator: replay it first ('salvor dr replay'), or bring its engines back`,
    );
  if (state.owner !== null)
    return refuse(
      'vdisk-owned',
      `vdisk ${vdisk} is in use by ${state.owner.server}; disconnect its clients and wait until it is released`,
    );
  return {
    outcome: 'applied',
    code: 'admitted',
    reason: `vdisk ${vdisk} is being brought back to ${pointText(point)}`,
  };
}
