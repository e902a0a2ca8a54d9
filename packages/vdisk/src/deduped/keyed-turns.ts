/** Lets work on the same number run one after another, in the order it was asked for; work on others runs beside it. */
export class KeyedTurns {
  readonly #last = new Map<number, Promise<void>>();

  /** Runs `work` when everything asked for before under the same number has ended, well or not. */
  async run(key: number, work: () => Promise<void>): Promise<void> {
    const before = this.#last.get(key);
    const mine = before === undefined ? work() : before.then(work, work);
    const ended = mine.catch(() => undefined); // the caller is told, who comes next is not concerned
    this.#last.set(key, ended);
    try {
      await mine;
    } finally {
      if (this.#last.get(key) === ended) this.#last.delete(key);
    }
  }
}
