/**
 * Reports of many engines at once. When a rack goes down, each of its engines changes the same cluster: transactions of one
 * report each would lose against one another again and again, so those that come while one is under way are stored together.
 */
import type { ConfigStore } from '../types.ts';
import {
  type ApplyEngineStatusOptions,
  applyEngineStatus,
  type EngineStatusResult,
  isElsewhere,
  resultOf,
} from './apply-engine-status.ts';
import { ClusterIndex } from './cluster-index.ts';
import { type ClusterSnapshot, readCluster, type SnapshotRequest, snapshotOf } from './cluster-snapshot.ts';
import { untilNoConflict } from './compare-and-set.ts';
import { shardsWith } from './engine-place.ts';
import { decideEngineStatus } from './engine-status.ts';
import type { EngineStatusDecision, FailureReported } from './engine-status-decision.ts';
import { repeated, toPut, type Write, writesOf } from './engine-status-writes.ts';

/** Reports in one transaction: each reads and writes up to three keys, and etcd takes 128. */
const REPORTS_MAX = 32;

interface Waiting {
  readonly report: FailureReported;
  readonly options: ApplyEngineStatusOptions;
  readonly resolve: (result: EngineStatusResult) => void;
  readonly reject: (error: unknown) => void;
}

const bursts = new WeakMap<ConfigStore, Map<string, Waiting[]>>();

/** As `applyEngineStatus`, for reports of which many may come at once. `cluster`: where the engine probably is. */
export function reportEngineFailure(
  store: ConfigStore,
  report: FailureReported,
  options: ApplyEngineStatusOptions = {},
): Promise<EngineStatusResult> {
  const { cluster } = options;
  if (cluster === undefined) return applyEngineStatus(store, report, options);
  return new Promise((resolve, reject) => {
    const ofStore = bursts.get(store) ?? new Map<string, Waiting[]>();
    bursts.set(store, ofStore);
    const waiting = { report, options, resolve, reject };
    const queue = ofStore.get(cluster);
    if (queue !== undefined) {
      queue.push(waiting);
      return;
    }
    const own = [waiting];
    ofStore.set(cluster, own);
    void workOff(store, cluster, own, () => ofStore.delete(cluster));
  });
}

/** Until the queue is empty: whoever comes meanwhile finds it and is taken with the next ones. */
async function workOff(
  store: ConfigStore,
  cluster: string,
  queue: Waiting[],
  emptied: () => void,
): Promise<void> {
  // Those of the same turn are there before the first are taken.
  await Promise.resolve();
  while (queue.length > 0) {
    const some = queue.splice(0, REPORTS_MAX);
    const results = some.length > 1 ? await together(store, cluster, some).catch(() => null) : null;
    // What the transaction of all could not do, perhaps because of one of them, each does by itself.
    const rest = some.flatMap((waiting, i) => {
      const result = results?.[i];
      if (result === undefined || isElsewhere(result.code)) return [waiting];
      waiting.resolve(result);
      return [];
    });
    for (const { report, options, resolve, reject } of rest)
      await applyEngineStatus(store, report, options).then(resolve, reject);
  }
  emptied();
}

/** Null when it could not be stored. Throws as `applyEngineStatus`. */
async function together(
  store: ConfigStore,
  cluster: string,
  waiting: readonly Waiting[],
): Promise<EngineStatusResult[] | null> {
  const index = ClusterIndex.of(store);
  const shardsOf: SnapshotRequest['shardsOf'] = (storage) => [
    ...new Set(waiting.flatMap(({ report }) => shardsWith(storage, report.address))),
  ];
  const guess = index.guess(cluster, shardsOf);
  const operations = waiting.map(({ report }) => report.operation);
  const request = { cluster, operations, shardsOf, ...(guess === undefined ? {} : { guess }) };
  let snapshot = await readCluster(store, request);
  const answer = await untilNoConflict(async () => {
    snapshot ??= await readCluster(store, request);
    if (snapshot === null) return null;
    const { state, compare, guess: read } = snapshot;
    index.learn(cluster, { storage: state.storage, record: state.record });
    const { decisions, puts, deletes } = decideAll(snapshot, waiting);
    if (puts.length + deletes.length === 0) return decisions;
    const stored = await store.transact({ compare, puts, deletes });
    if (stored.ok) return decisions;
    snapshot = snapshotOf(request, read, stored.current);
    return 'conflict';
  });
  return answer === null || answer === 'conflict'
    ? null
    : answer.map((decision) => resultOf(cluster, decision));
}

/** Each report is decided on what those before it made of the cluster. */
function decideAll(snapshot: ClusterSnapshot, waiting: readonly Waiting[]) {
  const decisions: EngineStatusDecision[] = [];
  const writes = new Map<string, Write>();
  const deletes = new Set<string>();
  let { state } = snapshot;
  for (const { report, options } of waiting) {
    const { operation } = report;
    const decision =
      repeated(snapshot.operations.get(operation), report) ??
      decideEngineStatus(state, report, (options.now ?? Date.now)(), options);
    decisions.push(decision);
    if (decision.next === undefined) continue;
    const made = writesOf({ state, stored: snapshot.state }, decision, report, operation);
    for (const write of made.writes) {
      writes.set(write.key, write);
      deletes.delete(write.key);
    }
    for (const key of made.deletes) {
      deletes.add(key);
      writes.delete(key);
    }
    state = decision.next;
  }
  return { decisions, puts: [...writes.values()].map(toPut), deletes: [...deletes] };
}
