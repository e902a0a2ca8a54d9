import { createHash } from 'node:crypto';
import type { TlogSegment } from '@salvor/contracts';
import { LogError } from '../log-error.ts';
import { decodeSegment, SEGMENT_MAX_BYTES } from '../segment.ts';
import type { Tier2Store } from '../store/tier2-store.ts';
import { MAX_HEADER_BYTES, readAvroHeader, readBlockHead, SYNC_BYTES } from './avro-file.ts';

/** A segment may be a little longer than its writer's bound, as one of another version; never much. */
const MAX_BLOCK_BYTES: number = 4 * SEGMENT_MAX_BYTES;
const WINDOW_BYTES: number = 2 * MAX_BLOCK_BYTES;
const BLOCK_HEAD_BYTES = 20;

export type Scanned =
  | { readonly kind: 'segment'; readonly segment: TlogSegment; readonly dataAt: number }
  /** Bytes `from` to `to` of the file (exclusive) hold no segment that can be read. */
  | { readonly kind: 'damage'; readonly from: number; readonly to: number; readonly reason: string };

export interface ScanEnd {
  /** Of the whole file. */
  readonly sha256: string;
  readonly bytes: number;
}

/**
 * Reads a chunk from its beginning to its end, without its index, in windows of bounded size. Behind bytes that are damaged it
 * goes on at the next sync marker, so a damaged segment costs no other one.
 *
 * @throws LogError `bad-chunk` when the file is not there, or its header cannot be read; `store`
 */
export async function* scanChunk(
  store: Tier2Store,
  path: string,
  vdisk: string,
): AsyncGenerator<Scanned, ScanEnd> {
  const found = await store.stat(path);
  if (found === null) throw new LogError('bad-chunk', `${path} is not there`);
  const window = new FileWindow(store, path, found.sizeBytes);
  const header = readAvroHeader(await window.at(0, MAX_HEADER_BYTES), 'TlogSegment', path);
  const told = header.metadata.get('salvor.vdisk');
  if (told !== vdisk)
    throw new LogError('bad-chunk', `${path}: expected a chunk of vdisk ${vdisk}, found ${told}`);
  for (let at = header.end; at < found.sizeBytes; ) {
    const bytes = await window.at(at, MAX_BLOCK_BYTES + BLOCK_HEAD_BYTES + SYNC_BYTES);
    const block = readBlock(bytes, header.objectHead, vdisk);
    if (typeof block !== 'string') {
      const { segment, end } = block;
      yield { kind: 'segment', segment, dataAt: at + end - SYNC_BYTES - segment.data.length };
      at += end;
      continue;
    }
    const next = await nextBlock(window, at, header.sync);
    yield { kind: 'damage', from: at, to: next, reason: block };
    at = next;
  }
  return { sha256: await window.sha256(), bytes: found.sizeBytes };
}

function readBlock(
  bytes: Buffer,
  objectHead: Buffer,
  vdisk: string,
): { segment: TlogSegment; end: number } | string {
  const head = readBlockHead(bytes, MAX_BLOCK_BYTES);
  if (typeof head === 'string') return head;
  const bodyEnd = head.bodyAt + head.length;
  if (bodyEnd + SYNC_BYTES > bytes.length) return `it ends within a block of ${head.length} bytes`;
  // A body that reads as a whole segment is one, even if the marker behind it is damaged.
  try {
    const segment = decodeSegment(Buffer.concat([objectHead, bytes.subarray(head.bodyAt, bodyEnd)]));
    if (segment.vdisk !== vdisk) return `expected a segment of vdisk ${vdisk}, found one of ${segment.vdisk}`;
    return { segment, end: bodyEnd + SYNC_BYTES };
  } catch (error) {
    if (error instanceof LogError) return error.message;
    throw error;
  }
}

/** Offset behind the next sync marker, or the end of the file. */
async function nextBlock(window: FileWindow, from: number, sync: Buffer): Promise<number> {
  for (let at = from; at < window.size; at += WINDOW_BYTES - SYNC_BYTES) {
    const found = (await window.at(at, WINDOW_BYTES)).indexOf(sync);
    if (found >= 0) return at + found + SYNC_BYTES;
  }
  return window.size;
}

/** Reads a file forwards, and sums it up as it goes. */
class FileWindow {
  readonly #store: Tier2Store;
  readonly #path: string;
  readonly #hash = createHash('sha256');
  readonly size: number;
  #hashed = 0;
  #from = 0;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(store: Tier2Store, path: string, size: number) {
    this.#store = store;
    this.#path = path;
    this.size = size;
  }

  /** Up to `length` bytes from `at` on; fewer at the end of the file. */
  async at(at: number, length: number): Promise<Buffer> {
    const end = Math.min(at + length, this.size);
    if (at < this.#from || end > this.#from + this.#bytes.length) {
      this.#bytes = await this.#store.read(
        this.#path,
        at,
        Math.min(Math.max(length, WINDOW_BYTES), this.size - at),
      );
      this.#from = at;
      this.#sum();
    }
    return this.#bytes.subarray(at - this.#from, end - this.#from);
  }

  async sha256(): Promise<string> {
    while (this.#hashed < this.size) await this.at(this.#hashed, WINDOW_BYTES);
    return this.#hash.digest('hex');
  }

  #sum(): void {
    const end = this.#from + this.#bytes.length;
    if (this.#from > this.#hashed || end <= this.#hashed) return;
    this.#hash.update(this.#bytes.subarray(this.#hashed - this.#from));
    this.#hashed = end;
  }
}
