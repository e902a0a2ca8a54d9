import { type BlockChange, type Pending, type PendingWrite, type StoredObject, takeBatch } from './batch.ts';
import { type Batch, BatchApplication } from './batch-application.ts';
import { clientActivity } from './copy/client-activity.ts';
import { CorruptBlocks } from './corrupt-blocks.ts';
import type { EngineSession } from './engine-session.ts';
import { CorruptBlocksError, EngineError, errno, FencedError, VdiskIoError } from './errors.ts';
import type { PartRead } from './gathered-reads.ts';
import { IdleLinks } from './idle-links.ts';
import { decideHistoryFit, decideLeftBehind, type HistoryFit } from './member-history.ts';
import { confirmPair } from './pair-confirmation.ts';
import type { MemberRecord, PairContext, RepairState } from './pair-context.ts';
import { PairMember } from './pair-member.ts';
import { decidePairMode, isRequired, type MemberName, type PairMode } from './pair-mode.ts';
import { PairRepair } from './pair-repair.ts';
import { ReadPart } from './read-part.ts';
import { Frame, type RespValue } from './resp.ts';
import { type Serving, servesWithoutLease } from './serving.ts';
import { callAtTurnEnd, type TurnEnd } from './turn.ts';

/** Waiting operations per pair; more are refused, which the front end's own limits never let happen. */
const QUEUE_MAX = 65_536;

/**
 * One shard of a mounted vdisk: a primary engine and, if there is one, its slave.
 *
 * All changes pass through one stream of numbered batches, one batch at a time, so both members see the same changes in
 * the same order, and read-modify-write, copies and repairs need no other locks.
 */
export class Pair implements TurnEnd {
  readonly context: PairContext;
  readonly corruption = new CorruptBlocks(this);
  readonly #members: Record<MemberName, PairMember | null>;
  readonly #queue: Pending[] = [];
  /** Blocks whose writes wait, and how many hold each. */
  readonly #locks = new Map<number, number>();
  readonly #repair: PairRepair;
  readonly #application: BatchApplication;
  readonly #idleLinks: IdleLinks;
  #inFlight: Batch | null = null;
  /** A batch that may be on one member only although its requests were refused: nothing passes before it is on all. */
  #abandoned: Batch | null = null;
  /** A batch or an exclusive piece of work is under way. */
  #busy = false;
  #closed: Error | null = null;
  #changed: (() => void)[] = [];
  #proposing = false;
  #saidUnavailable = false;
  #mounted = false;
  #knowsHistory = false;
  /** Why the shard is not served although its members could: they hold less than is known to have been written. */
  #refusal: string | null = null;
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
    this.#idleLinks = new IdleLinks(() => this.members, context.settings);
  }

  /** The present mode, decided anew from what is known now. */
  get mode(): PairMode {
    if (this.#refusal !== null) return { kind: 'unavailable', reason: this.#refusal };
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

  /** How far the repair of a member is, or the spread of its blocks; null while none is under way. */
  get repairState(): RepairState | null {
    return this.#repair.state ?? this.context.spreadState?.() ?? null;
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
    this.context.log?.adopted(this.context.shard, this.#seq);
  }

  /** No batch gets a number up to `seq` from now on: an engine may be at that number already. */
  reserveNumbers(seq: number): void {
    this.#sent = Math.max(this.#sent, seq);
  }

  /** Serves nothing of the shard from now on. */
  refuse(reason: string): void {
    if (this.#refusal !== null) return;
    this.#refusal = reason;
    this.changed();
  }

  /** Whether a member that must have every write may be at batch `found`. */
  fitOf(found: number): HistoryFit {
    return decideHistoryFit({ isKnown: this.#knowsHistory, seq: this.#seq, sent: this.#sent }, found);
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
    this.blameLeftBehind();
    this.changed();
  }

  /** A member that etcd calls current, while its partner has served alone since without a repair, has failed. */
  blameLeftBehind(): void {
    // During the mount the members are judged against each other.
    if (!this.#knowsHistory) return;
    const required = this.members.filter(({ view }) => isRequired(view));
    const place = decideLeftBehind(
      required.map(({ session, fault }) => ({
        fork: session?.head.fork ?? null,
        seq: session?.head.seq ?? null,
        failed: fault !== null,
      })),
    );
    const member = place === null ? undefined : required[place];
    if (member === undefined) return;
    const message = `engine ${member.record.address} misses writes of vdisk ${this.context.vdisk} that its partner took alone`;
    member.fail(new EngineError('tail-lost', message));
  }

  /** Wakes everything that waits for a change of mode, and starts what the new mode calls for. */
  changed(): void {
    const waiting = this.#changed;
    this.#changed = [];
    for (const wake of waiting) wake();
    this.#repair.check();
    if (this.#closed !== null) return;
    const mode = this.mode;
    if (this.#unrecorded().length > 0) this.#watchFailures();
    // While writes wait it has not come back, and is not lost either.
    const isUnavailable = mode.kind === 'unavailable' || (mode.kind === 'holding' && this.#saidUnavailable);
    if (isUnavailable !== this.#saidUnavailable) {
      this.#saidUnavailable = isUnavailable;
      const { shard } = this.context;
      if (isUnavailable) this.context.dataUnavailable(shard, mode.reason);
      else this.context.dataAvailable(shard, mode.reason);
    }
    // Before the write history is known every member would look as if it had foreign writes.
    if (this.#mounted) this.#repair.wake();
  }

  /** The earlier owners are fenced and the write history is known: from now on repairs may run. */
  mounted(): void {
    this.#mounted = true;
    if (this.#closed === null) this.#idleLinks.start();
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

  /** Asks the engines whether the shard may be served while the lease is not valid. */
  confirm(): Promise<Serving> {
    return confirmPair(this);
  }

  get closed(): boolean {
    return this.#closed !== null;
  }

  /** Reads whole blocks; null = zeros. Rejects with VdiskIoError when no member can answer. */
  async read(blocks: readonly number[]): Promise<(Buffer | null)[]> {
    const { blockSizeBytes } = this.context.layout;
    const into = Buffer.allocUnsafeSlow(blocks.length * blockSizeBytes);
    const part = new ReadPart(blocks, into, blockSizeBytes, null, true);
    await new Promise<void>((resolve, reject) =>
      this.readPart(part, (error) => (error === null ? resolve() : reject(error))),
    );
    return blocks.map((_, i) =>
      part.isStored(i) ? into.subarray(i * blockSizeBytes, (i + 1) * blockSizeBytes) : null,
    );
  }

  /** Puts blocks where the part wants them; `told` gets null, or VdiskIoError when no member can answer. */
  readPart(part: ReadPart, told: PartRead): void {
    clientActivity.note();
    let source: PairMember;
    try {
      source = this.readFrom();
    } catch (error) {
      return told(error);
    }
    const heard: PartRead = (error) => {
      if (error === null) return this.#settleOverlap(part.blocks, told);
      if (error instanceof CorruptBlocksError)
        return void this.corruption.complete(part, source).then(() => heard(null), heard);
      try {
        this.noteError(source, error);
      } catch (reason) {
        return told(reason);
      }
      part.reset();
      // Not from here: a link that fails tells its readers while it is being taken down.
      queueMicrotask(() => this.readPart(part, told));
    };
    if (source.session !== null) source.session.readPart(part, heard);
    else source.open().then((session) => session.readPart(part, heard), heard);
  }

  /** Which of the blocks are stored; rejects like {@link read}. */
  stored(blocks: readonly number[]): Promise<boolean[]> {
    return this.#ask((session) => session.storedBlocks(blocks));
  }

  /** Every block that is stored on this shard; null when there are more than `most`. Rejects like {@link read}. */
  storedAtMost(most: number): Promise<number[] | null> {
    return this.#ask((session) => session.storedAtMost(most, this.context.bits));
  }

  async #ask<T>(question: (session: EngineSession) => Promise<T>): Promise<T> {
    for (;;) {
      const source = this.readFrom();
      try {
        const answer = await question(await source.open());
        // As with a read: what is under way may be in the answer already.
        const batch = this.#inFlight;
        if (batch !== null) await new Promise<void>((resolve) => batch.onSettled.push(resolve));
        if (this.#closed !== null) throw this.#closed;
        return answer;
      } catch (error) {
        this.noteError(source, error);
      }
    }
  }

  /** A value read while its block is being written may be the new one: it is answered once it is on every member that must have it. */
  #settleOverlap(blocks: readonly number[], told: PartRead): void {
    const batch = this.#inFlight;
    if (batch !== null && blocks.some((block) => batch.blocks.has(block)))
      batch.onSettled.push(() => told(this.#closed ?? this.#tornAt(blocks)));
    else if (this.#tornAt(blocks) === null) told(this.#closed);
    // What was read may be on this member only: it is answered when it is on all of them.
    else this.exclusive(async () => {}).then(() => told(this.#closed), told);
  }

  #tornAt(blocks: readonly number[]): Error | null {
    const { blocks: torn } = this.#abandoned ?? { blocks: NO_BLOCKS };
    return blocks.some((block) => torn.has(block))
      ? this.#ioError('a write to these blocks was given up halfway, and is not on both members yet')
      : null;
  }

  /** The member that answers reads. Throws when there is none. */
  readFrom(): PairMember {
    if (this.#closed !== null) throw this.#closed;
    const { primary } = this.#members;
    // As every mode with a live primary that etcd records as online would have it.
    if (
      primary !== null &&
      primary.record.status === 'online' &&
      primary.fault === null &&
      this.#refusal === null
    )
      return primary;
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
      case 'rip':
        throw this.#ioError(mode.reason);
    }
  }

  /** Resolves when the changes are on every member that etcd does not record as stale. */
  write(changes: readonly BlockChange[]): Promise<void> {
    clientActivity.note();
    return new Promise((resolve, reject) => this.#enqueue({ kind: 'write', changes, resolve, reject }));
  }

  /** Resolves when the objects are on every member that etcd does not record as stale. */
  store(objects: readonly StoredObject[]): Promise<void> {
    return new Promise((resolve, reject) => this.#enqueue({ kind: 'objects', objects, resolve, reject }));
  }

  /**
   * The replies of the member that answers reads to reading commands about what no batch under way changes. Rejects like
   * {@link read}.
   */
  async query(fill: (frame: Frame) => void): Promise<RespValue[]> {
    for (;;) {
      const source = this.readFrom();
      try {
        const session = await source.open();
        const frame = new Frame();
        fill(frame);
        const replies = await session.request(frame);
        if (this.#closed !== null) throw this.#closed;
        return replies;
      } catch (error) {
        this.noteError(source, error);
      }
    }
  }

  /**
   * Holds back writes to `blocks`, read-modify-write too, until the returned function is called; others pass. Resolves
   * when no batch that touches them is under way.
   */
  async lock(blocks: readonly number[]): Promise<() => void> {
    // A batch that could not be finished comes before everything else.
    while (this.#abandoned !== null) await this.exclusive(async () => {});
    for (const block of blocks) this.#locks.set(block, (this.#locks.get(block) ?? 0) + 1);
    const batch = this.#inFlight;
    if (batch !== null && blocks.some((block) => batch.blocks.has(block)))
      await new Promise<void>((resolve) => batch.onSettled.push(resolve));
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      for (const block of blocks) {
        const left = (this.#locks.get(block) ?? 1) - 1;
        if (left > 0) this.#locks.set(block, left);
        else this.#locks.delete(block);
      }
      if (!this.#busy && this.#queue.length > 0) callAtTurnEnd(this);
    };
  }

  /** Like {@link write}, for who holds the locks of the blocks. */
  writeLocked(changes: readonly BlockChange[]): Promise<void> {
    return new Promise((resolve, reject) =>
      this.#enqueue({ kind: 'write', passesLocks: true, changes, resolve, reject }),
    );
  }

  /**
   * Takes out the writes that wait and touch a block that is elsewhere by now. Called while such blocks are locked, so that
   * none of them is under way.
   */
  takeWaiting(isElsewhere: (block: number) => boolean): PendingWrite[] {
    const taken: PendingWrite[] = [];
    const waiting = this.#queue.splice(0);
    for (const entry of waiting) {
      if (entry.kind === 'write' && entry.changes.some(({ block }) => isElsewhere(block))) taken.push(entry);
      else this.#queue.push(entry);
    }
    return taken;
  }

  /** Like {@link write}, for what comes from another pair and not from a client. */
  bring(changes: readonly BlockChange[]): Promise<void> {
    return new Promise((resolve, reject) =>
      this.#enqueue({ kind: 'write', isBrought: true, changes, resolve, reject }),
    );
  }

  /** Records blocks that the copy worker brought to the member under repair, with their bits, under a batch of their own. */
  copied(bits: readonly number[], blocks: readonly number[], preparation: string): Promise<void> {
    return new Promise((resolve, reject) =>
      this.#enqueue({ kind: 'copied', bits, blocks, preparation, resolve, reject }),
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
    this.#idleLinks.stop();
    for (const pending of this.#queue.splice(0)) pending.reject(reason);
    for (const member of this.members) member.close();
    this.changed();
  }

  #enqueue(pending: Pending): void {
    if (this.#closed !== null) return pending.reject(this.#closed);
    if (this.#queue.length >= QUEUE_MAX) {
      return pending.reject(this.#ioError(`more than ${QUEUE_MAX} operations wait`));
    }
    // Everything that arrives in this turn of the loop goes into one batch.
    const waiting = this.#queue.push(pending);
    // Where locks hold back what waits, what comes later may pass it.
    if (!this.#busy && (waiting === 1 || this.#locks.size > 0)) callAtTurnEnd(this);
  }

  /** Begins with what waits, unless something is under way: then that goes on with it. */
  atTurnEnd(): void {
    if (this.#busy || this.#queue.length === 0) return;
    if (this.#abandoned !== null) {
      this.#busy = true;
      void this.#commit(this.#abandoned);
      return;
    }
    const isLocked = this.#locks.size === 0 ? null : (block: number): boolean => this.#locks.has(block);
    const taken = takeBatch(this.#queue, this.context.layout.blockSizeBytes, isLocked);
    // All that waits is held by locks; letting go of one starts this again.
    if (taken.length === 0) return;
    this.#busy = true;
    const [first] = taken;
    if (first?.kind === 'exclusive') {
      void first
        .run()
        .catch(first.reject)
        .finally(() => this.#ended());
      return;
    }
    const batch: Batch = {
      pending: taken,
      blocks: NO_BLOCKS,
      content: null,
      seq: 0,
      mode: null,
      onSettled: [],
    };
    this.#inFlight = batch;
    if (!this.#commitAtOnce(batch)) void this.#commit(batch);
  }

  #ended(): void {
    this.#busy = false;
    this.atTurnEnd();
  }

  /** The common case, without a wait in between: whole blocks, onto members that are all connected. False: not the case. */
  #commitAtOnce(batch: Batch): boolean {
    if (this.#closed !== null || !this.#knowsHistory) return false;
    const { mode } = this;
    if (mode.kind !== 'mirrored' && mode.kind !== 'single') return false;
    const on = mode.kind === 'single' ? [this.member(mode.on)] : this.members;
    return this.#application.applyAtOnce(
      batch,
      on,
      () => {
        batch.mode = mode.kind;
        batch.seq = ++this.#sent;
      },
      (isApplied) => {
        if (isApplied) this.#applied(batch);
        else void this.#commit(batch);
      },
    );
  }

  async #commit(batch: Batch): Promise<void> {
    this.#inFlight = batch;
    try {
      batch.blocks = touched(batch.pending);
      for (;;) {
        const mode = await this.#usableMode();
        if (!this.#knowsHistory && mode.kind === 'single') {
          await this.#learnHistory(this.member(mode.on));
          continue;
        }
        if (mode.kind !== batch.mode) {
          // Another set of members: a number of its own, so that no number ever stands for two contents.
          batch.mode = mode.kind;
          batch.seq = ++this.#sent;
        }
        if (!(await this.#application.apply(batch, mode))) continue;
        if (mode.kind === 'alone' && this.members.every(({ view }) => isRequired(view))) {
          // Both are needed by now.
          this.blameLeftBehind();
          continue;
        }
        this.#seq = batch.seq;
        // What one engine took alone counts only if nobody else can have owned the vdisk.
        if (!servesWithoutLease(mode.kind)) await this.#leaseHeld();
        return this.#applied(batch);
      }
    } catch (error) {
      const reason = error instanceof Error ? error : new Error(String(error));
      // Behind a batch that cannot be finished nothing else can.
      if (batch === this.#abandoned) for (const pending of this.#queue.splice(0)) pending.reject(reason);
      else if (batch.mode !== null && this.#seq < batch.seq && this.#closed === null)
        this.#abandoned = abandoned(batch);
      for (const pending of batch.pending) pending.reject(reason);
      this.#settle(batch);
    }
  }

  /** Of the only copy there is, which the mount did not reach: its writes end where it says. */
  async #learnHistory(only: PairMember): Promise<void> {
    try {
      this.adoptSeq((await only.open()).head.seq);
    } catch (error) {
      this.noteError(only, error);
    }
  }

  #applied(batch: Batch): void {
    this.#seq = batch.seq;
    if (batch === this.#abandoned) this.#abandoned = null;
    const { log, shard } = this.context;
    const logged = log == null ? null : log.applied(shard, batch.seq, batch.content, isAllBrought(batch));
    if (logged === null) answer(batch);
    else
      logged.then(
        () => answer(batch),
        (error: Error) => refuseAll(batch, error),
      );
    this.#settle(batch);
  }

  #settle(batch: Batch): void {
    this.#inFlight = null;
    for (const told of batch.onSettled.splice(0)) told();
    this.#ended();
  }

  /** Waits until the mode is one that takes writes, and its members are connected. */
  async #usableMode(): Promise<PairMode> {
    if (this.mode.kind !== 'holding') return this.#modeForWrites();
    const heldFrom = performance.now();
    try {
      return await this.#modeForWrites();
    } finally {
      this.context.writesHeld?.(performance.now() - heldFrom);
    }
  }

  async #modeForWrites(): Promise<PairMode> {
    const giveUpAt = performance.now() + this.context.settings.holdMaxMs;
    for (;;) {
      if (this.#closed !== null) throw this.#closed;
      const mode = this.mode;
      if (mode.kind === 'unavailable' || mode.kind === 'rip') throw this.#ioError(mode.reason);
      if (mode.kind !== 'holding') {
        if (servesWithoutLease(mode.kind) || this.context.lease.isOwner()) return mode;
        await this.#leaseHeld();
        continue;
      }
      const leftMs = giveUpAt - performance.now();
      if (leftMs <= 0)
        throw this.#ioError(`${mode.reason}; gave up after ${this.context.settings.holdMaxMs} ms`);
      await this.nextChange(leftMs);
    }
  }

  async #leaseHeld(): Promise<void> {
    if (!this.context.lease.isOwner()) await this.context.lease.leaseHeld();
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

  /** Failures that etcd does not show: as long as it does not, nobody heals them. */
  #unrecorded(): { record: MemberRecord; fault: EngineError }[] {
    return this.members.flatMap(({ record, fault }) =>
      fault === null || record.status === 'offline' || record.status === 'rip' ? [] : [{ record, fault }],
    );
  }

  #watchFailures(): void {
    if (this.#proposing) return;
    this.#proposing = true;
    void this.#propose().finally(() => {
      this.#proposing = false;
    });
  }

  /** Proposes the transition when nobody else brings it about: a report may be lost, and a fault here is seen by no probe. */
  async #propose(): Promise<void> {
    const { proposeAfterMs } = this.context.settings;
    let dueAt = performance.now() + proposeAfterMs;
    for (;;) {
      const failures = this.#unrecorded();
      if (failures.length === 0 || this.#closed !== null) return;
      const waitMs = dueAt - performance.now();
      if (waitMs > 0) {
        await this.nextChange(waitMs);
        continue;
      }
      for (const { record, fault } of failures) await this.context.proposeOffline(record, fault);
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

const NO_BLOCKS: ReadonlySet<number> = new Set();

function isBrokenLink(error: EngineError): boolean {
  return error.fault === 'unreachable' || error.fault === 'protocol';
}

/** Copies that do not count were told so already; for them this is nothing. */
function answer({ pending }: Batch): void {
  for (const entry of pending) if (entry.kind !== 'exclusive') entry.resolve();
}

function refuseAll({ pending }: Batch, error: Error): void {
  for (const entry of pending) entry.reject(error);
}

function isAllBrought({ pending }: Batch): boolean {
  return pending.every((entry) => entry.kind !== 'write' || entry.isBrought === true);
}

function touched(pending: readonly Pending[]): Set<number> {
  const blocks = new Set<number>();
  for (const entry of pending) {
    if (entry.kind === 'write') for (const { block } of entry.changes) blocks.add(block);
  }
  return blocks;
}

/** The same batch with bytes of its own: those of the requests belong to whoever made them once they are answered. */
function abandoned(batch: Batch): Batch {
  const pending = batch.pending.map((entry) =>
    entry.kind === 'write'
      ? {
          ...entry,
          changes: entry.changes.map((change) => ({
            ...change,
            data: change.data === null ? null : Buffer.from(change.data),
          })),
        }
      : entry.kind === 'objects'
        ? { ...entry, objects: entry.objects.map(({ key, value }) => ({ key, value: Buffer.from(value) })) }
        : entry,
  );
  return { ...batch, pending, content: null, onSettled: [] };
}
