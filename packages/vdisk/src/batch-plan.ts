import type { MemberName, PairMode } from './pair-mode.ts';
import type { WriteHead } from './write-history.ts';

/** Changes of a pair that are to be applied together. */
export interface BatchContent {
  /** Blocks whose content changes. */
  readonly blocks: readonly number[];
  /** Blocks that the copier brought to the member under repair, and their bits of the dirty map. */
  readonly copiedBlocks: readonly number[];
  readonly copiedBits: readonly number[];
}

/** What goes with the blocks onto one member, in the same transaction. */
export interface MemberPart {
  readonly on: MemberName;
  /** Set while this member serves alone: the last batch that was meant for both. */
  readonly fork: number | null;
  /** Whether the bits of the changed blocks are set in its dirty map. */
  readonly marksBlocks: boolean;
  /** Bits that are cleared in its dirty map. */
  readonly clears: readonly number[];
  /** The blocks of its ring entry; null where the dirty map, not the ring, tells of them. */
  readonly ring: readonly number[] | null;
  /** The member may hold copies of the blocks in a form that is to be replaced whole. */
  readonly replaces: boolean;
}

/** Which members take a batch in a mode, and how. None: no batch is applied in that mode. */
export function decideBatchParts(
  mode: PairMode,
  { blocks, copiedBlocks, copiedBits }: BatchContent,
  headOfSurvivor: Pick<WriteHead, 'seq' | 'fork'>,
): MemberPart[] {
  const plain = { fork: null, marksBlocks: false, clears: [], ring: blocks, replaces: false };
  switch (mode.kind) {
    case 'mirrored':
      return [
        { ...plain, on: 'primary' },
        { ...plain, on: 'slave' },
      ];
    case 'single':
      return [{ ...plain, on: mode.on }];
    case 'alone': {
      const fork = headOfSurvivor.fork ?? headOfSurvivor.seq;
      return [{ ...plain, on: mode.on, fork, marksBlocks: true, ring: null }];
    }
    case 'repairing': {
      // Both ring entries name every copied block, those that were equal too: a target that loses this batch and the copies
      // before it finds them in the survivor's ring. The bits go in the very step that gives this batch its ring entry.
      const ring = copiedBlocks.length === 0 ? blocks : [...new Set([...blocks, ...copiedBlocks])];
      return [
        { ...plain, on: mode.from, clears: copiedBits, ring },
        { ...plain, on: mode.to, ring, replaces: true },
      ];
    }
    case 'holding':
    case 'unavailable':
    case 'rip':
      return [];
  }
}
