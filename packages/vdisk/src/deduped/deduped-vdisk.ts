import { isZero } from '../batch.ts';
import type { VdiskDevice } from '../device.ts';
import { errno, VdiskIoError } from '../errors.ts';
import { type Extent, findExtents } from '../extents.ts';
import type { OwnerGuard } from '../lease-guard.ts';
import type { Pair } from '../pair.ts';
import { placeBlock } from '../sharding.ts';
import type { Geometry, ShardState } from '../vdisk.ts';
import { contentHash } from './content-hash.ts';
import { type ContentRepairCounts, type ContentRepairTask, repairContent } from './content-repair.ts';
import { ContentStore, type TemplateContent } from './content-store.ts';
import { KeyedTurns } from './keyed-turns.ts';
import type { MapGate } from './map-filling.ts';
import { hashesIn, SLOTS_PER_SECTOR, sectorOf, sectorsOf } from './sector.ts';
import { SectorMap } from './sector-map.ts';

/** Blocks of one request that are written or read at once. */
const BLOCKS_AT_ONCE = 1024;
/** Sectors looked into for one answer about extents. */
const EXTENT_SECTORS_MAX = 64;
/** Content may be collected as garbage between a look at the map and the read, when its block was overwritten meanwhile. */
const READ_ROUNDS_MAX = 8;

/** A content hash that is being stored and not yet, or just now, recorded in the block map. */
export interface UnderWay {
  readonly hash: Buffer | null;
  readonly ended: Promise<void>;
}

/**
 * A mounted vdisk of type boot: its blocks are stored by the hash of their content, each content once in the cluster, and
 * its block map says which content each block has (0-Disk's deduped layout).
 *
 * A write is acknowledged when its content, and then the sector that names it, are on every member that must have them:
 * no sector ever names content that is not there.
 */
export class DedupedVdisk implements VdiskDevice {
  #geometry: Geometry;
  readonly #pairs: readonly Pair[];
  readonly #guard: OwnerGuard;
  readonly #usable: (shard: number) => boolean;
  readonly #gate: MapGate | null;
  readonly #sectors: SectorMap;
  readonly #contents: ContentStore;
  readonly #turns = new KeyedTurns();
  readonly #underWay = new Set<UnderWay>();

  constructor(
    geometry: Geometry,
    pairs: readonly Pair[],
    guard: OwnerGuard,
    isRip: (shard: number) => boolean,
    { template, gate }: { template: TemplateContent | null; gate: MapGate | null },
  ) {
    this.#gate = gate;
    this.#geometry = geometry;
    this.#pairs = pairs;
    this.#guard = guard;
    this.#usable = (shard) => !isRip(shard);
    const { vdisk, blockSizeBytes } = geometry;
    this.#sectors = new SectorMap(vdisk, (sector) => this.#pairAt(sector));
    this.#contents = new ContentStore({
      vdisk,
      blockSizeBytes,
      pairOf: (hash) => this.#pairAt(hash[0] ?? 0),
      template,
    });
  }

  get geometry(): Geometry {
    return this.#geometry;
  }

  grow(geometry: Geometry): void {
    this.#geometry = geometry;
  }

  async read(offsetBytes: number, lengthBytes: number): Promise<Buffer> {
    return (await this.readStored(offsetBytes, lengthBytes)) ?? Buffer.alloc(lengthBytes);
  }

  async readStored(offsetBytes: number, lengthBytes: number): Promise<Buffer | null> {
    this.#assertInside(offsetBytes, lengthBytes, errno.invalid);
    await this.#mapped();
    const { blockSizeBytes } = this.#geometry;
    const first = Math.floor(offsetBytes / blockSizeBytes);
    const count = Math.ceil((offsetBytes + lengthBytes) / blockSizeBytes) - first;
    const hashes = await this.#sectors.hashes(first, count);
    const isHole = hashes.every((hash) => hash === null);
    if (!isHole && count === 1 && lengthBytes === blockSizeBytes) {
      const whole = await this.#blockContent(first, hashes[0] ?? null);
      await this.#assertOwner();
      return whole;
    }
    const out = isHole ? null : Buffer.alloc(lengthBytes);
    for (let from = 0; out !== null && from < count; from += BLOCKS_AT_ONCE) {
      await Promise.all(
        hashes.slice(from, from + BLOCKS_AT_ONCE).map(async (hash, i) => {
          if (hash === null) return;
          const block = first + from + i;
          const content = await this.#blockContent(block, hash);
          const at = block * blockSizeBytes - offsetBytes;
          if (content !== null) content.copy(out, Math.max(at, 0), Math.max(-at, 0));
        }),
      );
    }
    await this.#assertOwner();
    return out;
  }

  /** What was read may be the very bytes that are copied in from the template: its memory is not used again. */
  recycle(_data: Buffer): void {}

  async extents(offsetBytes: number, lengthBytes: number): Promise<Extent[]> {
    this.#assertInside(offsetBytes, lengthBytes, errno.invalid);
    if (lengthBytes === 0) return [];
    await this.#mapped();
    const [stored] = await this.#sectorExtents(offsetBytes, lengthBytes);
    if (stored === undefined) return [];
    const extents = stored.allocated ? await this.#blockExtents(offsetBytes, stored.lengthBytes) : [stored];
    await this.#assertOwner();
    return extents;
  }

  async write(offsetBytes: number, data: Buffer): Promise<void> {
    this.#assertWritable(offsetBytes, data.length);
    await this.#mapped();
    await this.#change(offsetBytes, data.length, data);
  }

  /** Makes the range read as zeros. Content that nothing names any more is freed by the collection of garbage. */
  async zero(offsetBytes: number, lengthBytes: number): Promise<void> {
    this.#assertWritable(offsetBytes, lengthBytes);
    await this.#mapped();
    await this.#change(offsetBytes, lengthBytes, null);
  }

  /** Every acknowledged write is on every member that must have it; what remains is to be sure that we still own the vdisk. */
  async flush(): Promise<void> {
    await this.#assertOwner();
  }

  /** Sectors and contents lie on any shard: all of them must be ours. */
  async #assertOwner(): Promise<void> {
    if (this.#guard.isOwner()) return;
    await this.#guard.assertOwner(this.#pairs.filter(({ context }) => this.#usable(context.shard)));
  }

  shardStates(): ShardState[] {
    return this.#pairs.map(({ context, mode }) => ({
      shard: context.shard,
      mode: mode.kind,
      reason: mode.reason,
    }));
  }

  /**
   * Takes over a sector of a template, before the block map is open to anybody else. Its content is not stored anew, unless
   * a member is under repair: that one may lack what the template's own vdisk named when it was repaired.
   */
  async adoptSector(sector: number, content: Buffer | null): Promise<void> {
    let end = (): void => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const hashes = [...hashesIn(content)];
    const underWay = hashes.map((hash) => ({ hash, ended }));
    for (const one of underWay) this.#underWay.add(one);
    try {
      for (const hash of hashes) {
        const { kind } = this.#pairAt(hash[0] ?? 0).mode;
        if (kind === 'mirrored' || kind === 'single') continue;
        const present = await this.#contents.get(hash);
        if (present !== null) await this.#contents.put(hash, present);
      }
      await this.#pairAt(sector).write([{ block: sector, data: content }]);
    } finally {
      for (const one of underWay) this.#underWay.delete(one);
      end();
    }
  }

  /** Writes whose content may be stored while no sector names it yet. */
  underWay(): UnderWay[] {
    return [...this.#underWay];
  }

  /** Gives a member under repair the content that it lacks; its sectors it has already. */
  repairContent(task: ContentRepairTask): Promise<ContentRepairCounts> {
    const { vdisk, sizeBytes, blockSizeBytes } = this.#geometry;
    return repairContent(task, {
      vdisk,
      sectors: sectorsOf(sizeBytes, blockSizeBytes),
      pairs: this.#pairs,
      shardOf: (index) => this.#shardOf(index),
      underWay: () => this.underWay().flatMap(({ hash }) => (hash === null ? [] : [hash])),
    });
  }

  /** Resolves when what was read from the template is copied into the cluster, as far as that was begun. */
  templateCopied(): Promise<void> {
    return this.#contents.copied();
  }

  /** Resolves when the block map is this vdisk's own. */
  async #mapped(): Promise<void> {
    if (this.#gate !== null && !this.#gate.isOpen) await this.#gate.opened();
  }

  /** The content of a block; `hash` is what the map said. */
  async #blockContent(block: number, hash: Buffer | null): Promise<Buffer | null> {
    let named = hash;
    for (let round = 0; named !== null; round++) {
      const content = await this.#contents.get(named);
      if (content !== null) return content;
      const [now = null] = await this.#sectors.hashes(block, 1);
      if (now !== null && (round >= READ_ROUNDS_MAX || now.equals(named))) throw this.#missing(block, now);
      named = now;
    }
    return null;
  }

  async #change(offsetBytes: number, lengthBytes: number, data: Buffer | null): Promise<void> {
    const { blockSizeBytes } = this.#geometry;
    const end = offsetBytes + lengthBytes;
    for (let position = offsetBytes; position < end; ) {
      const writes: Promise<void>[] = [];
      for (; position < end && writes.length < BLOCKS_AT_ONCE; ) {
        const block = Math.floor(position / blockSizeBytes);
        const at = position - block * blockSizeBytes;
        const length = Math.min(blockSizeBytes - at, end - position);
        const from = position - offsetBytes;
        const part = data === null ? null : data.subarray(from, from + length);
        writes.push(this.#turns.run(block, () => this.#changeBlock(block, at, length, part)));
        position += length;
      }
      await allOrFirstError(writes);
    }
  }

  async #changeBlock(block: number, at: number, length: number, part: Buffer | null): Promise<void> {
    const { blockSizeBytes } = this.#geometry;
    this.#sectors.prepare(sectorOf(block));
    let content = part;
    if (length < blockSizeBytes) {
      const [hash = null] = await this.#sectors.hashes(block, 1);
      const present = await this.#blockContent(block, hash);
      if (present === null && part === null) return;
      content = present === null ? Buffer.alloc(blockSizeBytes) : Buffer.from(present);
      if (part === null) content.fill(0, at, at + length);
      else part.copy(content, at);
    }
    await this.#store(block, content === null || isZero(content) ? null : content);
  }

  /** The content first, then the sector that names it. */
  async #store(block: number, content: Buffer | null): Promise<void> {
    const hash = content === null ? null : contentHash(content);
    const stored = this.#storeAs(block, hash, content);
    const underWay = { hash, ended: stored.catch(() => undefined) };
    this.#underWay.add(underWay);
    try {
      await stored;
    } finally {
      this.#underWay.delete(underWay);
    }
  }

  async #storeAs(block: number, hash: Buffer | null, content: Buffer | null): Promise<void> {
    if (hash !== null && content !== null) await this.#contents.put(hash, content);
    await this.#sectors.set(block, hash);
  }

  /** Which sectors of the range are stored, in bytes; the first of them is enough for an answer. */
  #sectorExtents(offsetBytes: number, lengthBytes: number): Promise<Extent[]> {
    const shards = this.#pairs.map(({ context }) => context.shard).filter(this.#usable);
    return findExtents({
      offsetBytes,
      lengthBytes,
      blockSizeBytes: this.#geometry.blockSizeBytes * SLOTS_PER_SECTOR,
      shards: shards.map((shard) => this.#pair(shard)),
      shardOf: (sector) => shards.indexOf(this.#shardOf(sector)),
    });
  }

  async #blockExtents(offsetBytes: number, lengthBytes: number): Promise<Extent[]> {
    const { blockSizeBytes } = this.#geometry;
    const first = Math.floor(offsetBytes / blockSizeBytes);
    const last = Math.ceil((offsetBytes + lengthBytes) / blockSizeBytes);
    const end = Math.min(last, (sectorOf(first) + EXTENT_SECTORS_MAX) * SLOTS_PER_SECTOR);
    const hashes = await this.#sectors.hashes(first, end - first);
    const extents: { lengthBytes: number; allocated: boolean }[] = [];
    let position = offsetBytes;
    for (const [i, hash] of hashes.entries()) {
      const next = Math.min((first + i + 1) * blockSizeBytes, offsetBytes + lengthBytes);
      const allocated = hash !== null;
      const before = extents.at(-1);
      if (before?.allocated === allocated) before.lengthBytes += next - position;
      else extents.push({ lengthBytes: next - position, allocated });
      position = next;
    }
    return extents;
  }

  #shardOf(index: number): number {
    return placeBlock(index, this.#geometry.shards, this.#usable);
  }

  #pairAt(index: number): Pair {
    return this.#pair(this.#shardOf(index));
  }

  #pair(shard: number): Pair {
    const pair = this.#pairs[shard];
    if (pair === undefined) throw new RangeError(`shard ${shard} of ${this.#pairs.length}`);
    return pair;
  }

  #missing(block: number, hash: Buffer): VdiskIoError {
    return new VdiskIoError(
      'content-missing',
      `vdisk ${this.#geometry.vdisk}: block ${block} has content ${hash.toString('hex')}, which no engine of shard ${this.#shardOf(hash[0] ?? 0)} and no template holds`,
      errno.io,
    );
  }

  #assertWritable(offsetBytes: number, lengthBytes: number): void {
    if (this.#geometry.readOnly) {
      throw new VdiskIoError('read-only', `vdisk ${this.#geometry.vdisk} is read-only`, errno.permission);
    }
    this.#assertInside(offsetBytes, lengthBytes, errno.noSpace);
  }

  #assertInside(offsetBytes: number, lengthBytes: number, nbdErrno: number): void {
    const { vdisk, sizeBytes } = this.#geometry;
    if (offsetBytes >= 0 && lengthBytes >= 0 && offsetBytes + lengthBytes <= sizeBytes) return;
    const what = `vdisk ${vdisk}: bytes ${offsetBytes} to ${offsetBytes + lengthBytes} of ${sizeBytes}`;
    throw new VdiskIoError('out-of-range', `${what}: the request leaves the device`, nbdErrno);
  }
}

/** Waits for all of them, so that nothing of a failed request is still under way when the error is reported. */
async function allOrFirstError(promises: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(promises))
    if (result.status === 'rejected') throw result.reason;
}
