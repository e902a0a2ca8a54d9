/** Whether a vdisk may get another size now. Pure. */
import type { OperationRecord, OwnerRecord } from '../healing/records.ts';
import {
  type AdmittingCluster,
  busyWith,
  refuse,
  repeated,
  sickness,
  type VdiskAdmission,
  vdiskGiBMax,
} from '../healing/vdisk-admission.ts';
import type { VdiskStatic } from '../vdisk-config.ts';
import type { VdiskLifecycle } from './vdisk-lifecycle.ts';

export interface VdiskResizeRequest {
  readonly vdisk: string;
  readonly sizeGiB: number;
  /** A shrink is refused without it. */
  readonly force: boolean;
}

export interface VdiskResizeState {
  readonly static: VdiskStatic | null;
  readonly clusters: readonly AdmittingCluster[];
  readonly owner: OwnerRecord | null;
  readonly lifecycle: VdiskLifecycle | null;
  readonly mark: OperationRecord | null;
  readonly operation: string;
}

/** `look`: nothing is decided until somebody has seen, while nobody can write, that nothing is stored beyond the new end. */
export type VdiskResizeDecision = VdiskAdmission | { readonly outcome: 'look'; readonly reason: string };

/** `isEmptyBeyond`: it was seen under the lock of this operation that nothing is stored beyond the new end. */
export function decideVdiskResize(
  state: VdiskResizeState,
  { vdisk, sizeGiB, force }: VdiskResizeRequest,
  canonical: string,
  isEmptyBeyond = false,
): VdiskResizeDecision {
  const repeat = repeated(state.mark, canonical);
  if (repeat !== null) return repeat;
  if (!Number.isSafeInteger(sizeGiB) || sizeGiB < 1 || sizeGiB > vdiskGiBMax) {
    return refuse('invalid-size', `sizeGiB is a whole number from 1 to ${vdiskGiBMax}, found ${sizeGiB}`);
  }
  const isOurs =
    state.lifecycle?.state === 'resizing' && state.lifecycle.operations.includes(state.operation);
  const fixed = state.static;
  // The copy of a primary that has grown must be able to follow it.
  const isCopyThatGrows = state.lifecycle?.state === 'secondary' && fixed !== null && sizeGiB > fixed.size;
  const busy = isOurs || isCopyThatGrows ? null : busyWith(vdisk, state.lifecycle);
  if (busy !== null) return busy;
  if (fixed === null) return refuse('unknown-vdisk', `there is no vdisk ${vdisk}`);
  if (sizeGiB === fixed.size) {
    return { outcome: 'already', code: 'same-size', reason: `vdisk ${vdisk} has ${sizeGiB} GiB already` };
  }
  const resized = {
    outcome: 'applied',
    code: 'admitted',
    static: { ...fixed, size: sizeGiB },
  } as const;
  if (sizeGiB > fixed.size) {
    const reason = `vdisk ${vdisk} grows from ${fixed.size} to ${sizeGiB} GiB; clients see the new size when they connect again`;
    return { ...resized, reason };
  }
  const shrinks = `vdisk ${vdisk} would shrink from ${fixed.size} to ${sizeGiB} GiB`;
  if (!force) {
    const how =
      'what lies beyond the new end would be lost; with force it is done if nothing is stored there';
    return refuse('shrink-refused', `${shrinks}: ${how}`);
  }
  if (state.owner !== null) {
    const who = `it is in use by ${state.owner.server}`;
    return refuse('vdisk-owned', `${shrinks}, but ${who}: disconnect its clients first`);
  }
  const sick = state.clusters.map(sickness).find((reason) => reason !== null);
  if (sick != null)
    return refuse('cluster-not-healthy', `${shrinks}, and every copy must be looked at: ${sick}`);
  if (!isOurs || !isEmptyBeyond) return { outcome: 'look', reason: shrinks };
  return { ...resized, reason: `vdisk ${vdisk} shrinks from ${fixed.size} to ${sizeGiB} GiB` };
}
