/** A record that is in the index of a log and whose bytes cannot be read. */
export interface DamagedRecord {
  readonly sequence: number;
  readonly block: number;
  /** The pass of the replay that met it; later ones go on without it. */
  readonly pass: number;
}

export interface ReplayCounts {
  /** Blocks whose content was written. */
  readonly blocksWritten: number;
  /** Blocks that were stored and are zeros now. */
  readonly blocksDeleted: number;
  /** Blocks that already held what they are to hold. */
  readonly blocksEqual: number;
  readonly blocksVerified: number;
  /** Bytes of records that were asked for. */
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

export const NOTHING_DONE: ReplayCounts = {
  blocksWritten: 0,
  blocksDeleted: 0,
  blocksEqual: 0,
  blocksVerified: 0,
  bytesRead: 0,
  bytesWritten: 0,
};

/**
 * How far a replay is; plain JSON. Another process goes on from it: it walks the index anew, and begins to read where this
 * one ended, provided that it finds the same blocks named up to there.
 */
export interface ReplayCheckpoint {
  readonly phase: 'restore' | 'zeros' | 'verify' | 'done';
  readonly upTo: number;
  /** 1, and one more each time that records were found unreadable whose blocks then got older content. */
  readonly pass: number;
  /** All records from this sequence on up to `upTo` were dealt with in this phase and pass. */
  readonly below: number;
  /** How many blocks these name, and a digest of which. */
  readonly restored: number;
  readonly digest: number;
  readonly damaged: readonly DamagedRecord[];
  readonly counts: ReplayCounts;
}

export function replayBegins(upTo: number): ReplayCheckpoint {
  return {
    ...{ phase: 'restore', upTo, pass: 1, below: upTo + 1, restored: 0, digest: 0 },
    ...{ damaged: [], counts: NOTHING_DONE },
  };
}

export interface ReplayProgress extends ReplayCounts {
  readonly phase: ReplayCheckpoint['phase'];
  readonly blocksWanted: number;
  /** Of those wanted, the ones whose content is known in this pass. */
  readonly blocksKnown: number;
  /** 0 to 1 of the present phase. */
  readonly share: number;
  /** Of content written, or verified, since this run began. */
  readonly bytesPerSecond: number;
  /** Of the present phase; null while it cannot be told. */
  readonly leftMs: number | null;
}

/** How far a walk is that covers blocks and comes nearer to the base: it is over when either has come to its end. */
export function shareOf(walk: {
  readonly left: number;
  readonly restored: { readonly count: number };
  readonly reached: number;
  readonly upTo: number;
  readonly base: number | null;
}): number {
  const blocks = walk.restored.count + walk.left;
  const byBlocks = blocks === 0 ? 1 : walk.restored.count / blocks;
  const records = walk.base === null ? 0 : walk.upTo + 1 - walk.base;
  const byRecords = walk.base === null ? 0 : records === 0 ? 1 : (walk.upTo + 1 - walk.reached) / records;
  return Math.min(1, Math.max(byBlocks, byRecords));
}
