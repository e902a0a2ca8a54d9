import { xxh64 } from '@node-rs/xxhash';
import type { BlockTaker } from './block-exchange.ts';

/** Hashes the blocks of a read as they arrive; nothing of them is kept. A hash is xxh64 of the stored bytes. */
export class Digests implements BlockTaker {
  /** One per block, in order; null for a hole. */
  readonly #digests: (bigint | null)[] = [];
  readonly #expected: number;
  #scratch: Buffer;
  /** Bytes of the block that is arriving; its hash is taken when the next one comes. */
  #length = -1;

  constructor(expected: number, blockSizeBytes: number) {
    this.#expected = expected;
    this.#scratch = Buffer.allocUnsafe(blockSizeBytes);
  }

  add(length: number): { readonly into: Buffer; readonly at: number } {
    this.#finish();
    if (this.#scratch.length < length) this.#scratch = Buffer.allocUnsafeSlow(length);
    this.#length = length;
    return { into: this.#scratch, at: 0 };
  }

  addHole(): void {
    this.#finish();
    this.#digests.push(null);
  }

  get isWhole(): boolean {
    this.#finish();
    return this.#digests.length === this.#expected;
  }

  isSame(other: unknown, i: number): boolean {
    return other instanceof Digests && this.#digests[i] === other.#digests[i];
  }

  #finish(): void {
    if (this.#length < 0) return;
    this.#digests.push(xxh64(this.#scratch.subarray(0, this.#length)));
    this.#length = -1;
  }
}
