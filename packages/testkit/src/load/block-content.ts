const MAGIC = 0x534c5652; // 'SLVR'
const HEADER_BYTES = 24;
export const MIN_BLOCK_BYTES = 64;

/** What a block that was read back turned out to be. */
export type BlockContent =
  | { kind: 'zero' }
  | { kind: 'version'; version: number }
  /** Begins as a version of this block, but its bytes are not all of it: a torn or damaged write. */
  | { kind: 'damaged'; version: number; firstBadByte: number }
  /** A whole header of another block or another seed: data in the wrong place. */
  | { kind: 'misplaced'; seed: number; block: number; version: number }
  | { kind: 'foreign' };

/** Bytes that only (seed, block, version) can have: a header that names them, and a filling derived from them. */
export function blockContent(seed: number, block: number, version: number, sizeBytes: number): Buffer {
  const bytes = Buffer.allocUnsafe(sizeBytes);
  fill(bytes, seed, block, version);
  return bytes;
}

export function identifyBlock(bytes: Buffer, seed: number, block: number): BlockContent {
  if (bytes.readUInt32LE(0) !== MAGIC) return isZero(bytes) ? { kind: 'zero' } : { kind: 'foreign' };
  const found = {
    seed: bytes.readUInt32LE(4),
    block: Number(bytes.readBigUInt64LE(8)),
    version: bytes.readUInt32LE(16),
  };
  if (found.seed !== seed >>> 0 || found.block !== block) return { kind: 'misplaced', ...found };
  const expected = blockContent(seed, block, found.version, bytes.length);
  if (expected.equals(bytes)) return { kind: 'version', version: found.version };
  const firstBadByte = bytes.findIndex((byte, index) => byte !== expected[index]);
  return { kind: 'damaged', version: found.version, firstBadByte };
}

function fill(bytes: Buffer, seed: number, block: number, version: number): void {
  bytes.writeUInt32LE(MAGIC, 0);
  bytes.writeUInt32LE(seed >>> 0, 4);
  bytes.writeBigUInt64LE(BigInt(block), 8);
  bytes.writeUInt32LE(version, 16);
  bytes.writeUInt32LE(bytes.length, 20);
  // xorshift32; its state must not be zero.
  let state = (Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(block + 1, 0xc2b2ae35) ^ version) | 1;
  for (let at = HEADER_BYTES; at + 4 <= bytes.length; at += 4) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes.writeInt32LE(state, at);
  }
}

function isZero(bytes: Buffer): boolean {
  return bytes.equals(Buffer.alloc(bytes.length));
}
