/** What a last engine does that comes back without acknowledged writes: no repair can bring back what nobody else has. */
import type { ClusterState } from './cluster-state.ts';
import { type Cause, cut, lastMovedAt, moveEngine } from './engine-move.ts';
import { consistent, isDecision } from './engine-place.ts';
import {
  already,
  applied,
  type EngineStatusDecision,
  refused,
  type WritesLost,
} from './engine-status-decision.ts';
import { holdSentence } from './held-back.ts';
import type { Hold } from './records.ts';

/**
 * Holds the engine offline until somebody brings its writes back or accepts their loss. Judged anew it would look well
 * again, and be found short again, for ever.
 */
export function decideWritesLost(
  state: ClusterState,
  found: WritesLost,
  nowMs: number,
): EngineStatusDecision {
  const open = [...state.incidents.values()].find(({ id }) => id === found.incident);
  if (open === undefined)
    return refused('incident-not-open', `incident ${found.incident} is not open in ${state.cluster}`);
  const incident = consistent(state, open);
  if (isDecision(incident)) return incident;
  const { shard, id, address, attempt, hold, status } = incident;
  if (hold?.kind === 'writes-lost') return already(holdSentence(incident, hold), incident);
  if (hold !== undefined) return refused('held', holdSentence(incident, hold), shard);
  const isRebuilt = status === 'repair-final-outage' && incident.replacement !== undefined;
  const isUnderRepair = (status === 'repair-tmp-outage' || isRebuilt) && found.attempt === attempt;
  // The same was reported as a failure, which came before this.
  const isReported = status === 'offline' && found.attempt === attempt - 1;
  if (!isUnderRepair && !isReported) {
    const reason = `this was found in attempt ${found.attempt} of ${id}; ${address} is ${status} in attempt ${attempt}`;
    return refused('stale-attempt', reason, shard);
  }
  const { by, operation } = found;
  const engine = incident.replacement?.address ?? address;
  const cause: Cause = {
    ...{ by, operation },
    reason: `${by} found that ${engine} lost writes that no other engine has: ${found.reason}`,
    at: Math.max(nowMs, lastMovedAt(state, shard) ?? incident.openedAt),
  };
  const writesLost: Hold = { kind: 'writes-lost', by, at: cause.at, reason: cut(found.reason), operation };
  const { verdict: _verdict, ...rest } = incident;
  const held = { ...rest, hold: writesLost };
  if (isReported) {
    const incidents = new Map(state.incidents).set(shard, held);
    return applied({ state: { ...state, incidents }, events: [] }, shard, cause, 'noted');
  }
  const next = { ...held, attempt: attempt + 1 };
  return applied(
    moveEngine({ state, events: [] }, { shard, to: 'offline', cause, incident: next }),
    shard,
    cause,
  );
}
