/**
 * Work that waits, as generators: what an `async` function would be, without promises, so that a run has no order but that
 * of its events. A flow whose process dies is simply never resumed.
 */

/** Begins something, and calls back once, at once or in a later event. */
export type Op<T> = (resume: (error: unknown, value: T) => void) => void;
export type Flow<T> = Generator<Op<unknown>, T, unknown>;

export function* wait<T>(op: Op<T>): Flow<T> {
  return (yield op as Op<unknown>) as T;
}

type Resume = (error: unknown, value: unknown) => void;

/** Runs a flow; `done` hears of its end. An error that nobody is told of ends the run: it is a fault of the simulator. */
export function start<T>(flow: Flow<T>, done?: (error: unknown, value: T | undefined) => void): void {
  new Running(flow, done).step(null, undefined);
}

class Running<T> {
  readonly #flow: Flow<T>;
  readonly #done: ((error: unknown, value: T | undefined) => void) | undefined;
  readonly #resume: Resume;

  constructor(flow: Flow<T>, done: ((error: unknown, value: T | undefined) => void) | undefined) {
    this.#flow = flow;
    this.#done = done;
    this.#resume = (error, value) => this.step(error, value);
  }

  step(error: unknown, value: unknown): void {
    const [flow, done] = [this.#flow, this.#done];
    let result: IteratorResult<Op<unknown>, T>;
    try {
      result = error === null ? flow.next(value) : flow.throw(error);
    } catch (thrown) {
      if (done === undefined) throw thrown;
      return done(thrown, undefined);
    }
    if (result.done === true) return done?.(null, result.value);
    result.value(this.#resume);
  }
}

export type Settled<T> =
  | { readonly error: null; readonly value: T }
  | { readonly error: unknown; readonly value: undefined };

/** All of them at once; ends when the last one has, whatever came of each. */
export function settled<T>(flows: readonly Flow<T>[]): Op<Settled<T>[]> {
  return (resume) => {
    const results: Settled<T>[] = new Array(flows.length);
    let left = flows.length;
    if (left === 0) return resume(null, results);
    for (const [i, flow] of flows.entries()) {
      start(flow, (error, value) => {
        results[i] = error === null ? { error: null, value: value as T } : { error, value: undefined };
        if (--left === 0) resume(null, results);
      });
    }
  };
}
