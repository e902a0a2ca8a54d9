import type { LogStreamPort } from '@salvor/bus';
import type { TlogSegment } from '@salvor/contracts';
import { SalvorError } from '@salvor/service-kit';
import { decodeSegment, lastSequence, logStream, logSubject } from '@salvor/tlog';

/** A segment as it came, and what it says. */
export interface SourceSegment {
  readonly bytes: Buffer;
  readonly segment: TlogSegment;
}

/** The log does not go on where the reader is. */
export class LostPlaceError extends SalvorError {
  constructor(reason: string) {
    super('lost-place', reason);
  }
}

export interface SourceLogOptions {
  readonly streams: Pick<LogStreamPort, 'facts' | 'readWindow'>;
  readonly container: number;
  readonly vdisk: string;
  /** Goes on behind this record. */
  readonly after: number;
  /** Bases up to this segment are known to be in what was copied. */
  readonly knownNumber: number;
}

const WINDOW_BYTES: number = 4 * 1024 * 1024;
const FIRST_SPAN = 64;
const SPAN_GROWTH = 8;

/** The hot tail of the log of a vdisk in another zone, read forwards from a record on, without a gap. */
export class SourceLog {
  readonly #options: SourceLogOptions;
  readonly #stream: string;
  readonly #subject: string;
  /** Place in the stream to read from; null: not found yet. */
  #next: number | null = null;
  #number = 0;
  #last: number;

  constructor(options: SourceLogOptions) {
    this.#options = options;
    this.#stream = logStream(options.container);
    this.#subject = logSubject(options.container, options.vdisk);
    this.#last = options.after;
  }

  /**
   * The segments that came since, in order; empty: none. `isLevel`: there were no more.
   *
   * @throws LostPlaceError; LogError `bad-segment`; BusError
   */
  async next(): Promise<{ segments: SourceSegment[]; isLevel: boolean }> {
    const { streams } = this.#options;
    const { firstSequence, lastSequence: newest } = await streams.facts(this.#stream);
    this.#next ??= await this.#find(firstSequence, newest);
    if (newest < this.#next) return { segments: [], isLevel: true };
    const window = await streams.readWindow({
      ...{ stream: this.#stream, subject: this.#subject, from: this.#next, maxBytes: WINDOW_BYTES },
    });
    const segments: SourceSegment[] = [];
    for (const { data: bytes } of window.messages) {
      const segment = decodeSegment(bytes);
      this.#take(segment);
      segments.push({ bytes, segment });
    }
    this.#next = window.next;
    return { segments, isLevel: window.end };
  }

  #take(segment: TlogSegment): void {
    const { vdisk, after, knownNumber } = this.#options;
    const { number, first, kind } = segment;
    if (segment.vdisk !== vdisk)
      throw new LostPlaceError(`expected the log of vdisk ${vdisk}, found that of ${segment.vdisk}`);
    const isFirst = this.#number === 0;
    const goesOn = isFirst ? first <= after + 1 : number === this.#number + 1 && first === this.#last + 1;
    if (!goesOn)
      throw new LostPlaceError(
        `its log lacks records ${this.#last + 1} to ${first - 1} in JetStream: segment ${number} follows ${isFirst ? `record ${after}` : this.#number}`,
      );
    // What was written while the log was broken is nowhere else.
    if (kind === 'baseBegin' && first > after && number > knownNumber)
      throw new LostPlaceError(`its log was begun anew with a base at record ${first}`);
    this.#number = number;
    this.#last = Math.max(lastSequence(segment), first - 1);
  }

  /** The place of a segment that is not behind the record to go on from; found from the newest backwards. */
  async #find(firstSequence: number, newest: number): Promise<number> {
    const { streams, after } = this.#options;
    for (let span = FIRST_SPAN; ; span *= SPAN_GROWTH) {
      const low = Math.max(1, firstSequence, newest - span + 1);
      const { messages } = await streams.readWindow({
        ...{ stream: this.#stream, subject: this.#subject, from: low, maxBytes: 1, atMost: () => 1 },
      });
      const [message] = messages;
      if (message !== undefined && decodeSegment(message.data).first <= after + 1) return message.sequence;
      if (low > Math.max(1, firstSequence)) continue;
      if (message === undefined && after === 0) return low;
      const found =
        message === undefined ? 'nothing' : `record ${decodeSegment(message.data).first} at first`;
      throw new LostPlaceError(`its log in JetStream has ${found}, and not what follows record ${after}`);
    }
  }
}
