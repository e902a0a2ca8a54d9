import { type Bus, BusError } from '@salvor/bus';
import { InvalidIdError, ValidationError } from '@salvor/contracts';
import { codeOf, type HistogramMetric, type Logger, messageOf, pause } from '@salvor/service-kit';
import type { Announcement, Publisher } from './announcement.ts';

const RETRY_BACKOFF_MS = [100, 250, 1_000, 5_000] as const;

/** Publishes until the bus has stored it, or this service ends. */
export class BusPublisher implements Publisher {
  readonly #connecting: Promise<Bus>;
  readonly #latency: HistogramMetric;
  readonly #log: Logger;
  readonly #abort = new AbortController();

  constructor(connecting: Promise<Bus>, latency: HistogramMetric, log: Logger) {
    this.#connecting = connecting;
    this.#latency = latency;
    this.#log = log;
  }

  /** Gives up what is not stored yet. */
  close(): void {
    this.#abort.abort();
  }

  async publish(announcement: Announcement, id: string): Promise<void> {
    const { type, payload } = announcement;
    const startedAt = performance.now();
    for (let attempt = 0; ; attempt++) {
      try {
        const bus = await this.#connecting;
        await bus.publishEvent<Announcement['type']>(type, payload, { id });
        this.#latency.observe((performance.now() - startedAt) / 1_000, { type });
        return;
      } catch (error) {
        const fields = { event: type, id, code: codeOf(error), error: messageOf(error) };
        if (neverFits(error)) {
          // Waiting would hold up every line behind it, and repeating does not help.
          this.#log.error({ ...fields, payload }, 'event does not fit its schema, not published');
          return;
        }
        if (this.#abort.signal.aborted) throw error;
        this.#log.warn({ ...fields, attempt }, 'event not published, trying again');
        await pause(RETRY_BACKOFF_MS[attempt] ?? 5_000, this.#abort.signal);
        if (this.#abort.signal.aborted) throw error;
      }
    }
  }
}

function neverFits(error: unknown): boolean {
  if (error instanceof ValidationError || error instanceof InvalidIdError) return true;
  return error instanceof BusError && error.code === 'payload-too-large';
}
