/** Whether a vdisk may gain or lose a transaction log now. Pure. */
import type { OperationRecord } from '../healing/records.ts';
import { refuse, settledBefore, type VdiskAdmission } from '../healing/vdisk-admission.ts';
import type { VdiskLifecycle } from '../lifecycle/vdisk-lifecycle.ts';
import type { VdiskStatic } from '../vdisk-config.ts';
import { tlogHindrance } from './tlog-hindrance.ts';
import type { TlogConfig, TlogPolicy } from './tlog-records.ts';

export interface TlogAdmissionState {
  readonly static: VdiskStatic | null;
  readonly lifecycle: VdiskLifecycle | null;
  readonly config: TlogConfig | null;
  readonly mark: OperationRecord | null;
}

/** A policy may be changed while the log goes on. */
export function decideTlogEnable(
  state: TlogAdmissionState,
  { vdisk, policy }: { readonly vdisk: string; readonly policy: TlogPolicy },
  canonical: string,
): VdiskAdmission {
  const settled = settledBefore(state, vdisk, canonical);
  if (settled !== null) return settled;
  if (state.static === null) return refuse('unknown-vdisk', `there is no vdisk ${vdisk}`);
  const hindrance = tlogHindrance(vdisk, state.static.type);
  if (hindrance !== null) return refuse('log-refused', hindrance);
  if (state.config === null)
    return {
      outcome: 'applied',
      code: 'admitted',
      reason: `vdisk ${vdisk} gets a transaction log; it can be restored from it once its owner has written every block there`,
    };
  if (state.config.policy === policy)
    return {
      outcome: 'already',
      code: 'log-there',
      reason: `vdisk ${vdisk} has a transaction log with policy ${policy} already`,
    };
  return {
    outcome: 'applied',
    code: 'admitted',
    reason: `the transaction log of vdisk ${vdisk} has policy ${policy} from now on, ${state.config.policy} until now`,
  };
}

export function decideTlogDisable(
  state: TlogAdmissionState,
  vdisk: string,
  canonical: string,
): VdiskAdmission {
  const settled = settledBefore(state, vdisk, canonical);
  if (settled !== null) return settled;
  if (state.static === null) return refuse('unknown-vdisk', `there is no vdisk ${vdisk}`);
  if (state.config === null)
    return { outcome: 'already', code: 'no-log', reason: `vdisk ${vdisk} has no transaction log` };
  return {
    outcome: 'applied',
    code: 'admitted',
    reason: `vdisk ${vdisk} has no transaction log any more; what is archived of it stays`,
  };
}
