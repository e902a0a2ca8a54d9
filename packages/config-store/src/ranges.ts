/** Ranges of keys as etcd wants them, and reading them whole at one revision. */
import type { IKeyValue, IResponseOp } from 'etcd3';
import type { EtcdCalls } from './etcd-calls.ts';
import type { KeyRange, Listing, StoreEntry, WatchSelection } from './types.ts';

/** `end` null = the single key `start`. */
export interface ByteRange {
  readonly start: Buffer;
  readonly end: Buffer | null;
}

const PAGE_ENTRIES = 500;
/** etcd takes 128 operations in a transaction unless it is told otherwise. */
const RANGES_PER_CALL = 128;
/** To etcd, an end of one zero byte means: no end, and a start of one zero byte: from the first key. */
const OPEN = Buffer.from([0]);

export function keyRange(key: string): ByteRange {
  return { start: Buffer.from(key), end: null };
}

export function prefixRange(prefix: string): ByteRange {
  const start = Buffer.from(prefix);
  if (start.length === 0) return { start: OPEN, end: OPEN };
  const end = Buffer.from(start);
  // UTF-8 has no 0xff byte, so the last byte can always be raised.
  end.writeUInt8(end.readUInt8(end.length - 1) + 1, end.length - 1);
  return { start, end };
}

export function spanRange({ from, to }: KeyRange): ByteRange {
  return { start: from === '' ? OPEN : Buffer.from(from), end: to === null ? OPEN : Buffer.from(to) };
}

/** Ranges that do not overlap, so that each key is watched once and its changes stay in order. */
export function selectedRanges({ keys = [], prefixes = [] }: WatchSelection): ByteRange[] {
  const outermost = [...new Set(prefixes)].filter(
    (prefix) => !prefixes.some((other) => other !== prefix && prefix.startsWith(other)),
  );
  const loose = [...new Set(keys)].filter((key) => !outermost.some((prefix) => key.startsWith(prefix)));
  return [...outermost.map(prefixRange), ...loose.map(keyRange)];
}

export interface ReadOptions {
  readonly keysOnly?: boolean;
  /** Revision to read at; without one the newest, and all pages at that one. */
  readonly revision?: string;
  readonly timeoutMs?: number;
}

/** Reads a range page by page, all pages at one revision. */
export async function readRange(
  etcd: EtcdCalls,
  what: string,
  range: ByteRange,
  options: ReadOptions = {},
): Promise<Listing> {
  const entries: StoreEntry[] = [];
  let revision = options.revision;
  let key = range.start;
  for (;;) {
    const request = {
      key,
      ...(range.end === null ? {} : { range_end: range.end }),
      ...(revision === undefined ? {} : { revision }),
      keys_only: options.keysOnly ?? false,
      limit: PAGE_ENTRIES,
    };
    const page = await etcd.call(what, (attempt) => etcd.kv.range(request, attempt), options.timeoutMs);
    revision ??= page.header.revision;
    entries.push(...page.kvs.map(entryOf));
    const last = page.kvs.at(-1);
    if (!page.more || last === undefined) return { revision, entries };
    key = Buffer.concat([last.key, OPEN]); // the first possible key after the last one
  }
}

/** Reads ranges, all at one revision: in few calls, but for what does not fit into the first page of its range. */
export async function readRanges(
  etcd: EtcdCalls,
  what: string,
  ranges: readonly ByteRange[],
  timeoutMs?: number,
): Promise<Listing[]> {
  const listings: Listing[] = [];
  let revision: string | undefined;
  for (let from = 0; from < ranges.length; from += RANGES_PER_CALL) {
    const part = ranges.slice(from, from + RANGES_PER_CALL);
    const at = revision === undefined ? {} : { revision };
    const success = part.map(({ start, end }) => ({
      request_range: { key: start, ...(end === null ? {} : { range_end: end }), limit: PAGE_ENTRIES, ...at },
    }));
    const answer = await etcd.call(what, (attempt) => etcd.kv.txn({ success }, attempt), timeoutMs);
    const responses: readonly IResponseOp[] = answer.responses;
    revision ??= answer.header.revision;
    for (const [i, range] of part.entries()) {
      const page = responses[i]?.response_range;
      if (!page) throw new Error(`etcd answered ${responses.length} of ${part.length} questions`);
      const options = { revision, ...(timeoutMs === undefined ? {} : { timeoutMs }) };
      listings.push(
        page.more
          ? await readRange(etcd, what, range, options)
          : { revision, entries: page.kvs.map(entryOf) },
      );
    }
  }
  return listings;
}

export function entryOf(kv: IKeyValue): StoreEntry {
  return {
    key: kv.key.toString(),
    value: kv.value.toString(),
    revision: kv.mod_revision,
    createRevision: kv.create_revision,
    lease: kv.lease === '0' ? null : kv.lease,
  };
}
