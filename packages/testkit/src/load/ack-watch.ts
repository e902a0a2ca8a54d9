/** One acknowledged write; times are `performance.now()` milliseconds. */
export interface Ack {
  block: number;
  submittedAt: number;
  ackedAt: number;
}

interface Watcher {
  matches(ack: Ack): boolean;
  resolve(ack: Ack): void;
}

const KEPT_ACKS = 65_536;

/** Finds the first acknowledgement that fits, among the recent ones or those to come. */
export class AckWatch {
  readonly #recent: Ack[] = [];
  readonly #watchers = new Set<Watcher>();
  #next = 0;

  add(ack: Ack): void {
    this.#recent[this.#next] = ack;
    this.#next = (this.#next + 1) % KEPT_ACKS;
    for (const watcher of this.#watchers) {
      if (!watcher.matches(ack)) continue;
      this.#watchers.delete(watcher);
      watcher.resolve(ack);
    }
  }

  first(matches: (ack: Ack) => boolean): { ack: Promise<Ack>; forget: () => void } {
    let earliest: Ack | null = null;
    for (const ack of this.#recent) {
      if (matches(ack) && (earliest === null || ack.ackedAt < earliest.ackedAt)) earliest = ack;
    }
    if (earliest !== null) return { ack: Promise.resolve(earliest), forget: () => undefined };
    let watcher: Watcher | null = null;
    const ack = new Promise<Ack>((resolve) => {
      watcher = { matches, resolve };
      this.#watchers.add(watcher);
    });
    return {
      ack,
      forget: () => {
        if (watcher !== null) this.#watchers.delete(watcher);
      },
    };
  }
}
