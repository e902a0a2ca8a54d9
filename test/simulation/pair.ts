import type { MemberPart } from '../../packages/vdisk/src/batch-plan.ts';
import { EngineError, errno, FencedError, VdiskIoError } from '../../packages/vdisk/src/errors.ts';
import type { HistoryFit } from '../../packages/vdisk/src/member-history.ts';
import type { MemberRecord } from '../../packages/vdisk/src/pair-context.ts';
import type { MemberName, PairMode } from '../../packages/vdisk/src/pair-mode.ts';
import { type Serving, servesWithoutLease } from '../../packages/vdisk/src/serving.ts';
import type { Moment } from './ambushes.ts';
import { type ShardData, withRingEntry } from './engine.ts';
import { type Flow, settled, start, wait } from './flow.ts';
import { Member } from './member.ts';
import type { Owner } from './owner.ts';
import { PairRepair } from './pair-repair.ts';
import type { World } from './world.ts';

const PROPOSE_AFTER_MS = 250;
export const HOLD_MAX_MS = 3_000;
const BATCH_MAX = 4;

interface PendingWrite {
  readonly kind: 'write';
  /** Place in the shard. */
  readonly block: number;
  readonly value: number;
  readonly told: (error: unknown) => void;
}

interface PendingCopied {
  readonly kind: 'copied';
  readonly mask: number;
  readonly preparation: string;
  readonly told: (error: unknown) => void;
}

interface PendingExclusive {
  readonly kind: 'exclusive';
  readonly flow: () => Flow<void>;
  readonly told: (error: unknown) => void;
}

type Pending = PendingWrite | PendingCopied | PendingExclusive;

interface Batch {
  readonly pending: readonly (PendingWrite | PendingCopied)[];
  readonly mask: number;
  seq: number;
  mode: PairMode['kind'] | null;
  readonly onSettled: (() => void)[];
}

/** One shard of a mounted vdisk: what the product's `Pair` is, around the same decisions. */
export class Pair {
  readonly world: World;
  readonly owner: Owner;
  readonly shard: number;
  readonly members: readonly Member[];
  closed: VdiskIoError | null = null;
  readonly #repair: PairRepair;
  #queue: Pending[] = [];
  readonly #locks: number[] = [];
  #inFlight: Batch | null = null;
  #abandoned: Batch | null = null;
  #busy = false;
  #waiting = new Set<() => void>();
  #proposing = false;
  #mounted = false;
  #isKnown = false;
  #seq = 0;
  #sent = 0;

  constructor(owner: Owner, shard: number, primary: MemberRecord, slave: MemberRecord | null) {
    this.world = owner.world;
    this.owner = owner;
    this.shard = shard;
    const members = [new Member('primary', primary, this)];
    if (slave !== null) members.push(new Member('slave', slave, this));
    this.members = members;
    this.#repair = new PairRepair(this);
  }

  get mode(): PairMode {
    const [primary, slave] = this.members;
    return this.world.cores.decidePairMode((primary as Member).view, slave?.view ?? null);
  }

  member(name: MemberName): Member {
    return this.members[name === 'primary' ? 0 : 1] as Member;
  }

  get seq(): number {
    return this.#seq;
  }

  get knowsHistory(): boolean {
    return this.#isKnown;
  }

  required(): Member[] {
    return this.members.filter(({ view }) => this.world.cores.isRequired(view));
  }

  adoptSeq(seq: number): void {
    this.#isKnown = true;
    this.#seq = Math.max(this.#seq, seq);
    this.#sent = Math.max(this.#sent, seq);
  }

  reserveNumbers(seq: number): void {
    this.#sent = Math.max(this.#sent, seq);
  }

  fitOf(found: number): HistoryFit {
    return this.world.cores.decideHistoryFit(
      { isKnown: this.#isKnown, seq: this.#seq, sent: this.#sent },
      found,
    );
  }

  applyRecords(primary: MemberRecord, slave: MemberRecord | null): void {
    this.member('primary').apply(primary);
    if (slave !== null && this.members.length > 1) this.member('slave').apply(slave);
    this.blameLeftBehind();
    this.changed();
  }

  blameLeftBehind(): void {
    if (!this.#isKnown) return;
    const required = this.required();
    const place = this.world.cores.decideLeftBehind(
      required.map(({ session, fault }) => ({
        fork: session?.head.fork ?? null,
        seq: session?.head.seq ?? null,
        failed: fault !== null,
      })),
    );
    const member = place === null ? undefined : required[place];
    member?.fail(new EngineError('tail-lost', `${member.record.address} misses what its partner took alone`));
  }

  changed(): void {
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const wake of waiting) wake();
    this.#repair.check();
    if (this.closed !== null) return;
    if (this.#unrecorded().length > 0) this.#watchFailures();
    if (this.#mounted) this.#repair.wake();
  }

  mounted(): void {
    this.#mounted = true;
    this.changed();
  }

  *nextChange(timeoutMs: number): Flow<void> {
    const { scheduler } = this.world;
    const { process } = this.owner;
    yield* wait<void>((resume) => {
      let isDone = false;
      const wake = (): void => {
        if (isDone) return;
        isDone = true;
        this.#waiting.delete(wake);
        scheduler.after(0, process, () => resume(null, undefined));
      };
      this.#waiting.add(wake);
      scheduler.after(timeoutMs, process, wake);
    });
  }

  /** Asks the members, without opening a link, whether they still have our epoch. */
  *confirm(): Flow<Serving> {
    const required = this.required();
    const answers = yield* wait(settled(required.map((member) => this.#hasOurEpoch(member))));
    return this.world.cores.decideServing({
      leaseIsValid: false,
      mode: this.mode.kind,
      required: this.required().map(({ name }) => name),
      confirmed: required.filter((_, i) => answers[i]?.value === true).map(({ name }) => name),
    });
  }

  *#hasOurEpoch(member: Member): Flow<boolean> {
    const { session } = member;
    if (session === null) return false;
    try {
      yield* wait(session.read(() => 0));
      return member.session === session;
    } catch (error) {
      try {
        this.noteError(member, error);
      } catch {
        // Fenced or closed: the guard refuses for good.
      }
      return false;
    }
  }

  /** The value of a block; throws VdiskIoError when no member can answer. */
  *read(block: number): Flow<number> {
    for (;;) {
      const source = this.readFrom();
      let value: number;
      try {
        const session = yield* source.open();
        value = yield* wait(session.read(({ blocks }) => blocks[block] ?? 0));
      } catch (error) {
        this.noteError(source, error);
        continue;
      }
      yield* this.#settleOverlap(block);
      if (this.closed !== null) throw this.closed;
      return value;
    }
  }

  *#settleOverlap(block: number): Flow<void> {
    const bit = 1 << block;
    const batch = this.#inFlight;
    if (batch !== null && (batch.mask & bit) !== 0) {
      yield* wait<void>((resume) => batch.onSettled.push(() => resume(null, undefined)));
      if (((this.#abandoned?.mask ?? 0) & bit) !== 0) throw this.#ioError('a write was given up halfway');
    } else if (((this.#abandoned?.mask ?? 0) & bit) !== 0) yield* this.exclusive(function* () {});
  }

  readFrom(): Member {
    if (this.closed !== null) throw this.closed;
    const mode = this.mode;
    switch (mode.kind) {
      case 'mirrored': {
        const primary = this.member('primary');
        return primary.fault === null ? primary : this.member('slave');
      }
      case 'single':
      case 'alone':
      case 'holding':
        return this.member(mode.on);
      case 'repairing':
        return this.member(mode.from);
      case 'unavailable':
      case 'rip':
        throw this.#ioError(mode.reason);
    }
  }

  write(block: number, value: number, told: (error: unknown) => void): void {
    this.#enqueue({ kind: 'write', block, value, told });
  }

  /** Holds back writes to the blocks of `mask`; resolves with what lets go of them. */
  *lock(mask: number): Flow<() => void> {
    while (this.#abandoned !== null) yield* this.exclusive(function* () {});
    this.#locks.push(mask);
    const batch = this.#inFlight;
    if (batch !== null && (batch.mask & mask) !== 0)
      yield* wait<void>((resume) => batch.onSettled.push(() => resume(null, undefined)));
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#locks.splice(this.#locks.indexOf(mask), 1);
      this.#turn();
    };
  }

  *copied(mask: number, preparation: string): Flow<void> {
    yield* wait<void>((resume) =>
      this.#enqueue({ kind: 'copied', mask, preparation, told: (error) => resume(error, undefined) }),
    );
  }

  /** Runs `flow` between two batches. */
  *exclusive(flow: () => Flow<void>): Flow<void> {
    yield* wait<void>((resume) =>
      this.#enqueue({ kind: 'exclusive', flow, told: (error) => resume(error, undefined) }),
    );
  }

  close(reason: VdiskIoError): void {
    if (this.closed !== null) return;
    this.closed = reason;
    const queue = this.#queue;
    this.#queue = [];
    for (const { told } of queue) told(reason);
    for (const member of this.members) member.close();
    this.changed();
  }

  #enqueue(pending: Pending): void {
    if (this.closed !== null) return pending.told(this.closed);
    this.#queue.push(pending);
    this.#turn();
  }

  /** Begins with what waits, a moment later, so that what comes together goes together. */
  #turn(): void {
    if (this.#busy) return;
    this.world.scheduler.after(0, this.owner.process, () => this.#begin());
  }

  #begin(): void {
    if (this.#busy || this.#queue.length === 0) return;
    if (this.#abandoned !== null) {
      this.#busy = true;
      return start(this.#commit(this.#abandoned));
    }
    const [first] = this.#queue;
    if (first?.kind === 'exclusive') {
      this.#queue.shift();
      this.#busy = true;
      return start(first.flow(), (error) => {
        first.told(error);
        this.#ended();
      });
    }
    const taken = this.#take();
    if (taken.length === 0) return;
    this.#busy = true;
    let mask = 0;
    for (const entry of taken) if (entry.kind === 'write') mask |= 1 << entry.block;
    start(this.#commit({ pending: taken, mask, seq: 0, mode: null, onSettled: [] }));
  }

  #take(): (PendingWrite | PendingCopied)[] {
    let locked = 0;
    for (const mask of this.#locks) locked |= mask;
    const taken: (PendingWrite | PendingCopied)[] = [];
    const kept: Pending[] = [];
    let i = 0;
    for (; i < this.#queue.length && taken.length < BATCH_MAX; i++) {
      const pending = this.#queue[i] as Pending;
      if (pending.kind === 'exclusive') break;
      if (pending.kind === 'write' && (locked & (1 << pending.block)) !== 0) {
        kept.push(pending);
        continue;
      }
      taken.push(pending);
    }
    this.#queue = [...kept, ...this.#queue.slice(i)];
    return taken;
  }

  #ended(): void {
    this.#busy = false;
    if (this.#queue.length > 0) this.#turn();
  }

  *#commit(batch: Batch): Flow<void> {
    this.#inFlight = batch;
    try {
      for (;;) {
        const mode = yield* this.#usableMode();
        if (mode.kind !== batch.mode) {
          batch.mode = mode.kind;
          batch.seq = ++this.#sent;
        }
        if (!(yield* this.#apply(batch, mode))) continue;
        if (mode.kind === 'alone' && this.required().length === this.members.length) {
          this.blameLeftBehind();
          continue;
        }
        this.#seq = batch.seq;
        if (!servesWithoutLease(mode.kind)) yield* this.owner.leaseHeld();
        if (batch === this.#abandoned) this.#abandoned = null;
        // Of two writes to a block in one batch only the later one is stored.
        const stored = new Map<number, number>();
        for (const entry of batch.pending) if (entry.kind === 'write') stored.set(entry.block, entry.value);
        for (const [block, value] of stored) this.world.checker.acknowledged(this, block, value, mode.kind);
        for (const entry of batch.pending) {
          entry.told(null);
        }
        return this.#settle(batch);
      }
    } catch (error) {
      if (batch === this.#abandoned) {
        const queue = this.#queue;
        this.#queue = [];
        for (const { told } of queue) told(error);
      } else if (batch.mode !== null && this.#seq < batch.seq && this.closed === null)
        this.#abandoned = { ...batch, onSettled: [] };
      for (const { told } of batch.pending) told(error);
      this.#settle(batch);
    }
  }

  #settle(batch: Batch): void {
    this.#inFlight = null;
    for (const told of batch.onSettled.splice(0)) told();
    this.#ended();
  }

  *#usableMode(): Flow<PairMode> {
    const giveUpAt = this.world.scheduler.now + HOLD_MAX_MS;
    for (;;) {
      if (this.closed !== null) throw this.closed;
      const mode = this.mode;
      if (mode.kind === 'unavailable' || mode.kind === 'rip') throw this.#ioError(mode.reason);
      if (mode.kind !== 'holding') {
        if (servesWithoutLease(mode.kind) || this.owner.isOwner()) return mode;
        yield* this.owner.leaseHeld();
        continue;
      }
      const leftMs = giveUpAt - this.world.scheduler.now;
      if (leftMs <= 0) throw this.#ioError(mode.reason);
      yield* this.nextChange(leftMs);
    }
  }

  /** False when a member failed: decide again. */
  *#apply(batch: Batch, mode: PairMode): Flow<boolean> {
    const copied = batch.pending.filter((entry) => entry.kind === 'copied');
    let copiedMask = 0;
    for (const entry of copied) {
      if (mode.kind === 'repairing' && this.member(mode.to).preparation === entry.preparation)
        copiedMask |= entry.mask;
      else entry.told(new Error(`the repair was interrupted: ${mode.reason}`));
    }
    const values = new Map<number, number>();
    for (const entry of batch.pending) if (entry.kind === 'write') values.set(entry.block, entry.value);
    this.world.checker.sends(values.values(), batch.seq);
    const content = {
      blocks: [...values.keys()],
      copiedBlocks: bitsOf(copiedMask),
      copiedBits: bitsOf(copiedMask),
    };
    const { cores } = this.world;
    if (mode.kind === 'alone') {
      const member = this.member(mode.on);
      try {
        const { head } = yield* member.open();
        for (const part of cores.decideBatchParts(mode, content, head)) {
          const headAfter = { ...head, seq: batch.seq, fork: part.fork };
          yield* member.session?.transact(this.#changeOf(batch.seq, part, values), headAfter) ??
            broken(member);
        }
        return true;
      } catch (error) {
        this.noteError(member, error);
        return false;
      }
    }
    const parts = cores.decideBatchParts(mode, content, { seq: batch.seq, fork: null });
    if (parts.length === 0) return false;
    if (mode.kind === 'mirrored') this.ambush('batch-sent', 'primary');
    const results = yield* wait(settled(parts.map((part) => this.#send(batch.seq, part, values))));
    for (const { error } of results) if (error !== null) throw error;
    return results.every(({ value }) => value === true);
  }

  *#send(seq: number, part: MemberPart, values: ReadonlyMap<number, number>): Flow<boolean> {
    const member = this.member(part.on);
    try {
      const session = yield* member.open();
      if (session.head.seq !== seq)
        yield* session.transact(this.#changeOf(seq, part, values), { ...session.head, seq });
      return true;
    } catch (error) {
      this.noteError(member, error);
      return false;
    }
  }

  /** What a batch changes on a member, in one transaction. */
  #changeOf(
    seq: number,
    part: MemberPart,
    values: ReadonlyMap<number, number>,
  ): (shard: ShardData) => Partial<ShardData> {
    return (shard) => {
      const blocks = [...shard.blocks];
      for (const [block, value] of values) {
        this.world.checker.overwrites.tell(blocks[block] ?? 0, value);
        blocks[block] = value;
      }
      let { dirty } = shard;
      if (part.marksBlocks) for (const block of values.keys()) dirty |= 1 << block;
      for (const bit of part.clears) dirty &= ~(1 << bit);
      if (part.ring === null) return { seq, fork: part.fork ?? seq, dirty, blocks };
      let mask = 0;
      for (const block of part.ring) mask |= 1 << block;
      return { seq, dirty, blocks, ...withRingEntry(shard, seq, mask) };
    };
  }

  /** Tells that such a moment has come, to faults that wait for it. */
  ambush(moment: Moment, source: MemberName): void {
    const target = this.member(source === 'primary' ? 'slave' : 'primary').engine;
    const parties = { process: this.owner.process, source: this.member(source).engine, target };
    this.world.ambushes?.met(moment, parties);
  }

  /** What an error of a member means; throws what is not the engine's failure. */
  noteError(member: Member, error: unknown): void {
    if (error instanceof FencedError) {
      this.owner.fenced(error);
      throw error;
    }
    if (this.closed !== null) throw this.closed;
    if (!(error instanceof EngineError)) throw error;
    const isBrokenLink = error.fault === 'unreachable' || error.fault === 'protocol';
    if (member.session === null && member.fault === null && isBrokenLink) return;
    member.fail(error);
  }

  /** Failures that etcd does not record: as long as it does not, nobody heals them. */
  #unrecorded(): { record: MemberRecord; fault: EngineError }[] {
    return this.members.flatMap(({ record, fault }) =>
      fault === null || record.status === 'offline' || record.status === 'rip' ? [] : [{ record, fault }],
    );
  }

  #watchFailures(): void {
    if (this.#proposing) return;
    this.#proposing = true;
    start(this.#propose(), (error) => {
      this.#proposing = false;
      if (error !== null) throw error;
    });
  }

  *#propose(): Flow<void> {
    const { scheduler } = this.world;
    let dueAt = scheduler.now + PROPOSE_AFTER_MS;
    for (;;) {
      const failures = this.#unrecorded();
      if (failures.length === 0 || this.closed !== null) return;
      const waitMs = dueAt - scheduler.now;
      if (waitMs > 0) {
        yield* this.nextChange(waitMs);
        continue;
      }
      for (const { record, fault } of failures) yield* this.owner.proposeOffline(record, fault);
      dueAt = scheduler.now + PROPOSE_AFTER_MS;
    }
  }

  #ioError(reason: string): VdiskIoError {
    return new VdiskIoError('data-unavailable', reason, errno.io);
  }
}

// biome-ignore lint/correctness/useYield: it fails before anything could be waited for
function* broken(member: Member): Flow<void> {
  throw new EngineError('unreachable', member.record.address);
}

export function bitsOf(mask: number): number[] {
  const bits: number[] = [];
  for (let bit = 0; mask >> bit !== 0; bit++) if ((mask >> bit) & 1) bits.push(bit);
  return bits;
}
