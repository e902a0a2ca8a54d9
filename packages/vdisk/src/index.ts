export { EngineControl, identityFault } from './engine-control.ts';
export { type EngineIdentity, identityText, vdiskKeys } from './engine-keys.ts';
export { EngineError, type EngineFault, errno, FencedError, VdiskIoError } from './errors.ts';
export type { Extent } from './extents.ts';
export {
  describeVdisk,
  type MountedVdisk,
  type MountOptions,
  type MountSettings,
  mountVdisk,
  type VdiskEvents,
  VdiskRefusedError,
} from './mount.ts';
export { OwnedElsewhereError, type OwnerIdentity } from './ownership.ts';
export type { RepairOutcome } from './pair-context.ts';
export type { ShardState, Vdisk } from './vdisk.ts';
