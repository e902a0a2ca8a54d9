/** Whether a cluster may be created, or given spares, and what is written for it. Pure. */
import type { ClusterStorage, ServerEntry } from '../cluster-storage.ts';
import { DIAL_ADDRESS, isDialAddress } from '../dial-address.ts';
import { judgeCluster } from './cluster-status.ts';
import { incidentClusterCharsMax } from './engine-failure.ts';
import { repeatOf, reusedReason } from './operation-mark.ts';
import type { ClusterRole, EngineRef, OperationRecord, SalvorClusterRecord } from './records.ts';

export interface ClusterCreateRequest {
  readonly cluster: string;
  readonly role: ClusterRole;
  /** The position is the shard number. */
  readonly engines: readonly EngineRef[];
  readonly spares: readonly EngineRef[];
  /** The cluster on the other side of the pairs; it may be created later. */
  readonly partner?: string;
}

export interface SparesAddRequest {
  readonly cluster: string;
  readonly spares: readonly EngineRef[];
}

export interface SpareRemoveRequest {
  readonly cluster: string;
  readonly address: string;
  readonly reason: string;
}

export interface KnownCluster {
  readonly cluster: string;
  readonly storage: ClusterStorage;
  /** Absent for a cluster that other tools made and Salvor has not touched. */
  readonly record?: SalvorClusterRecord;
}

export interface ClusterAdmissionState {
  /** Every cluster there is. */
  readonly clusters: readonly KnownCluster[];
  readonly mark: OperationRecord | null;
}

export type ClusterAdmissionCode =
  | 'admitted'
  | 'same-operation'
  | 'operation-reused'
  | 'invalid-cluster-id'
  | 'invalid-engine'
  | 'no-engines'
  | 'address-in-use'
  | 'cluster-exists'
  | 'unknown-cluster'
  | 'partner-refused'
  | 'not-a-spare';

export interface ClusterAdmission {
  readonly outcome: 'applied' | 'already' | 'refused';
  readonly code: ClusterAdmissionCode;
  /** A sentence for the log and the operator. */
  readonly reason: string;
  /** What is written: the configuration of a new cluster, and the records that change. */
  readonly storage?: ClusterStorage;
  readonly records: ReadonlyMap<string, SalvorClusterRecord>;
}

/** Who asks, and when (Unix milliseconds). */
export interface AdmissionCause {
  readonly operation: string;
  readonly at: number;
}

/** Shards have up to 4 digits in an incident id. */
export const clusterEnginesMax = 4096;
export const clusterSparesMax = 256;

const clusterIdPattern = new RegExp(`^[A-Za-z0-9_:-]{1,${incidentClusterCharsMax}}$`);
/** An address is a token of a subject, with its dots replaced. */
const addressTokenPattern = /^[A-Za-z0-9_.:-]{1,64}$/;

export function decideClusterCreate(
  state: ClusterAdmissionState,
  request: ClusterCreateRequest,
  canonical: string,
  cause: AdmissionCause,
): ClusterAdmission {
  const repeat = repeated(state.mark, canonical);
  if (repeat !== null) return repeat;
  const { cluster, role, engines, spares } = request;
  if (!clusterIdPattern.test(cluster)) {
    const expected = `1 to ${incidentClusterCharsMax} of A-Z a-z 0-9 _ : -`;
    return refuse('invalid-cluster-id', `a cluster id is ${expected}, found ${JSON.stringify(cluster)}`);
  }
  if (engines.length === 0 || engines.length > clusterEnginesMax || spares.length > clusterSparesMax) {
    const found = `${engines.length} engines and ${spares.length} spares`;
    const expected = `1 to ${clusterEnginesMax} engines and at most ${clusterSparesMax} spares`;
    return refuse('no-engines', `a cluster has ${expected}, found ${found}`);
  }
  if (state.clusters.some((known) => known.cluster === cluster)) {
    return refuse('cluster-exists', `cluster ${cluster} exists; choose another id`);
  }
  const unfit = unfitEngine([...engines, ...spares], state.clusters);
  if (unfit !== null) return unfit;

  const servers = engines.map(({ address, db }): ServerEntry => {
    return { address, db, state: 'online', status: 'online', generation: 1 };
  });
  const partnerName = request.partner ?? pairedWith(state.clusters, cluster);
  const partner = state.clusters.find((known) => known.cluster === partnerName);
  const misfit = partnerName === undefined ? null : misfitOf(request, partnerName, partner);
  if (misfit !== null) return misfit;

  const stamp = { updatedAt: cause.at, operation: cause.operation };
  const { status } = judgeCluster(servers, role, partner?.storage.servers);
  const records = new Map<string, SalvorClusterRecord>();
  records.set(cluster, {
    status,
    role,
    ...(partnerName === undefined ? {} : { partner: partnerName }),
    spares: spares.map(({ address, db }) => ({ address, db })),
    retired: [],
    lastOnlineAt: {},
    ...stamp,
  });
  if (partner?.record !== undefined) {
    const judged = judgeCluster(partner.storage.servers, partner.record.role, servers);
    records.set(partner.cluster, { ...partner.record, partner: cluster, status: judged.status, ...stamp });
  }
  const pair = partnerName === undefined ? '' : `, paired with ${partnerName}`;
  const reason = `${role} cluster ${cluster} is created with ${engines.length} engines and ${spares.length} spares${pair}`;
  return { outcome: 'applied', code: 'admitted', reason, storage: { servers }, records };
}

export function decideSparesAdd(
  state: ClusterAdmissionState,
  request: SparesAddRequest,
  canonical: string,
  cause: AdmissionCause,
): ClusterAdmission {
  const repeat = repeated(state.mark, canonical);
  if (repeat !== null) return repeat;
  const { cluster, spares } = request;
  const known = state.clusters.find((other) => other.cluster === cluster);
  if (known?.record === undefined)
    return refuse('unknown-cluster', `there is no cluster ${cluster} of Salvor`);
  if (spares.length === 0 || known.record.spares.length + spares.length > clusterSparesMax) {
    return refuse(
      'invalid-engine',
      `expected 1 to ${clusterSparesMax} spares in all, found ${spares.length} more`,
    );
  }
  // An engine that lost its data may be rebuilt in its own place: offline, it holds nothing of value.
  const emptied = known.storage.servers
    .filter(({ status }) => status === 'offline')
    .map(({ address }) => address);
  const elsewhere = spares.filter(({ address }) => !emptied.includes(address));
  const twice = repeatedAddress([...spares, ...known.record.spares]);
  if (twice !== null)
    return refuse('address-in-use', `${twice} is named twice among the spares of ${cluster}`);
  const unfit = unfitEngine(elsewhere, state.clusters);
  if (unfit !== null) return unfit;

  const added = new Set(spares.map(({ address }) => address));
  const record: SalvorClusterRecord = {
    ...known.record,
    spares: [...known.record.spares, ...spares.map(({ address, db }) => ({ address, db }))],
    retired: known.record.retired.filter(({ address }) => !added.has(address)),
    updatedAt: cause.at,
    operation: cause.operation,
  };
  const reason = `${[...added].join(', ')} ${added.size === 1 ? 'is a spare' : 'are spares'} of ${cluster} now`;
  return { outcome: 'applied', code: 'admitted', reason, records: new Map([[cluster, record]]) };
}

export function decideSpareRemove(
  state: ClusterAdmissionState,
  { cluster, address, reason }: SpareRemoveRequest,
  canonical: string,
  cause: AdmissionCause,
): ClusterAdmission {
  const repeat = repeated(state.mark, canonical);
  if (repeat !== null) return repeat;
  const record = state.clusters.find((other) => other.cluster === cluster)?.record;
  if (record === undefined) return refuse('unknown-cluster', `there is no cluster ${cluster} of Salvor`);
  const spares = record.spares.filter((spare) => spare.address !== address);
  if (spares.length === record.spares.length) {
    const named = record.spares.map((spare) => spare.address).join(', ') || 'none';
    return refuse('not-a-spare', `${address} is no idle spare of ${cluster}; its spares: ${named}`);
  }
  const next = { ...record, spares, updatedAt: cause.at, operation: cause.operation };
  const what = `${address} is no spare of ${cluster} any more: ${reason}`;
  return { outcome: 'applied', code: 'admitted', reason: what, records: new Map([[cluster, next]]) };
}

function unfitEngine(
  engines: readonly EngineRef[],
  clusters: readonly KnownCluster[],
): ClusterAdmission | null {
  for (const { address, db } of engines) {
    if (!isDialAddress(address) || !addressTokenPattern.test(address)) {
      const expected = `${DIAL_ADDRESS}, of at most 64 characters, without brackets`;
      return refuse('invalid-engine', `an engine's address is ${expected}; found ${JSON.stringify(address)}`);
    }
    if (!Number.isSafeInteger(db) || db < 0) {
      return refuse('invalid-engine', `db of ${address} is a whole number of at least 0, found ${db}`);
    }
  }
  const twice = repeatedAddress(engines);
  if (twice !== null) return refuse('address-in-use', `${twice} is named twice; an engine has one place`);
  for (const { cluster, storage, record } of clusters) {
    const used = new Set([
      ...storage.servers.flatMap(({ address, replacement, status }) =>
        status === 'rip' ? [] : [address, replacement?.address ?? address],
      ),
      ...(record?.spares ?? []).map(({ address }) => address),
    ]);
    const taken = engines.find(({ address }) => used.has(address));
    if (taken !== undefined)
      return refuse('address-in-use', `${taken.address} belongs to cluster ${cluster}`);
  }
  return null;
}

function misfitOf(
  { cluster, role, engines }: ClusterCreateRequest,
  partnerName: string,
  partner: KnownCluster | undefined,
): ClusterAdmission | null {
  if (partnerName === cluster)
    return refuse('partner-refused', `cluster ${cluster} cannot be its own partner`);
  if (partner === undefined) return null;
  const { record, storage } = partner;
  if (record === undefined) {
    return refuse('partner-refused', `cluster ${partnerName} was not made by Salvor; create its pair anew`);
  }
  if (record.role === role) {
    return refuse(
      'partner-refused',
      `cluster ${partnerName} is a ${role} too; a pair is a primary and a slave`,
    );
  }
  if (record.partner !== undefined && record.partner !== cluster) {
    return refuse('partner-refused', `cluster ${partnerName} is paired with ${record.partner} already`);
  }
  const [primary, slave] =
    role === 'primary' ? [engines.length, storage.servers.length] : [storage.servers.length, engines.length];
  if (slave >= primary) return null;
  const reason = `a slave cluster needs an engine for each of the primary: the slave has ${slave}, the primary ${primary}`;
  return refuse('partner-refused', reason);
}

/** A cluster that was created with this one as its partner, before this one existed. */
function pairedWith(clusters: readonly KnownCluster[], cluster: string): string | undefined {
  return clusters.find(({ record }) => record?.partner === cluster)?.cluster;
}

function repeatedAddress(engines: readonly EngineRef[]): string | null {
  const addresses = engines.map(({ address }) => address);
  return addresses.find((address, index) => addresses.indexOf(address) !== index) ?? null;
}

function repeated(mark: OperationRecord | null, canonical: string): ClusterAdmission | null {
  const repeat = repeatOf(mark, canonical);
  if (mark === null || repeat === 'first') return null;
  if (repeat === 'reused') return refuse('operation-reused', reusedReason(mark));
  const reason = `done before: ${mark.reason}`;
  return { outcome: 'already', code: 'same-operation', reason, records: new Map() };
}

function refuse(code: ClusterAdmissionCode, reason: string): ClusterAdmission {
  return { outcome: 'refused', code, reason, records: new Map() };
}
