import { isDeepStrictEqual } from 'node:util';
import type { TlogIndexEntry, TlogSegment } from '@salvor/contracts';
import { LogError } from '../log-error.ts';
import type { Tier2Store } from '../store/tier2-store.ts';
import {
  type ChunkFiles,
  type ChunkIndex,
  entryOf,
  indexParts,
  MAX_INDEX_BYTES,
  readIndex,
} from './chunk-file.ts';
import { type ChunkName, chunkFile, chunkFolder, indexFile, parseChunkName } from './chunk-name.ts';
import { scanChunk } from './chunk-scan.ts';
import { decideCoverage } from './coverage.ts';

/** Where it changes all the time, and has a gap each time, it has one. */
const LISTED_AGAIN_MAX = 8;

export interface FoundChunk extends ChunkName {
  readonly path: string;
  readonly sizeBytes: number;
  /** 0: it has none. */
  readonly indexBytes: number;
}

/** Segments that a chunk should hold, and that cannot be read from it. */
export interface LostSegments {
  readonly from: number;
  readonly to: number;
  /** Which bytes of which file, and what is wrong with them. */
  readonly reason: string;
}

export interface ReadChunk extends ChunkIndex {
  /** Oldest first, as the entries. Of a compacted chunk: what may be lost; compaction had left out some of it. */
  readonly lost: readonly LostSegments[];
  /** Why the index file was not used; null when it was. */
  readonly rebuilt: string | null;
}

/** The chunks of one vdisk in Tier-2. */
export class VdiskChunks {
  readonly store: Tier2Store;
  readonly vdisk: string;
  readonly folder: string;

  constructor(store: Tier2Store, container: number, vdisk: string) {
    this.store = store;
    this.vdisk = vdisk;
    this.folder = chunkFolder(container, vdisk);
  }

  /**
   * What lies there. An index alone is no chunk: it is written first. A store does not list all of its files as of one moment: what
   * seems to have a gap while others write or compact is listed again, until it has none, or stands still.
   *
   * @throws LogError `store`
   */
  async list(): Promise<FoundChunk[]> {
    let found = await this.#listed();
    for (let again = 0; again < LISTED_AGAIN_MAX && decideCoverage(found).gaps.length > 0; again++) {
      const before = found;
      found = await this.#listed();
      if (isDeepStrictEqual(found, before)) break;
    }
    return found;
  }

  async #listed(): Promise<FoundChunk[]> {
    const chunks: { name: ChunkName; path: string; sizeBytes: number }[] = [];
    const indexes = new Map<string, number>();
    for await (const { path, sizeBytes } of this.store.list(this.folder)) {
      const file = path.slice(this.folder.length);
      const name = parseChunkName(file);
      if (name === null) continue;
      const { kind, ...rest } = name;
      if (kind === 'index') indexes.set(file, sizeBytes);
      else chunks.push({ name: rest, path, sizeBytes });
    }
    return chunks.map(({ name, path, sizeBytes }) => ({
      ...name,
      ...{ path, sizeBytes, indexBytes: indexes.get(indexFile(name)) ?? 0 },
    }));
  }

  /** Stores a chunk, reads both files back and compares them. It is visible once its chunk file is. */
  async write({ name, chunk, chunkBytes, index }: ChunkFiles): Promise<FoundChunk> {
    const path = `${this.folder}${chunkFile(name)}`;
    await this.store.put(`${this.folder}${indexFile(name)}`, index);
    await this.store.put(path, chunk);
    const found = { ...name, path, sizeBytes: chunkBytes, indexBytes: bytesOf(index) };
    const stored = await this.#indexBytes(found);
    if (!stored.equals(Buffer.concat(index)))
      throw new LogError('store', `${this.folder}${indexFile(name)} reads otherwise than it was written`);
    const differs = await this.#firstDifference(found, chunk);
    if (differs !== null)
      throw new LogError('store', `${path} reads otherwise than it was written, at byte ${differs}`);
    return found;
  }

  /** What is in a chunk, by its index, or by the chunk itself where its index is missing or bad. */
  async read(chunk: FoundChunk): Promise<ReadChunk> {
    if (chunk.indexBytes > 0) {
      try {
        const index = readIndex(await this.#indexBytes(chunk), chunk, chunk.sizeBytes);
        return { ...index, lost: [], rebuilt: null };
      } catch (error) {
        if (!(error instanceof LogError) || error.code !== 'bad-chunk') throw error;
        return this.scan(chunk, error.message);
      }
    }
    return this.scan(chunk, 'it has no index');
  }

  /** Reads a chunk without its index; all of its bytes are read and proved. */
  async scan(chunk: FoundChunk, why: string, seen?: (entry: TlogIndexEntry) => void): Promise<ReadChunk> {
    const entries: TlogIndexEntry[] = [];
    const lost: LostSegments[] = [];
    let damage: { from: number; to: number; reason: string } | null = null;
    let expected = chunk.from;
    const lose = (to: number): void => {
      if (damage === null && (chunk.pass > 0 || to < expected)) return;
      const reason =
        damage === null
          ? `${chunk.path}: no segment ${expected}`
          : `${chunk.path}: bytes ${damage.from} to ${damage.to} cannot be read: ${damage.reason}`;
      lost.push({ from: expected, to: Math.max(to, expected), reason });
      damage = null;
    };
    const scan = scanChunk(this.store, chunk.path, this.vdisk);
    let next = await firstOf(scan, chunk);
    if (typeof next === 'string')
      return {
        ...{ chunkBytes: chunk.sizeBytes, sha256: '', entries },
        lost: [{ from: chunk.from, to: chunk.to, reason: next }],
        rebuilt: why,
      };
    for (; next.done !== true; next = await scan.next()) {
      const { value } = next;
      if (value.kind === 'damage') {
        damage ??= value;
        continue;
      }
      const { number } = value.segment;
      if (damage === null && chunk.pass === 0 && number !== expected) {
        // The number of a segment has no checksum; its place in an archived chunk tells what it must be.
        const reason = `${chunk.path}: expected segment ${expected}, found ${number}`;
        lost.push({ from: expected, to: expected, reason });
        expected += 1;
        continue;
      }
      if (number < expected || number > chunk.to) continue;
      lose(number - 1);
      const entry = entryOf(value.segment, value.dataAt);
      seen?.(entry);
      entries.push(entry);
      expected = number + 1;
    }
    lose(chunk.to);
    return { chunkBytes: next.value.bytes, sha256: next.value.sha256, entries, lost, rebuilt: why };
  }

  /** The segments of a chunk that can be read, oldest first, up to a number. */
  async *segments(chunk: FoundChunk, upTo: number): AsyncIterable<TlogSegment> {
    let last = chunk.from - 1;
    const scan = scanChunk(this.store, chunk.path, this.vdisk);
    try {
      for await (const item of scan) {
        if (item.kind === 'damage' || item.segment.number <= last) continue;
        last = item.segment.number;
        if (last > upTo) return;
        yield item.segment;
      }
    } catch (error) {
      // Nothing can be read of a file without a header.
      if (!(error instanceof LogError && error.code === 'bad-chunk')) throw error;
    }
  }

  /** Writes the index of a chunk again. */
  async writeIndex(chunk: FoundChunk, { entries, chunkBytes, sha256 }: ChunkIndex): Promise<void> {
    const parts = indexParts(chunk, this.vdisk, entries, chunkBytes, sha256);
    await this.store.put(`${this.folder}${indexFile(chunk)}`, parts);
  }

  /** The chunk file first: an index alone is no chunk. */
  async delete(chunk: ChunkName): Promise<void> {
    await this.store.delete(`${this.folder}${chunkFile(chunk)}`);
    await this.store.delete(`${this.folder}${indexFile(chunk)}`);
  }

  #indexBytes(chunk: FoundChunk): Promise<Buffer> {
    if (chunk.indexBytes > MAX_INDEX_BYTES)
      throw new LogError(
        'bad-chunk',
        `${indexFile(chunk)}: expected an index of at most ${MAX_INDEX_BYTES} bytes, found ${chunk.indexBytes}`,
      );
    return this.store.read(`${this.folder}${indexFile(chunk)}`, 0, chunk.indexBytes);
  }

  /** Offset at which the stored file differs from what was written, or null. */
  async #firstDifference({ path, sizeBytes }: FoundChunk, parts: readonly Buffer[]): Promise<number | null> {
    let read: Buffer = Buffer.alloc(0);
    let readTo = 0;
    let at = 0;
    for (const part of parts)
      for (let from = 0; from < part.length; ) {
        if (at === readTo) {
          read = await this.store.read(path, at, Math.min(READ_BACK_BYTES, sizeBytes - at));
          readTo += read.length;
        }
        const length = Math.min(part.length - from, readTo - at);
        const inRead = read.length - (readTo - at);
        if (part.compare(read, inRead, inRead + length, from, from + length) !== 0) return at;
        from += length;
        at += length;
      }
    return at === sizeBytes ? null : at;
  }
}

const READ_BACK_BYTES: number = 8 * 1024 * 1024;

/** A file whose header cannot be read tells nothing of its segments. */
async function firstOf(
  scan: ReturnType<typeof scanChunk>,
  { path }: FoundChunk,
): Promise<Awaited<ReturnType<typeof scan.next>> | string> {
  try {
    return await scan.next();
  } catch (error) {
    if (error instanceof LogError && error.code === 'bad-chunk') return `${path}: ${error.message}`;
    throw error;
  }
}

function bytesOf(parts: readonly Buffer[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}
