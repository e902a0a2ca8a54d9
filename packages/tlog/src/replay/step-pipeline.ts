import type { ReplaySeat } from './replay-window.ts';

/** Steps of one replay that are on their way at once. */
const STEPS_IN_FLIGHT = 6;

/** A place in the walk: records from `below` on name `restored` blocks, with this digest. */
export interface WalkMark {
  readonly below: number;
  readonly restored: number;
  readonly digest: number;
}

interface Entry {
  readonly mark: WalkMark;
  isDone: boolean;
}

/** Runs steps of a replay several at once, and tells up to where all of them are done. */
export class StepPipeline {
  readonly #seat: ReplaySeat;
  readonly #signal: AbortSignal;
  readonly #reached: (mark: WalkMark) => void;
  readonly #entries: Entry[] = [];
  readonly #underWay = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | null = null;

  constructor(seat: ReplaySeat, signal: AbortSignal, reached: (mark: WalkMark) => void) {
    this.#seat = seat;
    this.#signal = signal;
    this.#reached = reached;
  }

  /** Begins a step when there is room for it. After it and all before it `mark` is reached. Rejects when a step failed. */
  async add(bytes: number, mark: WalkMark, work: () => Promise<void>): Promise<void> {
    while (this.#underWay.size >= STEPS_IN_FLIGHT) await Promise.race(this.#underWay);
    if (this.#failure !== null) throw this.#failure.error;
    await this.#seat.take(bytes, this.#signal);
    const entry: Entry = { mark, isDone: false };
    this.#entries.push(entry);
    const step = work()
      .then(() => this.#done(entry))
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => {
        this.#underWay.delete(step);
        this.#seat.give(bytes);
      });
    this.#underWay.add(step);
  }

  /** Waits until nothing is under way. Rejects when a step failed. */
  async drain(): Promise<void> {
    await this.settle();
    if (this.#failure !== null) throw this.#failure.error;
  }

  async settle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  #done(entry: Entry): void {
    entry.isDone = true;
    for (;;) {
      const [first] = this.#entries;
      if (first === undefined || !first.isDone) return;
      this.#entries.shift();
      this.#reached(first.mark);
    }
  }
}
