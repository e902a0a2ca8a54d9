import { type ChildProcess, fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { RangeResult, SeedRange } from './seed-range.ts';

/** Processes that run ranges of seeds, one for each core. */
export class Fleet implements Disposable {
  readonly #workers: readonly ChildProcess[];

  constructor(size: number = availableParallelism()) {
    this.#workers = Array.from({ length: size }, () =>
      fork(join(import.meta.dirname, 'worker.ts'), { execArgv: ['--import', 'tsx'] }),
    );
  }

  /** Runs all ranges, in order as workers are free; `told` may end it early by answering false. */
  async run(
    ranges: Iterable<SeedRange>,
    told: (range: SeedRange, result: RangeResult) => boolean,
  ): Promise<void> {
    const left = ranges[Symbol.iterator]();
    let isOver = false;
    await Promise.all(
      this.#workers.map(async (worker) => {
        while (!isOver) {
          const { value: range, done } = left.next();
          if (done === true) return;
          const result = await answerOf(worker, range);
          // Those that were under way are told too: of several finds, the first seed counts.
          if (!told(range, result)) isOver = true;
        }
      }),
    );
  }

  [Symbol.dispose](): void {
    for (const worker of this.#workers) worker.kill();
  }
}

function answerOf(worker: ChildProcess, range: SeedRange): Promise<RangeResult> {
  return new Promise((resolve, reject) => {
    const end = (code: number | null): void => reject(new Error(`a simulation worker exited with ${code}`));
    worker.once('exit', end);
    worker.once('message', (result) => {
      worker.off('exit', end);
      resolve(result as RangeResult);
    });
    worker.send(range);
  });
}
