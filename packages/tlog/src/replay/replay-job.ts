import type { LogSource } from '../log-source.ts';
import type { DamagedRecord, ReplayCheckpoint, ReplayCounts, ReplayProgress } from './replay-state.ts';
import { NOTHING_DONE, shareOf } from './replay-state.ts';
import type { ReplayWalk } from './replay-walk.ts';
import type { ReplaySeat } from './replay-window.ts';
import type { RestoreTarget } from './restore-target.ts';
import type { WalkMark } from './step-pipeline.ts';
import type { WantedBlocks } from './wanted-blocks.ts';

/** How often a replay stores how far it is, at most. */
const CHECKPOINT_EVERY_MS = 1_000;

export interface ReplayOptions {
  /** Named in errors. */
  readonly vdisk: string;
  readonly source: LogSource;
  readonly target: RestoreTarget;
  readonly wanted: WantedBlocks;
  /** State after this sequence; see findPoint. */
  readonly upTo: number;
  /**
   * Goes on below a gap, and below records that cannot be read: blocks that no newer record names get the newest content
   * that there is, and are listed as unproven.
   */
  readonly acceptLoss?: boolean;
  /** Reads what the target holds first, and writes only what differs. */
  readonly onlyDiffering?: boolean;
  readonly signal: AbortSignal;
  /** Where an earlier run ended; it was for the same blocks and the same sequence. */
  readonly from?: ReplayCheckpoint | null;
  /** Stores how far it is; the replay waits for it now and then. */
  readonly checkpoint?: (state: ReplayCheckpoint) => Promise<void>;
  /** How often at most. Default: a second. */
  readonly checkpointEveryMs?: number;
  readonly progress?: (progress: ReplayProgress) => void;
}

/** What the passes of one replay share. */
export class ReplayJob {
  readonly options: ReplayOptions;
  readonly seat: ReplaySeat;
  readonly damaged: DamagedRecord[];
  readonly #startedAt = performance.now();
  #phaseAt = performance.now();
  #phase: ReplayCheckpoint['phase'];
  #pass: number;
  #mark: WalkMark;
  #counts: { -readonly [count in keyof ReplayCounts]: number };
  readonly #countsBefore: ReplayCounts;
  #storedAt = performance.now();
  #storing: Promise<void> | null = null;
  #phaseShare = 0;

  constructor(options: ReplayOptions, seat: ReplaySeat, from: ReplayCheckpoint) {
    this.options = options;
    this.seat = seat;
    this.damaged = [...from.damaged];
    this.#phase = from.phase;
    this.#pass = from.pass;
    this.#mark = { below: from.below, restored: from.restored, digest: from.digest };
    this.#countsBefore = from.counts;
    this.#counts = { ...from.counts };
  }

  get phase(): ReplayCheckpoint['phase'] {
    return this.#phase;
  }

  get pass(): number {
    return this.#pass;
  }

  /** Up to where this phase and pass are done. */
  get mark(): WalkMark {
    return this.#mark;
  }

  get counts(): ReplayCounts {
    return this.#counts;
  }

  count(more: Partial<ReplayCounts>): void {
    for (const name of COUNTS) this.#counts[name] += more[name] ?? 0;
  }

  async begin(phase: ReplayCheckpoint['phase'], pass = this.#pass): Promise<void> {
    this.#phase = phase;
    this.#pass = pass;
    this.#phaseAt = performance.now();
    this.#phaseShare = 0;
    this.startOver();
    await this.store();
  }

  /** The phase begins anew: the log names other blocks than it did. */
  startOver(): void {
    this.#mark = { below: this.options.upTo + 1, restored: 0, digest: 0 };
  }

  reached(mark: WalkMark): void {
    this.#mark = mark;
  }

  /** Tells how far it is, and stores it when it is time to. */
  async report(walk: ReplayWalk | null): Promise<void> {
    if (walk !== null) this.#tell(walk);
    const { checkpointEveryMs = CHECKPOINT_EVERY_MS } = this.options;
    if (performance.now() - this.#storedAt >= checkpointEveryMs) await this.store();
  }

  async store(): Promise<void> {
    const { checkpoint, upTo } = this.options;
    if (checkpoint === undefined) return;
    await this.#storing;
    this.#storedAt = performance.now();
    this.#storing = checkpoint({
      ...{ phase: this.#phase, upTo, pass: this.#pass, ...this.#mark },
      ...{ damaged: [...this.damaged], counts: { ...this.#counts } },
    }).finally(() => {
      this.#storing = null;
    });
    await this.#storing;
  }

  #tell(walk: ReplayWalk): void {
    const { progress, wanted } = this.options;
    if (progress === undefined) return;
    const share = shareOf(walk);
    // What an earlier run did takes no time now.
    if (this.#phaseShare === 0) this.#phaseShare = share;
    const now = performance.now();
    const gained = share - this.#phaseShare;
    const bytes = (of: ReplayCounts): number =>
      of.bytesWritten + of.blocksVerified * this.options.target.blockSize;
    progress({
      ...this.#counts,
      phase: this.#phase,
      blocksWanted: wanted.count,
      blocksKnown: walk.restored.count,
      share,
      bytesPerSecond: Math.round(
        ((bytes(this.#counts) - bytes(this.#countsBefore)) * 1e3) / Math.max(1, now - this.#startedAt),
      ),
      leftMs: gained > 0 ? Math.round(((now - this.#phaseAt) * (1 - share)) / gained) : null,
    });
  }
}

const COUNTS = Object.keys(NOTHING_DONE) as (keyof ReplayCounts)[];
