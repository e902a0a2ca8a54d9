import { type BlockChange, type Pending, takeBatch } from './batch.ts';
import { type Batch, BatchApplication } from './batch-application.ts';
import type { EngineSession } from './engine-session.ts';
import { EngineError, errno, FencedError, VdiskIoError } from './errors.ts';
import type { MemberRecord, PairContext } from './pair-context.ts';
import { PairMember } from './pair-member.ts';
import { decidePairMode, type MemberName, type PairMode } from './pair-mode.ts';
import { PairRepair } from './pair-repair.ts';

/** Waiting operations per pair; more are refused, which the front end's own limits never let happen. */
const QUEUE_MAX = 65_536;

/**
 * One shard of a mounted vdisk: a primary engine and, if there is one, its slave.
 *
 * All changes pass through one stream of numbered batches, one batch at a time, so both members see the same changes in
 * the same order, and read-modify-write, copies and repairs need no other locks.
 */
export class Pair {
  readonly context: PairContext;
  readonly #members: Record<MemberName, PairMember | null>;
  readonly #queue: Pending[] = [];
  readonly #repair: PairRepair;
  readonly #application: BatchApplication;
  #inFlight: Batch | null = null;
  #pumping = false;
  #closed: Error | null = null;
  #changed: (() => void)[] = [];
  #holding = false;
  #saidUnavailable = false;
  #mounted = false;
  #knowsHistory = false;
  /** Number of the last batch that every required member applied, and the highest ever sent. */
  #seq = 0;
  #sent = 0;

  constructor(context: PairContext, primary: MemberRecord, slave: MemberRecord | null) {
    this.context = context;
    this.#members = {
      primary: this.#newMember('primary', primary),
      slave: slave && this.#newMember('slave', slave),
    };
    this.#repair = new PairRepair(this);
    this.#application = new BatchApplication(this);
  }

  /** The present mode, decided anew from what is known now. */
  get mode(): PairMode {
    const { primary, slave } = this.#members;
    if (primary === null) throw new Error('a pair always has a primary');
    return decidePairMode(primary.view, slave?.view ?? null);
  }

  member(name: MemberName): PairMember {
    const member = this.#members[name];
    if (member === null) throw new Error(`shard ${this.context.shard} has no ${name}`);
    return member;
  }

  get members(): PairMember[] {
    return [this.#members.primary, this.#members.slave].filter((m) => m !== null);
  }

  get seq(): number {
    return this.#seq;
  }

  /** False until this owner has seen a member with current data: it does not know where the write history ends. */
  get knowsHistory(): boolean {
    return this.#knowsHistory;
  }

  /** Adopts the write history found at mount or by a member that turns out to be complete. */
  adoptSeq(seq: number): void {
    this.#knowsHistory = true;
    this.#seq = Math.max(this.#seq, seq);
    this.#sent = Math.max(this.#sent, seq);
  }

  /** Tells whether a member that must have every write may be at batch `seq`: nothing acknowledged may be missing. */
  isExpectedSeq(seq: number): boolean {
    return seq >= this.#seq && seq <= this.#sent;
  }

  /** Takes over what etcd says now. */
  applyRecords(primary: MemberRecord, slave: MemberRecord | null): void {
    for (const [name, record] of [
      ['primary', primary],
      ['slave', slave],
    ] as const) {
      const member = this.#members[name];
      if (member === null || record === null) continue;
      member.apply(record);
    }
    this.changed();
  }

  /** Wakes everything that waits for a change of mode, and starts what the new mode calls for. */
  changed(): void {
    const waiting = this.#changed;
    this.#changed = [];
    for (const wake of waiting) wake();
    if (this.#closed !== null) return;
    const mode = this.mode;
    if (mode.kind === 'holding') this.#watchHold();
    if (mode.kind === 'unavailable' && !this.#saidUnavailable)
      this.context.dataUnavailable(this.context.shard, mode.reason);
    this.#saidUnavailable = mode.kind === 'unavailable';
    // Before the write history is known every member would look as if it had foreign writes.
    if (this.#mounted) this.#repair.wake();
  }

  /** The earlier owners are fenced and the write history is known: from now on repairs may run. */
  mounted(): void {
    this.#mounted = true;
    this.changed();
  }

  /** Resolves at the next change, or after `timeoutMs`. */
  nextChange(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        // Where nothing ever changes, those who look again and again must not pile up.
        this.#changed = this.#changed.filter((waiting) => waiting !== wake);
        resolve();
      }, timeoutMs);
      this.#changed.push(wake);
    });
  }

  get closed(): boolean {
    return this.#closed !== null;
  }

  /** Reads whole blocks; null = zeros. Rejects with VdiskIoError when no member can answer. */
  async read(blocks: readonly number[]): Promise<(Buffer | null)[]> {
    for (;;) {
      const source = this.readFrom();
      try {
        const session = await source.open();
        const found = await session.readBlocks(blocks);
        await this.#settleOverlap(blocks);
        if (this.#closed !== null) throw this.#closed;
        return found;
      } catch (error) {
        this.noteError(source, error);
      }
    }
  }

  /** Which of the blocks are stored; rejects like {@link read}. */
  stored(blocks: readonly number[]): Promise<boolean[]> {
    return this.#ask((session) => session.storedBlocks(blocks));
  }

  /** Every block that is stored on this shard; null when there are more than `most`. Rejects like {@link read}. */
  storedAtMost(most: number): Promise<number[] | null> {
    return this.#ask((session) => session.storedAtMost(most));
  }

  async #ask<T>(question: (session: EngineSession) => Promise<T>): Promise<T> {
    for (;;) {
      const source = this.readFrom();
      try {
        const answer = await question(await source.open());
        // As with a read: what is under way may be in the answer already.
        await this.#inFlight?.settled;
        if (this.#closed !== null) throw this.#closed;
        return answer;
      } catch (error) {
        this.noteError(source, error);
      }
    }
  }

  /** A value read while its block is being written may be the new one: it is answered once it is on every member that must have it. */
  async #settleOverlap(blocks: readonly number[]): Promise<void> {
    const batch = this.#inFlight;
    if (batch === null || !blocks.some((block) => batch.blocks.has(block))) return;
    await batch.settled;
  }

  /** The member that answers reads. Throws when there is none. */
  readFrom(): PairMember {
    if (this.#closed !== null) throw this.#closed;
    const mode = this.mode;
    switch (mode.kind) {
      case 'mirrored':
        return this.member('primary');
      case 'single':
      case 'alone':
      case 'holding':
        return this.member(mode.on);
      case 'repairing':
        return this.member(mode.from);
      case 'unavailable':
        throw this.#ioError(mode.reason);
    }
  }

  /** Resolves when the changes are on every member that etcd does not record as stale. */
  write(changes: readonly BlockChange[]): Promise<void> {
    return new Promise((resolve, reject) => this.#enqueue({ kind: 'write', changes, resolve, reject }));
  }

  /** Copies blocks from the survivor to the member under repair; resolves with the number of blocks written there. */
  copy(bits: readonly number[], blocks: readonly number[], compare: boolean): Promise<number> {
    return new Promise((resolve, reject) =>
      this.#enqueue({ kind: 'copy', bits, blocks, compare, resolve, reject }),
    );
  }

  /** Runs `work` between two batches. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#enqueue({ kind: 'exclusive', run: async () => resolve(await work()), reject });
    });
  }

  /** Fails everything that waits and ends the links. */
  close(reason: Error): void {
    if (this.#closed !== null) return;
    this.#closed = reason;
    for (const pending of this.#queue.splice(0)) pending.reject(reason);
    for (const member of this.members) member.close();
    this.changed();
  }

  #enqueue(pending: Pending): void {
    if (this.#closed !== null) return pending.reject(this.#closed);
    if (this.#queue.length >= QUEUE_MAX) {
      return pending.reject(this.#ioError(`more than ${QUEUE_MAX} operations wait`));
    }
    this.#queue.push(pending);
    if (!this.#pumping) {
      this.#pumping = true;
      // Everything that arrives in this turn of the loop goes into one batch.
      setImmediate(() => void this.#pump());
    }
  }

  async #pump(): Promise<void> {
    while (this.#queue.length > 0) {
      const taken = takeBatch(this.#queue, this.context.layout.blockSizeBytes);
      try {
        const [first] = taken;
        if (first?.kind === 'exclusive') await first.run();
        else await this.#commit(taken);
      } catch (error) {
        const reason = error instanceof Error ? error : new Error(String(error));
        for (const pending of taken) pending.reject(reason);
      }
    }
    this.#pumping = false;
  }

  async #commit(pending: readonly Pending[]): Promise<void> {
    let settle = (): void => {};
    const settled = new Promise<void>((resolve) => {
      settle = resolve;
    });
    const batch: Batch = { pending, blocks: touched(pending), seq: 0, settled };
    this.#inFlight = batch;
    let kind: PairMode['kind'] | null = null;
    try {
      for (;;) {
        const mode = await this.#usableMode();
        if (mode.kind !== kind) {
          // Another set of members: a number of its own, so that no number ever stands for two contents.
          kind = mode.kind;
          batch.seq = ++this.#sent;
        }
        const copied = await this.#application.apply(batch, mode);
        if (copied === null) continue;
        this.#seq = batch.seq;
        for (const entry of pending) {
          if (entry.kind === 'write') entry.resolve();
          else if (entry.kind === 'copy') entry.resolve(copied);
        }
        return;
      }
    } finally {
      this.#inFlight = null;
      settle();
    }
  }

  /** Waits until the mode is one that takes writes, and its members are connected. */
  async #usableMode(): Promise<PairMode> {
    const giveUpAt = performance.now() + this.context.settings.holdMaxMs;
    for (;;) {
      if (this.#closed !== null) throw this.#closed;
      const mode = this.mode;
      if (mode.kind === 'unavailable') throw this.#ioError(mode.reason);
      if (mode.kind !== 'holding') return mode;
      const leftMs = giveUpAt - performance.now();
      if (leftMs <= 0)
        throw this.#ioError(`${mode.reason}; gave up after ${this.context.settings.holdMaxMs} ms`);
      await this.nextChange(leftMs);
    }
  }

  /** What an error of a member means; throws what is not the engine's failure. */
  noteError(member: PairMember, error: unknown): void {
    if (error instanceof FencedError) {
      this.context.fenced(error);
      throw error;
    }
    if (this.#closed !== null) throw this.#closed;
    if (!(error instanceof EngineError)) throw error;
    // A link that broke is being opened once more; only when that fails has the engine failed, and the member says so itself.
    if (member.session === null && member.fault === null && isBrokenLink(error)) return;
    member.fail(error);
  }

  #watchHold(): void {
    if (this.#holding) return;
    this.#holding = true;
    void this.#hold().finally(() => {
      this.#holding = false;
    });
  }

  /** Proposes the transition when nobody else brings it about. */
  async #hold(): Promise<void> {
    const { proposeAfterMs } = this.context.settings;
    let dueAt = performance.now() + proposeAfterMs;
    for (;;) {
      const mode = this.mode;
      if (mode.kind !== 'holding' || this.#closed !== null) return;
      const waitMs = dueAt - performance.now();
      if (waitMs > 0) {
        await this.nextChange(waitMs);
        continue;
      }
      const { record, fault } = this.member(mode.failed);
      if (fault !== null) await this.context.proposeOffline(record, fault);
      dueAt = performance.now() + proposeAfterMs;
    }
  }

  #newMember(name: MemberName, record: MemberRecord): PairMember {
    return new PairMember(name, record, this);
  }

  #ioError(reason: string): VdiskIoError {
    const { vdisk, shard } = this.context;
    return new VdiskIoError('data-unavailable', `vdisk ${vdisk}, shard ${shard}: ${reason}`, errno.io);
  }
}

function isBrokenLink(error: EngineError): boolean {
  return error.fault === 'unreachable' || error.fault === 'protocol';
}

function touched(pending: readonly Pending[]): Set<number> {
  const blocks = new Set<number>();
  for (const entry of pending) {
    if (entry.kind === 'write') for (const { block } of entry.changes) blocks.add(block);
    else if (entry.kind === 'copy') for (const block of entry.blocks) blocks.add(block);
  }
  return blocks;
}
