import { UNREADABLE } from './layout/block-layout.ts';

/** A change to one block: whole when `at` is absent, else `data` goes to byte `at` of the block. Null data means zeros. */
export interface BlockChange {
  readonly block: number;
  readonly data: Buffer | null;
  /** Byte offset and length inside the block of a partial change. */
  readonly part?: { readonly at: number; readonly length: number };
}

/** What waits in the stream of a pair. */
export interface PendingWrite {
  readonly kind: 'write';
  /** It comes from who holds the locks. */
  readonly passesLocks?: boolean;
  /** It comes from another pair, which had it already. */
  readonly isBrought?: boolean;
  readonly changes: readonly BlockChange[];
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Blocks that the copy worker has brought to the member under repair: a batch without payload records them. */
export interface PendingCopied {
  readonly kind: 'copied';
  /** Bits of the dirty map to clear, and the blocks that they stand for. */
  readonly bits: readonly number[];
  readonly blocks: readonly number[];
  /** The preparation of the target under which they were copied; the copies of another one do not count. */
  readonly preparation: string;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** What is stored under a key of its own beside the blocks: never changed, so that storing it again changes nothing. */
export interface StoredObject {
  readonly key: Buffer;
  readonly value: Buffer;
}

export interface PendingObjects {
  readonly kind: 'objects';
  readonly objects: readonly StoredObject[];
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Work that must have the pair to itself, between two batches. */
export interface PendingExclusive {
  readonly kind: 'exclusive';
  readonly run: () => Promise<void>;
  readonly reject: (error: Error) => void;
}

export type Pending = PendingWrite | PendingCopied | PendingObjects | PendingExclusive;

/** Blocks in one transaction: bounds its size, the ring entry, and how long the engine is busy with it. */
export const BATCH_MAX_BLOCKS = 256;
export const BATCH_MAX_BYTES = 1 << 20;

/**
 * Takes from the front of `queue` what goes into the next batch, an exclusive one alone. A write that touches a locked
 * block stays where it is, and so do later ones that share a block with it; others pass. Nothing when all must wait.
 */
export function takeBatch(
  queue: Pending[],
  blockSizeBytes: number,
  isLocked: ((block: number) => boolean) | null = null,
): Pending[] {
  const most = Math.min(BATCH_MAX_BLOCKS, Math.max(1, Math.floor(BATCH_MAX_BYTES / blockSizeBytes)));
  const taken: Pending[] = [];
  const kept: Pending[] = [];
  const waiting = new Set<number>();
  let blocks = 0;
  let hasCopied = false;
  let at = 0;
  for (; at < queue.length; at++) {
    const pending = queue[at];
    if (pending === undefined) break;
    if (pending.kind === 'exclusive') {
      if (taken.length === 0) {
        taken.push(pending);
        at++;
      }
      break;
    }
    if (pending.kind === 'copied') {
      // It carries no payload, and one in a batch bounds the batch's ring entry.
      if (hasCopied) break;
      hasCopied = true;
      taken.push(pending);
      continue;
    }
    if (isLocked !== null && pending.kind === 'write' && pending.passesLocks !== true) {
      if (pending.changes.some(({ block }) => isLocked(block) || waiting.has(block))) {
        for (const { block } of pending.changes) waiting.add(block);
        kept.push(pending);
        continue;
      }
    }
    const size = sizeOf(pending, blockSizeBytes);
    if (taken.length > 0 && blocks + size > most) break;
    blocks += size;
    taken.push(pending);
  }
  queue.splice(0, at, ...kept);
  return taken;
}

export function objectsIn(pending: readonly Pending[]): StoredObject[] {
  return pending.flatMap((entry) => (entry.kind === 'objects' ? entry.objects : []));
}

/** How much of a batch it takes, in blocks. */
function sizeOf(pending: PendingWrite | PendingObjects, blockSizeBytes: number): number {
  switch (pending.kind) {
    case 'write':
      return pending.changes.length;
    case 'objects':
      return pending.objects.reduce((n, { value }) => n + Math.ceil(value.length / blockSizeBytes), 0);
  }
}

/** The blocks whose present content is needed before the changes can be merged: partial changes not preceded by a whole one. */
export function blocksToMerge(writes: readonly PendingWrite[]): number[] {
  const whole = new Set<number>();
  const needed = new Set<number>();
  for (const { changes } of writes) {
    for (const { block, part } of changes) {
      if (part === undefined) whole.add(block);
      else if (!whole.has(block)) needed.add(block);
    }
  }
  return [...needed];
}

/** The content of every changed block when all changes are of whole blocks, else null. Objects are not looked at. Later changes win; null = zeros. */
export function wholeBlocks(pending: readonly Pending[]): Map<number, Buffer | null> | null {
  const merged = new Map<number, Buffer | null>();
  for (const entry of pending) {
    if (entry.kind === 'objects') continue;
    if (entry.kind !== 'write') return null;
    for (const { block, data, part } of entry.changes) {
      if (part !== undefined) return null;
      merged.set(block, data !== null && isZero(data) ? null : data);
    }
  }
  return merged;
}

/** The final content of every changed block, in order of arrival; null = zeros. */
export function mergeChanges(
  writes: readonly PendingWrite[],
  present: ReadonlyMap<number, Buffer | null>,
  blockSizeBytes: number,
): Map<number, Buffer | null> {
  const merged = new Map<number, Buffer | null>();
  for (const { changes } of writes) {
    for (const { block, data, part } of changes) {
      if (part === undefined) {
        merged.set(block, data);
        continue;
      }
      const base = merged.has(block) ? merged.get(block) : present.get(block);
      const content = base == null ? Buffer.alloc(blockSizeBytes) : Buffer.from(base);
      if (data === null) content.fill(0, part.at, part.at + part.length);
      else data.copy(content, part.at, 0, part.length);
      merged.set(block, content);
    }
  }
  for (const [block, data] of merged) if (data !== null && isZero(data)) merged.set(block, null);
  return merged;
}

let zeros: Buffer = Buffer.alloc(4096);

/** Tells whether a block is all zeros, which one that nobody holds intact is not; most data is told by its first or middle bytes. */
export function isZero(data: Buffer): boolean {
  if (data.length === 0) return data !== UNREADABLE;
  if (data[0] !== 0 || data[data.length >> 1] !== 0 || data[data.length - 1] !== 0) return false;
  if (zeros.length < data.length) zeros = Buffer.alloc(data.length);
  return data.compare(zeros, 0, data.length) === 0;
}
