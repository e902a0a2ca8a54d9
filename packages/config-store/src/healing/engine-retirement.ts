/** What the order to retire an engine does: a spare is filled from its partner, takes its place, and it is out. */
import type { ClusterState } from './cluster-state.ts';
import { type Cause, cut } from './engine-move.ts';
import { darkened, orderedAt, setOffline } from './engine-offline.ts';
import { consistent, isDecision, placeOf, refuseAddress } from './engine-place.ts';
import { already, type EngineStatusDecision, refused } from './engine-status-decision.ts';
import { freeSpare, rebuild } from './engine-verdict.ts';
import { released, withAction } from './operator-action.ts';
import type { RetireEngine } from './operator-order.ts';
import { retiredEnginesMax, type SalvorClusterRecord, type Verdict } from './records.ts';

export function decideRetirement(
  state: ClusterState,
  order: RetireEngine,
  nowMs: number,
): EngineStatusDecision {
  const { address, by, reason } = order;
  const place = placeOf(state, address);
  if (place === undefined) return retireSpare(state, order, nowMs);
  const { shard, entry } = place;
  if (entry.status === 'rip')
    return refused('rip', `${address} (shard ${shard} of ${state.cluster}) is gone for good`, shard);
  const open = state.incidents.get(shard);
  if (open !== undefined) {
    const known = consistent(state, open);
    if (isDecision(known)) return known;
  }
  if (entry.status === 'repair-final-outage') {
    const what = `the blocks of ${entry.address} are rebuilt on ${entry.replacement?.address ?? 'other engines'} already`;
    const isSame =
      place.as === 'engine' && [undefined, entry.replacement?.address].includes(order.onto?.address);
    if (isSame) return already(`${what}: it leaves when that is done`, open);
    return refused('under-rebuild', `${what}; wait for the end of incident ${open?.id ?? 'open'}`, shard);
  }
  const dark = darkened(state, shard, order.vdisks);
  if (dark !== undefined) {
    const advice = 'its data can be moved only from a second copy that is online';
    return refused(
      order.vdisks.single.length > 0 ? 'only-copy' : 'last-member',
      `${address} cannot be retired: ${dark}; ${advice}`,
      shard,
    );
  }
  const spare =
    order.onto === undefined
      ? freeSpare(state, shard)
      : state.record.spares.find((one) => one.address === order.onto?.address);
  if (spare === undefined) {
    return order.onto === undefined
      ? refused('no-spare', `${state.cluster} has no spare for ${address}; add one first`, shard)
      : refused('not-a-spare', `${order.onto.address} is no spare of ${state.cluster}; add it first`, shard);
  }
  const cause: Cause = {
    reason: `${by} retired ${address}: ${reason}`,
    ...{ by, operation: order.operation, at: orderedAt(state, shard, nowMs) },
  };
  // The first free spare is the one that is filled.
  const spares = [spare, ...state.record.spares.filter((other) => other !== spare)];
  const offline = setOffline({ ...state, record: { ...state.record, spares } }, shard, order, cause);
  const before = offline.state.incidents.get(shard);
  if (before === undefined) return refused('incident-not-open', `${address} has no incident`, shard);
  const word: Verdict = 'permanent';
  const verdict = { verdict: word, reason: cut(reason), evidence: [], by, at: cause.at, operator: true };
  const incident = withAction(
    { ...released(before), verdict },
    order.onto === undefined ? 'engine.retire' : 'engine.replace',
    { ...cause, reason },
  );
  return rebuild(offline, incident, before.verdict, cause);
}

/** An idle spare holds nothing: it just goes. */
function retireSpare(state: ClusterState, order: RetireEngine, nowMs: number): EngineStatusDecision {
  const { address, by, operation } = order;
  const { record, cluster } = state;
  const spare = record.spares.find((one) => one.address === address);
  const gone = record.retired.find((one) => one.address === address);
  if (spare === undefined) {
    return gone === undefined
      ? refuseAddress(state, address)
      : already(`${address} left ${cluster} in ${gone.incident} already`);
  }
  if (order.onto !== undefined)
    return refused('idle-spare', `${address} is an idle spare of ${cluster}: there is nothing to replace`);
  const left = { address, db: spare.db, incident: operation, at: nowMs };
  const next: SalvorClusterRecord = {
    ...record,
    spares: record.spares.filter((one) => one !== spare),
    retired: [...record.retired, left].slice(-retiredEnginesMax),
    updatedAt: nowMs,
    operation,
  };
  const reason = `${by} retired ${address}, an idle spare of ${cluster}: ${order.reason}`;
  return {
    ...{ outcome: 'applied', code: 'spare-retired', reason: cut(reason), effects: [] },
    next: { ...state, record: next },
  };
}
