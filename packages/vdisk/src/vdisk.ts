import { BATCH_MAX_BLOCKS, type BlockChange, type PendingWrite } from './batch.ts';
import type { VdiskDevice } from './device.ts';
import { errno, VdiskIoError } from './errors.ts';
import { type Extent, findExtents } from './extents.ts';
import type { PartRead } from './gathered-reads.ts';
import type { BlockLayout } from './layout/block-layout.ts';
import type { OwnerGuard } from './lease-guard.ts';
import type { ClientLog } from './log/write-log.ts';
import type { Pair } from './pair.ts';
import type { PairMode } from './pair-mode.ts';
import { ReadMemory } from './read-memory.ts';
import { ReadPart } from './read-part.ts';
import type { Placement } from './spread/placement.ts';

export interface Geometry {
  readonly vdisk: string;
  readonly sizeBytes: number;
  readonly blockSizeBytes: number;
  /** Type boot: the layout is that of the block map, whose blocks are its sectors. */
  readonly isDeduped: boolean;
  readonly layout: BlockLayout;
  readonly readOnly: boolean;
  /** Servers in the cluster, `rip` ones included. */
  readonly shards: number;
}

/** Where a device finds the log of its vdisk, which it may gain and lose while it is mounted. */
export interface Logged {
  readonly log: ClientLog | null;
}

/** How a shard serves, for status answers. */
export interface ShardState {
  readonly shard: number;
  readonly mode: PairMode['kind'];
  readonly reason: string;
}

/** Blocks zeroed in one step: a discard of gigabytes gives way to other requests in between. */
const ZERO_STEP_BLOCKS = 4096;

/**
 * A mounted virtual block device over the pairs of its clusters. Offsets and lengths are in bytes and of any alignment;
 * errors are {@link VdiskIoError} and concern that request only.
 */
export class Vdisk implements VdiskDevice {
  #geometry: Geometry;
  readonly #pairs: readonly Pair[];
  readonly #guard: OwnerGuard;
  readonly #placement: Placement;
  readonly #memory: ReadMemory;
  readonly #logged: Logged;
  /** Questions about extents take turns: each may ask the engines for thousands of blocks. */
  #extentsAnswered: Promise<unknown> = Promise.resolve();

  constructor(
    geometry: Geometry,
    pairs: readonly Pair[],
    guard: OwnerGuard,
    placement: Placement,
    logged: Logged = { log: null },
  ) {
    this.#logged = logged;
    this.#geometry = geometry;
    this.#pairs = pairs;
    this.#guard = guard;
    this.#placement = placement;
    this.#memory = new ReadMemory(geometry.blockSizeBytes);
  }

  get geometry(): Geometry {
    return this.#geometry;
  }

  /** Takes over a geometry with a greater size; what was not there before reads as zeros. */
  grow(geometry: Geometry): void {
    this.#geometry = geometry;
  }

  async read(offsetBytes: number, lengthBytes: number): Promise<Buffer> {
    return (await this.readStored(offsetBytes, lengthBytes)) ?? Buffer.alloc(lengthBytes);
  }

  /**
   * Like {@link read}, but null when nothing of the range is stored, so that all of it reads as zeros. The buffer may be
   * given back to {@link recycle}.
   */
  readStored(offsetBytes: number, lengthBytes: number): Promise<Buffer | null> {
    const { blockSizeBytes } = this.geometry;
    return new Promise((resolve, reject) => {
      this.#assertInside(offsetBytes, lengthBytes, errno.invalid);
      const first = Math.floor(offsetBytes / blockSizeBytes);
      const count = Math.ceil((offsetBytes + lengthBytes) / blockSizeBytes) - first;
      if (count === 0) return resolve(null);
      const into = this.#memory.take(count * blockSizeBytes);
      const answer = (isHole: boolean): void => {
        if (isHole) {
          this.#memory.give(into);
          return resolve(null);
        }
        const skip = offsetBytes - first * blockSizeBytes;
        resolve(lengthBytes === into.length ? into : into.subarray(skip, skip + lengthBytes));
      };
      if (count === 1) {
        // The commonest request.
        const part = new ReadPart([first], into, blockSizeBytes);
        const shard = this.#shardOf(first);
        this.#readPart(shard, part, (error) => {
          if (error !== null) reject(error);
          else this.#whenOwner([shard], () => answer(part.storedCount === 0), reject);
        });
        return;
      }
      const parts = this.#parts(first, count, into);
      let left = parts.length;
      let failure: unknown = null;
      for (const { shard, part } of parts) {
        this.#readPart(shard, part, (error) => {
          failure ??= error;
          if (--left > 0) return;
          if (failure !== null) reject(failure);
          else
            this.#whenOwner(
              parts.map((each) => each.shard),
              () => answer(parts.every((each) => each.part.storedCount === 0)),
              reject,
            );
        });
      }
    });
  }

  #readPart(shard: number, part: ReadPart, told: PartRead): void {
    this.#pair(shard).readPart(part, (error) => {
      if (error === null) return told(null);
      this.#readElsewhere(shard, part, error).then(() => told(null), told);
    });
  }

  /** A read of a pair that was given up meanwhile is repeated where the blocks are now. Rejects with `error` when it was not. */
  async #readElsewhere(shard: number, part: ReadPart, error: unknown): Promise<void> {
    const { blocks } = part;
    const places = blocks.map((block) => this.#shardOf(block));
    if (places.every((place) => place === shard)) throw error;
    const content = await Promise.all(blocks.map((block, i) => this.#pair(places[i] ?? shard).read([block])));
    part.reset();
    for (const [i, [data]] of content.entries()) part.put(i, data ?? null);
  }

  /** Puts a write that waited for its blocks to be moved where they are now. */
  resubmit({ changes, resolve, reject }: PendingWrite): void {
    try {
      const parts = new Map<number, BlockChange[]>();
      for (const change of changes) {
        const shard = this.#shardOf(change.block);
        const part = parts.get(shard);
        if (part === undefined) parts.set(shard, [change]);
        else part.push(change);
      }
      const writes = [...parts].map(([shard, part]) => this.#pair(shard).write(part));
      allOrFirstError(writes).then(resolve, reject);
    } catch (error) {
      reject(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** Takes back a buffer of {@link readStored} that nobody looks at any more. */
  recycle(data: Buffer): void {
    this.#memory.give(data);
  }

  /**
   * Which parts of the range are stored, from its first byte on. Where much is stored the answer may cover only a prefix
   * of the range, but never nothing.
   */
  extents(offsetBytes: number, lengthBytes: number): Promise<Extent[]> {
    const answer = this.#extentsAnswered.then(() => this.#extents(offsetBytes, lengthBytes));
    this.#extentsAnswered = answer.catch(() => undefined); // whoever asked is told
    return answer;
  }

  write(offsetBytes: number, data: Buffer): Promise<void> {
    const room = this.#logged.log?.room() ?? null;
    // What is not on the engines yet can still be refused: so little of it waits for the log.
    if (room !== null) return room.then(() => this.write(offsetBytes, data));
    const { blockSizeBytes } = this.geometry;
    if (data.length !== blockSizeBytes || offsetBytes % blockSizeBytes !== 0)
      return this.#writeAny(offsetBytes, data);
    // One whole block, the commonest request.
    const block = offsetBytes / blockSizeBytes;
    try {
      this.#assertWritable(offsetBytes, data.length);
      return this.#pair(this.#shardOf(block)).write([{ block, data }]);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async #writeAny(offsetBytes: number, data: Buffer): Promise<void> {
    this.#assertWritable(offsetBytes, data.length);
    await this.#change(offsetBytes, data.length, data);
  }

  /** Makes the range read as zeros and frees what it held. */
  async zero(offsetBytes: number, lengthBytes: number): Promise<void> {
    this.#assertWritable(offsetBytes, lengthBytes);
    const step = ZERO_STEP_BLOCKS * this.geometry.blockSizeBytes;
    for (let done = 0; done < lengthBytes; done += step) {
      const room = this.#logged.log?.room() ?? null;
      if (room !== null) await room;
      await this.#change(offsetBytes + done, Math.min(step, lengthBytes - done), null);
    }
  }

  /** Every acknowledged write is on every member that must have it; what remains is the log, and to be sure that we still own the vdisk. */
  async flush(): Promise<void> {
    const durable = this.#logged.log?.flush() ?? null;
    if (durable !== null) await durable;
    if (!this.#guard.isOwner()) await this.#guard.assertOwner(this.#usablePairs());
  }

  shardStates(): ShardState[] {
    return this.#pairs.map(({ context, mode }) => ({
      shard: context.shard,
      mode: mode.kind,
      reason: mode.reason,
    }));
  }

  async #extents(offsetBytes: number, lengthBytes: number): Promise<Extent[]> {
    this.#assertInside(offsetBytes, lengthBytes, errno.invalid);
    if (lengthBytes === 0) return [];
    const { blockSizeBytes } = this.geometry;
    const usable = this.#usablePairs().map(({ context }) => context.shard);
    const extents = await findExtents({
      offsetBytes,
      lengthBytes,
      blockSizeBytes,
      shards: usable.map((shard) => this.#pair(shard)),
      shardOf: (block) => usable.indexOf(this.#shardOf(block)),
      mayHold: (place, block) => this.#placement.mayHold(usable[place] ?? -1, block),
    });
    if (!this.#guard.isOwner()) await this.#guard.assertOwner(this.#usablePairs());
    return extents;
  }

  async #change(offsetBytes: number, lengthBytes: number, data: Buffer | null): Promise<void> {
    const writes: Promise<void>[] = [];
    for (const [shard, pieces] of this.#byShard(offsetBytes, lengthBytes)) {
      for (let from = 0; from < pieces.length; from += BATCH_MAX_BLOCKS) {
        const changes = pieces
          .slice(from, from + BATCH_MAX_BLOCKS)
          .map((piece) => this.#toChange(piece, data));
        writes.push(this.#pair(shard).write(changes));
      }
    }
    await allOrFirstError(writes);
  }

  #toChange({ block, at, length, from }: Piece, data: Buffer | null): BlockChange {
    const bytes = data === null ? null : data.subarray(from, from + length);
    return length === this.geometry.blockSizeBytes
      ? { block, data: bytes }
      : { block, data: bytes, part: { at, length } };
  }

  /** The blocks, by the shard that holds them, and their place in `into`. */
  #parts(first: number, count: number, into: Buffer): { shard: number; part: ReadPart }[] {
    const { blockSizeBytes } = this.geometry;
    const runs = new Map<number, { blocks: number[]; places: number[] }>();
    for (let i = 0; i < count; i++) {
      const shard = this.#shardOf(first + i);
      let run = runs.get(shard);
      if (run === undefined) {
        run = { blocks: [], places: [] };
        runs.set(shard, run);
      }
      run.blocks.push(first + i);
      run.places.push(i * blockSizeBytes);
    }
    return [...runs].map(([shard, { blocks, places }]) => ({
      shard,
      part: new ReadPart(blocks, into, blockSizeBytes, places),
    }));
  }

  #whenOwner(shards: readonly number[], then: () => void, otherwise: (error: unknown) => void): void {
    if (this.#guard.isOwner()) return then();
    this.#guard.assertOwner(shards.map((shard) => this.#pair(shard))).then(then, otherwise);
  }

  #usablePairs(): Pair[] {
    return this.#pairs.filter(({ context }) => this.#placement.holdsBlocks(context.shard));
  }

  #byShard(offsetBytes: number, lengthBytes: number): Map<number, Piece[]> {
    const { blockSizeBytes } = this.geometry;
    const runs = new Map<number, Piece[]>();
    const end = offsetBytes + lengthBytes;
    for (let position = offsetBytes; position < end; ) {
      const block = Math.floor(position / blockSizeBytes);
      const at = position - block * blockSizeBytes;
      const length = Math.min(blockSizeBytes - at, end - position);
      const shard = this.#shardOf(block);
      const piece = { block, at, length, from: position - offsetBytes };
      const run = runs.get(shard);
      if (run === undefined) runs.set(shard, [piece]);
      else run.push(piece);
      position += length;
    }
    return runs;
  }

  #shardOf(block: number): number {
    return this.#placement.shardOf(block);
  }

  #pair(shard: number): Pair {
    const pair = this.#pairs[shard];
    if (pair === undefined) throw new RangeError(`shard ${shard} of ${this.#pairs.length}`);
    return pair;
  }

  #assertWritable(offsetBytes: number, lengthBytes: number): void {
    if (this.geometry.readOnly) {
      throw new VdiskIoError('read-only', `vdisk ${this.geometry.vdisk} is read-only`, errno.permission);
    }
    this.#assertInside(offsetBytes, lengthBytes, errno.noSpace);
  }

  #assertInside(offsetBytes: number, lengthBytes: number, nbdErrno: number): void {
    const { vdisk, sizeBytes } = this.geometry;
    if (offsetBytes >= 0 && lengthBytes >= 0 && offsetBytes + lengthBytes <= sizeBytes) return;
    const what = `vdisk ${vdisk}: bytes ${offsetBytes} to ${offsetBytes + lengthBytes} of ${sizeBytes}`;
    throw new VdiskIoError('out-of-range', `${what}: the request leaves the device`, nbdErrno);
  }
}

/** The part of a request that falls into one block; `from` is its place in the request's bytes. */
interface Piece {
  readonly block: number;
  readonly at: number;
  readonly length: number;
  readonly from: number;
}

/** Waits for all of them, so that nothing of a failed request is still under way when the error is reported. */
async function allOrFirstError(promises: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(promises))
    if (result.status === 'rejected') throw result.reason;
}
