/** Why a verdict is not applied now: an operator holds the engine or all healing back, or the engine flaps. */
import type { ClusterState } from './cluster-state.ts';
import { cut } from './engine-move.ts';
import { type EngineStatusDecision, refused } from './engine-status-decision.ts';
import { keptSpare } from './kept-spare.ts';
import type { Downtime, Hold, IncidentRecord, Verdict } from './records.ts';

/** An engine that failed `failures` times within `windowMs` is held offline until its incident is acknowledged. */
export interface FlappingPolicy {
  readonly failures: number;
  readonly windowMs: number;
}

/** A refusal when an operator has said that nothing is to be done about this engine now. */
export function heldBack(
  state: ClusterState,
  incident: IncidentRecord,
  verdict: Verdict,
  nowMs: number,
): EngineStatusDecision | undefined {
  const { shard, hold, address } = incident;
  // What it holds is lost whatever it does next: holding it offline would only keep the pair on one engine.
  if (hold !== undefined && !(hold.kind === 'flapping' && verdict === 'permanent')) {
    return refused('held', holdSentence(incident, hold), shard);
  }
  const { everywhere, cluster } = state.controls ?? {};
  const pause = everywhere?.pause ?? cluster?.pause;
  if (pause !== undefined) {
    const where = everywhere?.pause === undefined ? `of ${state.cluster}` : 'everywhere';
    const reason = `healing ${where} is paused by ${pause.by} (${pause.reason}): the verdict on ${address} is applied once it is resumed`;
    return refused('healing-paused', reason, shard);
  }
  const downtime = downtimeOf(cluster?.downtimes ?? [], address, nowMs);
  if (downtime === undefined) return undefined;
  const reason = `${downtime.by} announced a downtime of ${downtime.address ?? state.cluster} (${downtime.reason}): the verdict on ${address} is applied after it, at ${new Date(downtime.until).toISOString()}`;
  return refused('downtime', reason, shard);
}

/** The downtime that an engine is in, the one that ends last. */
export function downtimeOf(
  downtimes: readonly Downtime[],
  address: string,
  nowMs: number,
): Downtime | undefined {
  return downtimes
    .filter((one) => one.until > nowMs && (one.address === undefined || one.address === address))
    .toSorted((a, b) => b.until - a.until)[0];
}

/** The hold of an engine that fails again and again, undefined while it does not. */
export function flappingHold(
  { record }: ClusterState,
  { shard, address }: IncidentRecord,
  policy: FlappingPolicy | undefined,
  cause: { readonly operation: string; readonly at: number },
): Hold | undefined {
  if (policy === undefined || policy.failures < 1) return undefined;
  const times = (record.failures?.[shard] ?? []).filter((at) => at > cause.at - policy.windowMs);
  if (times.length < policy.failures) return undefined;
  const reason = `${address} failed ${times.length} times within ${Math.round(policy.windowMs / 1000)} s`;
  return { kind: 'flapping', by: 'salvor', at: cause.at, reason, operation: cause.operation };
}

export function holdSentence(incident: IncidentRecord, { kind, by, reason }: Hold): string {
  const { id } = incident;
  const spare = keptSpare(incident);
  const address = spare?.address ?? incident.address;
  switch (kind) {
    case 'planned':
      return cut(
        `${by} took ${address} offline (${reason}); it stays so until 'salvor engine online ${address}'`,
      );
    case 'flapping':
      return cut(
        `${address} is held offline because it flaps (${reason}) until 'salvor incident acknowledge ${id}'`,
      );
    case 'writes-lost':
      return cut(
        `${address} lost writes that no other engine has (${reason}): bring its data back and 'salvor incident acknowledge ${id}', or ${spare === undefined ? `'salvor engine online ${address} --accept-data-loss'` : `the same for its partner, with '--accept-data-loss'`}`,
      );
    case 'cancelled':
      return cut(
        `${by} cancelled the repair of ${address} (${reason}); it goes on with 'salvor repair resume ${id}'`,
      );
  }
}
