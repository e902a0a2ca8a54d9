import type { EngineError } from './errors.ts';
import type { RespError, RespValue } from './resp.ts';
import { type ReplySink, ValueSink } from './resp-reader.ts';

/** Commands that were sent and their replies, of which `left` are still to come. */
export abstract class Exchange implements ReplySink {
  left = 0;
  /** Number of the link's check for overdue replies before which it was sent. */
  sentBefore = 0;
  abstract readonly at: number;
  abstract bulk(length: number): Buffer;
  abstract scalar(value: number | string | RespError | null): void;
  abstract array(count: number): void;
  /** Every reply is here. */
  abstract done(): void;
  /** The link broke before. */
  abstract fail(error: EngineError): void;
}

/** Resolves with the replies as values; error replies are values too. */
export class ValueExchange extends Exchange {
  readonly #sink = new ValueSink();
  readonly #resolve: (values: RespValue[]) => void;
  readonly #reject: (error: EngineError) => void;

  constructor(resolve: (values: RespValue[]) => void, reject: (error: EngineError) => void) {
    super();
    this.#resolve = resolve;
    this.#reject = reject;
  }

  get at(): number {
    return this.#sink.at;
  }

  bulk(length: number): Buffer {
    return this.#sink.bulk(length);
  }

  scalar(value: number | string | RespError | null): void {
    this.#sink.scalar(value);
  }

  array(count: number): void {
    this.#sink.array(count);
  }

  done(): void {
    this.#resolve(this.#sink.values);
  }

  fail(error: EngineError): void {
    this.#reject(error);
  }
}
