/**
 * What happens to many engines at once. When a rack goes down, each of its engines changes the same cluster, and again when
 * they are judged, and when they are repaired: transactions of one engine each would lose against one another again and
 * again, so those that come while one is under way are stored together.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { ClusterStorage } from '../cluster-storage.ts';
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
import { parseIncidentId } from './engine-failure.ts';
import { shardsWith } from './engine-place.ts';
import { decideEngineStatus } from './engine-status.ts';
import type {
  EngineStatusDecision,
  FailureReported,
  RepairsComplete,
  VerdictGiven,
} from './engine-status-decision.ts';
import { repeated, toPut, type Write, writesOf } from './engine-status-writes.ts';

/** Inputs in one transaction: each reads and writes up to five keys, a report three, and etcd takes 128. */
const INPUTS_MAX = 22;
const REPORTS_MAX = 32;
/** What fails in one second is heard of within a few milliseconds, one after the other. */
const GATHER_MS = 5;

/** What analyzers, servers and coordinators find, which may be of very many engines at once; an operator orders one thing. */
export type BurstInput =
  | FailureReported
  | Extract<VerdictGiven, { readonly operator?: false }>
  | RepairsComplete;

interface Waiting {
  readonly input: BurstInput;
  readonly options: ApplyEngineStatusOptions;
  readonly resolve: (result: EngineStatusResult) => void;
  readonly reject: (error: unknown) => void;
}

const bursts = new WeakMap<ConfigStore, Map<string, Waiting[]>>();

/** As `applyEngineStatus`, for inputs of which many may come at once. `cluster`: where the engine probably is. */
export function applyInBurst(
  store: ConfigStore,
  input: BurstInput,
  options: ApplyEngineStatusOptions = {},
): Promise<EngineStatusResult> {
  const { cluster } = options;
  if (cluster === undefined) return applyEngineStatus(store, input, options);
  return new Promise((resolve, reject) => {
    const ofStore = bursts.get(store) ?? new Map<string, Waiting[]>();
    bursts.set(store, ofStore);
    const waiting = { input, options, resolve, reject };
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
  // The others of the same moment are there before the first is taken: alone it would keep all of them waiting.
  await delay(GATHER_MS);
  while (queue.length > 0) {
    const most = queue.every(({ input }) => input.kind === 'failure-reported') ? REPORTS_MAX : INPUTS_MAX;
    const some = queue.splice(0, most);
    const results = some.length > 1 ? await together(store, cluster, some).catch(() => null) : null;
    // What the transaction of all could not do, perhaps because of one of them, each does by itself.
    const rest = some.flatMap((waiting, i) => {
      const result = results?.[i];
      if (result === undefined || isElsewhere(result.code)) return [waiting];
      waiting.resolve(result);
      return [];
    });
    for (const { input, options, resolve, reject } of rest)
      await applyEngineStatus(store, input, options).then(resolve, reject);
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
    ...new Set(waiting.flatMap(({ input }) => shardsOfInput(storage, input))),
  ];
  const guess = index.guess(cluster, shardsOf);
  const operations = waiting.map(({ input }) => input.operation);
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

function shardsOfInput(storage: ClusterStorage, input: BurstInput): readonly number[] {
  if (input.kind === 'failure-reported') return shardsWith(storage, input.address);
  const shard = parseIncidentId(input.incident);
  return shard === null ? [] : [shard];
}

/** Each is decided on what those before it made of the cluster. */
function decideAll(snapshot: ClusterSnapshot, waiting: readonly Waiting[]) {
  const decisions: EngineStatusDecision[] = [];
  const writes = new Map<string, Write>();
  const deletes = new Set<string>();
  let { state } = snapshot;
  for (const { input, options } of waiting) {
    const { operation } = input;
    const decision =
      repeated(snapshot.operations.get(operation), input) ??
      decideEngineStatus(state, input, (options.now ?? Date.now)(), options);
    decisions.push(decision);
    if (decision.next === undefined) continue;
    const made = writesOf({ state, stored: snapshot.state }, decision, input, operation);
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
