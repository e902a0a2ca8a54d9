import { FileTail } from './file-tail.ts';
import { LogReader } from './log-reader.ts';
import { PositionFile } from './position-file.ts';
import { RepeatFilter } from './repeat-filter.ts';
import type { LogSource, SourceTally } from './source.ts';
import type { FileSpec } from './source-spec.ts';
import type { SourceContext } from './spawn-source.ts';

/** A log file that somebody else writes, and rotates. */
export class FileSource implements LogSource {
  readonly #name: string;
  readonly #tail: FileTail;
  readonly #tally: SourceTally = { linesRead: 0, linesRejected: 0 };

  constructor(
    { name, path, from }: FileSpec,
    { stateDir, publisher, repeatWindowMs, log: rootLog }: SourceContext,
  ) {
    const log = rootLog.child({ source: name });
    this.#name = name;
    this.#tail = new FileTail({
      id: name,
      path,
      from,
      positions: new PositionFile(stateDir.position(name), log),
      reader: new LogReader({
        source: name,
        dialect: 'all',
        repeats: new RepeatFilter(repeatWindowMs),
        tally: this.#tally,
        log,
      }),
      publisher,
      log,
    });
  }

  start(): void {
    this.#tail.start();
  }

  describe(): ReturnType<LogSource['describe']> {
    return { source: this.#name, kind: 'file', position: this.#tail.position, ...this.#tally };
  }

  get unacknowledged(): number {
    return this.#tail.unacknowledged;
  }

  async stopChild(): Promise<void> {}

  stop(drainMs: number): Promise<void> {
    return this.#tail.stop(drainMs);
  }
}
