import { randomUUID } from 'node:crypto';
import type { TlogSegment } from '@salvor/contracts';
import { codeOf, messageOf, pause } from '@salvor/service-kit';
import { LogError } from './log-error.ts';
import {
  type Conflict,
  decideBegin,
  decideConflict,
  decidePublishTrouble,
  type LogPlace,
  type LogTail,
  type NewestSegment,
} from './log-writing.ts';
import type { OpenSegment } from './open-segment.ts';
import { decodeSegment, lastSequence, logStream, logSubject } from './segment.ts';
import { type SegmentPool, sharedSegments } from './segment-pool.ts';

/** What a writer needs of the streams; the bus has it. */
export interface WriterStreams {
  publish(message: {
    subject: string;
    data: Uint8Array;
    id: string;
    expectedLastSequence: number;
  }): Promise<{ seq: number }>;
  last(stream: string, subject: string): Promise<{ sequence: number; data: Buffer } | null>;
}

export interface LogWriterLimits {
  /** Bytes that are not durable yet; beyond that whoever appends is told to wait. */
  readonly pendingMaxBytes: number;
  /** A segment with so many bytes of blocks is sent at once when nothing else is under way. */
  readonly sendAtBytes: number;
  /** A smaller one, for which nobody waits, is sent after this long. */
  readonly lingerMs: number;
  /** Pauses before a segment is sent again; the last one repeats. */
  readonly retryMs: readonly number[];
}

export const DEFAULT_LOG_WRITER_LIMITS: LogWriterLimits = {
  pendingMaxBytes: 8 * 1024 * 1024,
  sendAtBytes: 64 * 1024,
  lingerMs: 5,
  retryMs: [20, 50, 100, 250, 500],
};

export interface LogWriterOptions {
  readonly streams: WriterStreams;
  readonly container: number;
  readonly vdisk: string;
  readonly epoch: number;
  readonly blockSize: number;
  readonly shards: number;
  readonly limits?: Partial<LogWriterLimits>;
  /** Default: that of the process. */
  readonly segments?: SegmentPool;
  /** Called once when the log cannot be written any more by this owner: fenced, or Tier-1 lost what it had. */
  readonly failed: (error: LogError) => void;
}

/** How far the log is behind what was appended. */
export interface LogLag {
  readonly bytes: number;
  /** How long the oldest of it waits, milliseconds. */
  readonly ms: number;
  /** Why it is not durable, when more than time is the reason. */
  readonly trouble: string | null;
}

interface Sealed {
  readonly segment: OpenSegment;
  readonly bytes: Buffer;
  readonly dataBytes: number;
  readonly number: number;
  readonly last: number;
  /** When its last record was taken, Unix milliseconds, and the base that it builds on. */
  readonly at: number;
  readonly base: number;
  readonly ticket: number;
  readonly sealedAtMs: number;
}

/** A segment of a log, told from every other that has its number. */
export interface CutPlace {
  readonly number: number;
  readonly epoch: number;
  readonly last: number;
  readonly at: number;
  readonly base: number;
}

interface Waiter {
  readonly ticket: number;
  readonly resolve: () => void;
  readonly reject: (error: LogError) => void;
}

/**
 * Writes the log of one vdisk: what is appended gathers in a segment while the one before is under way, so there is always at
 * most one message that may be stored or not, and it is sent again until it is known.
 */
export class LogWriter {
  readonly #options: LogWriterOptions;
  readonly #limits: LogWriterLimits;
  readonly #stream: string;
  readonly #subject: string;
  /** A writer that takes the log up anew under the same epoch may give a number again that was never stored, or was lost. */
  readonly #run = randomUUID().slice(0, 8);
  readonly #positions = new Map<number, number>();
  readonly #sealed: Sealed[] = [];
  readonly #waiters: Waiter[] = [];
  readonly #room: { resolve: () => void; reject: (error: LogError) => void }[] = [];
  readonly #segments: SegmentPool;
  readonly #closed = new AbortController();
  /** Null while nothing is in it: an idle log takes no memory for one. */
  #open: OpenSegment | null = null;
  /** For the message that the log is taken up with. */
  #beginning: OpenSegment | null = null;
  #openKind: TlogSegment['kind'] = 'writes';
  #openedAtMs = 0;
  #inFlight: Sealed | null = null;
  #streamSequence = 0;
  #number = 0;
  #next = 1;
  #base = 0;
  #ticket = 0;
  #durable = { number: 0, last: 0, at: 0, base: 0, ticket: 0, dataBytes: 0 };
  #pendingBytes = 0;
  #linger: NodeJS.Timeout | null = null;
  #sendAsked = false;
  #trouble: string | null = null;
  #failure: LogError | null = null;
  #isBroken = false;
  /** How often the log was broken off: what was sealed before may have been forgotten, and its number given again. */
  #breaks = 0;
  #hasBegun = false;

  constructor(options: LogWriterOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULT_LOG_WRITER_LIMITS, ...options.limits };
    this.#stream = logStream(options.container);
    this.#subject = logSubject(options.container, options.vdisk);
    this.#segments = options.segments ?? sharedSegments;
  }

  /** Sequence at which the newest complete base begins, as new segments say it. */
  get base(): number {
    return this.#base;
  }

  /** Of the last record appended. */
  get sequence(): number {
    return this.#next - 1;
  }

  /** Segments that hold what is not durable yet. */
  get segmentsHeld(): number {
    return (this.#open === null ? 0 : 1) + this.#sealed.length + (this.#inFlight === null ? 0 : 1);
  }

  /** Nothing is taken: {@link breakOff} was called, and no new base begun. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  get lag(): LogLag {
    const since =
      this.#inFlight?.sealedAtMs ??
      this.#sealed[0]?.sealedAtMs ??
      (this.#openCount > 0 ? this.#openedAtMs : null);
    return {
      bytes: this.#pendingBytes,
      ms: since === null ? 0 : performance.now() - since,
      trouble: this.#trouble,
    };
  }

  /**
   * Takes the log up: from then on no owner with a lower epoch can write it. Asks until Tier-1 answers. `decide` is told what
   * is there, perhaps more than once, and says which base the log has from here on, and whether its positions still hold, or
   * which do.
   *
   * @throws LogError `fenced`; `unavailable` when it was closed meanwhile
   */
  async begin(
    archived: LogPlace | null,
    decide: (
      tail: LogTail | null,
      lost: string | null,
      place: LogPlace,
    ) => { base: number; keepsPositions?: boolean; positions?: ReadonlyMap<number, number> },
  ): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      try {
        const newest = await this.#newest();
        const begin = decideBegin(this.#options.epoch, newest && tailOf(newest.segment), archived);
        if (begin.kind === 'fenced') throw this.#fail(new LogError('fenced', this.#text(begin.reason)));
        const { tail, place, lost } = begin;
        const { base, keepsPositions = true, positions } = decide(tail, lost, place);
        this.#base = base;
        this.#streamSequence = newest?.streamSequence ?? 0;
        this.#number = place.number;
        this.#next = place.sequence + 1;
        this.#positions.clear();
        const known = positions ?? (keepsPositions ? tail?.positions : undefined) ?? [];
        for (const [shard, batch] of known) this.#positions.set(shard, batch);
        // The same one at every attempt: a message that was not answered may still be under way.
        this.#beginning ??= this.#segments.take(this.#options.shards, this.#next);
        const segment = this.#beginning;
        segment.reset(this.#options.shards, this.#next);
        const { bytes, number, last, at, base: on } = this.#seal(segment, 'begin', '');
        this.#streamSequence = await this.#publishOnce(bytes, number);
        this.#beginning = null;
        this.#segments.give(segment);
        this.#durable = { number, last, at, base: on, ticket: 0, dataBytes: 0 };
        this.#trouble = null;
        this.#hasBegun = true;
        return;
      } catch (error) {
        if (this.#failure !== null) throw this.#failure;
        this.#assertOpen();
        if (error instanceof LogError && error.code === 'bad-segment') throw this.#fail(error);
        this.#trouble = messageOf(error);
        // Another segment in between is the last one of the owner before, or the beginning of the next one: look again.
        if (codeOf(error) !== 'wrong-last-sequence') await this.#rest(attempt);
        this.#assertOpen();
      }
    }
  }

  /**
   * Adds changes behind everything before them; their bytes are the caller's again afterwards. Null, or what to wait for
   * before more is appended: what is not durable yet has reached its bound.
   *
   * @throws LogError `fenced`, `unavailable` when nothing can be appended any more
   */
  append(
    blocks: ReadonlyMap<number, Buffer | null>,
    kind: 'writes' | 'base' = 'writes',
  ): Promise<void> | null {
    if (this.#failure !== null) throw this.#failure;
    this.#assertOpen();
    if (!this.#hasBegun) throw new LogError('unavailable', this.#text('it was not taken up yet'));
    if (this.#isBroken || blocks.size === 0) return null;
    const at = Date.now();
    if (this.#openCount > 0 && this.#openKind !== kind) this.#sealOpen();
    for (const [block, data] of blocks) {
      const length = data?.length ?? 0;
      if (!this.#opened().fits(length)) this.#sealOpen();
      const open = this.#opened();
      if (open.count === 0) {
        this.#openKind = kind;
        this.#openedAtMs = performance.now();
      }
      open.add(block, data, at);
      this.#next++;
      this.#pendingBytes += length;
    }
    this.#ticket++;
    this.#wake();
    return this.room();
  }

  /** Everything of a shard up to this batch is in what was appended. */
  advance(shard: number, batch: number): void {
    this.#positions.set(shard, batch);
  }

  /** Null, or what to wait for while as much waits as may. */
  room(): Promise<void> | null {
    if (this.#pendingBytes < this.#limits.pendingMaxBytes) return null;
    return new Promise((resolve, reject) => this.#room.push({ resolve, reject }));
  }

  /** Null, or resolves when all that was appended is durable. Rejects with LogError. */
  flush(): Promise<void> | null {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (this.#durable.ticket >= this.#ticket) return null;
    const durable = this.#whenDurable(this.#ticket);
    this.#askSend();
    return durable;
  }

  /**
   * Ends the segment that is being filled. At once, so that several logs can be cut at one moment: which segment ends with the
   * last record that was appended. `durable` resolves once Tier-1 has it, and rejects with LogError where it never will.
   *
   * @throws LogError
   */
  cut(): { readonly place: CutPlace; readonly durable: Promise<void> } {
    if (this.#failure !== null) throw this.#failure;
    this.#assertOpen();
    if (!this.#hasBegun || this.#isBroken)
      throw new LogError('unavailable', this.#text('it is not written now'));
    if (this.#openCount > 0) this.#sealOpen();
    const { number, last, at, base } = this.#sealed.at(-1) ?? this.#inFlight ?? this.#durable;
    const place = { number, epoch: this.#options.epoch, last, at, base };
    return { place, durable: this.#durableUnbroken(this.#breaks) };
  }

  async #durableUnbroken(breaks: number): Promise<void> {
    await this.flush();
    if (this.#breaks !== breaks) throw new LogError('unavailable', this.#text('it was broken off'));
  }

  /**
   * Writes a segment without records behind everything before it; resolves with the sequence of the record that follows it
   * once it is durable. `base`: which base the log has from it on.
   *
   * @throws LogError
   */
  async mark(kind: 'baseBegin' | 'baseComplete' | 'snapshot', base: number, name = ''): Promise<number> {
    if (this.#failure !== null) throw this.#failure;
    this.#assertOpen();
    if (kind === 'baseBegin') this.#isBroken = false;
    if (this.#isBroken)
      throw new LogError('unavailable', this.#text('it is broken, and has no new base yet'));
    if (this.#openCount > 0) this.#sealOpen();
    const sequence = this.#next;
    this.#base = base;
    this.#ticket++;
    this.#sealOpen(kind, name);
    const durable = this.#whenDurable(this.#ticket);
    this.#askSend();
    await durable;
    return sequence;
  }

  /** Forgets what no message was sent for yet, so that the log ends before it. Until the next base nothing is taken. */
  breakOff(): void {
    this.#isBroken = true;
    this.#breaks++;
    const { number, last, ticket, dataBytes } = this.#inFlight ?? this.#durable;
    for (const { segment } of this.#sealed.splice(0)) this.#segments.give(segment);
    this.#number = number;
    this.#next = last + 1;
    this.#ticket = ticket;
    this.#pendingBytes = dataBytes;
    if (this.#open !== null) this.#segments.give(this.#open);
    this.#open = null;
    for (const waiter of this.#waiters.splice(0)) {
      if (waiter.ticket <= ticket) this.#waiters.push(waiter);
      // It waited for what the log will not have: whoever breaks a log off has said so before.
      else waiter.resolve();
    }
    this.#tellRoom();
  }

  /** Resolves when it is known what became of the last message. Rejects with LogError. */
  settled(): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    return this.#inFlight === null ? Promise.resolve() : this.#whenDurable(this.#inFlight.ticket);
  }

  /** Sends nothing more; what waits is told so. */
  close(): void {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort();
    if (this.#linger !== null) clearTimeout(this.#linger);
    this.#tellAll(new LogError('unavailable', this.#text('it was closed')));
  }

  #whenDurable(ticket: number): Promise<void> {
    return new Promise((resolve, reject) => this.#waiters.push({ ticket, resolve, reject }));
  }

  #wake(): void {
    if (this.#inFlight !== null || this.#sendAsked) return;
    const isDue =
      this.#sealed.length > 0 ||
      this.#waiters.length > 0 ||
      (this.#open?.dataBytes ?? 0) >= this.#limits.sendAtBytes;
    if (isDue) this.#askSend();
    else if (this.#openCount > 0) this.#linger ??= setTimeout(() => this.#send(), this.#limits.lingerMs);
  }

  /** At the end of this turn: what else is appended in it goes along. */
  #askSend(): void {
    if (this.#inFlight !== null || this.#sendAsked) return;
    this.#sendAsked = true;
    setImmediate(() => {
      this.#sendAsked = false;
      this.#send();
    });
  }

  #send(): void {
    if (this.#linger !== null) clearTimeout(this.#linger);
    this.#linger = null;
    if (this.#inFlight !== null || !this.#hasBegun || this.#failure !== null || this.#closed.signal.aborted)
      return;
    if (this.#sealed.length === 0 && this.#openCount > 0) this.#sealOpen();
    const next = this.#sealed.shift();
    if (next === undefined) return;
    this.#inFlight = next;
    void this.#deliver(next);
  }

  async #deliver(sealed: Sealed): Promise<void> {
    try {
      this.#streamSequence = await this.#publish(sealed);
    } catch (error) {
      if (this.#failure === null && !this.#closed.signal.aborted)
        this.#fail(
          error instanceof LogError ? error : new LogError('unavailable', this.#text(messageOf(error))),
        );
      return;
    }
    const { number, last, at, base, ticket, dataBytes, segment } = sealed;
    this.#durable = { number, last, at, base, ticket, dataBytes: 0 };
    this.#inFlight = null;
    this.#pendingBytes -= dataBytes;
    this.#segments.give(segment);
    while ((this.#waiters[0]?.ticket ?? Number.POSITIVE_INFINITY) <= ticket) this.#waiters.shift()?.resolve();
    this.#tellRoom();
    this.#wake();
  }

  /** Sends the same bytes under the same id until it is known that they are stored. Resolves with their sequence in the stream. */
  async #publish({ bytes, number }: Pick<Sealed, 'bytes' | 'number'>): Promise<number> {
    for (let attempt = 0; ; attempt++) {
      try {
        const sequence = await this.#publishOnce(bytes, number);
        this.#trouble = null;
        return sequence;
      } catch (error) {
        this.#assertOpen();
        const trouble = decidePublishTrouble(codeOf(error));
        if (trouble === 'closed') throw new LogError('unavailable', this.#text(messageOf(error)));
        this.#trouble = messageOf(error);
        const stored = trouble === 'look' ? await this.#look(number) : null;
        if (stored !== null) return stored;
        await this.#rest(attempt);
        this.#assertOpen();
      }
    }
  }

  async #publishOnce(data: Buffer, number: number): Promise<number> {
    const { streams, vdisk, epoch } = this.#options;
    const { seq } = await streams.publish({
      ...{ subject: this.#subject, data, id: `${vdisk}:${epoch}:${number}:${this.#run}` },
      expectedLastSequence: this.#streamSequence,
    });
    return seq;
  }

  /** Where the segment is stored, or null when it is not and can be sent again. */
  async #look(number: number): Promise<number | null> {
    let conflict: Conflict;
    try {
      conflict = decideConflict({ number, epoch: this.#options.epoch }, await this.#newest());
    } catch (error) {
      if (error instanceof LogError) throw error;
      this.#trouble = messageOf(error);
      return null;
    }
    switch (conflict.kind) {
      case 'stored':
        return conflict.streamSequence;
      case 'again':
        this.#streamSequence = conflict.streamSequence;
        return null;
      case 'fenced':
        throw new LogError('fenced', this.#text(conflict.reason));
      case 'lost':
        throw new LogError('gap', this.#text(conflict.reason));
    }
  }

  async #newest(): Promise<(NewestSegment & { segment: TlogSegment }) | null> {
    const last = await this.#options.streams.last(this.#stream, this.#subject);
    if (last === null) return null;
    return { streamSequence: last.sequence, segment: decodeSegment(last.data) };
  }

  #sealOpen(kind = this.#openKind, name = ''): void {
    this.#sealed.push(this.#seal(this.#opened(), kind, name));
    this.#open = null;
  }

  #opened(): OpenSegment {
    this.#open ??= this.#segments.take(this.#options.shards, this.#next);
    return this.#open;
  }

  get #openCount(): number {
    return this.#open?.count ?? 0;
  }

  #seal(segment: OpenSegment, kind: TlogSegment['kind'], name: string): Sealed {
    const { vdisk, epoch, blockSize } = this.#options;
    const number = ++this.#number;
    const base = this.#base;
    const now = Date.now();
    const bytes = segment.seal({
      ...{ vdisk, number, epoch, generation: 0, kind, name, blockSize },
      ...{ base, positions: this.#positions, at: now },
    });
    const sealedAtMs = segment.count > 0 ? this.#openedAtMs : performance.now();
    const at = segment.count > 0 ? segment.lastAt : now;
    const { dataBytes } = segment;
    const place = { number, last: this.#next - 1, at, base };
    return { segment, bytes, dataBytes, ...place, ticket: this.#ticket, sealedAtMs };
  }

  #tellRoom(): void {
    if (this.#pendingBytes >= this.#limits.pendingMaxBytes) return;
    for (const { resolve } of this.#room.splice(0)) resolve();
  }

  #tellAll(error: LogError): void {
    for (const { reject } of this.#waiters.splice(0)) reject(error);
    for (const { reject } of this.#room.splice(0)) reject(error);
  }

  #fail(error: LogError): LogError {
    if (this.#failure !== null) return this.#failure;
    this.#failure = error;
    this.#tellAll(error);
    this.#options.failed(error);
    return error;
  }

  async #rest(attempt: number): Promise<void> {
    const { retryMs } = this.#limits;
    await pause(retryMs[Math.min(attempt, retryMs.length - 1)] ?? 0, this.#closed.signal);
  }

  #assertOpen(): void {
    if (this.#closed.signal.aborted) throw new LogError('unavailable', this.#text('it was closed'));
  }

  #text(reason: string): string {
    return `log of vdisk ${this.#options.vdisk}: ${reason}`;
  }
}

function tailOf(segment: TlogSegment): LogTail {
  const { number, epoch, base, positions } = segment;
  return {
    ...{ number, epoch, base, sequence: lastSequence(segment) },
    positions: new Map(positions.map(({ shard, batch }) => [shard, batch])),
  };
}
