/** A step that takes longer waits for something else than the engines' time: the next one need not wait for it. */
const TURN_MAX_MS = 250;
/** Where the machine itself is slow, longer rests would help no client, and keep the repair from ending. */
const REST_MAX_MS = 25;

/**
 * Steps of copies while clients are at work: one at a time over all vdisks of a process, each followed by a rest, however
 * many copies are under way. Clients notice what all of them take together.
 */
export class PoliteTurns {
  #free: Promise<void> = Promise.resolve();

  /** Resolves when it is one's turn, in the order of asking, with what ends the turn after a rest. */
  async take(): Promise<(restMs: number) => void> {
    const before = this.#free;
    let free = (): void => {};
    this.#free = new Promise((resolve) => {
      free = resolve;
    });
    await before;
    const tooLong = setTimeout(free, TURN_MAX_MS);
    return (restMs) => {
      clearTimeout(tooLong);
      if (restMs > 0) setTimeout(free, Math.min(restMs, REST_MAX_MS));
      else free();
    };
  }
}

export const politeTurns = new PoliteTurns();
