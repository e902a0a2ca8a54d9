/** Walks the entries of a table segment, and finds the next one behind bytes that are none. */
import type { SegmentBytes } from '../tree/segment-bytes.ts';
import { ENTRY_HEADER_BYTES, type EntryHeader, MAX_ENTRY_BYTES, parseEntryHeader } from './table-entry.ts';

export interface TableEntry {
  readonly offset: number;
  readonly header: EntryHeader;
  /** A view into a buffer that is read again: copy what is kept. */
  readonly key: Buffer;
  readonly value: Buffer | null;
}

const WINDOW_BYTES = 256 * 1024;
/** So many entries in a row are no accident of the bytes. */
const CHAIN_ENTRIES = 3;
/** Headers that one search follows, at most: a chain that is longer is taken for none. */
const MAX_CHAIN_STEPS = 1_000_000;
const SEARCH_BYTES = 64 * 1024;

/** Gives every entry from an entry's start on. Returns where it stopped: `to`, or the first byte that begins no entry. */
export async function scanEntries(
  bytes: SegmentBytes,
  from: number,
  to: number,
  onEntry: (entry: TableEntry) => void,
): Promise<number> {
  const window = new Window(bytes, to);
  for (let offset = from; offset < to; ) {
    const header = await window.header(offset);
    if (header === undefined || offset + header.totalLength > to) return offset;
    const entry = await window.bytes(offset, header.totalLength);
    if (entry.length < header.totalLength) return offset;
    const valueAt = ENTRY_HEADER_BYTES + header.keyLength;
    onEntry({
      offset,
      header,
      key: entry.subarray(ENTRY_HEADER_BYTES, valueAt),
      value: header.valueLength === null ? null : entry.subarray(valueAt, header.totalLength),
    });
    offset += header.totalLength;
  }
  return to;
}

/** The one entry that begins there, or undefined. */
export async function entryAt(
  bytes: SegmentBytes,
  offset: number,
  to: number,
): Promise<TableEntry | undefined> {
  const header = parseEntryHeader(await bytes.read(offset, ENTRY_HEADER_BYTES), 0, offset);
  if (header === undefined || offset + header.totalLength > to) return undefined;
  const entry = await bytes.read(offset, header.totalLength);
  if (entry.length < header.totalLength) return undefined;
  const valueAt = ENTRY_HEADER_BYTES + header.keyLength;
  return {
    offset,
    header,
    key: entry.subarray(ENTRY_HEADER_BYTES, valueAt),
    value: header.valueLength === null ? null : entry.subarray(valueAt),
  };
}

/**
 * The first place in `[from, to)` where an entry begins: from there headers follow one another to the end, or to a place
 * that is known to begin an entry (`known`, ascending), or, where the end is torn, at least a few of them. Undefined when
 * there is none.
 */
export async function findEntryStart(
  bytes: SegmentBytes,
  from: number,
  to: number,
  known: readonly number[] = [],
): Promise<number | undefined> {
  const nextKnown = known.find((offset) => offset >= from);
  // No entry is longer, so the next one begins before that, unless the bytes are damaged further.
  const limit = Math.min(to, nextKnown ?? from + 2 * MAX_ENTRY_BYTES);
  const chains = new Chains(bytes, to, new Set(known));
  let likely: number | undefined;
  for (let at = from; at < limit; at += SEARCH_BYTES) {
    const some = await bytes.read(at, SEARCH_BYTES + ENTRY_HEADER_BYTES);
    for (let start = at; start < Math.min(limit, at + SEARCH_BYTES); start += 1) {
      if (parseEntryHeader(some, start - at, start) === undefined) continue;
      const chain = await chains.from(start);
      if (chain === 'anchored') return start;
      if (chain === 'long') likely ??= start;
    }
  }
  return likely ?? nextKnown;
}

/** Follows headers from one to the next, and remembers which lead nowhere. */
class Chains {
  readonly #bytes: SegmentBytes;
  readonly #to: number;
  readonly #known: ReadonlySet<number>;
  readonly #dead = new Set<number>();
  #stepsLeft = MAX_CHAIN_STEPS;

  constructor(bytes: SegmentBytes, to: number, known: ReadonlySet<number>) {
    this.#bytes = bytes;
    this.#to = to;
    this.#known = known;
  }

  /** `anchored`: it reaches the end or a known entry. `long`: it ends elsewhere, after several entries. */
  async from(start: number): Promise<'anchored' | 'long' | 'dead'> {
    const path: number[] = [];
    for (let offset = start; ; ) {
      if (offset === this.#to || (path.length > 0 && this.#known.has(offset))) return 'anchored';
      if (offset > this.#to || this.#dead.has(offset) || this.#stepsLeft === 0) break;
      this.#stepsLeft -= 1;
      const header = parseEntryHeader(await this.#bytes.read(offset, ENTRY_HEADER_BYTES), 0, offset);
      if (header === undefined) break;
      path.push(offset);
      offset += header.totalLength;
    }
    for (const offset of path) this.#dead.add(offset);
    return path.length >= CHAIN_ENTRIES ? 'long' : 'dead';
  }
}

/** Reads ahead, so that headers cost no read each. */
class Window {
  readonly #bytes: SegmentBytes;
  readonly #to: number;
  #start = 0;
  #buffer: Buffer = Buffer.alloc(0);

  constructor(bytes: SegmentBytes, to: number) {
    this.#bytes = bytes;
    this.#to = to;
  }

  async header(offset: number): Promise<EntryHeader | undefined> {
    const bytes = await this.bytes(offset, ENTRY_HEADER_BYTES);
    return parseEntryHeader(bytes, 0, offset);
  }

  /** Fewer where the table ends or a hole begins. */
  async bytes(offset: number, length: number): Promise<Buffer> {
    const isInside = offset >= this.#start && offset + length <= this.#start + this.#buffer.length;
    if (!isInside) {
      const wanted = Math.min(Math.max(length, WINDOW_BYTES), Math.max(0, this.#to - offset));
      this.#buffer = await this.#bytes.read(offset, wanted);
      this.#start = offset;
    }
    const at = offset - this.#start;
    return this.#buffer.subarray(at, at + length);
  }
}
