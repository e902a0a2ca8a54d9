import {
  blocksToMerge,
  mergeChanges,
  objectsIn,
  type Pending,
  type PendingCopied,
  type PendingWrite,
  type StoredObject,
  wholeBlocks,
} from './batch.ts';
import { addNotedObjects, addObjects } from './deduped/content-objects.ts';
import { addMark } from './dirty-map.ts';
import { armCommands, Transaction } from './fenced-lane.ts';
import type { Pair } from './pair.ts';
import type { PairMember } from './pair-member.ts';
import type { MemberName, PairMode } from './pair-mode.ts';
import { Frame } from './resp.ts';
import { addAdvance, addAdvanceAlone } from './write-history.ts';

/** Changes of a pair that are applied together, under one number. */
export interface Batch {
  readonly pending: readonly Pending[];
  /** The blocks it touches. */
  blocks: { has(block: number): boolean };
  /** Number under which it is being applied, and the kind of mode that this number stands for. */
  seq: number;
  mode: PairMode['kind'] | null;
  /** Called when it is applied, or given up. */
  readonly onSettled: (() => void)[];
}

/** About what a block takes beside its bytes, and a transaction beside its blocks. */
const COMMAND_BYTES = 256;

/** Puts a batch on the engines, in the way that the pair's mode asks for. */
export class BatchApplication {
  readonly #pair: Pair;
  readonly #arm: Buffer;

  constructor(pair: Pair) {
    this.#pair = pair;
    this.#arm = armCommands(pair.context.vdisk);
  }

  /**
   * Applies a batch of whole blocks on members that are all connected, without a wait before it is sent: encoded once,
   * the same bytes for each. False: that is not the case, and nothing was done. Else `begin` was called, and `told` will
   * be, with false when a member failed.
   */
  applyAtOnce(
    batch: Batch,
    on: readonly PairMember[],
    begin: () => void,
    told: (isApplied: boolean) => void,
  ): boolean {
    for (const { session, fault } of on)
      if (session === null || fault !== null || !session.lane.isReady) return false;
    const merged = wholeBlocks(batch.pending);
    const objects = objectsIn(batch.pending);
    if (merged === null || merged.size + objects.length === 0) return false;
    begin();
    batch.blocks = merged;
    const { vdisk, layout } = this.#pair.context;
    const fill = (frame: Frame): void => {
      addAdvance(frame, vdisk, batch.seq, merged.keys());
      if (merged.size > 0) layout.addStore(frame, merged);
      if (objects.length > 0) addNotedObjects(frame, vdisk, batch.seq, objects);
    };
    const objectBytes = objects.reduce((sum, { value }) => sum + value.length + COMMAND_BYTES, 0);
    const bytes = merged.size * (layout.blockSizeBytes + COMMAND_BYTES) + objectBytes;
    const transaction = new Transaction(this.#arm, fill, COMMAND_BYTES + bytes);
    let left = on.length;
    let failed = 0;
    for (const member of on) {
      member.send(transaction, batch.seq, (error) => {
        if (error !== null) failed++;
        try {
          if (error !== null) this.#pair.noteError(member, error);
        } catch {
          // Closed or fenced: whoever goes on with the batch meets it again.
        }
        if (--left > 0) return;
        if (failed === 0) transaction.release();
        told(failed === 0);
      });
    }
    return true;
  }

  /** Applies the batch on the members of `mode`. False when one failed: decide again. */
  async apply(batch: Batch, mode: PairMode): Promise<boolean> {
    const writes = batch.pending.filter((entry): entry is PendingWrite => entry.kind === 'write');
    const copied = this.#counted(batch, mode);
    const objects = objectsIn(batch.pending);
    const readFrom = this.#pair.readFrom();
    let merged: Map<number, Buffer | null>;
    try {
      merged = await this.#merge(readFrom, writes);
    } catch (error) {
      this.#pair.noteError(readFrom, error);
      return false;
    }
    switch (mode.kind) {
      case 'mirrored': {
        const frame = this.#frame(batch.seq, merged, objects);
        return this.#send(batch, [
          ['primary', frame],
          ['slave', frame],
        ]);
      }
      case 'single':
        return this.#send(batch, [[mode.on, this.#frame(batch.seq, merged, objects)]]);
      case 'alone':
        return this.#applyAlone(batch, mode.on, merged, objects);
      case 'repairing':
        return this.#applyRepairing(batch, mode, merged, copied, objects);
      default:
        return false;
    }
  }

  /** The final content of every changed block. Writes that change part of a block that nobody holds intact are refused. */
  async #merge(readFrom: PairMember, writes: readonly PendingWrite[]): Promise<Map<number, Buffer | null>> {
    const { corruption, context } = this.#pair;
    const needed = blocksToMerge(writes);
    if (needed.length === 0) return mergeChanges(writes, new Map(), context.layout.blockSizeBytes);
    const { found, corrupt } = await corruption.read(readFrom, needed);
    if (corrupt.length === 0) return mergeChanges(writes, found, context.layout.blockSizeBytes);
    const isRefused = ({ changes }: PendingWrite): boolean =>
      changes.some(({ block, part }) => part !== undefined && corrupt.includes(block));
    for (const write of writes) if (isRefused(write)) write.reject(corruption.error(corrupt));
    // Again: a refused write may have had whole blocks that later ones changed in part.
    return this.#merge(
      readFrom,
      writes.filter((write) => !isRefused(write)),
    );
  }

  /** The copies of the batch that count now; those of a preparation that has ended are told so. */
  #counted(batch: Batch, mode: PairMode): PendingCopied[] {
    const counted: PendingCopied[] = [];
    for (const entry of batch.pending) {
      if (entry.kind !== 'copied') continue;
      if (mode.kind === 'repairing' && this.#pair.member(mode.to).preparation === entry.preparation)
        counted.push(entry);
      else entry.reject(new Error(`the repair was interrupted: ${mode.reason}`));
    }
    return counted;
  }

  /** Dirty marks first, then the sequence, then the data, in one transaction on the survivor. */
  async #applyAlone(
    batch: Batch,
    on: MemberName,
    merged: ReadonlyMap<number, Buffer | null>,
    objects: readonly StoredObject[],
  ): Promise<boolean> {
    const member = this.#pair.member(on);
    try {
      const { head } = await member.open();
      const frame = new Frame();
      const { vdisk, shards, layout } = this.#pair.context;
      addMark(
        frame,
        vdisk,
        [...merged.keys()].map((block) => layout.bitOf(block, shards)),
        1,
      );
      const fork = head.fork ?? head.seq;
      addAdvanceAlone(frame, vdisk, batch.seq, fork);
      if (merged.size > 0) layout.addStore(frame, merged);
      addObjects(frame, objects);
      await member.transact(frame, { ...head, seq: batch.seq, fork });
      return true;
    } catch (error) {
      this.#pair.noteError(member, error);
      return false;
    }
  }

  #applyRepairing(
    batch: Batch,
    mode: { from: MemberName; to: MemberName },
    merged: ReadonlyMap<number, Buffer | null>,
    copied: readonly PendingCopied[],
    objects: readonly StoredObject[],
  ): Promise<boolean> {
    const { vdisk, layout } = this.#pair.context;
    // Both ring entries name every copied block, those that were equal too: a target that loses this batch and the copies
    // before it finds them in the survivor's ring.
    const touched = new Set([...merged.keys(), ...copied.flatMap(({ blocks }) => blocks)]);
    const toSource = new Frame();
    // The bits go in the very step that gives this batch its ring entry.
    addMark(
      toSource,
      vdisk,
      copied.flatMap(({ bits }) => bits),
      0,
    );
    addAdvance(toSource, vdisk, batch.seq, touched);
    if (merged.size > 0) layout.addStore(toSource, merged);
    if (objects.length > 0) addNotedObjects(toSource, vdisk, batch.seq, objects);
    const toTarget = new Frame();
    addAdvance(toTarget, vdisk, batch.seq, touched);
    if (merged.size > 0) layout.addStore(toTarget, merged, true);
    if (objects.length > 0) addNotedObjects(toTarget, vdisk, batch.seq, objects);
    return this.#send(batch, [
      [mode.from, toSource],
      [mode.to, toTarget],
    ]);
  }

  #frame(
    seq: number,
    blocks: ReadonlyMap<number, Buffer | null>,
    objects: readonly StoredObject[],
    isCopy = false,
  ): Frame {
    const frame = new Frame();
    const { vdisk, layout } = this.#pair.context;
    addAdvance(frame, vdisk, seq, blocks.keys());
    if (blocks.size > 0) layout.addStore(frame, blocks, isCopy);
    if (objects.length > 0) addNotedObjects(frame, vdisk, seq, objects);
    return frame;
  }

  /** Sends each member its frame unless it has applied this batch already. False when one failed. */
  async #send(batch: Batch, parts: readonly (readonly [MemberName, Frame])[]): Promise<boolean> {
    // All of them, whatever the first one meets: nothing of this batch is still under way when it is given up.
    const results = await Promise.allSettled(
      parts.map(async ([name, frame]) => {
        const member = this.#pair.member(name);
        try {
          const { head } = await member.open();
          // The engine's own number counts, as of its last connection: it may have lost what it applied before.
          if (head.seq !== batch.seq) await member.transact(frame, { ...head, seq: batch.seq });
          return true;
        } catch (error) {
          this.#pair.noteError(member, error);
          return false;
        }
      }),
    );
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    return results.every((result) => result.status === 'fulfilled' && result.value);
  }
}
