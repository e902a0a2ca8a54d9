import { randomInt } from 'node:crypto';
import { HASH_BYTES } from '../deduped/content-hash.ts';

/** Bits for each hash that may be marked: one in some thousand others is then taken for marked. */
const BITS_PER_HASH = 16;
const PROBES = 6;
const MARKS_MIN_BYTES = 64 << 10;
/** Bound on the memory of a collection: with it full, some garbage is kept until another time, and nothing else. */
const MARKS_MAX_BYTES = 256 << 20;
const WORD_BYTES = 4;

/**
 * Remembers hashes in bounded memory (a Bloom filter). One that was marked is always found; one that was not is taken for
 * marked now and then, by chance and each time another one: what that keeps is removed by a later collection.
 */
export class HashMarks {
  readonly #bits: Uint8Array;
  readonly #count: number;
  /** Where in a hash the two numbers are that choose its bits; a hash is as good as random everywhere. */
  readonly #at: number;
  readonly #stepAt: number;

  constructor(expected: number) {
    const bytes = Math.ceil((expected * BITS_PER_HASH) / 8);
    this.#bits = new Uint8Array(Math.min(MARKS_MAX_BYTES, Math.max(MARKS_MIN_BYTES, bytes)));
    this.#count = this.#bits.length * 8;
    this.#at = randomInt(HASH_BYTES / 2 - WORD_BYTES + 1);
    this.#stepAt = HASH_BYTES / 2 + randomInt(HASH_BYTES / 2 - WORD_BYTES + 1);
  }

  mark(hash: Buffer): void {
    const [start, step] = [hash.readUInt32LE(this.#at), hash.readUInt32LE(this.#stepAt)];
    for (let probe = 0; probe < PROBES; probe++) {
      const bit = (start + probe * step) % this.#count;
      const byte = Math.floor(bit / 8);
      this.#bits[byte] = (this.#bits[byte] ?? 0) | (1 << (bit % 8));
    }
  }

  has(hash: Buffer): boolean {
    const [start, step] = [hash.readUInt32LE(this.#at), hash.readUInt32LE(this.#stepAt)];
    for (let probe = 0; probe < PROBES; probe++) {
      const bit = (start + probe * step) % this.#count;
      if (((this.#bits[Math.floor(bit / 8)] ?? 0) & (1 << (bit % 8))) === 0) return false;
    }
    return true;
  }
}
