/** What the config-store does around its decisions: read at one revision, decide, store in one compared transaction. */
import type { ClusterStorage } from '../../packages/config-store/src/cluster-storage.ts';
import type { ClusterState } from '../../packages/config-store/src/healing/cluster-state.ts';
import type {
  EngineStatusDecision,
  EngineStatusInput,
} from '../../packages/config-store/src/healing/engine-status-decision.ts';
import { canonicalRequest } from '../../packages/config-store/src/healing/operation-mark.ts';
import type {
  IncidentRecord,
  OperationRecord,
  RepairRecord,
  SalvorClusterRecord,
} from '../../packages/config-store/src/healing/records.ts';
import type { RepairRecordResult } from '../../packages/config-store/src/healing/repair-records.ts';
import { withStoredRevision } from '../../packages/config-store/src/healing/step-revision.ts';
import type { Compare, Put } from './etcd.ts';
import { type Flow, wait } from './flow.ts';
import { controlsIn } from './healing-control.ts';
import {
  closedKey,
  incidentKey,
  operationKey,
  ownerKey,
  recordKey,
  repairKey,
  storageKey,
  VDISKS,
  vdiskKey,
} from './keys.ts';
import type { Process } from './scheduler.ts';
import type { World } from './world.ts';

const ROUNDS_MAX = 16;

/** An input, with what only the run knows of it: when what it tells really happened. */
export type TrackedInput = EngineStatusInput & { readonly seenAt?: number };

interface Snapshot {
  readonly state: ClusterState;
  readonly mark: OperationRecord | null;
  readonly compare: readonly Compare[];
}

/** Applies a report, a verdict or finished repairs; the decision that was stored, or the one that stores nothing. */
export function* applyEngineStatus(
  world: World,
  process: Process,
  cluster: string,
  input: TrackedInput,
): Flow<EngineStatusDecision | 'conflict'> {
  const { etcd, cores, scheduler } = world;
  for (let round = 1; round <= ROUNDS_MAX; round++) {
    const { state, mark, compare } = yield* wait(
      etcd.call(process, () => readCluster(world, cluster, input.operation)),
    );
    const repeat = mark === null ? 'first' : cores.repeatOf(mark, requestOf(input));
    if (repeat !== 'first')
      return { outcome: 'already', code: 'same-operation', reason: mark?.reason ?? '', effects: [] };
    const decision = cores.decideEngineStatus(state, input, world.wallOf(process), world.policies);
    const { next } = decision;
    if (next === undefined) return decision;
    const { puts, deletes } = writesOf(state, decision, input);
    const { ok } = yield* wait(
      etcd.call(process, () => {
        const stored = etcd.commit(compare, puts, deletes);
        if (stored.ok) world.checker.applied(cluster, input, decision);
        return stored;
      }),
    );
    if (ok) return decision;
    if (round > 1)
      yield* wait<void>((resume) =>
        scheduler.after(world.random.between(1, 40), process, () => resume(null, undefined)),
      );
  }
  return 'conflict';
}

function readCluster({ etcd }: World, cluster: string, operation: string): Snapshot {
  const compare: Compare[] = [];
  const read = <T>(key: string): T | null => {
    const entry = etcd.get(key);
    compare.push({ key, revision: entry?.revision ?? 0 });
    return entry === null ? null : (entry.value as T);
  };
  const incidentsOf = (
    name: string,
    { servers }: ClusterStorage,
  ): Pick<ClusterState, 'incidents' | 'recorded'> => {
    const incidents = new Map<number, IncidentRecord>();
    const recorded = new Map<number, { openedIn: number; changedIn: number }>();
    for (const shard of servers.keys()) {
      const key = incidentKey(name, shard);
      const incident = read<IncidentRecord>(key);
      const entry = etcd.get(key);
      if (incident === null || entry === null) continue;
      incidents.set(shard, incident);
      recorded.set(shard, { openedIn: entry.createRevision, changedIn: entry.revision });
    }
    return { incidents, recorded };
  };
  const storage = read<ClusterStorage>(storageKey(cluster));
  const record = read<SalvorClusterRecord>(recordKey(cluster));
  if (storage === null || record === null) throw new Error(`there is no cluster ${cluster}`);
  const mark = read<OperationRecord>(operationKey(operation));
  const own = incidentsOf(cluster, storage);
  const held = controlsIn(cluster, read);
  const { partner } = record;
  const partnerStorage = partner === undefined ? null : read<ClusterStorage>(storageKey(partner));
  const partnerRecord = partner === undefined ? null : read<SalvorClusterRecord>(recordKey(partner));
  const state: ClusterState = {
    cluster,
    revision: String(etcd.get(storageKey(cluster))?.revision ?? 0),
    storage,
    record,
    ...own,
    ...held,
    ...(partner === undefined || partnerStorage === null || partnerRecord === null
      ? {}
      : {
          partner: {
            cluster: partner,
            storage: partnerStorage,
            record: partnerRecord,
            ...incidentsOf(partner, partnerStorage),
          },
        }),
  };
  return { state, mark, compare };
}

function writesOf(
  state: ClusterState,
  { next, closed, shard, outcome, code, reason }: EngineStatusDecision,
  input: EngineStatusInput,
): { puts: Put[]; deletes: string[] } {
  const puts: Put[] = [];
  const deletes: string[] = [];
  if (next === undefined || shard === undefined) return { puts, deletes };
  const { cluster } = next;
  if (outcome === 'applied') puts.push({ key: recordKey(cluster), value: next.record });
  if (next.storage !== state.storage) puts.push({ key: storageKey(cluster), value: next.storage });
  const open = next.incidents.get(shard);
  const key = incidentKey(cluster, shard);
  if (open !== undefined) {
    const before = state.incidents.get(shard);
    const value = withStoredRevision(open, before, state.recorded?.get(shard)?.changedIn);
    puts.push({ key, value });
  } else if (state.incidents.has(shard)) deletes.push(key);
  if (closed !== undefined) puts.push({ key: closedKey(closed.id), value: closed });
  const other = next.partner;
  if (other?.record !== undefined && other.record !== state.partner?.record)
    puts.push({ key: recordKey(other.cluster), value: other.record });
  if (outcome === 'applied' && code !== 'waiting-for-spare')
    puts.push(markOf(input.operation, `engine-status.${input.kind}`, requestOf(input), reason));
  return { puts, deletes };
}

function markOf(operation: string, kind: string, request: string, reason: string): Put {
  const value: OperationRecord = { operation, kind, request, outcome: 'applied', reason, at: 0 };
  return { key: operationKey(operation), value };
}

function requestOf(input: EngineStatusInput): string {
  if (input.kind === 'failure-reported') return canonicalRequest(input.kind, { address: input.address });
  if (input.kind === 'verdict' && input.operator === true)
    return canonicalRequest(input.kind, { address: input.address, verdict: input.verdict });
  if (input.kind === 'verdict' || input.kind === 'repairs-complete' || input.kind === 'writes-lost') {
    const { incident, attempt } = input;
    const more = input.kind === 'verdict' ? { verdict: input.verdict } : {};
    return canonicalRequest(input.kind, { incident, attempt, ...more });
  }
  if (input.kind === 'take-offline' || input.kind === 'bring-online' || input.kind === 'retire')
    return canonicalRequest(input.kind, { address: input.address });
  if (input.kind === 'acknowledge' || input.kind === 'cancel-repair' || input.kind === 'retry-repair')
    return canonicalRequest(input.kind, { incident: input.incident });
  throw new Error(`the simulator gives no ${input.kind}`);
}

/** Puts a repair on record, as `putRepairRecord`. */
export function* putRepairRecord(
  world: World,
  process: Process,
  place: { cluster: string; shard: number; vdisk: number },
  repair: RepairRecord,
): Flow<Pick<RepairRecordResult, 'outcome' | 'code'>> {
  const { etcd, cores } = world;
  const keys = [
    ownerKey(place.vdisk),
    incidentKey(place.cluster, place.shard),
    repairKey(repair.incident, repair.attempt, place.vdisk),
  ] as const;
  for (let round = 1; round <= ROUNDS_MAX; round++) {
    const [owner, incident, recorded] = yield* wait(
      etcd.call(process, () => keys.map((key) => etcd.get(key))),
    );
    const decision = cores.decideRepairRecord(
      {
        isRecorded: recorded != null,
        epoch: owner == null ? null : String(owner.createRevision),
        incident: incident == null ? null : (incident.value as IncidentRecord),
      },
      repair,
    );
    if (decision.outcome !== 'applied') return decision;
    const { ok } = yield* wait(
      etcd.call(process, () =>
        etcd.commit(
          [
            { key: keys[0], createRevision: owner?.createRevision ?? 0 },
            { key: keys[1], revision: incident?.revision ?? 0 },
            { key: keys[2], revision: 0 },
          ],
          [{ key: keys[2], value: repair }],
        ),
      ),
    );
    if (ok) return decision;
  }
  return { outcome: 'conflict', code: 'conflict' };
}

/** What is stored of a vdisk. */
export interface VdiskConfig {
  readonly vdisk: number;
}

/** Creates or deletes a vdisk on the clusters of the run, as the repair-coordinator does. */
export function* changeVdisk(
  world: World,
  process: Process,
  what: 'create' | 'delete',
  vdisk: number,
  operation: string,
): Flow<string> {
  const { etcd, cores, clusters } = world;
  const name = `v${vdisk}`;
  const kind = `vdisk.${what}`;
  const canonical = canonicalRequest(kind, { vdisk });
  for (let round = 1; round <= ROUNDS_MAX; round++) {
    const own = [vdiskKey(vdisk), ownerKey(vdisk), operationKey(operation)];
    const keys = [...own, ...clusters.flatMap((cluster) => [storageKey(cluster), recordKey(cluster)])];
    const entries = yield* wait(
      etcd.call(process, () => new Map(keys.map((key) => [key, etcd.get(key)] as const))),
    );
    const stored = <T>(key: string): T | null => (entries.get(key)?.value as T | undefined) ?? null;
    const admitting = clusters.map((cluster) => {
      const storage = stored<ClusterStorage>(storageKey(cluster));
      const record = stored<SalvorClusterRecord>(recordKey(cluster));
      if (storage === null || record === null) throw new Error(`there is no cluster ${cluster}`);
      return { cluster, servers: storage.servers, record };
    });
    const [primary = null, slave = null] = admitting;
    const exists = entries.get(vdiskKey(vdisk)) != null;
    const mark = stored<OperationRecord>(operationKey(operation));
    const admission =
      what === 'create'
        ? cores.decideVdiskCreate(
            { primary, slave, exists, lifecycle: null, mark },
            {
              vdisk: name,
              type: 'db',
              sizeGiB: 1,
              blockSize: 4096,
              cluster: primary?.cluster ?? '',
              ...(slave === null ? {} : { slaveCluster: slave.cluster }),
              readOnly: false,
            },
            canonical,
          )
        : cores.decideVdiskDelete(
            { exists, clusters: admitting, owner: stored(ownerKey(vdisk)), lifecycle: null, mark },
            name,
            canonical,
          );
    if (admission.outcome !== 'applied') return admission.code;
    const config: VdiskConfig = { vdisk };
    const puts = [markOf(operation, kind, canonical, admission.reason)];
    if (what === 'create') puts.push({ key: vdiskKey(vdisk), value: config });
    const { ok } = yield* wait(
      etcd.call(process, () =>
        etcd.commit(
          keys.map((key) => ({ key, revision: entries.get(key)?.revision ?? 0 })),
          puts,
          what === 'delete' ? [vdiskKey(vdisk)] : [],
        ),
      ),
    );
    if (ok) return 'applied';
  }
  return 'conflict';
}

/** Gives a cluster a spare, as the repair-coordinator does. */
export function* addSpare(
  world: World,
  process: Process,
  cluster: string,
  address: string,
  operation: string,
): Flow<string> {
  const { etcd, cores, clusters } = world;
  const canonical = canonicalRequest('cluster.add-spares', { cluster, address });
  for (let round = 1; round <= ROUNDS_MAX; round++) {
    const keys = [
      operationKey(operation),
      ...clusters.flatMap((name) => [storageKey(name), recordKey(name)]),
    ];
    const entries = yield* wait(
      etcd.call(process, () => new Map(keys.map((key) => [key, etcd.get(key)] as const))),
    );
    const stored = <T>(key: string): T | null => (entries.get(key)?.value as T | undefined) ?? null;
    const known = clusters.map((name) => ({
      cluster: name,
      storage: stored<ClusterStorage>(storageKey(name)) ?? { servers: [] },
      record: stored<SalvorClusterRecord>(recordKey(name)) as SalvorClusterRecord,
    }));
    const admission = cores.decideSparesAdd(
      { clusters: known, mark: stored<OperationRecord>(operationKey(operation)) },
      { cluster, spares: [{ address, db: 0 }] },
      canonical,
      { operation, at: world.wallOf(process) },
    );
    if (admission.outcome !== 'applied') return admission.code;
    const records = [...admission.records].map(([name, value]) => ({ key: recordKey(name), value }));
    const { ok } = yield* wait(
      etcd.call(process, () =>
        etcd.commit(
          keys.map((key) => ({ key, revision: entries.get(key)?.revision ?? 0 })),
          [markOf(operation, 'cluster.add-spares', canonical, admission.reason), ...records],
        ),
      ),
    );
    if (ok) return 'applied';
  }
  return 'conflict';
}

/** Ids of all vdisks that are configured. */
export function vdisksIn({ etcd }: World): number[] {
  return etcd.withPrefix(VDISKS).map(({ value }) => (value as VdiskConfig).vdisk);
}
