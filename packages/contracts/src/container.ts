/**
 * Which container a segment belongs to: Pravega's SegmentToContainerMapper, so that its segments and vdisks' logs are
 * spread by one rule. MurmurHash3 x64 128 over UTF-16LE, then jump consistent hash (Lamping and Veach, 2014).
 */

const MASK = 0xffff_ffff_ffff_ffffn;
const C1 = 0x87c3_7b91_1142_53d5n;
const C2 = 0x4cf5_ad43_2745_937fn;
/** Java's `"SegmentToContainerMapper".hashCode()`. */
const SEED = 1_661_405_012n;
const BLOCK_BYTES = 16;

/** The container of a name, 0 to `containers` - 1. For the log of a vdisk the name is the vdisk's id. */
export function containerOf(name: string, containers: number): number {
  if (!Number.isSafeInteger(containers) || containers < 1)
    throw new RangeError(`expected at least 1 container, found ${containers}`);
  return jumpHash(murmurWord(Buffer.from(name, 'utf16le')), containers);
}

/** First 64-bit word of MurmurHash3 x64 128. */
export function murmurWord(bytes: Buffer): bigint {
  let h1 = SEED;
  let h2 = SEED;
  const padded = Buffer.alloc(Math.ceil(bytes.length / BLOCK_BYTES) * BLOCK_BYTES);
  bytes.copy(padded);
  for (let at = 0; at < padded.length; at += BLOCK_BYTES) {
    const isTail = at + BLOCK_BYTES > bytes.length;
    h1 ^= mixed(padded.readBigUInt64LE(at), C1, 31n, C2);
    if (!isTail) h1 = wrap(wrap(rotl(h1, 27n) + h2) * 5n + 0x52dc_e729n);
    if (!isTail || bytes.length - at > 8) h2 ^= mixed(padded.readBigUInt64LE(at + 8), C2, 33n, C1);
    if (!isTail) h2 = wrap(wrap(rotl(h2, 31n) + h1) * 5n + 0x3849_5ab5n);
  }
  h1 ^= BigInt(bytes.length);
  h2 ^= BigInt(bytes.length);
  h1 = wrap(h1 + h2);
  h2 = wrap(h2 + h1);
  return wrap(finished(h1) + finished(h2));
}

function mixed(word: bigint, first: bigint, turn: bigint, second: bigint): bigint {
  return wrap(rotl(wrap(word * first), turn) * second);
}

function finished(hash: bigint): bigint {
  let h = hash;
  h = wrap((h ^ (h >> 33n)) * 0xff51_afd7_ed55_8ccdn);
  h = wrap((h ^ (h >> 33n)) * 0xc4ce_b9fe_1a85_ec53n);
  return h ^ (h >> 33n);
}

function jumpHash(hash: bigint, buckets: number): number {
  let state = hash;
  let candidate = 0;
  for (;;) {
    state = wrap(state * 2_862_933_555_777_941_757n + 1n);
    const d = (Number(state >> 33n) + 1) / 2 ** 31;
    const next = Math.min(Math.trunc((candidate + 1) / d), 2 ** 31 - 1);
    if (next >= buckets) return candidate;
    candidate = next;
  }
}

function wrap(value: bigint): bigint {
  return value & MASK;
}

function rotl(value: bigint, turn: bigint): bigint {
  return wrap((value << turn) | (value >> (64n - turn)));
}
