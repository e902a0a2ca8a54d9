import { EngineError } from '../errors.ts';
import { Exchange } from '../exchange.ts';
import { RespError, type RespValue } from '../resp.ts';
import { errorReply } from '../resp-link.ts';

/** Takes the values of one read, a block each. */
export interface BlockTaker {
  /** A stored block of `length` bytes comes: returns where its bytes go. */
  add(length: number): { readonly into: Buffer; readonly at: number };
  addHole(): void;
  /** Whether every block that was asked for has come. */
  readonly isWhole: boolean;
}

/** One reading command with a value per block, and the `GET` of the epoch behind it. Resolves with the epoch found. */
export class BlockExchange extends Exchange {
  at = 0;
  readonly #taker: BlockTaker;
  readonly #address: string;
  readonly #resolve: (epoch: RespValue) => void;
  readonly #reject: (error: Error) => void;
  #epoch: RespValue = null;
  #error: EngineError | null = null;

  constructor(
    taker: BlockTaker,
    address: string,
    resolve: (epoch: RespValue) => void,
    reject: (error: Error) => void,
  ) {
    super();
    this.#taker = taker;
    this.#address = address;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  bulk(length: number): Buffer {
    if (this.left > 1) {
      const { into, at } = this.#taker.add(length);
      this.at = at;
      return into;
    }
    this.at = 0;
    const bytes = Buffer.allocUnsafe(length);
    this.#epoch = bytes;
    return bytes;
  }

  scalar(value: number | string | RespError | null): void {
    if (value instanceof RespError) this.#error ??= errorReply(this.#address, value);
    else if (this.left > 1) this.#taker.addHole();
  }

  array(): void {}

  done(): void {
    if (this.#error === null && !this.#taker.isWhole)
      this.#error = new EngineError(
        'protocol',
        `engine ${this.#address} sent fewer blocks than it was asked for`,
      );
    if (this.#error !== null) this.#reject(this.#error);
    else this.#resolve(this.#epoch);
  }

  fail(error: EngineError): void {
    this.#reject(error);
  }
}
