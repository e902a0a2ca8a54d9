import { type Bus, type BusSettings, busOptions, connectBus } from '@salvor/bus';
import { certificateMetadata, type Logger, type Metrics, messageOf, pause } from '@salvor/service-kit';
import type { LogSources } from './log-sources.ts';

/** A login that was refused is tried again: credentials may be put right, and the servers behind us must run on. */
const RECONNECT_MS = 5_000;

/** The bus of this service, and what it answers there. Servers are run and their lines read while there is no bus yet. */
export class BusPresence {
  readonly connecting: Promise<Bus>;
  readonly #log: Logger;
  readonly #metadata: Record<string, string>;
  readonly #abort = new AbortController();
  #bus: Bus | null = null;

  constructor(settings: BusSettings, log: Logger, metrics: Metrics) {
    this.#log = log;
    this.#metadata = certificateMetadata({ ...settings });
    this.connecting = this.#connect(settings, metrics);
    // Whoever waits for it is told; nobody may be waiting.
    this.connecting.catch(() => {});
  }

  /** Answers `source.list`; to `watcherId` alone as well, when it is not empty. */
  serve(sources: LogSources, watcherId: string): void {
    this.connecting
      .then((bus) =>
        bus.serve({
          name: 'log-watcher',
          version: '0.1.0',
          metadata: this.#metadata,
          description: 'Makes events of what NBD servers print, and keeps those servers running',
          ...(watcherId === '' ? {} : { instance: watcherId }),
          handlers: { 'source.list': async () => ({ sources: sources.describe() }) },
        }),
      )
      .catch((error: unknown) => {
        if (!this.#abort.signal.aborted)
          this.#log.error({ error: messageOf(error) }, 'sources are not listed on the bus');
      });
  }

  problem(): string | null {
    return this.#bus?.connected() === true ? null : 'not connected to NATS';
  }

  async close(): Promise<void> {
    this.#abort.abort();
    await this.#bus?.close({ deadlineMs: 2_000 });
  }

  async #connect(settings: BusSettings, metrics: Metrics): Promise<Bus> {
    const { signal } = this.#abort;
    for (;;) {
      try {
        this.#bus = await connectBus({
          ...busOptions(settings),
          name: 'log-watcher',
          log: this.#log,
          metrics,
          signal,
        });
        return this.#bus;
      } catch (error) {
        if (signal.aborted) throw error;
        this.#log.error({ error: messageOf(error) }, 'no connection to the bus, trying again');
        await pause(RECONNECT_MS, signal);
        if (signal.aborted) throw error;
      }
    }
  }
}
