import type { EngineStatus } from '@salvor/config-store';
import type { Bandwidth } from './copy/bandwidth.ts';
import type { RepairTurns } from './copy/repair-turns.ts';
import type { ContentRepairTask } from './deduped/content-repair.ts';
import type { EngineIdentity } from './engine-keys.ts';
import type { EngineLogin } from './engine-login.ts';
import type { EngineError, FencedError } from './errors.ts';
import type { IdleLinkSettings } from './idle-links.ts';
import type { BlockLayout } from './layout/block-layout.ts';
import type { PairLog } from './log/write-log.ts';

/** What etcd says of one member of a pair. */
export interface MemberRecord {
  readonly identity: EngineIdentity;
  readonly address: string;
  readonly db: number;
  readonly status: EngineStatus;
  /** The repair that is due while the status is one of repair. */
  readonly repair: RepairDue | null;
  /** Its pair is being given up, or is already: its blocks go to the other pairs. */
  readonly isSpread?: boolean;
  readonly spread?: SpreadDue | null;
  /** Null while it is online, or where nothing is recorded about it. */
  readonly stale: Staleness | null;
  /** Somebody accepted what it had lost, and it was not repaired since. */
  readonly isLossAccepted?: boolean;
}

/** The repair that is due where the blocks of a lost engine's pair go to the other pairs. */
export interface SpreadDue {
  readonly cluster: string;
  /** The lost engine. */
  readonly address: string;
  readonly incident: string;
  readonly attempt: number;
  /** A completion of this very attempt by an earlier owner is on record. */
  readonly completed: boolean;
  /** Why it is not to go on now: an operator paused healing. */
  readonly paused?: string;
}

export interface RepairDue {
  readonly incident: string;
  readonly attempt: number;
  readonly kind: 'repair-tmp-outage' | 'repair-final-outage';
  /** A completion of this very attempt by an earlier owner is on record. */
  readonly completed: boolean;
  /** Of a spare that failed while it was filled, and is filled again: an earlier attempt had brought it every block. */
  readonly wasRebuilt?: boolean;
  /** Of a spare: the attempt in which it took its place; absent for the first one that is known. */
  readonly spareSince?: number;
  /** Why it is not to go on now: an operator paused healing. */
  readonly paused?: string;
}

/**
 * When etcd recorded, the last time, that an engine no longer takes every write; in revisions of etcd. Both are the same but
 * where that is not known exactly any more.
 */
export interface Staleness {
  /** Not before this. */
  readonly since: number;
  /** Not after this. */
  readonly latest: number;
}

export interface RepairOutcome {
  readonly vdisk: string;
  readonly cluster: string;
  readonly shard: number;
  readonly address: string;
  readonly incident: string;
  readonly attempt: number;
  readonly kind: 'repair-tmp-outage' | 'repair-final-outage';
  /** Blocks in the dirty map when the repair began. */
  readonly dirtyBlocks: number;
  /** Of these, how many were gone through. */
  readonly copiedBlocks: number;
  /** Of these, how many held data that was written to the target. */
  readonly storedBlocks: number;
  readonly repairMs: number;
  readonly reason: string;
}

/** How far a repair that is under way has come. */
export interface RepairState {
  readonly incident: string;
  readonly attempt: number;
  readonly address: string;
  /** Blocks in the dirty map when this try began; of a later try those that are left. */
  readonly total: number;
  /** Of these, how many were gone through. */
  readonly done: number;
  /** Steps of bringing content back that no block map has, in this try. */
  readonly contentSteps: number;
}

/** So that all repairs of a server together are at work for a fifth of the time while clients are. */
export const REPAIR_REST = 4;

export interface PairSettings extends IdleLinkSettings {
  readonly connectTimeoutMs: number;
  readonly commandTimeoutMs: number;
  /** How long a reported failure may stay unrecorded before the owner proposes the transition itself. */
  readonly proposeAfterMs: number;
  /** How long writes are held for etcd to record a failure; then they fail with an I/O error. */
  readonly holdMaxMs: number;
  readonly login?: EngineLogin | undefined;
  /** What repairs may take; unlimited when absent. */
  readonly repairBandwidth?: Bandwidth | undefined;
  /** How long repairs rest behind a step while clients are at work, in times of the step's own; {@link REPAIR_REST} when absent. */
  readonly repairRest?: number | undefined;
  /** How many repairs go on at once; all that are due when absent. */
  readonly repairTurns?: RepairTurns | undefined;
  /** Where engines on this host listen beside TCP: a path in which `{port}` stands for the port. */
  readonly engineSockets?: string | undefined;
}

/** What a pair asks about the lease of its owner. */
export interface LeaseState {
  /** Whether the lease is certainly valid: nobody else can own the vdisk. */
  isOwner(): boolean;
  /** Resolves when it is; rejects with VdiskIoError when it is not within a bound. */
  leaseHeld(): Promise<void>;
}

/** What a pair needs from, and tells, the vdisk it belongs to. */
export interface PairContext {
  readonly vdisk: string;
  readonly epoch: string;
  readonly shard: number;
  /** Servers in the cluster. */
  readonly shards: number;
  readonly layout: BlockLayout;
  /** Bits of the dirty map; more once the vdisk has grown. */
  readonly bits: number;
  readonly settings: PairSettings;
  readonly lease: LeaseState;
  /** The blocks with a bit of the dirty map that are placed on this shard. */
  blocksOfBit(bit: number): number[];
  /** Where content lies beside the blocks of the layout: gives it to a member under repair. Resolves with what it did. */
  readonly repairContent?: ((task: ContentRepairTask) => Promise<string>) | undefined;
  /** How far the blocks of the pair have gone to the others, while they do. */
  readonly spreadState?: (() => RepairState | null) | undefined;
  /** The transaction log of the vdisk; null where it has none. */
  readonly log?: PairLog | null;
  engineFailed(record: MemberRecord, error: EngineError): void;
  /** A repair begins anew: its engine left us waiting for too long, which is no failure yet. */
  repairInterrupted(record: MemberRecord, error: EngineError): void;
  /** An engine refused the login. Ends the ownership when it turns out that no engine of the vdisk lets this server in. */
  loginRefused(error: EngineError): Promise<void>;
  /** Whether etcd itself says, asked now, that the engine was the last of its pair to go: nothing is copied onto it. */
  isLast(record: MemberRecord): Promise<boolean>;
  /** The attempts in which the repair of this vdisk is on record as complete, of an incident that ended too. */
  recordedAttempts(incident: string): Promise<readonly number[]>;
  /** Whether the repair of any vdisk onto this spare is on record. Rejects with StoreError when etcd does not answer. */
  isSpareInUse(repair: RepairDue): Promise<boolean>;
  /**
   * The engine that served last lacks acknowledged writes, and there is nobody to get them from: it is recorded as offline,
   * and held so. Resolves when it is, or cannot be now.
   */
  writesLost(record: MemberRecord, error: EngineError): Promise<void>;
  /** Asks for the transition to offline; the change comes back through `Pair.applyRecords`. */
  proposeOffline(record: MemberRecord, error: EngineError): Promise<void>;
  repairCompleted(outcome: RepairOutcome): void;
  dataUnavailable(shard: number, reason: string): void;
  /** Writes of this shard waited for so long until etcd had a failure on record. */
  writesHeld?(heldMs: number): void;
  /** What was unavailable is so no longer. */
  dataAvailable(shard: number, reason: string): void;
  /** A member holds blocks that do not match their checksums; `lost` are those that nobody holds intact. */
  blocksCorrupt(record: MemberRecord, blocks: readonly number[], lost: readonly number[]): void;
  fenced(error: FencedError): void;
}
