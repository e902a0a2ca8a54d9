/**
 * The healing state machine of a cluster's engines: what a report, a verdict or finished repairs do to the
 * status of an engine, to its incident and to the status of the cluster. Pure: the caller loads the state,
 * stores `next` by compare-and-set, and announces `effects` once it is stored.
 */
import { assertClusterState, type ClusterState } from './cluster-state.ts';
import { decideFailureReport } from './engine-failure.ts';
import { decideTakeOffline } from './engine-offline.ts';
import { decideBringOnline } from './engine-online.ts';
import { decideRepairsComplete } from './engine-repaired.ts';
import { decideRetirement } from './engine-retirement.ts';
import { decideSpread } from './engine-spread.ts';
import type { EngineStatusDecision, EngineStatusInput } from './engine-status-decision.ts';
import { decideVerdict } from './engine-verdict.ts';
import { decideWritesLost } from './engine-writes-lost.ts';
import type { FlappingPolicy } from './held-back.ts';
import { assertRule } from './invariant.ts';
import { decideAcknowledgement, decideRepairCancel, decideRepairRetry } from './repair-order.ts';

/** What is configured where the decision is made; without it an engine may fail as often as it likes. */
export interface HealingPolicy {
  readonly flapping?: FlappingPolicy | undefined;
}

/** @throws InvariantError when the state or the decision breaks a rule; nothing may be stored then. */
export function decideEngineStatus(
  state: ClusterState,
  input: EngineStatusInput,
  nowMs: number,
  policy: HealingPolicy = {},
): EngineStatusDecision {
  assertRule(Number.isSafeInteger(nowMs) && nowMs >= 0, `now is Unix milliseconds, found ${nowMs}`);
  assertClusterState(state);
  const decision = decide(state, input, nowMs, policy);
  if (decision.next !== undefined) assertClusterState(decision.next);
  assertRule(decision.outcome !== 'applied' || decision.next !== undefined, 'what is applied is stored');
  assertRule(
    decision.outcome === 'applied' || decision.effects.length === 0,
    'only what is applied is announced',
  );
  return decision;
}

function decide(
  state: ClusterState,
  input: EngineStatusInput,
  nowMs: number,
  policy: HealingPolicy,
): EngineStatusDecision {
  switch (input.kind) {
    case 'failure-reported':
      return decideFailureReport(state, input, nowMs);
    case 'verdict':
      return decideVerdict(state, input, nowMs, policy.flapping);
    case 'spread':
      return decideSpread(state, input, nowMs);
    case 'repairs-complete':
      return decideRepairsComplete(state, input, nowMs);
    case 'writes-lost':
      return decideWritesLost(state, input, nowMs);
    case 'take-offline':
      return decideTakeOffline(state, input, nowMs);
    case 'bring-online':
      return decideBringOnline(state, input, nowMs);
    case 'retire':
      return decideRetirement(state, input, nowMs);
    case 'acknowledge':
      return decideAcknowledgement(state, input, nowMs);
    case 'cancel-repair':
      return decideRepairCancel(state, input, nowMs);
    case 'retry-repair':
      return decideRepairRetry(state, input, nowMs);
  }
}
