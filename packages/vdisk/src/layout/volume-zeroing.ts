import { CHECKSUM_BYTES } from '../checksum.ts';
import type { Frame } from '../resp.ts';
import type { VolumeShape } from './volume-shape.ts';

/**
 * Zeroes are written by small scripts, for they must not make what is not there: SETRANGE would bring a chunk of nothing
 * into being. They carry no data, and are short enough to be sent as they are: a transaction cannot ask for a script
 * that the engine has forgotten.
 */

/** KEYS: a chunk. ARGV: record bytes, records in a chunk, first record, records. Removes the chunk when no record is left. */
const ZERO_RECORDS = `
local size = tonumber(ARGV[1])
local length = redis.call('STRLEN', KEYS[1])
if length == 0 then return 0 end
local none = string.rep('\\0', ${CHECKSUM_BYTES})
for record = tonumber(ARGV[3]), ARGV[3] + ARGV[4] - 1 do
  if record * size < length then redis.call('SETRANGE', KEYS[1], record * size, none) end
end
for record = 0, ARGV[2] - 1 do
  local sum = redis.call('GETRANGE', KEYS[1], record * size, record * size + ${CHECKSUM_BYTES - 1})
  if sum ~= '' and sum ~= none then return 1 end
end
return redis.call('UNLINK', KEYS[1])`;

/** KEYS: a page of the map. ARGV: offset and length in bytes. */
const ZERO_SUMS = `
local length = redis.call('STRLEN', KEYS[1])
local count = math.min(tonumber(ARGV[2]), length - ARGV[1])
if count > 0 then redis.call('SETRANGE', KEYS[1], ARGV[1], string.rep('\\0', count)) end
return count`;

/** Adds the command that makes holes of `count` records from `first` on. */
export function addZeroRecords(
  frame: Frame,
  key: string,
  { recordBytes, chunkBlocks }: VolumeShape,
  first: number,
  count: number,
): void {
  frame.command('EVAL', ZERO_RECORDS, 1, key, recordBytes, chunkBlocks, first, count);
}

/** Adds the command that clears `count` checksums of a page from `at` on. */
export function addZeroSums(frame: Frame, key: string, at: number, count: number): void {
  frame.command('EVAL', ZERO_SUMS, 1, key, at * CHECKSUM_BYTES, count * CHECKSUM_BYTES);
}
