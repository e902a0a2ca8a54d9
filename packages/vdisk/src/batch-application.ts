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
import { type BatchContent, decideBatchParts, type MemberPart } from './batch-plan.ts';
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
  /** What they hold once it is applied, null = zeros; null until that is known. */
  content: ReadonlyMap<number, Buffer | null> | null;
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
    batch.content = merged;
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
    batch.content = merged;
    if (mode.kind === 'alone') return this.#applyAlone(batch, mode, merged, objects);
    const parts = decideBatchParts(mode, contentOf(merged, copied), { seq: batch.seq, fork: null });
    const [first] = parts;
    if (first === undefined) return false;
    // Members that get the same get the same bytes.
    const shared = mode.kind === 'mirrored' ? this.#frame(batch.seq, first, merged, objects) : null;
    const frameOf = (part: MemberPart): Frame => shared ?? this.#frame(batch.seq, part, merged, objects);
    return this.#send(
      batch,
      parts.map((part) => [part.on, frameOf(part)]),
    );
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

  /** What the survivor serves alone builds on its own place in the write history, as it is on the open link. */
  async #applyAlone(
    batch: Batch,
    mode: PairMode & { kind: 'alone' },
    merged: ReadonlyMap<number, Buffer | null>,
    objects: readonly StoredObject[],
  ): Promise<boolean> {
    const member = this.#pair.member(mode.on);
    try {
      const { head } = await member.open();
      for (const part of decideBatchParts(mode, contentOf(merged, []), head)) {
        const frame = this.#frame(batch.seq, part, merged, objects);
        await member.transact(frame, { ...head, seq: batch.seq, fork: part.fork });
      }
      return true;
    } catch (error) {
      this.#pair.noteError(member, error);
      return false;
    }
  }

  /** Dirty marks first, then the sequence, then the data, in one transaction. */
  #frame(
    seq: number,
    { fork, marksBlocks, clears, ring, replaces }: MemberPart,
    blocks: ReadonlyMap<number, Buffer | null>,
    objects: readonly StoredObject[],
  ): Frame {
    const frame = new Frame();
    const { vdisk, shards, layout } = this.#pair.context;
    if (marksBlocks)
      addMark(
        frame,
        vdisk,
        [...blocks.keys()].map((block) => layout.bitOf(block, shards)),
        1,
      );
    addMark(frame, vdisk, clears, 0);
    if (ring !== null) addAdvance(frame, vdisk, seq, ring);
    else addAdvanceAlone(frame, vdisk, seq, fork ?? seq);
    if (blocks.size > 0) layout.addStore(frame, blocks, replaces);
    if (objects.length === 0) return frame;
    if (ring !== null) addNotedObjects(frame, vdisk, seq, objects);
    else addObjects(frame, objects);
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

function contentOf(
  merged: ReadonlyMap<number, Buffer | null>,
  copied: readonly PendingCopied[],
): BatchContent {
  return {
    blocks: [...merged.keys()],
    copiedBlocks: copied.flatMap(({ blocks }) => blocks),
    copiedBits: copied.flatMap(({ bits }) => bits),
  };
}
