import { decideCatchUp, type Range } from './catch-up.ts';
import { CopyError, type CopyJobHandle, copier } from './copy/copier.ts';
import type { CopyEnd, CopyHow } from './copy/copy-messages.ts';
import { addMark, allDirty } from './dirty-map.ts';
import { EngineControl } from './engine-control.ts';
import { copyGuardKey, dirtyKey, type EngineIdentity, writesKey } from './engine-keys.ts';
import type { EngineSession } from './engine-session.ts';
import { unixSocketOf } from './engine-socket.ts';
import { EngineError, FencedError } from './errors.ts';
import { lostRepair } from './lost-repair.ts';
import { attemptOf } from './member-record.ts';
import type { Pair } from './pair.ts';
import type { RepairDue, RepairOutcome, RepairState } from './pair-context.ts';
import { PairCopy } from './pair-copy.ts';
import { type UnmarkedHoles, unmarkHoles } from './pair-holes.ts';
import type { PairMember } from './pair-member.ts';
import { decideRepairDue } from './repair-due.ts';
import { decidePreparation } from './repair-preparation.ts';
import { Frame } from './resp.ts';
import { batchOfStalePartner, missingTail } from './stale-partner.ts';
import { addReadRing, addSetHead, parseRing } from './write-history.ts';

/** Ring entries fetched with one command. */
const RING_CHUNK = 1024;
/** How long a repair that could not go on waits before it tries again, unless something changes first. */
const RETRY_MS = 500;
/** Whoever waits for a turn looks again at every change of the pair, and this often. */
const TURN_LOOK_MS = 5_000;

/** Brings a member back: finds out what it lacks, then copies that from the survivor while clients go on writing. */
export class PairRepair {
  readonly #pair: Pair;
  #running = false;
  #preparations = 0;
  /** The copy that is under way, and the attempt it is for. */
  #copy: { copy: PairCopy; target: PairMember; attempt: string | null } | null = null;

  /** Of the try that is under way. */
  #current: {
    target: PairMember;
    due: RepairDue;
    total: number;
    copied: number;
    contentSteps: number;
  } | null = null;

  constructor(pair: Pair) {
    this.#pair = pair;
  }

  /** Null while nothing is being copied. */
  get state(): RepairState | null {
    if (this.#current === null) return null;
    const { target, due, total, copied, contentSteps } = this.#current;
    const { incident, attempt } = due;
    const done = copied + (this.#copy?.copy.copied ?? 0);
    return { incident, attempt, address: target.record.address, total, done, contentSteps };
  }

  /** Ends a copy that is no longer wanted, at once: until it has ended nothing else is done with its target. */
  check(): void {
    const current = this.#copy;
    if (current === null) return;
    if (this.#pair.closed || !isSame(current.target, current.attempt)) current.copy.stop('it was superseded');
    else if (current.target.preparedFor === null) current.copy.stop('the preparation has ended');
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
    const plan = decideRepairDue(this.#pair.members);
    const due = plan?.target.record.repair ?? null;
    return plan === null || due === null ? null : { ...plan, due };
  }

  async #run(): Promise<void> {
    for (;;) {
      if (this.#due() === null || this.#pair.closed) return;
      const endTurn = await this.#turn();
      const work = this.#due();
      if (work === null || this.#pair.closed) return endTurn?.();
      if (work.source !== null && endTurn === null) continue;
      try {
        if (work.source === null) await this.#resume(work.target, work.due);
        else await this.#repair(work.target, work.source, work.due);
      } catch (error) {
        if (error instanceof FencedError) return this.#pair.context.fenced(error);
        endTurn?.();
        // Those of the member under repair are told already: this one is the survivor's, who sees to broken links itself.
        if (error instanceof EngineError && error.fault !== 'unreachable') work.source?.fail(error);
        await this.#pair.nextChange(RETRY_MS);
      } finally {
        endTurn?.();
      }
    }
  }

  /**
   * One's turn to copy. None where nothing is to be copied: then there is no survivor, nobody is served until the member that
   * served last has vouched for itself, and that must not wait behind the rebuilds of other shards.
   */
  async #turn(): Promise<(() => void) | null> {
    const { repairTurns } = this.#pair.context.settings;
    if (repairTurns === undefined) return () => {};
    const isWanted = (): boolean => !this.#pair.closed && (this.#due()?.source ?? null) !== null;
    if (!isWanted()) return null;
    const turn = repairTurns.take();
    while (isWanted()) {
      const end = await Promise.race([turn, this.#pair.nextChange(TURN_LOOK_MS).then(() => null)]);
      if (end !== null) return end;
    }
    // When it comes, whoever is next has it.
    void turn.then((end) => end());
    return null;
  }

  async #repair(target: PairMember, source: PairMember, due: RepairDue): Promise<void> {
    const startedAt = performance.now();
    const attempt = attemptOf(target.record);
    const preparation = `${attempt}/${this.#pair.context.epoch}/${++this.#preparations}`;
    // The worker connects while the rest is prepared.
    const job = this.#openJob(target, source, preparation);
    let prepared: Prepared;
    let contents: string;
    let counts: { copied: number; stored: number };
    try {
      await this.#raiseEpoch(target);
      prepared = await this.#pair.exclusive(() => this.#prepare(target, source, attempt, preparation));
      this.#current = { target, due, total: prepared.dirtyBlocks, copied: 0, contentSteps: 0 };
      const { unmarked, how } = await this.#unmarkHoles(target, source, attempt, prepared);
      this.#current.copied = unmarked;
      const { copied, stored } = await this.#copyMarked({ job, target, source, attempt, preparation, how });
      this.#current.copied += copied;
      counts = { copied: this.#current.copied, stored };
      contents = await this.#repairContent(target, source, attempt);
      await this.#pair.exclusive(() => this.#finish(target, source, attempt));
    } catch (error) {
      this.#abandon(target, preparation);
      throw error;
    } finally {
      this.#current = null;
      job.close();
    }
    this.#pair.changed();
    this.#report(target, due, {
      dirtyBlocks: prepared.dirtyBlocks,
      copiedBlocks: counts.copied,
      storedBlocks: counts.stored,
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
      assertWanted: () => {
        if (this.#current !== null) this.#current.contentSteps++;
        this.#assertPrepared(target, attempt);
      },
      onTarget: (work) => this.#blame(target, attempt, work),
    });
    return done === undefined ? '' : `; ${done}`;
  }

  #openJob(target: PairMember, source: PairMember, guard: string): CopyJobHandle {
    const { epoch, layout, settings } = this.#pair.context;
    const { connectTimeoutMs, commandTimeoutMs } = settings;
    return copier.open({
      layout: layout.spec,
      epoch,
      guard,
      source: this.#endOf(source),
      target: this.#endOf(target),
      connectTimeoutMs,
      commandTimeoutMs,
    });
  }

  #endOf({ record: { address, db } }: PairMember): CopyEnd {
    const { login, engineSockets } = this.#pair.context.settings;
    return { address, unixSocket: unixSocketOf(engineSockets, address), db, login };
  }

  /**
   * From here on the survivor serves alone and marks what it writes. It must be so before writes to blocks whose copies
   * may still be on their way are let go: those copies may land until the next preparation.
   */
  #abandon(target: PairMember, preparation: string): void {
    if (target.preparation !== preparation || target.preparedFor === null) return;
    target.preparedFor = null;
    this.#pair.changed();
  }

  async #raiseEpoch(target: PairMember): Promise<void> {
    const { record } = target;
    const { vdisk, epoch, settings } = this.#pair.context;
    const { address, db, identity } = record;
    const options = { address, db, login: settings.login, timeoutMs: settings.connectTimeoutMs };
    await this.#blame(target, attemptOf(record), () =>
      EngineControl.with(options, async (control) => {
        if (record.repair?.kind === 'repair-final-outage')
          await this.#claimSpare(control, record.repair, identity);
        await control.raiseEpoch(identity, vdisk, epoch);
        await control.endOlderOwners(vdisk, epoch);
      }),
    );
  }

  /**
   * Whoever rebuilds first makes the spare a member; only an empty engine may become one. One that has no identity although a
   * vdisk is rebuilt on it has lost that vdisk: as a member again it would vouch for what it has not.
   */
  async #claimSpare(control: EngineControl, repair: RepairDue, identity: EngineIdentity): Promise<void> {
    if ((await control.identity()) !== null || (await this.#pair.context.isSpareInUse(repair))) return;
    await control.claim(identity, { mustBeEmpty: true });
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
    preparation: string,
  ): Promise<Prepared> {
    this.#assertSame(target, attempt);
    const from = await source.open();
    const to = await this.#blame(target, attempt, () => target.openUnjudged());
    const isSpare = target.record.repair?.kind === 'repair-final-outage';
    const plan = decideCatchUp(from.head, to.head, isSpare);
    const missing = plan.kind === 'maps' ? await this.#missing(target, attempt, from, to, plan) : null;
    const reason =
      missing === null && plan.kind === 'maps'
        ? `every block is compared: a ring entry was missing although ${plan.reason}`
        : plan.reason;
    if (missing !== null) await this.#mark(source, from, missing);
    const preparing = decidePreparation(from.head, to.head, { isMapped: missing !== null, isSpare });
    const { how, survivorHead, targetHead } = preparing;
    if (preparing.marksAll) await this.#markAll(source, from);
    // Before they are stored, so that a link that breaks meanwhile finds either number where it may be.
    this.#pair.reserveNumbers(survivorHead.seq);
    await this.#setHead(source, survivorHead);
    if (this.#pair.knowsHistory) this.#pair.adoptSeq(survivorHead.seq);
    const { vdisk } = this.#pair.context;
    const frame = new Frame().command('DEL', dirtyKey(vdisk), writesKey(vdisk));
    addSetHead(frame, vdisk, targetHead);
    // Refuses the copies of every preparation before this one.
    frame.command('SET', copyGuardKey(vdisk), preparation);
    await this.#blame(target, attempt, () => target.transact(frame, targetHead));
    this.#assertSame(target, attempt);
    target.preparedFor = attempt;
    target.preparation = preparation;
    const dirtyBlocks = await this.#countDirty(from);
    return { dirtyBlocks, how, reason };
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

  async #unmarkHoles(
    target: PairMember,
    source: PairMember,
    attempt: string | null,
    { how, dirtyBlocks }: Prepared,
  ): Promise<UnmarkedHoles> {
    return unmarkHoles({
      ...{ pair: this.#pair, source, target, how, marked: dirtyBlocks },
      assertWanted: () => this.#assertPrepared(target, attempt),
      onTarget: (work) => this.#blame(target, attempt, work),
    });
  }

  async #countDirty(from: EngineSession): Promise<number> {
    const [count] = await from.request(new Frame().command('BITCOUNT', dirtyKey(this.#pair.context.vdisk)));
    return typeof count === 'number' ? count : 0;
  }

  async #copyMarked(options: {
    job: CopyJobHandle;
    target: PairMember;
    source: PairMember;
    attempt: string | null;
    preparation: string;
    how: CopyHow;
  }): Promise<{ copied: number; stored: number }> {
    const { job, target, source, attempt, preparation, how } = options;
    const copy = new PairCopy({
      pair: this.#pair,
      job,
      source,
      how,
      preparation,
      isPaused: () => target.record.repair?.paused !== undefined,
      abandon: () => this.#abandon(target, preparation),
    });
    this.#copy = { copy, target, attempt };
    try {
      this.#assertPrepared(target, attempt);
      return await this.#blameSides(target, attempt, () => copy.run());
    } finally {
      this.#copy = null;
    }
  }

  /**
   * An engine that refuses the worker's commands has failed. Whether one that cannot be reached, or hangs, has failed is
   * for the pair's own links to say: the next try begins with them.
   */
  async #blameSides<T>(target: PairMember, attempt: string | null, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof CopyError)) throw error;
      const { cause, side } = error;
      if (cause instanceof FencedError) throw cause;
      if (cause instanceof EngineError && !isLinkTrouble(cause)) {
        if (side === 'source') throw cause;
        if (isSame(target, attempt)) target.fail(cause);
      }
      throw new Error(`the copy from the survivor failed: ${error.message}`, { cause: error });
    }
  }

  /** Between two batches: the map is empty, so both members hold the same blocks; from here on both are needed. */
  async #finish(target: PairMember, source: PairMember, attempt: string | null): Promise<void> {
    this.#assertPrepared(target, attempt);
    const from = await source.open();
    const left = await this.#countDirty(from);
    if (left > 0) throw new Error(`${left} blocks are still marked`);
    const { vdisk } = this.#pair.context;
    const to = await this.#blame(target, attempt, () => target.open());
    const removeGuard = new Frame().command('DEL', copyGuardKey(vdisk));
    await this.#blame(target, attempt, () => target.transact(removeGuard, to.head));
    await source.transact(new Frame().command('DEL', dirtyKey(vdisk)), from.head);
    this.#assertPrepared(target, attempt);
    target.completedFor = attempt;
  }

  /** The member that served last comes back: nothing to copy from, so it must be exactly where this owner left it. */
  async #resume(target: PairMember, due: RepairDue): Promise<void> {
    const startedAt = performance.now();
    const attempt = attemptOf(target.record);
    // Whoever vouches wrongly loses what the other one took alone.
    if (!(await this.#pair.context.isLast(target.record)))
      throw new Error('etcd does not say that it served last');
    await this.#raiseEpoch(target);
    this.#assertSame(target, attempt);
    const session = await this.#blame(target, attempt, () => target.openUnjudged());
    const { seq } = session.head;
    if (!this.#pair.knowsHistory) {
      const stalePartner = await batchOfStalePartner(this.#pair, target);
      this.#assertSame(target, attempt);
      const lost = await this.#blame(target, attempt, () => lostRepair(this.#pair, target));
      const missing = missingTail(this.#pair, target, seq, stalePartner) ?? lost;
      this.#assertSame(target, attempt);
      if (missing !== null) return this.#refuse(target, attempt, missing);
      this.#pair.adoptSeq(seq);
    }
    this.#assertSame(target, attempt);
    if (this.#pair.fitOf(seq) !== 'fits') {
      const message = `engine ${target.record.address} is at batch ${seq}, expected ${this.#pair.seq}, and there is no second copy`;
      return this.#refuse(target, attempt, new EngineError('tail-lost', message));
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

  /** Recorded before it is told: whoever hears of a failure would have the engine judged anew, and it looks well. */
  async #refuse(target: PairMember, attempt: string | null, error: EngineError): Promise<void> {
    await this.#pair.context.writesLost(target.record, error);
    if (isSame(target, attempt)) target.fail(error);
  }

  #assertSame(target: PairMember, attempt: string | null): void {
    if (!isSame(target, attempt)) throw new Error('the repair was superseded');
  }

  /** Nothing counts on the target any more once its preparation has ended: its partner may have gone on alone since. */
  #assertPrepared(target: PairMember, attempt: string | null): void {
    this.#assertSame(target, attempt);
    if (target.preparedFor !== attempt) throw new Error('the preparation has ended');
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

interface Prepared {
  readonly dirtyBlocks: number;
  readonly how: CopyHow;
  readonly reason: string;
}

function isSame(target: PairMember, attempt: string | null): boolean {
  return attemptOf(target.record) === attempt && target.fault === null;
}

function isLinkTrouble({ fault }: EngineError): boolean {
  return fault === 'unreachable' || fault === 'timeout' || fault === 'protocol';
}
