import {
  type AvailableAgain,
  availableAgainKey,
  availableAgainSchema,
  type ConfigStore,
  ConfigValueError,
  formatRecord,
  INCIDENTS_PREFIX,
  incidentSchema,
  parseRecord,
  parseVdiskNbd,
  parseVdiskStatic,
  type StoredVdisk,
  type StoreEntry,
  type StoreReader,
  UNAVAILABLE_PREFIX,
  type UnavailableShard,
  type UnavailableVdisk,
  unavailableKey,
  unavailableShardSchema,
  unavailableVdisksMax,
  vdiskNbdKey,
  vdiskSizeBytes,
  vdiskStaticKey,
  vdiskStorages,
} from '@salvor/config-store';
import type { Logger } from '@salvor/service-kit';
import { type KnownCluster, readClusters } from '../descriptions.ts';
import type { EngineAccess } from '../vdisk-blocks.ts';
import { onEngine } from '../vdisk-description.ts';
import { WatchLoop } from '../watch-loop.ts';
import {
  type DarkMember,
  type DarkShard,
  decideDarkShards,
  mayBeDark,
  type OpenIncident,
  type PlacedVdisk,
  servedLast,
} from './dark-shards.ts';
import { decideUnavailableBlocks, type EngineAnswer } from './unavailable-blocks.ts';

export interface UnavailableWatchOptions {
  readonly store: ConfigStore;
  readonly access: EngineAccess;
  readonly log: Logger;
}

/** When many engines fail at once, their incidents are looked at together. */
const REST_MS = 100;
/** A statement is made again after so long: an engine that was silent may answer by now. */
const REFRESH_INTERVAL_MS = 15_000;
/** Vdisks read with one call, of two keys each. */
const READ_AT_ONCE = 64;

/**
 * Keeps a statement in etcd for every shard without a live member: which vdisks, how many blocks. It is announced from there,
 * and gone when a member serves again. Several coordinators may do this: each statement is a compared transaction.
 */
export class UnavailableWatch {
  readonly #options: UnavailableWatchOptions;
  readonly #loop: WatchLoop;

  constructor(options: UnavailableWatchOptions) {
    this.#options = options;
    const { store, log } = options;
    this.#loop = new WatchLoop({
      ...{ store, log },
      prefixes: [INCIDENTS_PREFIX, UNAVAILABLE_PREFIX],
      restMs: REST_MS,
      trouble: 'could not say what is unavailable, trying again',
      look: () => this.#look(),
    });
  }

  /** Waits for etcd as long as that takes. */
  start(): Promise<void> {
    return this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  /** Without an open incident every engine serves: then there is nothing to read. */
  async #look(): Promise<void> {
    if (this.#loop.entries().size === 0) return;
    // Of one revision, the statements too: none is made of halves, nor put in the place of one that is made of later ones.
    const reader = this.#options.store.snapshot();
    const clusters = await readClusters(reader);
    const vdisks = clusters.some(mayBeDark) ? await placedVdisks(reader) : [];
    const incidents = await openIncidents(reader);
    const stated = new Map(
      (await reader.list(UNAVAILABLE_PREFIX)).entries.map((entry) => [entry.key, entry]),
    );
    const dark = groupedByShard(decideDarkShards(clusters, vdisks, incidents));
    for (const [key, shards] of dark)
      if (!this.#loop.isStopped) await this.#state(key, shards, clusters, stated.get(key) ?? null);
    for (const [key, entry] of stated) if (!dark.has(key)) await this.#end(entry, clusters);
  }

  async #state(
    key: string,
    dark: readonly DarkShard[],
    clusters: readonly KnownCluster[],
    entry: StoreEntry | null,
  ): Promise<void> {
    const { store, log } = this.#options;
    const before = entry === null ? null : readable(entry);
    const now = Date.now();
    if (before !== null && isSame(before, dark) && now - before.updatedAt < REFRESH_INTERVAL_MS) return;
    const found = (await Promise.all(dark.map((shard) => this.#count(shard, clusters)))).flat();
    const statement = statementOf(dark, found, before, now);
    const put = { key, value: formatRecord(unavailableShardSchema, key, statement) };
    const compare = [{ key, revision: entry?.revision ?? ('absent' as const) }];
    const stored = await store.transact({ compare, puts: [put] });
    if (!stored.ok || before !== null) return;
    const { cluster, shard, blocks, counted, reason } = statement;
    log.error({ cluster, shard, blocks, counted, vdisks: found.length, reason }, 'data unavailable');
  }

  /** What was stated ends with a record of its own: who starts later still learns of it. */
  async #end(entry: StoreEntry, clusters: readonly KnownCluster[]): Promise<void> {
    const { store, log } = this.#options;
    const { key, revision } = entry;
    const was = readable(entry);
    const again = was === null ? null : againOf(was, clusters, Date.now());
    const puts = again === null ? [] : [putOf(again)];
    const ended = await store.transact({ compare: [{ key, revision }], puts, deletes: [key] });
    if (!ended.ok) return;
    const { cluster, shard, reason, vdisks } = again ?? {};
    log.info({ key, cluster, shard, reason, vdisks: vdisks?.length }, 'data available again');
  }

  /** Asks the members of the shard, dead ones once: nobody waits for a thousand timeouts. */
  async #count(dark: DarkShard, clusters: readonly KnownCluster[]): Promise<UnavailableVdisk[]> {
    const servers = clusters.find(({ cluster }) => cluster === dark.cluster)?.storage.servers ?? [];
    const rip = servers.flatMap(({ status }, shard) => (status === 'rip' ? [shard] : []));
    const silent = new Map<string, string>();
    const statements: UnavailableVdisk[] = [];
    for (const { vdisk, stored } of await readVdisks(this.#options.store, dark.vdisks)) {
      const { type, blockSize } = stored.static;
      const blocks = Math.floor(vdiskSizeBytes(stored.static) / blockSize);
      const answers = await Promise.all(
        dark.members.map((member) => this.#ask(member, dark, { vdisk, stored }, servers.length, silent)),
      );
      const size = { vdisk, type, blocks, shard: dark.shard, shards: servers.length, rip };
      statements.push(decideUnavailableBlocks(size, answers));
    }
    return statements;
  }

  async #ask(
    member: DarkMember,
    { shard, members }: DarkShard,
    { vdisk, stored }: KnownVdisk,
    shards: number,
    silent: Map<string, string>,
  ): Promise<EngineAnswer> {
    const { address, staleSince } = member;
    const about = { address, staleSince, servedLast: servedLast(members) === member };
    const known = silent.get(address);
    if (known !== undefined) return { ...about, found: { problem: known } };
    const { blocks, estimated, dirtyBlocks, problem } = await onEngine(
      { ...member, shard },
      vdisk,
      stored,
      shards,
      this.#options.access,
    );
    if (problem != null) silent.set(address, problem);
    if (blocks == null) return { ...about, found: { problem: problem ?? 'it does not say' } };
    return { ...about, found: { blocks, exact: estimated !== true, dirtyBlocks: dirtyBlocks ?? 0 } };
  }
}

function againOf(was: UnavailableShard, clusters: readonly KnownCluster[], now: number): AvailableAgain {
  const { cluster, slaveCluster, shard, since, incidents, vdisks } = was;
  const [incident] = incidents;
  const serving = clusters
    .filter((known) => known.cluster === cluster || known.cluster === slaveCluster)
    .flatMap(({ storage }) => storage.servers[shard] ?? [])
    .filter(({ status }) => status === 'online')
    .map(({ address }) => address);
  const reason =
    serving.length === 0
      ? `shard ${shard} has no blocks of these vdisks any more`
      : `${serving.join(' and ')} ${serving.length === 1 ? 'serves' : 'serve'} again`;
  return {
    ...{ cluster, shard, since, reason, at: Math.max(now, since) },
    ...(incident === undefined ? {} : { incident }),
    vdisks: vdisks.map(({ vdisk }) => vdisk),
  };
}

function putOf(again: AvailableAgain): { key: string; value: string } {
  const key = availableAgainKey(again.cluster, again.shard);
  return { key, value: formatRecord(availableAgainSchema, key, again) };
}

async function openIncidents(store: StoreReader): Promise<OpenIncident[]> {
  const { entries } = await store.list(INCIDENTS_PREFIX);
  return entries.map(({ key, value, createRevision }) => ({
    incident: parseRecord(incidentSchema, key, value),
    openedRevision: BigInt(createRevision),
  }));
}

/** One that cannot be read may use any cluster: the healing loop complains of it. */
async function placedVdisks(store: StoreReader): Promise<PlacedVdisk[]> {
  return (await vdiskStorages(store)).flatMap(({ vdisk, nbd }) =>
    nbd instanceof Error ? [] : [{ vdisk, nbd }],
  );
}

interface KnownVdisk {
  readonly vdisk: string;
  readonly stored: StoredVdisk;
}

async function readVdisks(store: ConfigStore, vdisks: readonly string[]): Promise<KnownVdisk[]> {
  const known: KnownVdisk[] = [];
  for (let from = 0; from < vdisks.length; from += READ_AT_ONCE) {
    const page = vdisks.slice(from, from + READ_AT_ONCE);
    const { entries } = await store.getMany(
      page.flatMap((vdisk) => [vdiskStaticKey(vdisk), vdiskNbdKey(vdisk)]),
    );
    for (const vdisk of page) {
      const [fixed, nbd] = [entries.get(vdiskStaticKey(vdisk)), entries.get(vdiskNbdKey(vdisk))];
      if (fixed == null || nbd == null) continue; // deleted meanwhile
      try {
        const stored = {
          ...{ static: parseVdiskStatic(fixed.value), staticRevision: fixed.revision },
          ...{ nbd: parseVdiskNbd(nbd.value), nbdRevision: nbd.revision },
        };
        known.push({ vdisk, stored });
      } catch (error) {
        if (!(error instanceof ConfigValueError)) throw error;
      }
    }
  }
  return known;
}

/** By the key of its statement: vdisks with and without a slave share one. */
function groupedByShard(dark: readonly DarkShard[]): Map<string, DarkShard[]> {
  const grouped = new Map<string, DarkShard[]>();
  for (const shard of dark) {
    const key = unavailableKey(shard.cluster, shard.shard);
    grouped.set(key, [...(grouped.get(key) ?? []), shard]);
  }
  return grouped;
}

function statementOf(
  dark: readonly DarkShard[],
  found: readonly UnavailableVdisk[],
  before: UnavailableShard | null,
  now: number,
): UnavailableShard {
  const [first] = dark;
  if (first === undefined) throw new Error('a statement is about a shard');
  const { slaveCluster } = dark.find((one) => one.slaveCluster !== null) ?? first;
  return {
    cluster: first.cluster,
    ...(slaveCluster === null ? {} : { slaveCluster }),
    shard: first.shard,
    since: before?.since ?? (Math.max(...dark.map(({ since }) => since)) || now),
    incidents: incidentsOf(dark),
    reason: dark.map(({ reason }) => reason).join('. '),
    blocks: found.reduce((sum, { blocks }) => sum + blocks, 0),
    counted: found.every(({ counted }) => counted),
    vdisks: found.toSorted((a, b) => (a.vdisk < b.vdisk ? -1 : 1)).slice(0, unavailableVdisksMax),
    updatedAt: now,
  };
}

/** The latest first: that of the member that failed last. */
function incidentsOf(dark: readonly DarkShard[]): string[] {
  const members = dark.flatMap((shard) => shard.members);
  const latest = members.toSorted((a, b) => (b.staleSince ?? 0) - (a.staleSince ?? 0));
  return [...new Set(latest.flatMap(({ incident }) => incident ?? []))].slice(0, 2);
}

function isSame(before: UnavailableShard, dark: readonly DarkShard[]): boolean {
  const named = before.vdisks.map(({ vdisk }) => vdisk);
  const now = dark.flatMap(({ vdisks }) => vdisks).sort();
  return (
    before.reason === dark.map(({ reason }) => reason).join('. ') &&
    JSON.stringify(before.incidents) === JSON.stringify(incidentsOf(dark)) &&
    JSON.stringify(named) === JSON.stringify(now.slice(0, unavailableVdisksMax))
  );
}

function readable({ key, value }: StoreEntry): UnavailableShard | null {
  try {
    return parseRecord(unavailableShardSchema, key, value);
  } catch {
    return null; // replaced by one that can be read
  }
}
