import type { EngineStatus } from '@salvor/config-store';
import {
  addStore,
  type BlockChange,
  blocksToMerge,
  mergeChanges,
  type Pending,
  type PendingCopy,
  type PendingWrite,
  takeBatch,
} from './batch.ts';
import { addMark, stripeOf } from './dirty-map.ts';
import type { EngineIdentity } from './engine-keys.ts';
import type { EngineSession } from './engine-session.ts';
import { EngineError, errno, FencedError, VdiskIoError } from './errors.ts';
import { PairMember } from './pair-member.ts';
import { decidePairMode, type MemberName, type PairMode } from './pair-mode.ts';
import { PairRepair } from './pair-repair.ts';
import { Frame } from './resp.ts';
import { addAdvance, addAdvanceAlone } from './write-history.ts';

/** What etcd says of one member of a pair. */
export interface MemberRecord {
  readonly identity: EngineIdentity;
  readonly address: string;
  readonly db: number;
  readonly status: EngineStatus;
  /** The repair that is due while the status is one of repair. */
  readonly repair: RepairDue | null;
  /** Null while it is online, or where nothing is recorded about it. */
  readonly stale: Staleness | null;
}

export interface RepairDue {
  readonly incident: string;
  readonly attempt: number;
  readonly kind: 'repair-tmp-outage' | 'repair-final-outage';
  /** A completion of this very attempt by an earlier owner is on record. */
  readonly completed: boolean;
}

/** When etcd recorded that an engine no longer takes every write; in revisions of etcd. */
export interface Staleness {
  /** First, in the outage that is open. */
  readonly since: number;
  /** Last: later than `since` when a repair of it was begun and failed. */
  readonly latest: number;
}

export interface RepairOutcome {
  readonly vdisk: string;
  readonly cluster: string;
  readonly shard: number;
  readonly address: string;
  readonly incident: string;
  readonly attempt: number;
  readonly kind: 'repair-tmp-outage' | 'repair-final-outage';
  /** Blocks in the dirty map when the repair began. */
  readonly dirtyBlocks: number;
  /** Of these, how many were gone through. */
  readonly copiedBlocks: number;
  /** Of these, how many held data that was written to the target. */
  readonly storedBlocks: number;
  readonly repairMs: number;
  readonly reason: string;
}

export interface PairSettings {
  readonly connectTimeoutMs: number;
  readonly commandTimeoutMs: number;
  /** How long a reported failure may stay unrecorded before the owner proposes the transition itself. */
  readonly proposeAfterMs: number;
  /** How long writes are held for etcd to record a failure; then they fail with an I/O error. */
  readonly holdMaxMs: number;
  readonly password?: string | undefined;
}

/** What a pair needs from, and tells, the vdisk it belongs to. */
export interface PairContext {
  readonly vdisk: string;
  readonly epoch: string;
  readonly shard: number;
  /** Servers in the cluster. */
  readonly shards: number;
  readonly stripes: number;
  readonly blockSizeBytes: number;
  readonly settings: PairSettings;
  /** The blocks of a stripe that are placed on this shard. */
  blocksOfStripe(stripe: number): number[];
  engineFailed(record: MemberRecord, error: EngineError): void;
  /** Asks for the transition to offline; the change comes back through {@link Pair.applyRecords}. */
  proposeOffline(record: MemberRecord, error: EngineError): Promise<void>;
  repairCompleted(outcome: RepairOutcome): void;
  dataUnavailable(shard: number, reason: string): void;
  fenced(error: FencedError): void;
}

interface Batch {
  readonly pending: readonly Pending[];
  readonly blocks: ReadonlySet<number>;
  /** Number under which it is being applied. */
  seq: number;
  readonly settled: Promise<void>;
}

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
      const source = this.#readFrom();
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
      const source = this.#readFrom();
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

  #readFrom(): PairMember {
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
  copy(stripes: readonly number[], blocks: readonly number[], compare: boolean): Promise<number> {
    return new Promise((resolve, reject) =>
      this.#enqueue({ kind: 'copy', stripes, blocks, compare, resolve, reject }),
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
      const taken = takeBatch(this.#queue, this.context.blockSizeBytes);
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
          batch.seq = this.#sent + 1;
        }
        const copied = await this.#apply(batch, mode);
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

  /** Applies the batch on the members of `mode`. Null when one failed: decide again. Else the number of blocks copied. */
  async #apply(batch: Batch, mode: PairMode): Promise<number | null> {
    const writes = batch.pending.filter((entry): entry is PendingWrite => entry.kind === 'write');
    const copies = batch.pending.filter((entry): entry is PendingCopy => entry.kind === 'copy');
    if (copies.length > 0 && mode.kind !== 'repairing') {
      for (const copy of copies) copy.reject(new Error(`the repair was interrupted: ${mode.reason}`));
    }
    const readFrom = this.#readFrom();
    let merged: Map<number, Buffer | null>;
    try {
      const needed = blocksToMerge(writes);
      const present = needed.length === 0 ? [] : await (await readFrom.open()).readBlocks(needed);
      merged = mergeChanges(
        writes,
        new Map(needed.map((b, i) => [b, present[i] ?? null])),
        this.context.blockSizeBytes,
      );
    } catch (error) {
      this.noteError(readFrom, error);
      return null;
    }
    this.#sent = Math.max(this.#sent, batch.seq);
    switch (mode.kind) {
      case 'mirrored': {
        const frame = this.#frame(batch.seq, merged);
        return (await this.#send(batch, [
          ['primary', frame],
          ['slave', frame],
        ]))
          ? 0
          : null;
      }
      case 'single':
        return (await this.#send(batch, [[mode.on, this.#frame(batch.seq, merged)]])) ? 0 : null;
      case 'alone':
        return this.#applyAlone(batch, mode.on, merged);
      case 'repairing':
        return this.#applyRepairing(batch, mode, merged, copies);
      default:
        return null;
    }
  }

  /** Dirty marks first, then the sequence, then the data, in one transaction on the survivor. */
  async #applyAlone(
    batch: Batch,
    on: MemberName,
    merged: ReadonlyMap<number, Buffer | null>,
  ): Promise<number | null> {
    const member = this.member(on);
    try {
      const { head } = await member.open();
      const frame = new Frame();
      const { vdisk, shards } = this.context;
      addMark(
        frame,
        vdisk,
        [...merged.keys()].map((block) => stripeOf(block, shards)),
        1,
      );
      const fork = head.fork ?? head.seq;
      addAdvanceAlone(frame, vdisk, batch.seq, fork);
      addStore(frame, vdisk, merged);
      await member.transact(frame, { ...head, seq: batch.seq, fork });
      return 0;
    } catch (error) {
      this.noteError(member, error);
      return null;
    }
  }

  async #applyRepairing(
    batch: Batch,
    mode: { from: MemberName; to: MemberName },
    merged: ReadonlyMap<number, Buffer | null>,
    copies: readonly PendingCopy[],
  ): Promise<number | null> {
    const { vdisk } = this.context;
    const source = this.member(mode.from);
    const target = this.member(mode.to);
    const wanted = copies.flatMap(({ blocks }) => blocks).filter((block) => !merged.has(block));
    let stored = new Map<number, Buffer | null>();
    try {
      if (wanted.length > 0) {
        const found = await (await source.open()).readBlocks(wanted);
        stored = new Map(wanted.map((block, i) => [block, found[i] ?? null]));
      }
    } catch (error) {
      this.noteError(source, error);
      return null;
    }
    try {
      if (copies.some(({ compare }) => compare)) await dropEqual(stored, await target.open());
    } catch (error) {
      this.noteError(target, error);
      return null;
    }
    const touchedBlocks = new Map([...merged, ...stored]);
    const toTarget = this.#frame(batch.seq, touchedBlocks);
    const toSource = new Frame();
    // The bits go in the same step that gives this batch its ring entry: a target that loses this batch finds it in the ring.
    addMark(
      toSource,
      vdisk,
      copies.flatMap(({ stripes }) => stripes),
      0,
    );
    // Every block of the copy step, equal ones too: a step that is sent again may find equal what its first try stored.
    addAdvance(toSource, vdisk, batch.seq, new Set([...merged.keys(), ...wanted]));
    addStore(toSource, vdisk, merged);
    const done = await this.#send(batch, [
      [mode.from, toSource],
      [mode.to, toTarget],
    ]);
    return done ? [...stored.values()].filter((data) => data !== null).length : null;
  }

  #frame(seq: number, blocks: ReadonlyMap<number, Buffer | null>): Frame {
    const frame = new Frame();
    addAdvance(frame, this.context.vdisk, seq, blocks.keys());
    addStore(frame, this.context.vdisk, blocks);
    return frame;
  }

  /** Sends each member its frame unless it has applied this batch already. False when one failed. */
  async #send(batch: Batch, parts: readonly (readonly [MemberName, Frame])[]): Promise<boolean> {
    const results = await Promise.all(
      parts.map(async ([name, frame]) => {
        const member = this.member(name);
        try {
          const { head } = await member.open();
          // The engine's own number counts, as of its last connection: it may have lost what it applied before.
          if (head.seq !== batch.seq) await member.transact(frame, { ...head, seq: batch.seq });
          return true;
        } catch (error) {
          this.noteError(member, error);
          return false;
        }
      }),
    );
    return results.every((done) => done);
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

async function dropEqual(
  stored: Map<number, Buffer | null>,
  target: { readBlocks(blocks: readonly number[]): Promise<(Buffer | null)[]> },
): Promise<void> {
  const blocks = [...stored.keys()];
  const there = await target.readBlocks(blocks);
  for (const [i, block] of blocks.entries()) {
    const [ours, theirs] = [stored.get(block) ?? null, there[i] ?? null];
    if (ours === theirs || (ours !== null && theirs !== null && ours.equals(theirs))) stored.delete(block);
  }
}
