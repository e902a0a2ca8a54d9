import type { LogSegment } from '@salvor/config-store';
import type { TlogSegment } from '@salvor/contracts';
import { SalvorError } from '@salvor/service-kit';
import {
  decodeSegment,
  encodeSegment,
  type LogSource,
  lastSequence,
  logStream,
  logSubject,
  type SegmentIndex,
} from '@salvor/tlog';
import {
  archiveHolds,
  findSegment,
  indexedSegmentOf,
  logSegmentOf,
  wholeLog,
  type ZoneLog,
} from './zone-log.ts';

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

export interface SourceWindow {
  /** In order; empty: nothing came since. */
  readonly segments: readonly SourceSegment[];
  /** There were no more. */
  readonly isLevel: boolean;
  /** What lies behind them in JetStream, all vdisks of the container together, about. */
  readonly bytesAhead: number;
}

const WINDOW_BYTES: number = 4 * 1024 * 1024;
/** A NATS server that lost the end of a stream was away longer than this. */
const TRUST_MS = 1_000;

/**
 * The log of a vdisk in another zone, read forwards behind a segment, without a gap: from JetStream, and where that begins
 * behind it, from the archive.
 */
export class SourceLog {
  readonly #log: ZoneLog;
  readonly #stream: string;
  readonly #subject: string;
  readonly #nowMs: () => number;
  /** The last segment that was taken. */
  #last: LogSegment;
  /** Its place in the stream; null: to be found. */
  #place: number | null = null;
  #next = 0;
  #readAtMs = Number.NEGATIVE_INFINITY;
  #archived: { readonly source: LogSource; readonly segments: AsyncIterator<SegmentIndex> } | null = null;

  /** @param after goes on behind this segment */
  constructor(log: ZoneLog, after: LogSegment, nowMs: () => number = () => performance.now()) {
    this.#log = log;
    this.#stream = logStream(log.container);
    this.#subject = logSubject(log.container, log.vdisk);
    this.#last = after;
    this.#nowMs = nowMs;
  }

  /** @throws LostPlaceError; SalvorError `archive-unreachable`; LogError `bad-segment`, `store`; BusError */
  async next(): Promise<SourceWindow> {
    if (this.#archived !== null) return this.#fromArchive(this.#archived);
    const { streams } = this.#log;
    if (this.#nowMs() - this.#readAtMs > TRUST_MS && !(await this.#isHere())) {
      await this.#openArchive();
      return { segments: [], isLevel: false, bytesAhead: 0 };
    }
    const facts = await streams.facts(this.#stream);
    const { lastSequence: newest, bytes, messages: count } = facts;
    // The stream lost its end since: what it has now is told by its segments.
    if (newest < this.#next - 1) return this.#again();
    if (newest < this.#next) return this.#read({ segments: [], isLevel: true, bytesAhead: 0 });
    const window = await streams.readWindow({
      ...{ stream: this.#stream, subject: this.#subject, from: this.#next, maxBytes: WINDOW_BYTES },
    });
    const found = window.messages.map(({ data, sequence }) => ({
      ...{ bytes: data, place: sequence, segment: decodeSegment(data) },
    }));
    const [first] = found;
    // Another owner, or the same one again: it may have found less than was read here.
    const isTakenUp =
      first !== undefined && (first.segment.epoch !== this.#last.epoch || first.segment.kind === 'begin');
    // The archiver lets go of what is behind this reader, and perhaps of what is ahead of it.
    const isAhead = first !== undefined && !this.#isNext(first.segment);
    const place = this.#place;
    if ((isTakenUp || isAhead) && !((await this.#isHere()) && this.#place === place)) return this.#again();
    const taken: typeof found = [];
    for (const each of found) {
      if (taken.length > 0 && !this.#isNext(each.segment)) break;
      this.#take(each.segment.vdisk, logSegmentOf(each.segment), each.segment);
      this.#place = each.place;
      taken.push(each);
    }
    if (taken.length < found.length) {
      this.#next = (this.#place ?? 0) + 1;
      return this.#read({ segments: taken, isLevel: false, bytesAhead: 0 });
    }
    this.#next = window.next;
    const ahead = Math.max(0, newest - window.next + 1);
    return this.#read({
      segments: found,
      isLevel: window.end,
      bytesAhead: window.end ? 0 : Math.round((ahead * bytes) / Math.max(1, count)),
    });
  }

  async close(): Promise<void> {
    await this.#archived?.source.close();
    this.#archived = null;
  }

  #read(window: SourceWindow): SourceWindow {
    this.#readAtMs = this.#nowMs();
    return window;
  }

  #again(): SourceWindow {
    this.#place = null;
    this.#readAtMs = Number.NEGATIVE_INFINITY;
    return { segments: [], isLevel: false, bytesAhead: 0 };
  }

  /** Whether the very segment that was taken last is in the stream; where it is not, but was archived, false. */
  async #isHere(): Promise<boolean> {
    const { streams } = this.#log;
    if (this.#place !== null) {
      const { messages } = await streams.readWindow({
        ...{ stream: this.#stream, subject: this.#subject, from: this.#place, maxBytes: 1 },
        atMost: () => 1,
      });
      const [message] = messages;
      if (message?.sequence === this.#place && isSame(decodeSegment(message.data), this.#last)) return true;
    }
    const found = await findSegment(streams, this.#log, this.#last);
    switch (found.kind) {
      case 'here':
        this.#place = found.place;
        this.#next = found.place + 1;
        return true;
      case 'lost':
        throw new LostPlaceError(
          `its log lost what was read of it up to record ${this.#last.last}: ${found.reason}`,
        );
      case 'trimmed':
        return false;
    }
  }

  async #openArchive(): Promise<void> {
    const { archive, vdisk } = this.#log;
    const { number, last } = this.#last;
    if (archive === null)
      throw new SalvorError(
        'archive-unreachable',
        `the log of vdisk ${vdisk} begins in JetStream behind segment ${number} (record ${last}), which is archived: name the archive of that zone (tlogStore of that zone in SALVOR_ZONE_PEERS), or order 'salvor volume resync'`,
      );
    const isHeld = await archiveHolds(this.#log, this.#last);
    if (isHeld !== true)
      throw new LostPlaceError(
        isHeld === null
          ? `neither JetStream nor its archive tells what follows record ${last}: segment ${number} is in neither, or was compacted`
          : `its log lost what was read of it up to record ${last}: its archive has another segment ${number}`,
      );
    const source = await wholeLog(this.#log);
    const segments = source.oldestFirst(Math.max(1, last))[Symbol.asyncIterator]();
    this.#archived = { source, segments };
  }

  /** What the archive has, and behind it the stream; then the stream alone again. */
  async #fromArchive({
    source,
    segments,
  }: {
    readonly source: LogSource;
    readonly segments: AsyncIterator<SegmentIndex>;
  }): Promise<SourceWindow> {
    const found: SourceSegment[] = [];
    for (let bytes = 0; bytes < WINDOW_BYTES; ) {
      const { value: index, done } = await segments.next();
      if (done === true) {
        await this.close();
        this.#again();
        break;
      }
      if (index.number <= this.#last.number) continue;
      const segment = await segmentFrom(this.#log.vdisk, source, index);
      this.#take(this.#log.vdisk, indexedSegmentOf(index), segment);
      found.push({ bytes: encodeSegment(segment), segment });
      bytes += segment.data.length;
    }
    return { segments: found, isLevel: false, bytesAhead: 0 };
  }

  #isNext({ number, covers }: TlogSegment): boolean {
    return (covers?.number ?? number) === this.#last.number + 1;
  }

  #take(vdisk: string, segment: LogSegment, { first, kind, covers }: TlogSegment): void {
    const { number, last, epoch, base } = this.#last;
    if (vdisk !== this.#log.vdisk)
      throw new LostPlaceError(`expected the log of vdisk ${this.#log.vdisk}, found that of ${vdisk}`);
    const from = { number: covers?.number ?? segment.number, first: covers?.first ?? first };
    if (from.number !== number + 1 || from.first !== last + 1)
      throw new LostPlaceError(
        `its log lacks what lies between segment ${number} (record ${last}) and segment ${from.number} (record ${from.first})`,
      );
    if (segment.epoch < epoch)
      throw new LostPlaceError(
        `segment ${segment.number} of its log is of epoch ${segment.epoch}, the one before of ${epoch}`,
      );
    // What was written while the log was broken, or before there was one, is nowhere else.
    if (kind === 'baseBegin' || segment.base !== base)
      throw new LostPlaceError(
        `its log was begun anew behind record ${last}, with segment ${segment.number}`,
      );
    this.#last = segment;
  }
}

/**
 * What was compacted tells no state before its end: records are left out that later ones cover.
 *
 * @throws LostPlaceError when there was no such state behind the last of these segments
 */
export function assertExact(segments: readonly SourceSegment[]): void {
  const last = segments.at(-1)?.segment;
  const from = exactFrom(segments);
  if (last !== undefined && from > lastSequence(last))
    throw new LostPlaceError(
      `its log was compacted where this zone is: behind record ${lastSequence(last)} it tells the states from record ${from} on only`,
    );
}

/** The first state that these segments tell. */
export function exactFrom(segments: readonly SourceSegment[]): number {
  return Math.max(0, ...segments.map(({ segment }) => segment.covers?.exactFrom ?? 0));
}

function isSame(segment: TlogSegment, wanted: LogSegment): boolean {
  const { number, epoch, last, at } = logSegmentOf(segment);
  return number === wanted.number && epoch === wanted.epoch && last === wanted.last && at === wanted.at;
}

/** A segment as it was before it was archived, but for what only its owner needs. */
async function segmentFrom(vdisk: string, source: LogSource, index: SegmentIndex): Promise<TlogSegment> {
  const { number, epoch, kind, name, first, firstAt, lastAt, base, blockSize, records, covers } = index;
  const data = await source.read(index, records);
  return {
    ...{ vdisk, number, epoch, generation: 0, kind, name, first, firstAt, lastAt, base, blockSize },
    positions: [],
    records: records.map(({ sequence, block, length, checksum }) => ({ sequence, block, length, checksum })),
    ...(covers === undefined ? {} : { covers: { ...covers } }),
    data: Buffer.concat(data),
  };
}
