/** Whether a vdisk may be cloned now. Pure. */
import type { OperationRecord, OwnerRecord } from '../healing/records.ts';
import {
  busyWith,
  decideVdiskCreate,
  refuse,
  repeated,
  type VdiskAdmission,
  type VdiskCreateState,
} from '../healing/vdisk-admission.ts';
import { pointText, type RequestedPoint } from '../tlog/log-point.ts';
import type { VdiskNbd, VdiskStatic } from '../vdisk-config.ts';
import type { VdiskLifecycle } from './vdisk-lifecycle.ts';

export interface VdiskCloneRequest {
  readonly source: string;
  /** Id of the new vdisk. */
  readonly vdisk: string;
  /** Default: the clusters of the source. */
  readonly cluster?: string;
  /** Where `cluster` is given, default none. */
  readonly slaveCluster?: string;
  /** An earlier state of the source, from its log. */
  readonly at?: RequestedPoint;
}

export interface CloneSource {
  readonly static: VdiskStatic;
  readonly nbd: VdiskNbd;
}

export interface VdiskCloneState {
  readonly source: CloneSource | null;
  readonly sourceOwner: OwnerRecord | null;
  readonly sourceLifecycle: VdiskLifecycle | null;
  readonly sourceHasLog: boolean;
  /** As for a vdisk that is created. */
  readonly target: Omit<VdiskCreateState, 'mark'>;
  readonly mark: OperationRecord | null;
}

/** Where the clone is to live. */
export function cloneClusters(
  { cluster, slaveCluster }: VdiskCloneRequest,
  { storageClusterID, slaveStorageClusterID }: VdiskNbd,
): { cluster: string; slaveCluster?: string } {
  if (cluster !== undefined && cluster !== storageClusterID) {
    return { cluster, ...(slaveCluster === undefined ? {} : { slaveCluster }) };
  }
  const slave = slaveCluster ?? slaveStorageClusterID;
  return { cluster: storageClusterID, ...(slave === '' ? {} : { slaveCluster: slave }) };
}

export function decideVdiskClone(
  state: VdiskCloneState,
  request: VdiskCloneRequest,
  canonical: string,
): VdiskAdmission {
  const repeat = repeated(state.mark, canonical);
  if (repeat !== null) return repeat;
  const { source, vdisk } = request;
  if (source === vdisk)
    return refuse('vdisk-exists', `vdisk ${vdisk} cannot be cloned into itself; choose another id`);
  const { sourceLifecycle } = state;
  // A log may be read whoever writes it: so the secondary copy of a volume can be looked at.
  const isReadable =
    sourceLifecycle?.state === 'clone-source' ||
    (sourceLifecycle?.state === 'secondary' && request.at !== undefined);
  const busy = isReadable ? null : busyWith(source, sourceLifecycle);
  if (busy !== null) return busy;
  if (state.source === null) return refuse('unknown-vdisk', `there is no vdisk ${source} to clone`);
  const fixed = state.source.static;
  if (fixed.type === 'boot')
    return refuse(
      'type-refused',
      `vdisk ${source} is of type boot, which is not cloned: its content is shared`,
    );
  if (request.at !== undefined && !state.sourceHasLog)
    return refuse('no-log', `vdisk ${source} has no transaction log: what it held before is not known`);
  // A log may be read while it is written.
  if (request.at === undefined && state.sourceOwner !== null && !fixed.readOnly) {
    const who = `vdisk ${source} is in use by ${state.sourceOwner.server}, which may write to it`;
    return refuse(
      'vdisk-owned',
      `${who}: disconnect its clients and wait until it is released, then clone it`,
    );
  }
  const { size: sizeGiB, blockSize, type } = fixed;
  const wanted = {
    vdisk,
    type,
    sizeGiB,
    blockSize,
    readOnly: false,
    ...cloneClusters(request, state.source.nbd),
  };
  const admission = decideVdiskCreate({ ...state.target, mark: null }, wanted, canonical);
  if (admission.static === undefined) return admission;
  const { cluster, slaveCluster } = wanted;
  const where = `${cluster}${slaveCluster === undefined ? '' : ` and ${slaveCluster}`}`;
  return {
    ...admission,
    static: { ...fixed, readOnly: false },
    reason: `vdisk ${source}${request.at === undefined ? '' : `, ${pointText(request.at)},`} is being cloned to vdisk ${vdisk} on ${where}`,
  };
}
