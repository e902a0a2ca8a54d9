import type { CopyHow } from '../../packages/vdisk/src/copy/copy-messages.ts';
import { EngineError, FencedError } from '../../packages/vdisk/src/errors.ts';
import { attemptOf } from '../../packages/vdisk/src/member-record.ts';
import type { RepairDue } from '../../packages/vdisk/src/pair-context.ts';
import { readRing, type ShardData } from './engine.ts';
import { claimIdentity, identityOf, raiseEpoch } from './engine-control.ts';
import { type Flow, settled, start, wait } from './flow.ts';
import { repairKey } from './keys.ts';
import type { Member } from './member.ts';
import { bitsOf, type Pair } from './pair.ts';
import { ask, assertEpoch, assertServes, type Session } from './session.ts';
import { batchOfStalePartner, lostRepair, missingTail } from './stale-partner.ts';

const RETRY_MS = 500;
const STEPS_IN_FLIGHT = 2;
const STEP_BLOCKS = 2;

/** A step of a copy failed on one side. */
class CopyFailed extends Error {
  readonly side: 'source' | 'target';
  readonly why: unknown;
  constructor(side: 'source' | 'target', why: unknown) {
    super(String(why));
    this.side = side;
    this.why = why;
  }
}

/** Brings a member back: what the product's `PairRepair` and `PairCopy` are, around the same decisions. */
export class PairRepair {
  readonly #pair: Pair;
  #running = false;
  #preparations = 0;
  #copy: { target: Member; attempt: string | null; stop: (why: unknown) => void } | null = null;

  constructor(pair: Pair) {
    this.#pair = pair;
  }

  check(): void {
    const current = this.#copy;
    if (current === null) return;
    if (this.#pair.closed !== null || !isSame(current.target, current.attempt))
      current.stop(new Error('it was superseded'));
  }

  wake(): void {
    if (this.#running || this.#due() === null) return;
    this.#running = true;
    start(this.#run(), (error) => {
      this.#running = false;
      if (error !== null) throw error;
      if (this.#pair.closed === null && this.#due() !== null) this.wake();
    });
  }

  #due(): { target: Member; source: Member | null; due: RepairDue } | null {
    const plan = this.#pair.world.cores.decideRepairDue(this.#pair.members);
    const due = plan?.target.record.repair ?? null;
    return plan === null || due === null ? null : { ...plan, due };
  }

  *#run(): Flow<void> {
    for (;;) {
      const work = this.#due();
      if (work === null || this.#pair.closed !== null) return;
      try {
        if (work.source === null) yield* this.#resume(work.target, work.due);
        else yield* this.#repair(work.target, work.source, work.due);
      } catch (error) {
        if (error instanceof FencedError) return this.#pair.owner.fenced(error);
        if (error instanceof EngineError && error.fault !== 'unreachable') work.source?.fail(error);
        yield* this.#pair.nextChange(RETRY_MS);
      }
    }
  }

  *#repair(target: Member, source: Member, due: RepairDue): Flow<void> {
    const { owner } = this.#pair;
    const attempt = attemptOf(target.record);
    const preparation = `${attempt}/${owner.epoch}/${++this.#preparations}`;
    try {
      yield* this.#raiseEpoch(target);
      let how: CopyHow = 'all';
      const prepare = function* (this: PairRepair): Flow<void> {
        how = yield* this.#prepare(target, source, attempt, preparation);
      }.bind(this);
      yield* this.#pair.exclusive(prepare);
      yield* this.#copyMarked(target, source, attempt, preparation, how);
      yield* this.#pair.exclusive(() => this.#finish(target, source, attempt));
    } catch (error) {
      this.#abandon(target, preparation);
      throw error;
    }
    this.#pair.ambush('member-repaired', source.name);
    this.#pair.ambush('repair-ended', source.name);
    this.#pair.changed();
    owner.repairCompleted(this.#pair, target.record, due);
  }

  #abandon(target: Member, preparation: string): void {
    if (target.preparation !== preparation || target.preparedFor === null) return;
    target.preparedFor = null;
    this.#pair.changed();
  }

  *#raiseEpoch(target: Member): Flow<void> {
    const { record } = target;
    const { world, owner } = this.#pair;
    const isInUse = (repair: RepairDue): Flow<boolean> => this.#isSpareInUse(repair);
    yield* this.#blame(target, attemptOf(record), function* () {
      if (
        record.repair?.kind === 'repair-final-outage' &&
        (yield* identityOf(world, owner.process, target.engine)) === null &&
        !(yield* isInUse(record.repair))
      )
        yield* claimIdentity(world, owner.process, target.engine, record.identity);
      yield* raiseEpoch(world, owner.process, target.engine, record.identity, owner.vdisk, owner.epoch);
    });
  }

  *#isSpareInUse({ incident, attempt, spareSince = attempt }: RepairDue): Flow<boolean> {
    const { world, owner } = this.#pair;
    const attempts = Array.from({ length: attempt - spareSince + 1 }, (_, i) => spareSince + i);
    return yield* wait(
      world.etcd.call(owner.process, () =>
        attempts.some((at) => world.etcd.withPrefix(repairKey(incident, at, '')).length > 0),
      ),
    );
  }

  *#blame<T>(target: Member, attempt: string | null, work: () => Flow<T>): Flow<T> {
    try {
      return yield* work();
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      if (attemptOf(target.record) === attempt) target.fail(error);
      throw new Error(`the member under repair failed: ${error.message}`);
    }
  }

  *#prepare(target: Member, source: Member, attempt: string | null, preparation: string): Flow<CopyHow> {
    this.#assertSame(target, attempt);
    const { cores, emptyShard } = this.#pair.world;
    const from = yield* source.open();
    const to = yield* this.#blame(target, attempt, () => target.openUnjudged());
    const isSpare = target.record.repair?.kind === 'repair-final-outage';
    const plan = cores.decideCatchUp(from.head, to.head, isSpare);
    let missing: number | null = null;
    if (plan.kind === 'maps') {
      const { survivorRing: ours, returningRing: theirs } = plan;
      const a = ours === null ? 0 : yield* wait(from.read((shard) => readRing(shard, ours.after, ours.upTo)));
      const b =
        theirs === null
          ? 0
          : yield* this.#blame(target, attempt, () =>
              wait(to.read((shard) => readRing(shard, theirs.after, theirs.upTo))),
            );
      missing = a === null || b === null ? null : a | b;
    }
    const marks = missing ?? 0;
    if (marks !== 0) yield* from.transact(({ dirty }) => ({ dirty: dirty | marks }), from.head);
    const { how, marksAll, survivorHead, targetHead } = cores.decidePreparation(from.head, to.head, {
      isMapped: missing !== null,
      isSpare,
    });
    if (marksAll) yield* from.transact(({ blocks }) => ({ dirty: (1 << blocks.length) - 1 }), from.head);
    this.#pair.reserveNumbers(survivorHead.seq);
    yield* openSession(source).transact(() => survivorHead, survivorHead);
    if (this.#pair.knowsHistory) this.#pair.adoptSeq(survivorHead.seq);
    yield* this.#blame(target, attempt, () =>
      openSession(target).transact(
        () => ({
          dirty: 0,
          ringSeqs: emptyShard.ringSeqs,
          ringMasks: emptyShard.ringMasks,
          ...targetHead,
          guard: preparation,
        }),
        targetHead,
      ),
    );
    this.#assertSame(target, attempt);
    target.preparedFor = attempt;
    target.preparation = preparation;
    return how;
  }

  *#copyMarked(
    target: Member,
    source: Member,
    attempt: string | null,
    preparation: string,
    how: CopyHow,
  ): Flow<void> {
    let failure: unknown = null;
    const fail = (error: unknown): void => {
      if (failure !== null) return;
      failure = error ?? new Error('the copy failed');
      this.#abandon(target, preparation);
    };
    this.#copy = { target, attempt, stop: fail };
    try {
      this.#assertSame(target, attempt);
      const marked = bitsOf(yield* this.#marked(source));
      const lane = function* (this: PairRepair): Flow<void> {
        while (marked.length > 0 && failure === null) {
          // In a pause what is on its way rests; writes go to both.
          while (target.record.repair?.paused !== undefined && failure === null)
            yield* this.#pair.nextChange(RETRY_MS);
          if (failure !== null) break;
          const bits = marked.splice(0, STEP_BLOCKS);
          yield* this.#step(bits, {
            target,
            source,
            preparation,
            how,
            fail,
            isStopped: () => failure !== null,
          });
        }
      }.bind(this);
      yield* wait(settled(Array.from({ length: STEPS_IN_FLIGHT }, () => lane())));
      if (failure !== null) throw failure;
    } catch (error) {
      if (!(error instanceof CopyFailed)) throw error;
      const { why, side } = error;
      if (why instanceof FencedError) throw why;
      const isLinkTrouble =
        why instanceof EngineError && ['unreachable', 'timeout', 'protocol'].includes(why.fault);
      if (why instanceof EngineError && !isLinkTrouble) {
        if (side === 'source') throw why;
        if (isSame(target, attempt)) target.fail(why);
      }
      throw new Error(`the copy failed: ${error.message}`);
    } finally {
      this.#copy = null;
    }
  }

  *#marked(source: Member): Flow<number> {
    const session = yield* source.open();
    return yield* wait(session.read(({ dirty }) => dirty));
  }

  *#step(
    bits: readonly number[],
    {
      target,
      source,
      preparation,
      how,
      fail,
      isStopped,
    }: {
      target: Member;
      source: Member;
      preparation: string;
      how: CopyHow;
      fail: (error: unknown) => void;
      isStopped: () => boolean;
    },
  ): Flow<void> {
    let mask = 0;
    for (const bit of bits) mask |= 1 << bit;
    const unlock = yield* this.#pair.lock(mask);
    try {
      if (isStopped()) return;
      yield* this.#relay(bits, target, source, preparation, how);
      yield* this.#pair.copied(mask, preparation);
      this.#pair.ambush('blocks-copied', source.name);
    } catch (error) {
      fail(error);
    } finally {
      unlock();
    }
  }

  /** Reads blocks from the survivor and stores them on the target, over links of its own. */
  *#relay(
    bits: readonly number[],
    target: Member,
    source: Member,
    preparation: string,
    how: CopyHow,
  ): Flow<void> {
    const { world, owner } = this.#pair;
    const { process, vdisk, epoch } = owner;
    const [from, to] = [source.engine, target.engine];
    let values: number[];
    try {
      values = yield* wait(
        ask(world, process, from, () => {
          assertServes(world, from);
          assertEpoch(world, from, vdisk, epoch);
          return bits.map((bit) => from.shard(vdisk).blocks[bit] ?? 0);
        }),
      );
    } catch (error) {
      throw new CopyFailed('source', error);
    }
    this.#pair.ambush('copy-sent', source.name);
    try {
      yield* wait(
        ask(world, process, to, () => {
          assertServes(world, to);
          assertEpoch(world, to, vdisk, epoch);
          const shard = to.shard(vdisk);
          if (!world.cores.copyMayLand(shard.guard, preparation)) throw new Error('the copy was superseded');
          const blocks = [...shard.blocks];
          for (const [i, bit] of bits.entries()) {
            const value = values[i] ?? 0;
            if (how === 'stored' && value === 0) continue;
            blocks[bit] = value;
          }
          to.store(vdisk, epoch, { blocks });
        }),
      );
    } catch (error) {
      throw new CopyFailed('target', error);
    }
  }

  *#finish(target: Member, source: Member, attempt: string | null): Flow<void> {
    this.#assertSame(target, attempt);
    const from = yield* source.open();
    const left = yield* wait(from.read(({ dirty }) => dirty));
    if (left > 0) throw new Error('blocks are still marked');
    const to = yield* this.#blame(target, attempt, () => target.open());
    const end = (): Partial<ShardData> => {
      to.engine.isWhole(this.#pair.owner.vdisk);
      return { guard: null };
    };
    yield* this.#blame(target, attempt, () => to.transact(end, to.head));
    yield* from.transact(() => ({ dirty: 0 }), from.head);
    this.#assertSame(target, attempt);
    target.completedFor = attempt;
  }

  /** The member that served last comes back: it must be exactly where this owner left it. */
  *#resume(target: Member, due: RepairDue): Flow<void> {
    const attempt = attemptOf(target.record);
    yield* this.#raiseEpoch(target);
    this.#assertSame(target, attempt);
    const session = yield* this.#blame(target, attempt, () => target.openUnjudged());
    const { seq } = session.head;
    if (!this.#pair.knowsHistory) {
      const stalePartner = yield* batchOfStalePartner(this.#pair, target);
      this.#assertSame(target, attempt);
      const lost = yield* this.#blame(target, attempt, () => lostRepair(this.#pair, target));
      const missing = missingTail(this.#pair, target, seq, stalePartner) ?? lost;
      this.#assertSame(target, attempt);
      if (missing !== null) return yield* this.#refuse(target, attempt, missing);
      this.#pair.adoptSeq(seq);
      this.#pair.world.checker.tookUp(this.#pair, [target], stalePartner);
    }
    this.#assertSame(target, attempt);
    if (this.#pair.fitOf(seq) !== 'fits') {
      const error = new EngineError('tail-lost', `${target.record.address} is at batch ${seq}`);
      return yield* this.#refuse(target, attempt, error);
    }
    this.#pair.world.checker.vouched(this.#pair, session);
    target.vouchedFor = attempt;
    target.completedFor = attempt;
    this.#pair.changed();
    this.#pair.owner.repairCompleted(this.#pair, target.record, due);
  }

  /** Recorded before it is told: whoever hears of a failure would have the engine judged anew, and it looks well. */
  *#refuse(target: Member, attempt: string | null, error: EngineError): Flow<void> {
    yield* this.#pair.owner.writesLost(target.record, error);
    if (isSame(target, attempt)) target.fail(error);
  }

  #assertSame(target: Member, attempt: string | null): void {
    if (!isSame(target, attempt)) throw new Error('the repair was superseded');
  }
}

function openSession(member: Member): Session {
  if (member.session === null) throw new EngineError('unreachable', member.record.address);
  return member.session;
}

function isSame(target: Member, attempt: string | null): boolean {
  return attemptOf(target.record) === attempt && target.fault === null;
}
