import type { ConfigStore, MountPurpose } from '@salvor/config-store';
import type { Logger } from '@salvor/service-kit';
import type { LogAccess } from './log/write-log.ts';
import type { OwnerIdentity } from './ownership.ts';
import type { PairSettings, RepairOutcome } from './pair-context.ts';

/** What the data plane tells the world; a server turns these into stderr lines, events and metrics. */
export interface VdiskEvents {
  engineFailed(failure: {
    vdisk: string;
    cluster: string;
    shard: number;
    address: string;
    fault: string;
    reason: string;
  }): void;
  repairCompleted(outcome: RepairOutcome): void;
  dataUnavailable(trouble: { vdisk: string; cluster: string; shard: number; reason: string }): void;
  /** What was unavailable is so no longer; not told when the vdisk is given up meanwhile. */
  dataAvailable(relief: { vdisk: string; cluster: string; shard: number; reason: string }): void;
  /** Writes of a shard waited until etcd had the failure of an engine on record, or were given up. */
  writesHeld?(hold: { vdisk: string; shard: number; heldMs: number }): void;
  /** An engine holds blocks that do not match their checksums; of `lost` nobody holds an intact copy. */
  blocksCorrupt(trouble: {
    vdisk: string;
    address: string;
    blocks: readonly number[];
    lost: readonly number[];
  }): void;
  /** The vdisk must not be served any longer; it is unmounted already. */
  ownershipLost(vdisk: string, reason: string): void;
  /** Server `to` wants the vdisk: answer what is under way, then unmount it. Told once. */
  takeoverAsked(vdisk: string, to: string): void;
}

export interface MountSettings extends PairSettings {
  /** Time to live of the owner's lease, in seconds. */
  readonly leaseTtlSeconds: number;
  /** After this long without Tier-1 a transaction log with policy overflow is broken off, in milliseconds. */
  readonly logOverflowAfterMs?: number;
}

export interface MountOptions {
  readonly store: ConfigStore;
  readonly vdisk: string;
  readonly owner: OwnerIdentity;
  readonly settings: MountSettings;
  readonly events: VdiskEvents;
  readonly log: Logger;
  /** Default `clients`: what is still being cloned, or must not change now, is refused. */
  readonly purpose?: MountPurpose;
  /** How transaction logs are written; without it a vdisk that has one is mounted for a restore only. */
  readonly logs?: LogAccess;
}
