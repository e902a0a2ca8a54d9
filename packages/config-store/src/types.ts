import type { TlsMaterial } from '@salvor/service-kit';

/** The public shapes of the store. Revisions are decimal strings beyond 2^53: compare them with BigInt, never with `<`. */

export interface StoreEntry {
  readonly key: string;
  readonly value: string;
  /** Revision of the last change of this key. */
  readonly revision: string;
  readonly createRevision: string;
  /** Id of the lease that the key lives under, or null. */
  readonly lease: string | null;
}

/** A condition of a transaction: the key's last change, its absence, or the change that created it. */
export type Compare =
  | { readonly key: string; readonly revision: string | 'absent' }
  | { readonly key: string; readonly createRevision: string };

export interface Put {
  readonly key: string;
  readonly value: string;
  /** Lease id; without one the key stays until deleted, even if it had a lease before. */
  readonly lease?: string;
}

export interface Transaction {
  /** All must hold. At most 128 conditions, and 128 puts and deletes. */
  readonly compare: readonly Compare[];
  readonly puts?: readonly Put[];
  readonly deletes?: readonly string[];
}

export type TransactionResult =
  | { readonly ok: true; readonly revision: string }
  | {
      readonly ok: false;
      /** Store revision at which the conditions did not hold. */
      readonly revision: string;
      /** What every compared key holds at that revision; null = absent. */
      readonly current: ReadonlyMap<string, StoreEntry | null>;
    };

export interface Snapshot {
  /** Store revision at which all entries were read. */
  readonly revision: string;
  /** One for each asked key; null = absent. */
  readonly entries: ReadonlyMap<string, StoreEntry | null>;
}

export interface Listing {
  readonly revision: string;
  /** In key order. */
  readonly entries: readonly StoreEntry[];
}

/** Keys from `from` (inclusive) to `to` (exclusive, null = no end), in byte order. */
export interface KeyRange {
  readonly from: string;
  readonly to: string | null;
}

export interface WatchSelection {
  readonly keys?: readonly string[];
  readonly prefixes?: readonly string[];
}

export interface Change {
  readonly key: string;
  /** null = deleted. */
  readonly entry: StoreEntry | null;
  /** What the watch knew before; null = absent. */
  readonly previous: StoreEntry | null;
}

/**
 * The first batch is `initial` and holds every existing entry (possibly none). Later ones hold real changes only, each
 * key in order. After an outage several changes of one key may be folded into the last.
 */
export interface ChangeBatch {
  readonly kind: 'initial' | 'change';
  readonly revision: string;
  readonly changes: readonly Change[];
}

export interface Watch {
  /** The watched entries as last delivered. */
  entries(): ReadonlyMap<string, StoreEntry>;
  /** Monotonic time (`performance.now()`) at which etcd last proved that nothing was missed. */
  confirmedAtMs(): number;
  close(): void;
}

/** `valid`: etcd confirmed it within its time to live; `doubt`: not confirmed in time; `lost` and `closed` are final. */
export type LeaseState = 'valid' | 'doubt' | 'lost' | 'closed';

export interface Lease {
  readonly id: string;
  readonly ttlMs: number;
  state(): LeaseState;
  /** Monotonic time (`performance.now()`) until which etcd cannot have expired the lease; counted from when the last
   * confirmed keep-alive was SENT. */
  validUntilMs(): number;
  /** Whether the lease holds for at least `marginMs` from now. */
  isValid(marginMs?: number): boolean;
  /** Called when validity ran out unconfirmed. etcd may still hold the lease: `onRestored` or `onLost` follows. */
  onDoubt(listener: () => void): void;
  /** Called when a lease in doubt was confirmed: it never expired, so keys under it were never free. */
  onRestored(listener: () => void): void;
  /** Called once, when etcd says that the lease is gone. */
  onLost(listener: (reason: string) => void): void;
  /** Ends the lease and deletes its keys. Without an answer within the deadline the lease expires by itself. */
  revoke(): Promise<void>;
  /** Stops keeping the lease alive; it expires by itself. */
  release(): void;
}

/** What can be read, each time as it is then. */
export interface StoreReader {
  get(key: string): Promise<StoreEntry | null>;
  /** Reads up to 128 keys at one revision. */
  getMany(keys: readonly string[]): Promise<Snapshot>;
  /** Every entry whose key starts with `prefix`, at one revision. */
  list(prefix: string): Promise<Listing>;
  /** The keys of a range, without their values. */
  listKeys(range: KeyRange): Promise<string[]>;
}

export interface ConfigStore extends StoreReader {
  /**
   * A reader of one revision: whatever it reads is as it was at its first read, so that what is told by several keys fits
   * together. For reads that follow each other at once: etcd forgets old revisions, and then its reads reject with StoreError
   * `compacted`.
   */
  snapshot(): StoreReader;
  /**
   * A key as it was at a revision; null = absent then.
   *
   * @throws StoreError `compacted` when etcd has forgotten that revision, `future-revision` when it has not reached it
   */
  getAt(key: string, revision: string): Promise<StoreEntry | null>;
  /**
   * Applies all puts and deletes, or nothing. A transaction whose answer was lost is tried again and recognised by the
   * values it wrote, so its values should be unlike anyone else's (an operation id, a lease).
   */
  transact(transaction: Transaction): Promise<TransactionResult>;
  /** Resolves once the initial batch was delivered; from then on the watch outlives restarts, hangs and compaction. */
  watch(selection: WatchSelection, onChange: (batch: ChangeBatch) => void): Promise<Watch>;
  grantLease(ttlSeconds: number): Promise<Lease>;
  close(): void;
}

/** The part of a logger that the store uses. */
export interface StoreLog {
  info(fields: Readonly<Record<string, unknown>>, msg: string): void;
  warn(fields: Readonly<Record<string, unknown>>, msg: string): void;
}

export interface StoreOptions {
  /** `host:port` */
  readonly endpoints: readonly string[];
  /** With it, links to etcd are TLS. */
  readonly tls?: TlsMaterial | undefined;
  readonly log?: StoreLog;
  /** Bound of every call, retries included. Default 5000. */
  readonly callTimeoutMs?: number;
  /** How often a watch checks that it missed nothing. Default 2000. */
  readonly watchAuditIntervalMs?: number;
}
