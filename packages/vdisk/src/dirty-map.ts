import { dirtyKey } from './engine-keys.ts';
import type { Frame } from './resp.ts';

/**
 * The dirty map of a vdisk on one engine: a bitmap of the blocks on this shard that the partner lacks. The layout says
 * which bit is which block's; without `rip` servers no two blocks of a shard share one.
 */

/** Bits of the map fetched at once by the copier. */
export const MAP_CHUNK_BYTES = 8 << 10;
/** Sets per BITFIELD command: keeps single commands short. */
const SETS_PER_COMMAND = 256;
/** Bits that one of them sets at most: it answers with what they were, and that must stay a safe integer. -1 is all ones. */
const BITS_PER_SET = 48;

/** Adds commands that set or clear bits; neighbours go together. */
export function addMark(frame: Frame, vdisk: string, bits: Iterable<number>, to: 0 | 1): void {
  const runs = runsOf([...new Set(bits)].sort((a, b) => a - b));
  for (let from = 0; from < runs.length; from += SETS_PER_COMMAND) {
    const part = runs.slice(from, from + SETS_PER_COMMAND);
    frame
      .begin(2 + 4 * part.length)
      .arg('BITFIELD')
      .arg(dirtyKey(vdisk));
    for (const { first, length } of part)
      frame
        .arg('SET')
        .arg(length === 1 ? 'u1' : `i${length}`)
        .arg(first)
        .arg(length === 1 ? to : -to);
  }
}

/** Neighbours among sorted bits, together where one BITFIELD set can hold them. */
function runsOf(bits: readonly number[]): { first: number; length: number }[] {
  const runs: { first: number; length: number }[] = [];
  for (const bit of bits) {
    const last = runs.at(-1);
    if (last !== undefined && last.first + last.length === bit && last.length < BITS_PER_SET) last.length++;
    else runs.push({ first: bit, length: 1 });
  }
  return runs;
}

/** The set bits of a chunk that starts at byte `offset` of the map. */
export function* bitsIn(chunk: Buffer, offset: number): Generator<number> {
  for (const [i, byte] of chunk.entries()) {
    if (byte === 0) continue;
    for (let bit = 0; bit < 8; bit++) if ((byte & (0x80 >> bit)) !== 0) yield (offset + i) * 8 + bit;
  }
}

/** Bytes `from` to the end of a map in which the first `bits` bits are set: at most `maxBytes` of them. */
export function allDirty(bits: number, from: number, maxBytes: number): Buffer {
  const total = Math.ceil(bits / 8);
  const chunk = Buffer.alloc(Math.min(maxBytes, total - from), 0xff);
  const spare = total * 8 - bits;
  if (from + chunk.length === total && spare > 0) chunk[chunk.length - 1] = (0xff << spare) & 0xff;
  return chunk;
}
