/** What keeps the copies of a volume in two zones, whatever does the copying. Each driver stands in one zone and acts there. */

/** `instant`: each write follows; `one-time`: one point, done; `periodic`: points on a schedule. */
export const replicationModes = ['instant', 'one-time', 'periodic'] as const;
export type ReplicationMode = (typeof replicationModes)[number];

/** In what drivers differ, so that plans differ and not the code that runs them. */
export interface DriverCapabilities {
  readonly name: 'native' | 'rbd';
  readonly modes: readonly ReplicationMode[];
  /** A resync moves what differs, and the volume stays readable; otherwise it is deleted and copied whole. */
  readonly deltaResync: boolean;
  readonly groups: boolean;
  readonly ackPolicies: readonly ('async' | 'semi-sync' | 'sync')[];
  /** What a forced promote does while a point is arriving. */
  readonly promoteMidSync: 'safe' | 'clone-only';
  /** Points are taken by order. */
  readonly points: boolean;
  readonly testClones: boolean;
  /** Runs its own schedule of points. */
  readonly schedules: boolean;
}

export type DriverVerb =
  | 'enable'
  | 'detach'
  | 'take-point'
  | 'promote'
  | 'demote'
  | 'resync'
  | 'test-clone'
  | 'remove-clone';

/**
 * An order and how far it is. `waiting`: nothing to do here before something else happens, `reason` says what; `unknown`:
 * what was called may or may not have happened, it is not called again, and an operator has to look.
 */
export interface DriverOperation {
  readonly operation: string;
  readonly verb: DriverVerb;
  readonly state: 'waiting' | 'done' | 'refused' | 'unknown';
  /** Stable, of what was refused; empty otherwise. */
  readonly code: string;
  /** A sentence for the log and the operator. */
  readonly reason: string;
  /** The point, clone or copy that it made; empty: none. */
  readonly made: string;
}

/** A state that both zones can name. */
export interface DriverPoint {
  readonly name: string;
  /** When it was taken, Unix milliseconds; null: not known in this zone. */
  readonly at: number | null;
  /** All of it is in this zone. */
  readonly complete: boolean;
}

export type DriverStatusWord = 'active - primary' | 'active - updating' | 'active - secondary';

export interface DriverCondition {
  readonly condition: string;
  readonly reason: string;
}

export interface DriverStatus {
  /** Null: none of the three is true, and a condition says what is. */
  readonly status: DriverStatusWord | null;
  readonly conditions: readonly DriverCondition[];
  readonly role: 'primary' | 'secondary' | 'none' | 'unknown';
  readonly peer: 'up' | 'down' | 'unknown';
  /** Age of what the other zone has, or this one as a secondary, seconds; null: not known. */
  readonly rpoSeconds: number | null;
  /** The last report is older than it should be. */
  readonly stale: boolean;
  /** Points that the other zone lacks; null: not known. */
  readonly backlog: number | null;
  /** When this was asked, Unix milliseconds. */
  readonly observedAt: number;
  /** When whoever copies reported last; null: never, or nobody does. */
  readonly reportedAt: number | null;
}

/**
 * One volume in one zone. A long verb returns at once with how far it is; the same operation id again goes on with it, in
 * another process too, and changes nothing once it is done. {@link advance} goes on with whatever is open.
 */
export interface ReplicationDriver {
  readonly capabilities: DriverCapabilities;
  enable(operation: string, order: { readonly mode: ReplicationMode }): Promise<DriverOperation>;
  /** Ends the replication; the copy stays, independent. */
  detach(operation: string): Promise<DriverOperation>;
  takePoint(operation: string): Promise<DriverOperation>;
  listPoints(): Promise<readonly DriverPoint[]>;
  status(): Promise<DriverStatus>;
  /** @param order `force`: a human says so. `point`: that state and nothing newer; with `force` only */
  promote(
    operation: string,
    order: { readonly force: boolean; readonly point?: string },
  ): Promise<DriverOperation>;
  demote(operation: string): Promise<DriverOperation>;
  /** @param order `discard`: the zone whose writes are given up: this one */
  resync(operation: string, order: { readonly discard: string }): Promise<DriverOperation>;
  /** A writable image of a point, beside the volume, which goes on. @param point default the newest that is whole here */
  testClone(operation: string, point?: string): Promise<DriverOperation>;
  removeClone(operation: string, clone: string): Promise<DriverOperation>;
  advance(): Promise<void>;
}
