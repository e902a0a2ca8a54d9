export {
  type EngineCensus,
  takeCensus,
  type VdiskRemains,
  vdiskOfKey,
} from './census/engine-census.ts';
export { type EnginePlaceOptions, EngineReader } from './census/engine-reader.ts';
export { type EngineTraces, engineTraces, memberHistories } from './census/engine-traces.ts';
export { engineMemory, type Removal, type RemovalOptions, removeVdisk } from './census/vdisk-removal.ts';
export { type VdiskUsage, vdiskUsage } from './census/vdisk-usage.ts';
export { type CloneOptions, type FilledClone, fillClone } from './clone/clone-vdisk.ts';
export { type EnginePosition, LiveImage } from './clone/live-image.ts';
export { Bandwidth } from './copy/bandwidth.ts';
export { warmCopier } from './copy/copier.ts';
export { RepairTurns } from './copy/repair-turns.ts';
export type { VdiskDevice } from './device.ts';
export { EngineControl, identityFault } from './engine-control.ts';
export { type EngineIdentity, identityText, vdiskKeys } from './engine-keys.ts';
export { type EngineLogin, engineLogin, engineLoginSettings } from './engine-login.ts';
export type { ProbeFinding, ProbeOptions, ProbeTarget } from './engine-probe.ts';
export { EngineProbes, PROBE_LINK_AGE_MAX_MS, probeEngine } from './engine-probes.ts';
export {
  ENGINE_ROLES,
  type EnginePermissions,
  type EngineRole,
  enginePermissions,
  engineUsersFile,
} from './engine-users.ts';
export { EngineError, type EngineFault, errno, FencedError, VdiskIoError } from './errors.ts';
export type { Extent } from './extents.ts';
export {
  type CollectionProgress,
  collectGarbage,
  type GarbageCollectionOptions,
  type GarbageCounts,
} from './garbage/collect-garbage.ts';
export { CollectionRefusedError } from './garbage/content-clusters.ts';
export { type BlockLayout, SCAN_START } from './layout/block-layout.ts';
export type { VdiskLog, VdiskLogState } from './log/vdisk-log.ts';
export type { LogAccess, OpenWriteLog, WriteLog, WriteLogCut } from './log/write-log.ts';
export { decideLevelling, type FoundHistory } from './member-history.ts';
export { mountVdisk } from './mount.ts';
export type { MountOptions, MountSettings, VdiskEvents } from './mount-options.ts';
export type { MountedVdisk } from './mounted-vdisk.ts';
export {
  logIsWhole,
  mountForOperation,
  type OperationMount,
  operationMountSettings,
} from './operation-mount.ts';
export { OwnedElsewhereError, type OwnerIdentity, TakenOverElsewhereError } from './ownership.ts';
export type { RepairOutcome, RepairState } from './pair-context.ts';
export { REPAIR_REST } from './pair-context.ts';
export { SCRUB_BEGIN, type ScrubState } from './scrub/vdisk-scrub.ts';
export { lostShardOf } from './spread/lost-shard.ts';
export { type Takeover, TakeoverError, type TakeoverSettings, takeOver } from './takeover.ts';
export type { ShardState } from './vdisk.ts';
export {
  describeVdisk,
  layoutOf,
  VdiskRefusedError,
  volumeConfirmation,
} from './vdisk-description.ts';
export type { StoredBlocks, WholeBlock, WholeBlocks } from './whole-blocks.ts';
