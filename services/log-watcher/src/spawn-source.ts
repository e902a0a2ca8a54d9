import { fstatSync, truncateSync } from 'node:fs';
import { type Logger, messageOf } from '@salvor/service-kit';
import type { Publisher } from './announcement.ts';
import { JournalReader, writeToJournal } from './child-journal.ts';
import { ChildSupervisor } from './child-supervisor.ts';
import { FileTail, type LineReader } from './file-tail.ts';
import { LogReader } from './log-reader.ts';
import { PositionFile } from './position-file.ts';
import { RepeatFilter } from './repeat-filter.ts';
import type { LogSource, SourceTally } from './source.ts';
import type { SpawnSpec } from './source-spec.ts';
import type { StateDir } from './state-dir.ts';

export interface SourceContext {
  readonly stateDir: StateDir;
  readonly publisher: Publisher;
  readonly repeatWindowMs: number;
  readonly restartMaxMs: number;
  readonly maxSpoolBytes: number;
  readonly log: Logger;
}

/** A server that this service runs: its output goes to spool files, which are followed. */
export class SpawnSource implements LogSource {
  readonly #name: string;
  readonly #child: ChildSupervisor;
  readonly #stderr: FileTail;
  readonly #tails: readonly FileTail[];
  readonly #tally: SourceTally = { linesRead: 0, linesRejected: 0 };

  constructor(
    spec: SpawnSpec,
    { stateDir, publisher, repeatWindowMs, restartMaxMs, maxSpoolBytes, log: rootLog }: SourceContext,
  ) {
    const { name } = spec;
    const log = rootLog.child({ source: name });
    const journalPath = stateDir.spool(name, 'child');
    this.#name = name;
    this.#child = new ChildSupervisor({
      name,
      command: spec.command,
      env: spec.env,
      restart: spec.restart,
      restartMaxMs,
      recordPath: stateDir.child(name),
      stdoutPath: stateDir.spool(name, 'stdout'),
      stderrPath: stateDir.spool(name, 'stderr'),
      tell: (announcement) => {
        try {
          writeToJournal(journalPath, announcement);
        } catch (error) {
          log.error({ event: announcement, error: messageOf(error) }, 'event of the child is lost');
        }
      },
      log,
    });
    const tail = (stream: 'stdout' | 'stderr' | 'child', reader: LineReader): FileTail => {
      const path = stateDir.spool(name, stream);
      return new FileTail({
        id: `${name}.${stream}`,
        path,
        from: 'start',
        positions: new PositionFile(stateDir.position(`${name}.${stream}`), log),
        reader,
        publisher,
        log,
        bound: {
          maxBytes: maxSpoolBytes,
          truncate: (fd, sizeBytes) =>
            stream === 'child'
              ? emptyIfOfSize(path, fd, sizeBytes)
              : this.#child.whileSilent(() => emptyIfOfSize(path, fd, sizeBytes)),
        },
      });
    };
    const repeats = new RepeatFilter(repeatWindowMs);
    const reads = { source: name, repeats, tally: this.#tally, log };
    this.#stderr = tail('stderr', new LogReader({ ...reads, dialect: 'all' }));
    this.#tails = [
      this.#stderr,
      tail('stdout', new LogReader({ ...reads, dialect: 'zero-log' })),
      tail('child', new JournalReader()),
    ];
  }

  start(): void {
    this.#child.start();
    for (const tail of this.#tails) tail.start();
  }

  describe(): ReturnType<LogSource['describe']> {
    return {
      source: this.#name,
      kind: 'spawn',
      position: this.#stderr.position,
      ...this.#tally,
      child: { pid: this.#child.pid, restarts: this.#child.restarts },
    };
  }

  get unacknowledged(): number {
    return this.#tails.reduce((sum, tail) => sum + tail.unacknowledged, 0);
  }

  stopChild(timeoutMs: number): Promise<void> {
    return this.#child.stop(timeoutMs);
  }

  async stop(drainMs: number): Promise<void> {
    this.#child.leave();
    await Promise.all(this.#tails.map((tail) => tail.stop(drainMs)));
  }
}

/** Its writers append, so they go on at the beginning. */
function emptyIfOfSize(path: string, fd: number, sizeBytes: number): boolean {
  if (fstatSync(fd).size !== sizeBytes) return false;
  truncateSync(path, 0);
  return true;
}
