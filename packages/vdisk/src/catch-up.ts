import { RING_SLOTS, type WriteHead } from './write-history.ts';

/** Where the blocks that a returning member lacks can be read from. Ranges are of batch numbers: above `after`, up to `upTo`. */
export type CatchUp =
  | {
      readonly kind: 'maps';
      readonly survivorRing: Range | null;
      readonly returningRing: Range | null;
      readonly reason: string;
    }
  | { readonly kind: 'everything'; readonly reason: string };

export interface Range {
  readonly after: number;
  readonly upTo: number;
}

/**
 * What a member that comes back lacks, beyond the survivor's dirty map.
 *
 * The survivor's dirty map holds every block written while it served alone. The rings add the rest: batches meant for both
 * that the returning member does not have (it lost its tail), and a batch that only it applied and that was never
 * acknowledged. When a ring does not reach that far, every block of the shard has to be compared.
 */
export function decideCatchUp(survivor: WriteHead, returning: WriteHead, isSpare: boolean): CatchUp {
  // The rings tell what was written through Salvor; blocks that were there before, an empty spare lacks all the same.
  if (isSpare && returning.blank === true) return everything('it is an empty spare');
  if (returning.fork !== null) return everything(`it once served alone, from batch ${returning.fork} on`);
  const fork = survivor.fork ?? survivor.seq;
  const common = Math.min(returning.seq, fork);
  const returningRing = returning.seq > fork ? { after: fork, upTo: returning.seq } : null;
  if (returningRing !== null && returning.ringFloor > fork) {
    return everything(
      `it is at batch ${returning.seq}, beyond the fork at ${fork}, and its ring starts at ${returning.ringFloor}`,
    );
  }
  if (returningRing !== null && tooLong(returningRing))
    return everything('its own batches past the fork exceed its ring');
  const after =
    common >= survivor.ringFloor ? common : common >= survivor.gapFloor ? survivor.ringFloor : null;
  if (after === null) {
    return everything(
      `it is at batch ${returning.seq}, and the survivor's ring starts at ${survivor.ringFloor}`,
    );
  }
  const survivorRing = after < fork ? { after, upTo: fork } : null;
  if (survivorRing !== null && tooLong(survivorRing)) {
    return everything(`it lacks ${fork - after} batches, more than the ring of ${RING_SLOTS} holds`);
  }
  const missing = fork - common;
  const tail =
    missing > 0
      ? `it lacks the last ${missing} batches before the fork at ${fork}`
      : `it has every batch up to the fork at ${fork}`;
  return { kind: 'maps', survivorRing, returningRing, reason: tail };
}

function everything(why: string): CatchUp {
  return { kind: 'everything', reason: `every block is compared: ${why}` };
}

function tooLong(range: Range): boolean {
  return range.upTo - range.after > RING_SLOTS;
}
