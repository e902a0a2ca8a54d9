import { decideCatchUp, type Range } from './catch-up.ts';
import { addMark, allDirty, bitsIn, MAP_CHUNK_BYTES } from './dirty-map.ts';
import { EngineControl } from './engine-control.ts';
import { dirtyKey, writesKey } from './engine-keys.ts';
import type { EngineSession } from './engine-session.ts';
import { EngineError, FencedError } from './errors.ts';
import type { Pair } from './pair.ts';
import type { RepairDue, RepairOutcome } from './pair-context.ts';
import { attemptOf, type PairMember } from './pair-member.ts';
import { isRequired, isUnderRepair } from './pair-mode.ts';
import { Frame } from './resp.ts';
import { addReadRing, addSetHead, parseRing } from './write-history.ts';

/** Blocks per copy step: a client write waits for at most one such step. */
const COPY_BLOCKS = 64;
/** Ring entries fetched with one command. */
const RING_CHUNK = 1024;
/** Copy steps queued at once, so that the engines are never idle between them. */
const COPIES_IN_FLIGHT = 4;
/** How long a repair that could not go on waits before it tries again, unless something changes first. */
const RETRY_MS = 500;

/** Brings a member back: finds out what it lacks, then copies that from the survivor while clients go on writing. */
export class PairRepair {
  readonly #pair: Pair;
  #running = false;

  constructor(pair: Pair) {
    this.#pair = pair;
  }

  /** Looks whether there is a repair to do, and does it in the background. */
  wake(): void {
    if (this.#running || this.#due() === null) return;
    this.#running = true;
    void this.#run().finally(() => {
      this.#running = false;
      if (!this.#pair.closed && this.#due() !== null) this.wake();
    });
  }

  #due(): { target: PairMember; source: PairMember | null; due: RepairDue } | null {
    const repairable = this.#pair.members.filter(
      ({ record, view }) => isUnderRepair(record) && !view.repaired && !view.failed,
    );
    const source = this.#pair.members.find(({ view }) => isRequired(view) && !view.failed) ?? null;
    const target = source === null ? repairable.find((member) => this.#servedLast(member)) : repairable[0];
    const due = target?.record.repair ?? null;
    return target === undefined || due === null ? null : { target, source, due };
  }

  /**
   * Without a survivor, only the member that served last can be whole. Writes were acknowledged without a member only after
   * etcd had recorded that one as stale: so it is the member whose record is the latest. Where an interrupted repair makes
   * that unclear, nobody vouches, and an operator decides.
   */
  #servedLast(member: PairMember): boolean {
    if (member.record.repair?.kind !== 'repair-tmp-outage') return false;
    const others = this.#pair.members.filter((other) => other !== member);
    const since = member.record.stale?.since;
    return others.every(
      ({ record }) => since !== undefined && record.stale !== null && record.stale.latest <= since,
    );
  }

  async #run(): Promise<void> {
    for (;;) {
      const work = this.#due();
      if (work === null || this.#pair.closed) return;
      try {
        if (work.source === null) await this.#resume(work.target, work.due);
        else await this.#repair(work.target, work.source, work.due);
      } catch (error) {
        if (error instanceof FencedError) return this.#pair.context.fenced(error);
        // Those of the member under repair are told already: this one is the survivor's, who sees to broken links itself.
        if (error instanceof EngineError && error.fault !== 'unreachable') work.source?.fail(error);
        await this.#pair.nextChange(RETRY_MS);
      }
    }
  }

  async #repair(target: PairMember, source: PairMember, due: RepairDue): Promise<void> {
    const startedAt = performance.now();
    const attempt = attemptOf(target.record);
    await this.#raiseEpoch(target);
    const prepared = await this.#pair.exclusive(() => this.#prepare(target, source, attempt));
    const { copied, stored } = await this.#copyAll(target, source, attempt, prepared.compare);
    const contents = await this.#repairContent(target, source, attempt);
    await this.#pair.exclusive(() => this.#finish(target, source, attempt));
    this.#pair.changed();
    this.#report(target, due, {
      dirtyBlocks: prepared.dirtyBlocks,
      copiedBlocks: copied,
      storedBlocks: stored,
      repairMs: performance.now() - startedAt,
      reason: prepared.reason + contents,
    });
  }

  /** A member is whole when it has the content that its sectors name. */
  async #repairContent(target: PairMember, source: PairMember, attempt: string | null): Promise<string> {
    const done = await this.#pair.context.repairContent?.({
      pair: this.#pair,
      source,
      target,
      assertWanted: () => this.#assertSame(target, attempt),
      onTarget: (work) => this.#blame(target, attempt, work),
    });
    return done === undefined ? '' : `; ${done}`;
  }

  async #raiseEpoch(target: PairMember): Promise<void> {
    const { record } = target;
    const { vdisk, epoch, settings } = this.#pair.context;
    const { address, db, identity } = record;
    const options = { address, db, password: settings.password, timeoutMs: settings.connectTimeoutMs };
    await this.#blame(target, attemptOf(record), () =>
      EngineControl.with(options, async (control) => {
        // Whoever rebuilds first makes the spare a member; only an empty engine may become one.
        if (record.repair?.kind === 'repair-final-outage')
          await control.claim(identity, { mustBeEmpty: true });
        await control.raiseEpoch(identity, vdisk, epoch);
        await control.endOlderOwners(vdisk, epoch);
      }),
    );
  }

  /** Errors of the member under repair fail that member, so that etcd hears of it, unless this attempt is over already. */
  async #blame<T>(target: PairMember, attempt: string | null, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      if (attemptOf(target.record) === attempt) target.fail(error);
      throw new Error(`the member under repair failed: ${error.message}`, { cause: error });
    }
  }

  /**
   * Makes the law of the write history hold between survivor and target: merges everything the target lacks into the
   * survivor's dirty map, then puts the target at the survivor's sequence number. From then on it takes every batch.
   */
  async #prepare(
    target: PairMember,
    source: PairMember,
    attempt: string | null,
  ): Promise<{ dirtyBlocks: number; compare: boolean; reason: string }> {
    this.#assertSame(target, attempt);
    const from = await source.open();
    const to = await this.#blame(target, attempt, () => target.openUnjudged());
    const isSpare = target.record.repair?.kind === 'repair-final-outage';
    const plan = decideCatchUp(from.head, to.head, isSpare);
    let compare = false;
    let { reason } = plan;
    const missing = plan.kind === 'maps' ? await this.#missing(target, attempt, from, to, plan) : null;
    if (missing === null) {
      if (plan.kind === 'maps')
        reason = `every block is compared: a ring entry was missing although ${plan.reason}`;
      compare = to.head.blank !== true;
      await this.#markAll(source, from);
    } else {
      await this.#mark(source, from, missing);
    }
    const { seq } = from.head;
    // The survivor first: if we die in between, the target's old number is still covered by gapFloor and the map.
    const survivorHead = { seq, fork: null, ringFloor: seq, gapFloor: to.head.seq };
    await this.#setHead(source, survivorHead);
    const targetHead = { seq, fork: null, ringFloor: seq, gapFloor: seq };
    const { vdisk } = this.#pair.context;
    const frame = new Frame().command('DEL', dirtyKey(vdisk), writesKey(vdisk));
    addSetHead(frame, vdisk, targetHead);
    await this.#blame(target, attempt, () => target.transact(frame, targetHead));
    this.#assertSame(target, attempt);
    target.preparedFor = attempt;
    const dirtyBlocks = await this.#countDirty(from);
    return { dirtyBlocks, compare, reason };
  }

  async #missing(
    target: PairMember,
    attempt: string | null,
    from: EngineSession,
    to: EngineSession,
    plan: { survivorRing: Range | null; returningRing: Range | null },
  ): Promise<Set<number> | null> {
    const missing = new Set<number>();
    for (const [session, range] of [
      [from, plan.survivorRing],
      [to, plan.returningRing],
    ] as const) {
      for (let after = range?.after ?? 0; range !== null && after < range.upTo; after += RING_CHUNK) {
        const upTo = Math.min(after + RING_CHUNK, range.upTo);
        const read = addReadRing(new Frame(), this.#pair.context.vdisk, after, upTo);
        const [reply] =
          session === to
            ? await this.#blame(target, attempt, () => to.request(read))
            : await session.request(read);
        const blocks = parseRing(reply, after, upTo);
        if (blocks === null) return null;
        for (const block of blocks) missing.add(block);
      }
    }
    return missing;
  }

  async #mark(source: PairMember, from: EngineSession, blocks: ReadonlySet<number>): Promise<void> {
    const { vdisk, shards, layout } = this.#pair.context;
    const all = [...blocks].map((block) => layout.bitOf(block, shards));
    for (let at = 0; at < all.length; at += RING_CHUNK) {
      const frame = new Frame();
      addMark(frame, vdisk, all.slice(at, at + RING_CHUNK), 1);
      await source.transact(frame, from.head);
    }
  }

  async #markAll(source: PairMember, from: EngineSession): Promise<void> {
    const { vdisk, bits } = this.#pair.context;
    const bytes = Math.ceil(bits / 8);
    for (let at = 0; at < bytes; at += 1 << 20) {
      const chunk = allDirty(bits, at, 1 << 20);
      await source.transact(new Frame().command('SETRANGE', dirtyKey(vdisk), at, chunk), from.head);
    }
  }

  async #setHead(member: PairMember, head: EngineSession['head']): Promise<void> {
    const frame = new Frame();
    addSetHead(frame, this.#pair.context.vdisk, head);
    await member.transact(frame, head);
  }

  async #countDirty(from: EngineSession): Promise<number> {
    const [count] = await from.request(new Frame().command('BITCOUNT', dirtyKey(this.#pair.context.vdisk)));
    return typeof count === 'number' ? count : 0;
  }

  async #copyAll(
    target: PairMember,
    source: PairMember,
    attempt: string | null,
    compare: boolean,
  ): Promise<{ copied: number; stored: number }> {
    const { vdisk } = this.#pair.context;
    const bytes = Math.ceil(this.#pair.context.bits / 8);
    let copied = 0;
    let stored = 0;
    const inFlight = new Set<Promise<void>>();
    let failure: unknown = null;
    const copyStep = async (bits: number[]): Promise<void> => {
      const blocks = bits.flatMap((bit) => this.#pair.context.blocksOfBit(bit));
      stored += await this.#pair.copy(bits, blocks, compare);
      copied += bits.length;
    };
    try {
      for (let at = 0; at < bytes; at += MAP_CHUNK_BYTES) {
        this.#assertSame(target, attempt);
        if (failure !== null) break;
        const session = await source.open();
        const range = new Frame().command('GETRANGE', dirtyKey(vdisk), at, at + MAP_CHUNK_BYTES - 1);
        const [chunk] = await session.request(range);
        const bits = Buffer.isBuffer(chunk) ? [...bitsIn(chunk, at)] : [];
        for (let i = 0; i < bits.length; i += COPY_BLOCKS) {
          const step = copyStep(bits.slice(i, i + COPY_BLOCKS)).finally(() => inFlight.delete(step));
          // It may fail while nobody waits for it: that ends the attempt below, and must not end the process.
          step.catch((error: unknown) => {
            failure ??= error;
          });
          inFlight.add(step);
          if (inFlight.size >= COPIES_IN_FLIGHT) await Promise.race(inFlight);
        }
      }
    } finally {
      await Promise.allSettled(inFlight);
    }
    if (failure !== null) throw failure;
    return { copied, stored };
  }

  /** Between two batches: the map is empty, so both members hold the same blocks; from here on both are needed. */
  async #finish(target: PairMember, source: PairMember, attempt: string | null): Promise<void> {
    this.#assertSame(target, attempt);
    const from = await source.open();
    const left = await this.#countDirty(from);
    if (left > 0) throw new Error(`${left} blocks are still marked`);
    await source.transact(new Frame().command('DEL', dirtyKey(this.#pair.context.vdisk)), from.head);
    target.completedFor = attempt;
  }

  /** The member that served last comes back: nothing to copy from, so it must be exactly where this owner left it. */
  async #resume(target: PairMember, due: RepairDue): Promise<void> {
    const startedAt = performance.now();
    await this.#raiseEpoch(target);
    const attempt = attemptOf(target.record);
    const session = await this.#blame(target, attempt, () => target.openUnjudged());
    const { seq } = session.head;
    if (!this.#pair.knowsHistory) this.#pair.adoptSeq(seq);
    if (!this.#pair.isExpectedSeq(seq)) {
      const message = `engine ${target.record.address} is at batch ${seq}, expected ${this.#pair.seq}, and there is no second copy`;
      target.fail(new EngineError('tail-lost', message));
      return;
    }
    target.vouchedFor = attempt;
    target.completedFor = attempt;
    this.#pair.changed();
    const reason = 'the engine that served last is back, with every write it had acknowledged';
    this.#report(target, due, {
      dirtyBlocks: 0,
      copiedBlocks: 0,
      storedBlocks: 0,
      repairMs: performance.now() - startedAt,
      reason,
    });
  }

  #assertSame(target: PairMember, attempt: string | null): void {
    if (attemptOf(target.record) !== attempt || target.fault !== null)
      throw new Error('the repair was superseded');
  }

  #report(
    { record }: PairMember,
    due: RepairDue,
    counts: Pick<RepairOutcome, 'dirtyBlocks' | 'copiedBlocks' | 'storedBlocks' | 'repairMs' | 'reason'>,
  ): void {
    const { vdisk } = this.#pair.context;
    const { cluster, shard } = record.identity;
    const { incident, attempt, kind } = due;
    this.#pair.context.repairCompleted({
      vdisk,
      cluster,
      shard,
      address: record.address,
      incident,
      attempt,
      kind,
      ...counts,
    });
  }
}
