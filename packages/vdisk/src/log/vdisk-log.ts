import {
  type ConfigStore,
  putTlogState,
  type RecordedTlog,
  type StoreEntry,
  type TlogPolicy,
  type TlogState,
  TlogStateChangedError,
} from '@salvor/config-store';
import { DeadlineError, deadline, type Logger, messageOf, pause } from '@salvor/service-kit';
import { errno, VdiskIoError } from '../errors.ts';
import type { Pair } from '../pair.ts';
import { decideLogCatchUp, decideLogOpening, type LogOpening } from './log-decisions.ts';
import { appendMissing, appendStored, type LoggedShard, RingGapError } from './logged-blocks.ts';
import { RecordedState } from './recorded-state.ts';
import type {
  ClientLog,
  LogAccess,
  PairLog,
  WriteLog,
  WriteLogCut,
  WriteLogFailure,
  WriteLogLag,
} from './write-log.ts';

export interface VdiskLogOptions {
  readonly vdisk: string;
  readonly epoch: string;
  readonly blockSizeBytes: number;
  readonly store: ConfigStore;
  readonly access: LogAccess;
  readonly recorded: RecordedTlog;
  readonly pairs: readonly Pair[];
  readonly log: Logger;
  /** How long writes and flushes wait for Tier-1 before they fail, milliseconds. */
  readonly holdMaxMs: number;
  /** After this long without Tier-1, a log with policy overflow is broken off. */
  readonly overflowAfterMs: number;
  /** Create revision of the owner key; null once the ownership ended. */
  readonly ownerRevision: () => string | null;
  /** The shard that a block is placed on now. */
  readonly shardOf: (block: number) => number;
  /** A higher epoch writes the log. */
  readonly fenced: (reason: string) => void;
}

export interface VdiskLogState extends WriteLogLag {
  /** `opening`: the owner has not taken it up yet. */
  readonly status: 'opening' | TlogState['status'];
  readonly reason: string;
  readonly base: number;
  readonly sequence: number;
  /** Flushes that wait now. */
  readonly flushesWaiting: number;
}

const RETRY_MS = 500;
const LOOK_MS = 250;

/** The transaction log of one mounted vdisk: what clients wait for, and what is to be done so that it is whole. */
export class VdiskLog implements PairLog, ClientLog {
  readonly #options: VdiskLogOptions;
  readonly #closed = new AbortController();
  /** Shards whose positions stand still until what the log lacks of them is added. */
  readonly #held = new Set<number>();
  readonly #recorded: RecordedState;
  #policy: TlogPolicy;
  #isWatching = false;
  #writer: WriteLog | null = null;
  #positions: ReadonlyMap<number, number> | null = null;
  #phase: VdiskLogState['status'] = 'opening';
  #reason = 'it is being taken up';
  /** Resolves when the log takes what is written; null while it does. */
  #opened: Gate | null = new Gate();
  /** Resolves when the log has all that the engines had before; null once it has. */
  #caughtUp: Gate | null = new Gate();
  #flushesWaiting = 0;
  /** While there is one, writes are appended and not answered. */
  readonly #holds = new Set<Gate>();
  /** Shards that flushes wait for. */
  readonly #behind = new Set<number>();
  #attempt: Attempt | null = null;
  /** What has to be on record before the log is taken up anew. */
  #recording: Promise<void> = Promise.resolve();

  constructor(options: VdiskLogOptions) {
    this.#options = options;
    this.#recorded = new RecordedState(options.vdisk, options.recorded);
    this.#policy = options.recorded.config.policy;
  }

  get state(): VdiskLogState {
    const { base = 0, sequence = 0, lag } = this.#writer ?? {};
    return {
      status: this.#phase,
      reason: this.#reason,
      ...{ base, sequence, flushesWaiting: this.#flushesWaiting },
      ...(lag ?? { bytes: 0, ms: 0, trouble: null }),
    };
  }

  /** Takes the log up, and keeps it whole until it is closed. */
  start(): void {
    void this.#run();
    this.#watchOverflow();
  }

  /** Takes over what etcd says now. A log that somebody else has found to be broken begins anew, with a base. */
  follow(policy: TlogPolicy, state: StoreEntry | null): void {
    this.#policy = policy;
    this.#watchOverflow();
    this.#recorded.notice(state);
    this.#beginAnewIfBroken();
  }

  applied(
    shard: number,
    batch: number,
    blocks: ReadonlyMap<number, Buffer | null> | null,
    isBrought: boolean,
  ): Promise<void> | null {
    const writer = this.#writer;
    // Before the log is taken up the positions tell what is missing; while it is broken, the base will have it.
    if (writer === null || this.#opened !== null || this.#phase === 'broken') return null;
    try {
      // What another pair had is in the log already, but for a base that may have looked there too late and here too early.
      const isNews = blocks !== null && blocks.size > 0 && !(isBrought && this.#phase !== 'basing');
      const room = isNews ? writer.append(blocks) : null;
      if (!this.#held.has(shard)) writer.advance(shard, batch);
      const answers = room === null ? null : this.#holding(room);
      return this.#holds.size === 0 ? answers : this.#released(answers);
    } catch (error) {
      return Promise.reject(this.#ioError(error));
    }
  }

  adopted(shard: number, batch: number): void {
    const position = this.#positions?.get(shard);
    if (position === undefined || position <= batch) return;
    const pair = this.#options.pairs[shard];
    const ahead = decideLogCatchUp(position, { seq: batch, fork: null, ringFloor: 0 });
    if (ahead.kind === 'ahead') pair?.refuse(ahead.reason);
  }

  room(): Promise<void> | null {
    const opened = this.#opened;
    if (opened !== null) return this.#holding(opened.promise);
    if (this.#phase === 'broken') return null;
    const room = this.#writer?.room() ?? null;
    return room === null ? null : this.#holding(room);
  }

  flush(): Promise<void> | null {
    if (this.#caughtUp === null) {
      const durable = this.#phase === 'broken' ? null : (this.#writer?.flush() ?? null);
      return durable === null ? null : this.#counted(this.#holding(durable));
    }
    return this.#counted(this.#flushBehind(this.#opened, this.#caughtUp));
  }

  /** Names the state of the vdisk behind everything that was answered. Resolves with the sequence of what follows. */
  async snapshot(name: string): Promise<number> {
    await this.flush();
    const writer = this.#writer;
    if (writer === null || this.#phase !== 'whole')
      throw this.#ioError(
        new Error(`it is ${this.#phase} (${this.#reason}): a snapshot could not be restored`),
      );
    return writer.mark('snapshot', writer.base, name);
  }

  /**
   * Where the log is now, everything that was answered before it: part of a cut through several logs. At once; `durable`
   * resolves once Tier-1 has it, and rejects where it may not have all of it.
   *
   * @throws VdiskIoError while the log may lack what was answered
   */
  cut(): { readonly place: WriteLogCut; readonly durable: Promise<void> } {
    const writer = this.#writer;
    const lacks = this.#opened !== null || this.#caughtUp !== null || this.#held.size > 0;
    if (writer === null || lacks || this.#phase !== 'whole')
      throw this.#ioError(
        new Error(`it is ${this.#phase} (${this.#reason}), and may lack what was answered: it cannot be cut`),
      );
    try {
      const { place, durable } = writer.cut();
      return { place, durable: durable.catch((error: unknown) => Promise.reject(this.#ioError(error))) };
    } catch (error) {
      throw this.#ioError(error);
    }
  }

  /** From now on writes are not answered, until what is returned is called; they are carried out meanwhile. */
  holdAnswers(): () => void {
    const gate = new Gate();
    this.#holds.add(gate);
    return () => {
      this.#holds.delete(gate);
      gate.open();
    };
  }

  /** Waits for what is not durable yet, but not for long; then nothing more is written. */
  async close(waitMs: number): Promise<void> {
    if (this.#closed.signal.aborted) return;
    const durable = this.#opened === null && this.#phase !== 'broken' ? this.#writer?.flush() : null;
    if (durable != null)
      await deadline(durable, waitMs, 'the log').catch((error: unknown) =>
        this.#options.log.info({ vdisk: this.#options.vdisk, error: messageOf(error) }, 'log left behind'),
      );
    this.#closed.abort();
    this.#writer?.close();
    const error = new Error('the vdisk was unmounted');
    this.#opened?.fail(error);
    this.#caughtUp?.fail(error);
    this.#attempt?.ended.open();
  }

  async #released(answers: Promise<void> | null): Promise<void> {
    await answers;
    for (const gate of this.#holds) await gate.promise;
  }

  get #isClosed(): boolean {
    return this.#closed.signal.aborted;
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      // What the writer before had not sent goes with it: no flush is answered before it was found on the engines again.
      if (this.#phase !== 'broken') this.#closeGates('it is being taken up');
      const attempt: Attempt = { isOver: false, ended: new Gate(), writer: null };
      this.#attempt = attempt;
      try {
        await this.#recording;
        const opening = await this.#open(attempt);
        this.#going(attempt);
        await this.#makeWhole(attempt, opening);
        await attempt.ended.promise;
      } catch (error) {
        if (this.#isClosed) return;
        const { log, vdisk } = this.#options;
        log.warn({ vdisk, error: messageOf(error) }, 'the transaction log is not whole');
        await pause(RETRY_MS, this.#closed.signal);
      } finally {
        attempt.isOver = true;
      }
    }
  }

  /** Takes the log up; from then on everything that is written goes there. */
  async #open(attempt: Attempt): Promise<LogOpening> {
    const { access, vdisk, epoch, blockSizeBytes, pairs, recorded, log } = this.#options;
    this.#writer?.close();
    const writer = access.open({
      ...{ vdisk, epoch: Number(epoch), blockSizeBytes, shards: pairs.length },
      container: recorded.config.container,
      failed: (failure) => this.#fail(attempt, failure),
    });
    attempt.writer = writer;
    this.#writer = writer;
    const archived = await this.#again(() => access.archived(vdisk));
    let opening: LogOpening | null = null;
    await writer.begin(archived, (tail, lost, place) => {
      const isKnown = pairs.every(({ knowsHistory, mode }) => knowsHistory || mode.kind === 'rip');
      const isUntouched = isKnown ? pairs.every(({ seq }) => seq === 0) : null;
      const { config } = recorded;
      opening = decideLogOpening({ config, state: this.#recorded.state, tail, lost, place, isUntouched });
      return opening.begin;
    });
    const known = opening as LogOpening | null;
    if (known === null) throw new Error('the log was taken up without a decision');
    // It was broken off while the message was under way.
    if (this.#phase === 'broken' && known.kind !== 'base') throw new Error('it was broken off meanwhile');
    log.info({ vdisk, opening: known.kind, reason: known.reason }, 'transaction log taken up');
    return known;
  }

  async #makeWhole(attempt: Attempt, opening: LogOpening): Promise<void> {
    const { pairs } = this.#options;
    this.#held.clear();
    this.#behind.clear();
    this.#positions = null;
    switch (opening.kind) {
      case 'fresh':
        for (const { context } of pairs) this.#writer?.advance(context.shard, 0);
        return this.#whole(opening.reason);
      case 'catch-up':
        return await this.#catchUpAll(attempt, opening);
      case 'base':
        return await this.#base(attempt, opening.reason);
    }
  }

  async #catchUpAll(attempt: Attempt, opening: LogOpening & { kind: 'catch-up' }): Promise<void> {
    const { pairs } = this.#options;
    this.#positions = opening.positions;
    for (const { context, knowsHistory, seq } of pairs) {
      this.#held.add(context.shard);
      this.#behind.add(context.shard);
      if (knowsHistory) this.adopted(context.shard, seq);
    }
    this.#phase = 'whole';
    this.#reason = opening.reason;
    this.#openGate();
    try {
      await Promise.all(pairs.map((pair) => this.#catchUp(attempt, pair, opening.positions)));
    } catch (error) {
      if (!(error instanceof NeedsBaseError)) throw error;
      await this.#record('broken', error.message);
      return await this.#base(attempt, error.message);
    }
    this.#going(attempt);
    const { state } = this.#recorded;
    if (state?.status !== 'whole') await this.#record('whole', 'it has a complete copy', state?.sequence);
    this.#whole(opening.reason);
  }

  async #catchUp(attempt: Attempt, pair: Pair, positions: ReadonlyMap<number, number>): Promise<void> {
    const { shard, vdisk } = pair.context;
    for (;;) {
      const writer = this.#going(attempt);
      try {
        if (pair.mode.kind === 'rip') return this.#noteCaughtUp(shard);
        if (!pair.knowsHistory) throw new Error('nobody knows yet where its write history ends');
        const { head } = await pair.readFrom().open();
        const missing = decideLogCatchUp(positions.get(shard) ?? null, head);
        if (missing.kind === 'base') throw new NeedsBaseError(`shard ${shard}: ${missing.reason}`);
        if (missing.kind === 'ahead') {
          pair.refuse(missing.reason);
          return this.#noteCaughtUp(shard);
        }
        if (missing.kind === 'blocks') {
          const blocks = await appendMissing(this.#place(pair, writer), missing);
          this.#options.log.info({ vdisk, shard, blocks }, 'what the log lacked was added');
        }
        await pair.exclusive(async () => {
          this.#going(attempt).advance(shard, pair.seq);
          this.#held.delete(shard);
        });
        return this.#noteCaughtUp(shard);
      } catch (error) {
        if (error instanceof NeedsBaseError) throw error;
        if (error instanceof RingGapError) throw new NeedsBaseError(`shard ${shard}: ${error.message}`);
        this.#going(attempt);
        if (pair.closed) throw error;
        // What cannot be read now holds nobody up who uses the rest.
        if (pair.mode.kind === 'unavailable') this.#noteCaughtUp(shard);
        await pair.nextChange(RETRY_MS);
      }
    }
  }

  /** A copy of every block that is stored, while clients go on. */
  async #base(attempt: Attempt, reason: string): Promise<void> {
    const { pairs, log, vdisk } = this.#options;
    const writer = this.#going(attempt);
    this.#held.clear();
    // What is appended before it is not part of it, and is read later anyway.
    const sequence = writer.sequence + 1;
    await this.#record('basing', reason, sequence);
    const begun = this.#going(attempt).mark('baseBegin', 0);
    this.#phase = 'basing';
    this.#reason = `a copy of all blocks is being written: ${reason}`;
    this.#openGate();
    this.#caughtUpNow();
    if ((await begun) !== sequence) throw new Error(`the base does not begin at ${sequence}`);
    const counts = await Promise.all(pairs.map((pair) => this.#copyAll(attempt, pair)));
    await this.#going(attempt).mark('baseComplete', sequence);
    await this.#record('whole', 'it has a complete copy', sequence);
    log.info({ vdisk, sequence, blocks: counts.reduce((a, b) => a + b, 0) }, 'base of the log complete');
    this.#whole('it has a complete copy');
  }

  async #copyAll(attempt: Attempt, pair: Pair): Promise<number> {
    const { shard } = pair.context;
    for (;;) {
      const writer = this.#going(attempt);
      try {
        if (pair.mode.kind === 'rip') return 0;
        if (!pair.knowsHistory) throw new Error('nobody knows yet where its write history ends');
        await pair.exclusive(async () => writer.advance(shard, pair.seq));
        return await appendStored(this.#place(pair, writer), () => void this.#going(attempt));
      } catch (error) {
        this.#going(attempt);
        if (pair.closed) throw error;
        await pair.nextChange(RETRY_MS);
      }
    }
  }

  #whole(reason: string): void {
    this.#phase = 'whole';
    this.#reason = reason;
    this.#openGate();
    this.#caughtUpNow();
  }

  #watchOverflow(): void {
    if (this.#policy !== 'overflow' || this.#isWatching) return;
    this.#isWatching = true;
    const { log, vdisk } = this.#options;
    // It fails only when the log is closed, or when it is not this owner's any more.
    this.#watch()
      .catch((error: unknown) => log.info({ vdisk, error: messageOf(error) }, 'a log was not broken off'))
      .finally(() => {
        this.#isWatching = false;
      });
  }

  /** The policy overflow: breaks the log off when Tier-1 is away, or full, for too long. */
  async #watch(): Promise<void> {
    let since = performance.now();
    while (!this.#isClosed && this.#policy === 'overflow') {
      await pause(LOOK_MS, this.#closed.signal);
      if (this.#policy !== 'overflow') break;
      const trouble = this.#writer?.lag.trouble ?? null;
      const isStuck = this.#phase !== 'broken' && (this.#opened !== null || trouble !== null);
      if (!isStuck) since = performance.now();
      else if (performance.now() - since >= this.#options.overflowAfterMs) {
        await this.#overflow(trouble ?? 'Tier-1 does not answer');
        since = performance.now();
      }
    }
  }

  /** First it is on record that the log ends here; then writes go on without it, and it is taken up anew. */
  async #overflow(trouble: string): Promise<void> {
    const reason = `Tier-1 did not take it: ${trouble}`;
    const { log, vdisk } = this.#options;
    await this.#record('broken', reason);
    if (this.#isClosed) return;
    log.error({ vdisk, reason }, 'transaction log broken off; writes go on without it');
    const isBeingOpened = this.#opened !== null;
    this.#phase = 'broken';
    this.#reason = reason;
    this.#openGate();
    this.#caughtUpNow();
    // Where it is still being taken up that goes on, and ends in a base.
    if (isBeingOpened) return;
    this.#writer?.breakOff();
    this.#writer?.close();
    this.#attempt?.ended.open();
    if (this.#attempt !== null) this.#attempt.isOver = true;
  }

  #beginAnewIfBroken(): void {
    const attempt = this.#attempt;
    const { log, vdisk } = this.#options;
    try {
      const news = this.#recorded.takeNews();
      if (news?.status !== 'broken' || attempt === null || attempt.isOver || this.#isClosed) return;
      log.error({ vdisk, reason: news.reason }, 'transaction log found broken; it begins anew');
      attempt.isOver = true;
      if (this.#phase !== 'broken') this.#closeGates(news.reason);
      attempt.ended.open();
    } catch (error) {
      log.error({ vdisk, error: messageOf(error) }, 'ignored a bad state of the transaction log');
    }
  }

  #fail(attempt: Attempt, { code, message }: WriteLogFailure): void {
    if (this.#isClosed || attempt.isOver) return;
    const { log, vdisk } = this.#options;
    if (code === 'fenced') return this.#options.fenced(message);
    log.error({ vdisk, code, reason: message }, 'transaction log lost');
    // Nothing more is answered until it is on record, and the log begins anew.
    attempt.isOver = true;
    this.#closeGates(message);
    this.#recording = this.#record('broken', message);
    // Told to whoever takes the log up anew; nobody does once it is closed.
    this.#recording.catch(() => undefined);
    attempt.ended.open();
  }

  async #record(status: TlogState['status'], reason: string, sequence = 0): Promise<void> {
    const { store, vdisk, recorded, ownerRevision } = this.#options;
    const state: TlogState = { status, reason, since: Date.now(), sequence };
    await this.#again(async () => {
      const owner = ownerRevision();
      const proof = owner === null ? null : { owner, enabledBy: recorded.config.enabledBy };
      const isPut =
        proof !== null &&
        (await this.#recorded.put(state, (after) => putTlogState(store, vdisk, proof, state, after)));
      if (!isPut) throw new Error('this process does not own the vdisk now, or its log is another one');
    });
    this.#beginAnewIfBroken();
  }

  /** Until it succeeds or the log is closed. */
  async #again<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (this.#isClosed || error instanceof TlogStateChangedError) throw error;
        const { log, vdisk } = this.#options;
        log.warn({ vdisk, error: messageOf(error) }, 'the log waits for etcd');
        await pause(RETRY_MS, this.#closed.signal);
        if (this.#isClosed) throw error;
      }
    }
  }

  /** The writer, unless what is under way is not wanted any more. */
  #going({ isOver, writer }: Attempt): WriteLog {
    if (writer === null || isOver || this.#isClosed) throw new Error('the log is closed, or taken up anew');
    return writer;
  }

  #place(pair: Pair, log: WriteLog): LoggedShard {
    const { shardOf } = this.#options;
    return { pair, log, isHere: (block) => shardOf(block) === pair.context.shard };
  }

  #noteCaughtUp(shard: number): void {
    this.#behind.delete(shard);
    if (this.#behind.size === 0) this.#caughtUpNow();
  }

  #closeGates(reason: string): void {
    this.#phase = 'opening';
    this.#reason = reason;
    this.#opened ??= new Gate();
    this.#caughtUp ??= new Gate();
  }

  #openGate(): void {
    this.#opened?.open();
    this.#opened = null;
  }

  #caughtUpNow(): void {
    this.#caughtUp?.open();
    this.#caughtUp = null;
  }

  async #flushBehind(opened: Gate | null, caughtUp: Gate): Promise<void> {
    if (opened !== null) await this.#holding(opened.promise);
    // What is being added is bounded by what the engines remember and mark: it ends, or the log is taken up anew.
    await caughtUp.promise.catch((error: unknown) => {
      throw this.#ioError(error);
    });
    await this.flush();
  }

  async #counted(flushed: Promise<void>): Promise<void> {
    this.#flushesWaiting++;
    try {
      await flushed;
    } finally {
      this.#flushesWaiting--;
    }
  }

  async #holding(waited: Promise<void>): Promise<void> {
    try {
      await deadline(waited, this.#options.holdMaxMs, 'the transaction log');
    } catch (error) {
      // It is on record that the log does not have it.
      if (this.#phase === 'broken') return;
      const opened = this.#opened;
      // The log is taken up anew, with a base of what the engines have: what waited for the one before waits for that.
      if (
        opened !== null &&
        opened.promise !== waited &&
        !(error instanceof DeadlineError) &&
        !this.#isClosed
      )
        return await this.#holding(opened.promise);
      throw this.#ioError(error);
    }
  }

  #ioError(error: unknown): VdiskIoError {
    if (error instanceof VdiskIoError) return error;
    const { vdisk, holdMaxMs } = this.#options;
    const trouble = this.#writer?.lag.trouble ?? this.#reason;
    const why =
      error instanceof DeadlineError ? `gave up after ${holdMaxMs} ms: ${trouble}` : messageOf(error);
    return new VdiskIoError('log-unavailable', `transaction log of vdisk ${vdisk}: ${why}`, errno.io);
  }
}

/** One taking up of the log, and what follows from it. */
interface Attempt {
  writer: WriteLog | null;
  isOver: boolean;
  /** Opens when the log has to be taken up anew. */
  readonly ended: Gate;
}

/** What the log lacks cannot be told block by block. */
class NeedsBaseError extends Error {}

/** What several wait for. */
class Gate {
  readonly promise: Promise<void>;
  open: () => void = () => {};
  fail: (error: Error) => void = () => {};

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.open = resolve;
      this.fail = reject;
    });
    // Where nobody waits, nobody is to be told.
    this.promise.catch(() => undefined);
  }
}
