import { type ConfigStore, clusterStorageKey, readVdisk } from '@salvor/config-store';
import { SalvorError } from '@salvor/service-kit';
import type { EngineReader } from '../census/engine-reader.ts';
import { EngineError } from '../errors.ts';
import { type CopyAccess, openSource } from './clone-source.ts';
import { readVdiskMap, type VdiskMap } from './vdisk-map.ts';

/** How far an engine is in the write history of a vdisk. */
export interface EnginePosition {
  readonly shard: number;
  readonly batch: number;
}

const ASK_BLOCKS = 512;

/**
 * A vdisk read from its engines while somebody else may write it: each block as it was at some moment since it was asked for,
 * or as a write leaves it that is not acknowledged yet. Whoever needs one state applies the log on top.
 */
export class LiveImage implements Disposable {
  readonly map: VdiskMap;
  /** Names the copies that are read. Another text: other ones, or the same ones after their status was another. */
  readonly name: string;
  readonly #readers: ReadonlyMap<number, EngineReader>;

  private constructor(map: VdiskMap, name: string, readers: ReadonlyMap<number, EngineReader>) {
    this.map = map;
    this.name = name;
    this.#readers = readers;
  }

  /** @throws SalvorError `unknown-vdisk`, `unsupported-type`, `bad-configuration`; EngineError when a shard cannot be read */
  static async open(store: ConfigStore, vdisk: string, access: CopyAccess): Promise<LiveImage> {
    // Before the map: what changes in between is seen as a change by the next look.
    const state = await clusterState(store, vdisk);
    const map = await readVdiskMap(store, vdisk);
    const readers = new Map<number, EngineReader>();
    try {
      for (const shard of map.shards)
        readers.set(shard, await openSource(vdisk, shard, map.copies[shard] ?? [], access));
    } catch (error) {
      for (const reader of readers.values()) reader.close();
      throw error;
    }
    const runs = [...readers.values()].map(({ address, runId }) => `${address}/${runId.slice(0, 12)}`);
    return new LiveImage(map, `${state} ${runs.join(' ')}`, readers);
  }

  /** Whether etcd still says of the clusters what it said when this was opened. Throws StoreError. */
  async isCurrent(store: ConfigStore): Promise<boolean> {
    return this.name.startsWith(`${await clusterState(store, this.map.vdisk)} `);
  }

  /** The content of blocks, in their order; null: zeros. @throws EngineError */
  async read(blocks: readonly number[]): Promise<(Buffer | null)[]> {
    const content = new Array<Buffer | null>(blocks.length).fill(null);
    const parts = new Map<number, number[]>();
    for (const [place, block] of blocks.entries()) {
      const shard = this.map.shardOf(block);
      const part = parts.get(shard);
      if (part === undefined) parts.set(shard, [place]);
      else part.push(place);
    }
    const reads = [...parts].flatMap(([shard, places]) => {
      const asks: Promise<void>[] = [];
      for (let at = 0; at < places.length; at += ASK_BLOCKS)
        asks.push(this.#readInto(shard, places.slice(at, at + ASK_BLOCKS), blocks, content));
      return asks;
    });
    for (const result of await Promise.allSettled(reads))
      if (result.status === 'rejected') throw result.reason;
    return content;
  }

  /** How far each engine is that is read. @throws EngineError */
  async positions(): Promise<EnginePosition[]> {
    const heads = [...this.#readers].map(async ([shard, reader]) => {
      const { seq: batch } = await reader.head(this.map.vdisk);
      return { shard, batch };
    });
    return Promise.all(heads);
  }

  close(): void {
    for (const reader of this.#readers.values()) reader.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #readInto(
    shard: number,
    places: readonly number[],
    blocks: readonly number[],
    content: (Buffer | null)[],
  ): Promise<void> {
    const reader = this.#readers.get(shard);
    if (reader === undefined)
      throw new EngineError('unreachable', `shard ${shard} of vdisk ${this.map.vdisk} is gone for good`);
    const found = await reader.read(
      this.map.layout,
      places.map((place) => blocks[place] ?? 0),
    );
    for (const [i, place] of places.entries()) content[place] = found[i] ?? null;
  }
}

/** The revisions of what etcd says of the clusters of a vdisk: any change of an engine's status is another one. */
async function clusterState(store: ConfigStore, vdisk: string): Promise<string> {
  const stored = await readVdisk(store, vdisk);
  if (stored === null) throw new SalvorError('unknown-vdisk', `there is no vdisk ${vdisk}`);
  const { storageClusterID, slaveStorageClusterID } = stored.nbd;
  const keys = [storageClusterID, slaveStorageClusterID].filter((id) => id !== '').map(clusterStorageKey);
  const { entries } = await store.getMany(keys);
  return [stored.nbdRevision, ...keys.map((key) => entries.get(key)?.revision ?? '-')].join('.');
}
