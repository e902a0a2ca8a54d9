import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import { type Logger, messageOf } from '@salvor/service-kit';
import { Deliveries, MAX_UNACKNOWLEDGED } from './deliveries.ts';
import { LineSplitter } from './line-splitter.ts';
import { LogReader } from './log-reader.ts';
import { RepeatFilter } from './repeat-filter.ts';
import type { LogSource, SourceTally } from './source.ts';
import type { StdinSpec } from './source-spec.ts';
import type { SourceContext } from './spawn-source.ts';

/** Lines from a pipe. There is nothing to go back to, so no position is saved; a full window holds the writer up. */
export class StdinSource implements LogSource {
  readonly #name: string;
  readonly #input: Readable;
  readonly #reader: LogReader;
  readonly #deliveries: Deliveries;
  readonly #log: Logger;
  readonly #abort = new AbortController();
  readonly #splitter = new LineSplitter(0);
  readonly #run: string = randomUUID();
  readonly #tally: SourceTally = { linesRead: 0, linesRejected: 0 };

  constructor({ name }: StdinSpec, { publisher, repeatWindowMs, log }: SourceContext, input: Readable) {
    this.#name = name;
    this.#input = input;
    this.#log = log.child({ source: name });
    this.#deliveries = new Deliveries(publisher, 0, () => {});
    this.#reader = new LogReader({
      source: name,
      dialect: 'all',
      repeats: new RepeatFilter(repeatWindowMs),
      tally: this.#tally,
      log: this.#log,
    });
  }

  start(): void {
    this.#follow().catch((error: unknown) => {
      if (!this.#abort.signal.aborted)
        this.#log.error({ error: messageOf(error) }, 'stdin cannot be read any more');
    });
  }

  describe(): ReturnType<LogSource['describe']> {
    const { doneTo } = this.#deliveries;
    return {
      source: this.#name,
      kind: 'stdin',
      position: doneTo === 0 ? '' : String(doneTo),
      ...this.#tally,
    };
  }

  get unacknowledged(): number {
    return this.#deliveries.unacknowledged;
  }

  async stopChild(): Promise<void> {}

  async stop(drainMs: number): Promise<void> {
    this.#abort.abort();
    this.#input.destroy();
    await this.#deliveries.atMost(0, AbortSignal.timeout(drainMs));
  }

  async #follow(): Promise<void> {
    for await (const chunk of this.#input) {
      for (const line of this.#splitter.push(Buffer.from(chunk))) {
        this.#deliveries.add(this.#reader.read(line), (index) => this.#id(line.start, index), line.end);
        if (!(await this.#deliveries.atMost(MAX_UNACKNOWLEDGED, this.#abort.signal))) return;
      }
    }
    const rest = this.#splitter.rest();
    const { readTo } = this.#splitter;
    if (rest !== null)
      this.#deliveries.add(this.#reader.read(rest), (index) => this.#id(rest.start, index), null);
    this.#deliveries.add(this.#reader.end(), (index) => this.#id(readTo, index), readTo);
    this.#log.info({ bytes: readTo }, 'stdin ended');
  }

  #id(offset: number, index: number): string {
    return `${this.#name}:${this.#run}:${offset}.${index}`;
  }
}
