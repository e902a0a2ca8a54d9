import { NULL_LONG } from '../format/byte-reader.ts';

/**
 * One entry of a table segment (`io.pravega.segmentstore.server.tables.EntrySerializer`):
 * `00 | key length i32 | value length i32 | version i64 | key | value`.
 */
export interface EntryHeader {
  readonly keyLength: number;
  /** Null: the entry removes the key. 0 is a value like any other. */
  readonly valueLength: number | null;
  /** Explicit where compaction copied the entry, else the offset of the entry itself. */
  readonly version: number;
  /** Compaction copied it from there. */
  readonly isCopied: boolean;
  readonly totalLength: number;
}

export const ENTRY_HEADER_BYTES = 17;
const MAX_KEY_BYTES = 8_192;
const MAX_VALUE_BYTES = 1024 * 1024 - MAX_KEY_BYTES;
export const MAX_ENTRY_BYTES = ENTRY_HEADER_BYTES + MAX_KEY_BYTES + MAX_VALUE_BYTES;
const REMOVAL = -1;

/** The header at `at` of the buffer, of an entry at `offset` of its segment; undefined if it cannot be one. */
export function parseEntryHeader(bytes: Buffer, at: number, offset: number): EntryHeader | undefined {
  if (bytes.length - at < ENTRY_HEADER_BYTES || bytes[at] !== 0) return undefined;
  const keyLength = bytes.readInt32BE(at + 1);
  const valueLength = bytes.readInt32BE(at + 5);
  if (keyLength < 1 || keyLength > MAX_KEY_BYTES) return undefined;
  if (valueLength < REMOVAL || valueLength > MAX_VALUE_BYTES) return undefined;
  const explicit = bytes.readBigInt64BE(at + 9);
  const isExplicit = explicit !== NULL_LONG;
  // Compaction copies forward, and never copies removals.
  if (isExplicit && (explicit < 0n || explicit > BigInt(offset) || valueLength === REMOVAL)) return undefined;
  const version = isExplicit ? Number(explicit) : offset;
  return {
    keyLength,
    valueLength: valueLength === REMOVAL ? null : valueLength,
    version,
    isCopied: version < offset,
    totalLength: ENTRY_HEADER_BYTES + keyLength + Math.max(0, valueLength),
  };
}
