import { CorruptBlocksError, EngineError } from './errors.ts';
import { Exchange } from './exchange.ts';
import type { BlockLayout, BlockPlacer } from './layout/block-layout.ts';
import type { ReadPart } from './read-part.ts';
import { Frame, RespError, RespProtocolError } from './resp.ts';
import { errorReply, type RespLink } from './resp-link.ts';
import { callAtTurnEnd, type TurnEnd } from './turn.ts';

/** Told once: null when the part's blocks are in place and the engine confirmed the epoch behind them. */
export type PartRead = (error: unknown) => void;

/**
 * Gathers the reads of one turn of the event loop into one request to the engine: the epoch is asked for once, and the
 * engine is woken once, however many requests came in together.
 */
export class GatheredReads implements TurnEnd {
  readonly #link: RespLink;
  readonly #layout: BlockLayout;
  readonly #epoch: EpochQuestion;
  #parts: ReadPart[] = [];
  #told: PartRead[] = [];

  constructor(link: RespLink, layout: BlockLayout, epoch: EpochQuestion) {
    this.#link = link;
    this.#layout = layout;
    this.#epoch = epoch;
  }

  read(part: ReadPart, told: PartRead): void {
    if (this.#parts.length === 0) callAtTurnEnd(this);
    this.#parts.push(part);
    this.#told.push(told);
  }

  atTurnEnd(): void {
    const [parts, told] = [this.#parts, this.#told];
    this.#parts = [];
    this.#told = [];
    const frame = Frame.pooled();
    const placer = this.#layout.addRead(frame, parts);
    frame.encoded(this.#epoch.command, 1);
    this.#link.exchange(frame, new ReadExchange(frame, parts, placer, this.#epoch, told));
  }
}

/** How the epoch is asked for, and what the answer means. */
export interface EpochQuestion {
  readonly address: string;
  /** The encoded `GET` of the epoch key. */
  readonly command: Buffer;
  /** Our epoch as the engine stores it. */
  readonly expected: Buffer;
  /** Throws what an answer that is not ours means; null = the engine has none. */
  check(found: Buffer | RespError | null): void;
}

class ReadExchange extends Exchange {
  at = 0;
  readonly #frame: Frame;
  readonly #parts: readonly ReadPart[];
  readonly #placer: BlockPlacer;
  readonly #epoch: EpochQuestion;
  readonly #told: readonly PartRead[];
  #error: unknown = null;
  #found: Buffer | RespError | null = null;

  constructor(
    frame: Frame,
    parts: readonly ReadPart[],
    placer: BlockPlacer,
    epoch: EpochQuestion,
    told: readonly PartRead[],
  ) {
    super();
    this.#frame = frame;
    this.#parts = parts;
    this.#placer = placer;
    this.#epoch = epoch;
    this.#told = told;
  }

  bulk(length: number): Buffer {
    if (this.left > 1) {
      // Behind an error reply the placer no longer knows which reply this is, and nothing of them counts.
      if (this.#error !== null) {
        this.at = 0;
        return Buffer.allocUnsafe(length);
      }
      const into = this.#placer.bulk(length);
      this.at = this.#placer.at;
      return into;
    }
    this.at = 0;
    const found = Buffer.allocUnsafe(length);
    this.#found = found;
    return found;
  }

  scalar(value: number | string | RespError | null): void {
    if (this.left > 1) {
      if (value instanceof RespError) this.#error ??= errorReply(this.#epoch.address, value);
      else if (this.#error === null) this.#placer.scalar(value);
    } else if (value instanceof RespError) this.#found = value;
  }

  array(): void {}

  done(): void {
    this.#frame.release();
    try {
      this.#placer.finish();
      const found = this.#found;
      if (!(Buffer.isBuffer(found) && isSame(found, this.#epoch.expected))) this.#epoch.check(found);
    } catch (error) {
      this.#error ??=
        error instanceof RespProtocolError
          ? new EngineError(
              'protocol',
              `engine ${this.#epoch.address} does not answer reads: ${error.message}`,
            )
          : error;
    }
    for (const [i, told] of this.#told.entries()) told(this.#error ?? this.#corruption(this.#parts[i]));
  }

  /** What is wrong with one part is no matter of the others that came along. */
  #corruption(part: ReadPart | undefined): EngineError | null {
    if (part === undefined || part.corrupt.length === 0) return null;
    const blocks = part.corrupt.map((index) => part.blocks[index] ?? 0);
    return new CorruptBlocksError(this.#epoch.address, blocks);
  }

  fail(error: EngineError): void {
    for (const told of this.#told) told(error);
  }
}

/** For short keys: a call into native code costs more than the loop. */
export function isSame(a: Buffer, b: Buffer): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
