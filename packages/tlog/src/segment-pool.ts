import { OpenSegment } from './open-segment.ts';

/** 32 MiB: what some dozens of vdisks that are written at once use in turn. */
const SPARE_SEGMENTS_MAX = 64;

/**
 * Emptied segments of all logs that a process writes: a log that is idle holds none. Who gives one back has no message any more
 * that is made of it, sent or not.
 */
export class SegmentPool {
  readonly #spare: OpenSegment[] = [];
  readonly #spareMax: number;

  constructor(spareMax: number = SPARE_SEGMENTS_MAX) {
    this.#spareMax = spareMax;
  }

  /** Segments that wait to be used again. */
  get spare(): number {
    return this.#spare.length;
  }

  /** An empty one for a vdisk on so many shards; its first record, if there will be one, has the sequence `first`. */
  take(shards: number, first: number): OpenSegment {
    const segment = this.#spare.pop() ?? new OpenSegment();
    segment.reset(shards, first);
    return segment;
  }

  give(segment: OpenSegment): void {
    if (this.#spare.length < this.#spareMax) this.#spare.push(segment);
  }
}

/** That of this process. */
export const sharedSegments: SegmentPool = new SegmentPool();
