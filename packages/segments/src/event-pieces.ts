/** Puts events together from pieces of a segment (`io.pravega.shared.protocol.netty.WireCommands.Event`): `0 i32 | length i32 | payload`. */
import { SalvorError } from '@salvor/service-kit';

const HEADER_BYTES = 8;

export interface PlainEvent {
  /** Of its header in the segment. */
  readonly offset: number;
  readonly payload: Buffer;
}

export interface EventPiece {
  readonly offset: number;
  readonly data: Buffer;
}

export interface EventRange {
  readonly from: number;
  readonly to: number;
}

/** Whole events of a range that is known to have nothing else. */
export class EventPieces {
  readonly #to: number;
  #at: number;
  #waiting: Buffer[] = [];
  #bytes = 0;

  constructor({ from, to }: EventRange) {
    this.#at = from;
    this.#to = to;
  }

  /** Throws SalvorError `not-events` where the bytes are not what the range promised. */
  *take({ offset, data }: EventPiece): Generator<PlainEvent> {
    const expected = this.#at + this.#bytes;
    if (offset > expected) throw this.#error(`bytes from ${expected} on, found them from ${offset} on`);
    const fresh = data.subarray(expected - offset, Math.max(0, this.#to - offset));
    if (fresh.length === 0) return;
    this.#waiting.push(fresh);
    this.#bytes += fresh.length;
    if (this.#bytes < this.#wanted()) return;
    const bytes = this.#waiting.length === 1 ? fresh : Buffer.concat(this.#waiting);
    let at = 0;
    while (bytes.length - at >= HEADER_BYTES) {
      const length = bytes.readInt32BE(at + 4);
      if (bytes.readInt32BE(at) !== 0 || length < 0) throw this.#error(`an event at ${this.#at + at}`);
      const end = at + HEADER_BYTES + length;
      if (end > bytes.length) break;
      yield { offset: this.#at + at, payload: bytes.subarray(at + HEADER_BYTES, end) };
      at = end;
    }
    this.#at += at;
    this.#bytes -= at;
    this.#waiting = at === bytes.length ? [] : [bytes.subarray(at)];
  }

  /** Whether everything up to the end of the range has come. */
  get isDone(): boolean {
    return this.#at === this.#to;
  }

  /** Bytes that the next event takes, as far as that is known: pieces of a large one are put together once. */
  #wanted(): number {
    const [first] = this.#waiting;
    return first === undefined || first.length < HEADER_BYTES
      ? HEADER_BYTES
      : HEADER_BYTES + first.readInt32BE(4);
  }

  #error(what: string): SalvorError {
    return new SalvorError('not-events', `expected ${what}, in a range that was found to hold whole events`);
  }
}
