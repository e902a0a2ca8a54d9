/** Whether a vdisk may be exported now, and from where. Pure. */
import type { OperationRecord, OwnerRecord } from '../healing/records.ts';
import { refuse, settledBefore, type VdiskAdmission } from '../healing/vdisk-admission.ts';
import { pointText, type RequestedPoint } from '../tlog/log-point.ts';
import type { VdiskStatic } from '../vdisk-config.ts';
import type { VdiskLifecycle } from './vdisk-lifecycle.ts';

export interface VdiskExportRequest {
  readonly vdisk: string;
  /** Path of the file in Tier-2. */
  readonly path: string;
  /** A state of the vdisk in its log; absent: what it holds now. */
  readonly point?: RequestedPoint;
}

export interface VdiskExportState {
  readonly static: VdiskStatic | null;
  readonly hasLog: boolean;
  readonly owner: OwnerRecord | null;
  readonly lifecycle: VdiskLifecycle | null;
  readonly mark: OperationRecord | null;
}

/** A vdisk with a log is read from it, whoever writes; one without from its engines, while nobody does. */
export function decideVdiskExport(
  state: VdiskExportState,
  { vdisk, path, point }: VdiskExportRequest,
  canonical: string,
): VdiskAdmission {
  const settled = settledBefore(state, vdisk, canonical);
  if (settled !== null) return settled;
  const { static: fixed, hasLog, owner } = state;
  if (fixed === null) return refuse('unknown-vdisk', `there is no vdisk ${vdisk}`);
  if (fixed.type === 'boot')
    return refuse(
      'type-refused',
      `vdisk ${vdisk} is of type boot, which is not exported: its content is shared`,
    );
  if (point !== undefined && !hasLog)
    return refuse('no-log', `vdisk ${vdisk} has no transaction log: what it held before is not known`);
  if (!hasLog && owner !== null)
    return refuse(
      'vdisk-owned',
      `vdisk ${vdisk} is in use by ${owner.server} and has no transaction log that it could be read from: disconnect its clients and wait until it is released, or give it a log ('salvor tlog enable ${vdisk}')`,
    );
  const what = point === undefined ? `vdisk ${vdisk}` : `vdisk ${vdisk}, ${pointText(point)},`;
  const from = hasLog ? '' : ', from its engines';
  return { outcome: 'applied', code: 'admitted', reason: `${what} is being exported to ${path}${from}` };
}
