/** How many repairs of this process go on at once; the others wait in the order in which they came. */
export class RepairTurns {
  readonly #most: number;
  readonly #waiting: (() => void)[] = [];
  #taken = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Resolves when it is one's turn, with what ends the turn. */
  async take(): Promise<() => void> {
    if (this.#taken < this.#most) this.#taken++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      const next = this.#waiting.shift();
      // The turn goes from hand to hand: nobody who comes now is faster than who waits.
      if (next === undefined) this.#taken--;
      else next();
    };
  }

  /** Repairs that go on, and repairs that wait. */
  get counts(): { readonly underWay: number; readonly waiting: number } {
    return { underWay: this.#taken, waiting: this.#waiting.length };
  }
}
