/** What was read and written of one block, judged as it comes: is there an order of the operations that explains it? */

interface Known {
  readonly value: number;
  /** When the first operation with it ended, and the last one began, as places in the order of the run. */
  firstEnd: number;
  lastBegin: number;
}

/**
 * A register with values that are written once. Two values contradict each other when each has an operation that ended
 * before one of the other began (Gibbons and Korach).
 */
export class Register {
  readonly #known: Known[] = [{ value: 0, firstEnd: 0, lastBegin: 0 }];

  began(value: number, at: number): void {
    this.#known.push({ value, firstEnd: Number.POSITIVE_INFINITY, lastBegin: at });
  }

  /** A write was acknowledged; the sentence is what is wrong, null when nothing is. */
  wrote(value: number, at: number): string | null {
    const known = this.#find(value);
    if (known === undefined) return `${value} was acknowledged, but nobody wrote it`;
    known.firstEnd = Math.min(known.firstEnd, at);
    return this.#judge(known);
  }

  read(value: number, beganAt: number, at: number): string | null {
    const known = this.#find(value);
    if (known === undefined) return `${value} was read, but nobody wrote it there`;
    known.lastBegin = Math.max(known.lastBegin, beganAt);
    known.firstEnd = Math.min(known.firstEnd, at);
    return this.#judge(known);
  }

  #find(value: number): Known | undefined {
    return this.#known.find((known) => known.value === value);
  }

  #judge(known: Known): string | null {
    for (const other of this.#known) {
      if (other === known || !(known.firstEnd < other.lastBegin && other.firstEnd < known.lastBegin))
        continue;
      return `${known.value} and ${other.value} were each read or written after the other: no order explains that`;
    }
    return null;
  }
}
