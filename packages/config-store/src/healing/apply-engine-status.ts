/** Loads a cluster, decides what an input does to an engine, and stores it in one transaction. */
import { z } from 'zod';
import { ownerKey } from '../keys.ts';
import type { ConfigStore } from '../types.ts';
import { ClusterIndex } from './cluster-index.ts';
import { readCluster, type SnapshotRequest, snapshotOf } from './cluster-snapshot.ts';
import { type RetryOptions, untilNoConflict } from './compare-and-set.ts';
import { parseIncidentId } from './engine-failure.ts';
import { shardsWith } from './engine-place.ts';
import { decideEngineStatus, type HealingPolicy } from './engine-status.ts';
import {
  type EngineStatusCode,
  type EngineStatusDecision,
  type EngineStatusInput,
  refused,
} from './engine-status-decision.ts';
import {
  endOwners,
  lastTransition,
  ownersComparedMax,
  repeated,
  toPut,
  writesOf,
} from './engine-status-writes.ts';
import type { EngineStatusChangedPayload, HealingEvent } from './healing-events.ts';
import type { IncidentRecord } from './records.ts';

export interface ApplyEngineStatusOptions extends RetryOptions, HealingPolicy {
  /** Where the engine probably is: saves looking for it. */
  readonly cluster?: string;
  /** Only while nobody owns these vdisks, at most {@link ownersComparedMax}; a conflict when somebody does. */
  readonly unowned?: readonly string[];
  /** Unix milliseconds; default the clock of this process. */
  readonly now?: () => number;
}

export interface EngineStatusResult {
  /** `conflict`: others changed the cluster faster than this could, every time; nothing was stored. */
  readonly outcome: 'applied' | 'already' | 'refused' | 'conflict';
  readonly code: EngineStatusCode | 'conflict';
  /** A sentence for logs and operators. */
  readonly reason: string;
  readonly cluster?: string;
  readonly shard?: number;
  readonly incident?: IncidentRecord;
  /** The engine's last change of status, when there was one. */
  readonly transition?: EngineStatusChangedPayload;
  /** Of an operation that was applied before: what came of it then, whatever has happened since. */
  readonly before?: {
    readonly incident?: string | undefined;
    readonly status?: string | undefined;
    readonly replacement?: string | undefined;
  };
  /** To publish now: what they tell is stored. */
  readonly effects: readonly HealingEvent[];
}

/**
 * Applies a report, a verdict or finished repairs. Two round trips to etcd when the cluster is known.
 * An address that several clusters share (other tools allow that) is treated in each of them.
 *
 * @throws StoreError when etcd does not answer, ConfigValueError when a stored value cannot be used,
 *   InvariantError when the state machine itself is at fault.
 */
export async function applyEngineStatus(
  store: ConfigStore,
  input: EngineStatusInput,
  options: ApplyEngineStatusOptions = {},
): Promise<EngineStatusResult> {
  if (options.cluster !== undefined) {
    const result = await applyIn(store, options.cluster, input, input.operation, options);
    if (!isElsewhere(result.code)) return result;
  }
  const clusters = await clustersOf(ClusterIndex.of(store), input);
  const results: EngineStatusResult[] = [];
  for (const [index, cluster] of clusters.entries()) {
    const operation = index === 0 ? input.operation : `${input.operation}:${cluster}`;
    results.push(await applyIn(store, cluster, input, operation, options));
  }
  return weightiest(results) ?? nowhere(input);
}

/** What {@link applyEngineStatus} would answer now; changes nothing. Throws as applyEngineStatus. */
export async function previewEngineStatus(
  store: ConfigStore,
  input: EngineStatusInput,
  options: ApplyEngineStatusOptions = {},
): Promise<EngineStatusResult> {
  const readOnly: ConfigStore = { ...store, transact: async () => ({ ok: true, revision: '0' }) };
  return applyEngineStatus(readOnly, input, options);
}

async function applyIn(
  store: ConfigStore,
  cluster: string,
  input: EngineStatusInput,
  operation: string,
  options: ApplyEngineStatusOptions,
): Promise<EngineStatusResult> {
  const index = ClusterIndex.of(store);
  const shardsOf: SnapshotRequest['shardsOf'] = (storage) => {
    const named = shardNamed(input);
    return named === null ? shardsWith(storage, addressOf(input)) : [named];
  };
  const guess = index.guess(cluster, shardsOf);
  const request: SnapshotRequest = {
    cluster,
    operations: [operation],
    shardsOf,
    ...(guess === undefined ? {} : { guess }),
  };
  let snapshot = await readCluster(store, request);
  let answer: EngineStatusDecision | undefined;

  const attempt = async (): Promise<EngineStatusDecision | 'conflict'> => {
    snapshot ??= await readCluster(store, request);
    if (snapshot === null) return refused('unknown-cluster', `there is no storage cluster ${cluster}`);
    index.learn(cluster, { storage: snapshot.state.storage, record: snapshot.state.record });
    answer =
      repeated(snapshot.operations.get(operation), input) ??
      decideEngineStatus(snapshot.state, input, (options.now ?? Date.now)(), options);
    if (answer.next === undefined) return answer;
    const { guess: read } = snapshot;
    const owners = (options.unowned ?? []).map((vdisk) => ({
      key: ownerKey(vdisk),
      revision: 'absent' as const,
    }));
    await endOwners(store, answer.remounted?.slice(ownersComparedMax) ?? []);
    const { writes, deletes } = writesOf(snapshot, answer, input, operation);
    const puts = writes.map(toPut);
    const stored = await store.transact({ compare: [...snapshot.compare, ...owners], puts, deletes });
    if (stored.ok) return answer;
    snapshot = snapshotOf(request, read, stored.current);
    return 'conflict';
  };
  const decision = await untilNoConflict(attempt, options);
  if (decision !== 'conflict') {
    const { success, data } = answerSchema.safeParse(snapshot?.operations.get(operation)?.answer);
    const isRepeat = decision.code === 'same-operation' && success;
    return { ...resultOf(cluster, decision), ...(isRepeat ? { before: data } : {}) };
  }
  // A reporter too many on an incident that is known is no reason to fail the report.
  if (answer?.outcome === 'already') return resultOf(cluster, answer);
  const reason = `cluster ${cluster} was changed by others at every attempt; try again`;
  return { outcome: 'conflict', code: 'conflict', reason, cluster, effects: [] };
}

/** What the mark of an operation says of its effect. */
const answerSchema = z.object({
  incident: z.string().optional(),
  status: z.string().optional(),
  replacement: z.string().optional(),
});

async function clustersOf(index: ClusterIndex, input: EngineStatusInput): Promise<string[]> {
  if (shardNamed(input) === null) return index.clustersWith(addressOf(input));
  const id = 'incident' in input ? input.incident : '';
  return index.clustersWhere((cluster) => parseIncidentId(id, cluster) !== null);
}

function shardNamed(input: EngineStatusInput): number | null {
  return 'incident' in input ? parseIncidentId(input.incident) : null;
}

function addressOf(input: EngineStatusInput): string {
  return 'address' in input ? input.address : '';
}

export function isElsewhere(code: EngineStatusResult['code']): boolean {
  return code === 'unknown-address' || code === 'unknown-cluster' || code === 'incident-not-open';
}

function weightiest(results: readonly EngineStatusResult[]): EngineStatusResult | undefined {
  const weights = ['applied', 'conflict', 'already', 'refused'];
  const first = results.toSorted((a, b) => weights.indexOf(a.outcome) - weights.indexOf(b.outcome))[0];
  return first === undefined ? undefined : { ...first, effects: results.flatMap(({ effects }) => effects) };
}

function nowhere(input: EngineStatusInput): EngineStatusResult {
  const named = 'incident' in input ? `incident ${input.incident}` : addressOf(input);
  const code = 'incident' in input ? 'incident-not-open' : 'unknown-address';
  return { outcome: 'refused', code, reason: `${named} is in no storage cluster`, effects: [] };
}

export function resultOf(cluster: string, decision: EngineStatusDecision): EngineStatusResult {
  const { outcome, code, reason, shard, incident, effects } = decision;
  const transition = lastTransition(effects);
  return {
    outcome,
    code,
    reason,
    cluster,
    effects,
    ...(shard === undefined ? {} : { shard }),
    ...(incident === undefined ? {} : { incident }),
    ...(transition === undefined ? {} : { transition }),
  };
}
