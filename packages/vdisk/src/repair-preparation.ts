import type { CopyHow } from './copy/copy-messages.ts';
import type { WriteHead } from './write-history.ts';

export interface RepairPreparation {
  /** Whether every block of the shard is marked: the maps do not tell what the target lacks. */
  readonly marksAll: boolean;
  readonly how: CopyHow;
  /** The heads that make the law of the write history hold, to be stored in this order. */
  readonly survivorHead: WriteHead;
  readonly targetHead: WriteHead;
}

/**
 * How a survivor and the member it repairs are brought to one batch, once everything the target lacks is marked.
 *
 * They go on from the higher number of the two: the target may hold a batch that no owner finished, and a new owner, who goes
 * by the survivor, knows nothing of that number. A batch of its own under it would be a second content for one number, and a
 * target that falls back to before this repair would look as if it had that one.
 *
 * The survivor's head is stored first: if the owner dies in between, the target's old number is still covered by `gapFloor`
 * and the map.
 */
export function decidePreparation(
  survivor: WriteHead,
  target: WriteHead,
  { isMapped, isSpare }: { readonly isMapped: boolean; readonly isSpare: boolean },
): RepairPreparation {
  const seq = Math.max(survivor.seq, target.seq);
  return {
    marksAll: !isMapped,
    how: isMapped ? 'all' : target.blank !== true ? 'differing' : isSpare ? 'stored' : 'all',
    survivorHead: { seq, fork: null, ringFloor: seq, gapFloor: target.seq },
    targetHead: { seq, fork: null, ringFloor: seq, gapFloor: seq },
  };
}
