/** What may happen to an engine's status, and the answer to it. */
import type { ClusterState } from './cluster-state.ts';
import { type Cause, type Step, settle } from './engine-move.ts';
import type { HealingEvent } from './healing-events.ts';
import type { OperatorOrder } from './operator-order.ts';
import type { ClosedIncident, Evidence, IncidentRecord, Verdict } from './records.ts';

export type EngineStatusInput =
  | FailureReported
  | VerdictGiven
  | SpreadWanted
  | RepairsComplete
  | WritesLost
  | OperatorOrder;

export interface FailureReported {
  readonly kind: 'failure-reported';
  readonly address: string;
  readonly reporter: string;
  readonly reason: string;
  readonly operation: string;
  /** When the reporter saw the failure, Unix milliseconds of its own clock. */
  readonly detectedAt: number;
  /**
   * Revision of the cluster's configuration that the reporter worked with when the engine failed. When it
   * is the current one the report is fresh, whatever the reporter's clock says.
   */
  readonly seenRevision?: string;
}

interface Judged {
  readonly kind: 'verdict';
  readonly verdict: Verdict;
  readonly reason: string;
  readonly evidence: readonly Evidence[];
  readonly by: string;
  readonly operation: string;
  /** Whether a write was acknowledged that the engine does not have. Only a known `false` lets it back as it is. */
  readonly missedWrites?: boolean;
  /** Of a false alarm: the server that alone found the engine failing. */
  readonly oddReporter?: string;
}

/** An analyzer judges one attempt of one incident; an operator judges the engine as it is now, and prevails. */
export type VerdictGiven =
  | (Judged & { readonly operator?: false; readonly incident: string; readonly attempt: number })
  | (Judged & { readonly operator: true; readonly address: string });

/** Nobody added a spare: the blocks of a lost engine's pair are to go to the other pairs. */
export interface SpreadWanted {
  readonly kind: 'spread';
  readonly incident: string;
  readonly attempt: number;
  /** How long after the verdict a spare is waited for. */
  readonly afterMs: number;
  /** What speaks against it that the state does not tell: a vdisk whose blocks cannot be spread. Null when nothing does. */
  readonly hindrance: string | null;
  readonly by: string;
  readonly operation: string;
}

export interface RepairsComplete {
  readonly kind: 'repairs-complete';
  readonly incident: string;
  readonly attempt: number;
  /** Vdisks whose blocks are back, for that very incident and attempt. */
  readonly repaired: ReadonlySet<string>;
  /** All vdisks on the cluster. */
  readonly vdisks: ReadonlySet<string>;
  readonly by: string;
  readonly operation: string;
}

/** An owner found the engine that served last without writes that it had acknowledged: nobody else has them either. */
export interface WritesLost {
  readonly kind: 'writes-lost';
  readonly incident: string;
  /** The attempt in which it was to be taken up again. */
  readonly attempt: number;
  readonly reason: string;
  readonly by: string;
  readonly operation: string;
}

export type EngineStatusCode =
  /** The engine's status changed. */
  | 'moved'
  /** An incident was opened for an engine that was already recorded as down. */
  | 'adopted'
  /** The verdict is recorded; the engine stays offline until the cluster has a spare. */
  | 'waiting-for-source'
  | 'waiting-for-spare'
  /** The blocks cannot be spread now; the incident says why, and the engine stays offline. */
  | 'spread-hindered'
  | 'not-lost'
  | 'spare-available'
  | 'too-early'
  /** Nothing to do: the engine is already where this leads. */
  | 'same-state'
  /** Nothing to do: this very operation was applied before. */
  | 'same-operation'
  /** The operation id was used for another request. */
  | 'operation-reused'
  | 'unknown-cluster'
  | 'unknown-address'
  | 'idle-spare'
  | 'retired'
  | 'rip'
  | 'stale-report'
  | 'incident-not-open'
  | 'stale-attempt'
  | 'unknown-attempt'
  | 'verdict-in-force'
  | 'operator-decided'
  | 'rebuild-begun'
  | 'not-under-repair'
  | 'repairs-missing'
  | 'last-engine'
  /** The order is recorded; the engine does not move. */
  | 'noted'
  /** An operator holds the engine offline, or it flaps, or it lost writes that nobody else has. */
  | 'held'
  | 'healing-paused'
  | 'downtime'
  | 'last-member'
  | 'only-copy'
  | 'stale-engine'
  | 'under-rebuild'
  | 'no-spare'
  | 'not-a-spare'
  | 'no-repair'
  | 'spare-retired'
  | 'state-disagrees';

export interface EngineStatusDecision {
  readonly outcome: 'applied' | 'already' | 'refused';
  readonly code: EngineStatusCode;
  /** A sentence for the log, the audit trail and the operator. */
  readonly reason: string;
  /** The shard it is about, where there is one. */
  readonly shard?: number;
  /** The incident as it is after the decision, where there is one. */
  readonly incident?: IncidentRecord;
  /** What is to be stored. With `already` only the incident differs: it lists one more reporter. */
  readonly next?: ClusterState;
  /** The incident that ended. */
  readonly closed?: ClosedIncident;
  /** The incident of the partner that ended with it. */
  readonly partnerClosed?: ClosedIncident;
  /** Vdisks whose owners must begin anew: what they know of the engine is no longer so. */
  readonly remounted?: readonly string[];
  /** To announce once `next` is stored. */
  readonly effects: readonly HealingEvent[];
}

export function refused(code: EngineStatusCode, reason: string, shard?: number): EngineStatusDecision {
  return { outcome: 'refused', code, reason, effects: [], ...(shard === undefined ? {} : { shard }) };
}

export function already(reason: string, incident?: IncidentRecord): EngineStatusDecision {
  const about = incident === undefined ? {} : { shard: incident.shard, incident };
  return { outcome: 'already', code: 'same-state', reason, effects: [], ...about };
}

/** The decision that a finished step amounts to. */
export function applied(
  step: Step,
  shard: number,
  cause: Cause,
  code: EngineStatusCode = 'moved',
): EngineStatusDecision {
  const { state, events, closed } = settle(step, cause);
  const incident = closed ?? state.incidents.get(shard);
  return {
    outcome: 'applied',
    code,
    reason: cause.reason,
    shard,
    next: state,
    effects: events,
    ...(incident === undefined ? {} : { incident }),
    ...(closed === undefined ? {} : { closed }),
  };
}
