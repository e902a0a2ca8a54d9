/**
 * The healing state machine of a cluster's engines: what a report, a verdict or finished repairs do to the
 * status of an engine, to its incident and to the status of the cluster. Pure: the caller loads the state,
 * stores `next` by compare-and-set, and announces `effects` once it is stored.
 */
import { assertClusterState, type ClusterState } from './cluster-state.ts';
import { decideFailureReport } from './engine-failure.ts';
import { decideRepairsComplete } from './engine-repaired.ts';
import { decideSpread } from './engine-spread.ts';
import type { EngineStatusDecision, EngineStatusInput } from './engine-status-decision.ts';
import { decideVerdict } from './engine-verdict.ts';
import { assertRule } from './invariant.ts';

/** @throws InvariantError when the state or the decision breaks a rule; nothing may be stored then. */
export function decideEngineStatus(
  state: ClusterState,
  input: EngineStatusInput,
  nowMs: number,
): EngineStatusDecision {
  assertRule(Number.isSafeInteger(nowMs) && nowMs >= 0, `now is Unix milliseconds, found ${nowMs}`);
  assertClusterState(state);
  const decision = decide(state, input, nowMs);
  if (decision.next !== undefined) assertClusterState(decision.next);
  assertRule(decision.outcome !== 'applied' || decision.next !== undefined, 'what is applied is stored');
  assertRule(
    decision.outcome === 'applied' || decision.effects.length === 0,
    'only what is applied is announced',
  );
  return decision;
}

function decide(state: ClusterState, input: EngineStatusInput, nowMs: number): EngineStatusDecision {
  switch (input.kind) {
    case 'failure-reported':
      return decideFailureReport(state, input, nowMs);
    case 'verdict':
      return decideVerdict(state, input, nowMs);
    case 'spread':
      return decideSpread(state, input, nowMs);
    case 'repairs-complete':
      return decideRepairsComplete(state, input, nowMs);
  }
}
