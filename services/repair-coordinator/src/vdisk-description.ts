import {
  type ConfigStore,
  lifecycleIn,
  listOperations,
  listVdisks,
  ownerKey,
  ownerSchema,
  readVdisk,
  recordIn,
  type StoredVdisk,
  salvorClusterKey,
  salvorClusterSchema,
  vdiskLifecycleKey,
  vdiskSizeBytes,
} from '@salvor/config-store';
import type {
  ServedVdiskInit,
  VdiskCopiesInit,
  VdiskDescriptionInit,
  VdiskOnEngineInit,
  VdiskOwnerInit,
  VdiskScrubInit,
  VdiskSummaryInit,
} from '@salvor/contracts';
import { messageOf, SalvorError } from '@salvor/service-kit';
import { layoutOf, vdiskUsage } from '@salvor/vdisk';
import { openIncidents, operationDescription } from './descriptions.ts';
import { repairsOf } from './incident-hands.ts';
import type { EngineAccess } from './vdisk-blocks.ts';
import { clustersIn, placesOf, readerOf, type VdiskPlace } from './vdisk-places.ts';

/** Asks a server what it serves; rejects when it does not answer. */
export type AskServer = (server: string) => Promise<readonly ServedVdiskInit[]>;

/** All vdisks, or those of one cluster. */
export async function describeVdisks(store: ConfigStore, cluster?: string): Promise<VdiskSummaryInit[]> {
  const summaries: VdiskSummaryInit[] = [];
  for (const vdisk of await listVdisks(store)) {
    const stored = await readVdisk(store, vdisk);
    if (stored === null || (cluster !== undefined && !clustersIn(stored.nbd).includes(cluster))) continue;
    summaries.push({ ...vdiskShape(vdisk, stored), ...(await stateOf(store, vdisk)) });
  }
  return summaries;
}

export async function describeVdisk(
  store: ConfigStore,
  vdisk: string,
  access: EngineAccess,
  askServer: AskServer,
): Promise<VdiskDescriptionInit> {
  const stored = await readVdisk(store, vdisk);
  const state = await stateOf(store, vdisk);
  if (stored === null) {
    const why = state.operation === undefined ? '' : `: operation ${state.operation} is ${state.status} it`;
    throw new SalvorError('unknown-vdisk', `there is no vdisk ${vdisk}${why}`);
  }
  const shape = vdiskShape(vdisk, stored);
  const clusters = clustersIn(stored.nbd);
  const incidents = (await openIncidents(store)).filter(({ cluster }) => clusters.includes(cluster));
  const [repairs, engines, mount, { operations }] = await Promise.all([
    Promise.all(incidents.map(({ id, attempt }) => repairsOf(store, id, attempt))),
    placesOf(store, clusters).then((places) =>
      Promise.all(places.map((place) => onEngine(place, vdisk, stored, shardsIn(places), access))),
    ),
    mountOf(vdisk, state.owner, askServer),
    listOperations(store, { subject: vdisk }),
  ]);
  const copies = copiesOf(engines);
  const blocks = copies.map((copy) => copy.blocks);
  const used = blocks.every((count) => count !== undefined) ? sum(blocks) : undefined;
  const { operation: _, ...rest } = state;
  return {
    ...shape,
    ...rest,
    clusterStatus: await clusterStatus(store, shape.cluster),
    ...(shape.slaveCluster === undefined
      ? {}
      : { slaveClusterStatus: await clusterStatus(store, shape.slaveCluster) }),
    openIncidents: incidents.map(({ id }) => id),
    repairs: repairs.flat().filter((repair) => repair.vdisk === vdisk),
    ...(used === undefined ? {} : { usedBlocks: used, usedBytes: used * shape.blockSize }),
    realBytes: sum(engines.flatMap(({ dataBytes, overheadBytes }) => [dataBytes, overheadBytes])),
    engines,
    copies,
    ...mount,
    operations: operations.filter(({ work }) => work?.status === 'running').map(operationDescription),
    ...scrubIn(operations),
  };
}

function vdiskShape(vdisk: string, { static: fixed, nbd }: StoredVdisk): VdiskSummaryInit {
  const { type, size, blockSize, readOnly } = fixed;
  const slave = nbd.slaveStorageClusterID;
  return {
    ...{ vdisk, type, sizeGiB: size, blockSize, readOnly, cluster: nbd.storageClusterID },
    ...(slave === '' ? {} : { slaveCluster: slave }),
  };
}

interface VdiskState {
  readonly status: string;
  readonly owner?: VdiskOwnerInit;
  /** The operation that has it. */
  readonly operation?: string;
}

async function stateOf(store: ConfigStore, vdisk: string): Promise<VdiskState> {
  const key = ownerKey(vdisk);
  const { entries } = await store.getMany([key, vdiskLifecycleKey(vdisk)]);
  const held = recordIn(entries, key, ownerSchema);
  const lifecycle = lifecycleIn(entries, vdisk);
  const epoch = Number(entries.get(key)?.createRevision ?? 0);
  const owner = held === null ? {} : { owner: { server: held.server, epoch, since: held.since } };
  if (lifecycle === null) return { status: held === null ? 'available' : 'in-use', ...owner };
  return { status: lifecycle.state, operation: lifecycle.operations.join(', '), ...owner };
}

export async function onEngine(
  place: VdiskPlace,
  vdisk: string,
  stored: StoredVdisk,
  shards: number,
  access: EngineAccess,
): Promise<VdiskOnEngineInit> {
  const { cluster, role, shard, address, status } = place;
  const about = { cluster, role, shard, address, status };
  const { type, blockSize } = stored.static;
  if (status === 'rip') return { ...about, problem: 'it is gone for good; its blocks are placed elsewhere' };
  const layout = layoutOf(vdisk, stored.static, shards);
  const bits = layout.bitCount(Math.floor(vdiskSizeBytes(stored.static) / blockSize), shards);
  try {
    using reader = await readerOf(place, access);
    const { seq, exact, ...usage } = await vdiskUsage(reader, vdisk, layout, bits);
    // Its content is stored once for all vdisks, and counted for none: what there is of its own is the block map.
    if (type === 'boot') {
      const { blocks: _, ...map } = usage;
      return { ...about, ...map, batch: seq };
    }
    return { ...about, ...usage, estimated: !exact, batch: seq };
  } catch (error) {
    return { ...about, problem: messageOf(error) };
  }
}

export function shardsIn(places: readonly VdiskPlace[]): number {
  return places.filter(({ role }) => role === 'primary').length;
}

/** One entry per shard: which copies are current, and how much it holds. */
export function copiesOf(engines: readonly VdiskOnEngineInit[]): VdiskCopiesInit[] {
  const shards = [...new Set(engines.map(({ shard }) => shard))].sort((a, b) => a - b);
  return shards.map((shard) => {
    const own = engines.filter((engine) => engine.shard === shard && engine.status !== 'rip');
    const current = own.filter(({ status, problem }) => status === 'online' && problem === undefined);
    const counts = current.flatMap(({ blocks }) => blocks ?? []);
    const sentences = own.map(({ address, status, problem }) =>
      problem === undefined ? `${address} is ${status}` : `${address} is ${status}: ${problem}`,
    );
    return {
      shard,
      state: copyState(own, current),
      ...(own.length === 0 ? { blocks: 0 } : counts.length === 0 ? {} : { blocks: Math.max(...counts) }),
      reason:
        own.length === 0 ? 'it is gone for good; its blocks are on the other shards' : sentences.join('; '),
    };
  });
}

function copyState(own: readonly VdiskOnEngineInit[], current: readonly VdiskOnEngineInit[]): string {
  const [first] = current;
  if (own.length === 0) return 'rip';
  if (first === undefined) return 'none';
  if (own.length === 1) return 'single';
  return current.length > 1 ? 'both' : `${first.role}-only`;
}

async function mountOf(
  vdisk: string,
  owner: VdiskOwnerInit | undefined,
  askServer: AskServer,
): Promise<{ mount?: ServedVdiskInit; mountProblem?: string }> {
  if (owner === undefined) return {};
  try {
    const mount = (await askServer(owner.server)).find((served) => served.vdisk === vdisk);
    return mount === undefined
      ? { mountProblem: `${owner.server} says that it does not have it` }
      : { mount };
  } catch (error) {
    return { mountProblem: `${owner.server} did not say: ${messageOf(error)}` };
  }
}

function scrubIn(operations: Awaited<ReturnType<typeof listOperations>>['operations']): {
  scrub?: VdiskScrubInit;
} {
  const last = operations.find(({ kind }) => kind === 'vdisk.scrub');
  if (last === undefined) return {};
  const { operation, reason, at, work } = last;
  const { status = 'completed', message = reason, updatedAt = at } = work ?? {};
  return { scrub: { operation, status, message, at: updatedAt } };
}

async function clusterStatus(store: ConfigStore, cluster: string): Promise<string> {
  const key = salvorClusterKey(cluster);
  return recordIn((await store.getMany([key])).entries, key, salvorClusterSchema)?.status ?? 'unknown';
}

function sum(counts: readonly (number | undefined)[]): number {
  return counts.reduce<number>((total, count) => total + (count ?? 0), 0);
}
