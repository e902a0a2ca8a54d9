import { dirtyKey } from './engine-keys.ts';
import type { Frame } from './resp.ts';

/**
 * The dirty map of a vdisk on one engine: a bitmap of the blocks on this shard that the partner lacks. The layout says
 * which bit is which block's; without `rip` servers no two blocks of a shard share one.
 */

/** Bits of the map fetched at once by the copier. */
export const MAP_CHUNK_BYTES = 8 << 10;
/** Bits per BITFIELD command: keeps single commands short. */
const BITS_PER_COMMAND = 256;

/** Adds commands that set or clear bits. */
export function addMark(frame: Frame, vdisk: string, bits: Iterable<number>, to: 0 | 1): void {
  const all = [...new Set(bits)];
  for (let from = 0; from < all.length; from += BITS_PER_COMMAND) {
    const part = all.slice(from, from + BITS_PER_COMMAND);
    frame
      .begin(2 + 4 * part.length)
      .arg('BITFIELD')
      .arg(dirtyKey(vdisk));
    for (const bit of part) frame.arg('SET').arg('u1').arg(bit).arg(to);
  }
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
