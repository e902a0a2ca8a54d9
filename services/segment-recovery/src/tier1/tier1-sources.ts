/** What is left to bring Tier-1 back from. Each source may be missing, older than another, or damaged. */
import type { StoreEntry } from '@salvor/config-store';
import type { FoundHistory } from '@salvor/vdisk';

export type Origin = 'etcd' | 'configuration' | 'chunks' | 'stream' | 'events' | 'engines';

/** `deduced`: as it was at an earlier time, or follows from others; `lower bound`: there may have been more. */
export type Certainty = 'certain' | 'deduced' | 'lower bound' | 'unknown';

/** One fact, where it is from, and what the other sources say. */
export interface Fact {
  readonly fact: string;
  readonly value: string | number | null;
  readonly from: readonly Origin[];
  readonly certainty: Certainty;
  readonly why?: string;
  readonly others?: readonly { readonly from: Origin; readonly value: string | number | null }[];
}

/** The configuration that Tier-2 kept. */
export interface KeptConfiguration {
  readonly path: string;
  /** Of etcd, when it was read from there. */
  readonly revision: bigint;
  /** Milliseconds since 1970 UTC. */
  readonly at: number;
  readonly entries: ReadonlyMap<string, string>;
}

export interface EtcdSource {
  readonly revision: bigint;
  /** All of it. */
  readonly entries: ReadonlyMap<string, StoreEntry>;
}

/** Segments that are in neither tier. Sequences: of the last record before them, and of the first one behind them. */
export interface LostRange {
  readonly from: number;
  readonly to: number;
  readonly after: number;
  /** Null: nothing is behind them. */
  readonly before: number | null;
  readonly why: string;
}

/** The newest or the oldest segment of a source. */
export interface SegmentTrace {
  readonly number: number;
  readonly first: number;
  readonly last: number;
  readonly epoch: number;
  readonly base: number;
  readonly lastAt: number;
}

/** What Tier-2 has of the log of a vdisk. */
export interface ArchiveTrace {
  readonly container: number;
  readonly chunks: number;
  readonly bytes: number;
  /** Numbers of the first and the last segment by the names of the chunks, and the sequence that the last one ends with. */
  readonly from: number;
  readonly to: number;
  readonly last: number;
  /** Of the newest chunk that can be read; null: none can. */
  readonly newest: SegmentTrace | null;
  /** Between chunks, and in the newest one. */
  readonly lost: readonly LostRange[];
}

/** What JetStream still has of it. */
export interface TailTrace {
  readonly container: number;
  readonly oldest: SegmentTrace;
  readonly newest: SegmentTrace;
  /** Between these two. */
  readonly lost: readonly LostRange[];
}

/** What the stream of events says of a vdisk, the newest first. */
export interface VdiskEvents {
  readonly deletedAt: number | null;
  readonly created: {
    readonly at: number;
    readonly type: string;
    readonly sizeGiB: number;
    readonly blockSize: number;
    readonly cluster: string;
    readonly slaveCluster: string | null;
  } | null;
}

export interface EngineTrace {
  readonly address: string;
  readonly db: number;
  readonly cluster: string;
  /** Null: a spare. */
  readonly shard: number | null;
  /** Why it could not be asked; null: it was. */
  readonly trouble: string | null;
  readonly identity: string | null;
  /** By vdisk: the highest epoch that may have written there. */
  readonly epochs: ReadonlyMap<string, bigint | null>;
  /** By vdisk: where it is in its write history, and whether it served alone. */
  readonly histories?: ReadonlyMap<string, FoundHistory>;
  /** The same, asked again once every engine had answered: owners may be writing meanwhile. */
  readonly later?: ReadonlyMap<string, FoundHistory>;
  readonly isComplete: boolean;
  /** Vdisks of which an owner has a link to it. */
  readonly owners?: readonly string[];
}

export interface RecoveryAsked {
  readonly operation: string;
  /** When it began; milliseconds since 1970 UTC, as `since`. */
  readonly at: number;
  /** When the first recovery began that may have written something and has not ended, this one among them; null: there is none. */
  readonly since: number | null;
}

export interface Tier1Sources {
  readonly configuration: KeptConfiguration | null;
  /** Files of configurations that could not be read. */
  readonly damaged: readonly {
    readonly path: string;
    readonly revision: bigint | null;
    readonly what: string;
  }[];
  readonly etcd: EtcdSource;
  /** By vdisk. */
  readonly archives: ReadonlyMap<string, readonly ArchiveTrace[]>;
  readonly tails: ReadonlyMap<string, readonly TailTrace[]>;
  /** Streams of the bus that were not there. */
  readonly lostStreams: readonly string[];
  /** By vdisk; null: the stream of events is gone. */
  readonly events: ReadonlyMap<string, VdiskEvents> | null;
  /** Highest epoch that an event tells of; 0: none. */
  readonly eventEpoch: bigint;
  /** Of the newest configuration in Tier-2, also where the recovery goes by another one; 0: there is none. */
  readonly keptRevision: bigint;
  readonly engines: readonly EngineTrace[];
  /** The operation that asks. */
  readonly asked: RecoveryAsked;
  /** Keys of etcd that differ give way. */
  readonly replace: boolean;
}
