import type { Bus } from '@salvor/bus';
import { type ChangeBatch, type ConfigStore, type Watch, whenAvailable } from '@salvor/config-store';
import { type Logger, messageOf, pause } from '@salvor/service-kit';
import { type Announcement, Announcements, announcedPrefixes } from './announcements.ts';

/** What was stored up to so long before the start is announced again: the stream drops what it has seen within half an hour. */
const CATCH_UP_MS = 25 * 60_000;

const STOP_TIMEOUT_MS = 2_000;

/** Publishes what etcd holds. Every coordinator does; the stream keeps one of each. */
export class Announcer {
  readonly #store: ConfigStore;
  readonly #bus: Bus;
  readonly #log: Logger;
  readonly #announced: (announcement: Announcement) => void;
  readonly #announcements = new Announcements();
  #watch: Watch | null = null;
  #chain: Promise<void> = Promise.resolve();

  /** @param announced called once for each that came up since the start, before it is on the bus */
  constructor(
    store: ConfigStore,
    bus: Bus,
    log: Logger,
    announced: (announcement: Announcement) => void = () => {},
  ) {
    this.#store = store;
    this.#bus = bus;
    this.#log = log;
    this.#announced = announced;
  }

  /** Waits for etcd as long as that takes. */
  async start(): Promise<void> {
    const follow = (batch: ChangeBatch): void => {
      const since = Date.now() - CATCH_UP_MS;
      const announcements = this.#read(batch);
      const due =
        batch.kind === 'initial' ? announcements.filter(({ payload }) => payload.at >= since) : announcements;
      if (batch.kind !== 'initial') for (const announcement of due) this.#announced(announcement);
      for (const announcement of due) this.#publish(announcement);
    };
    const prefixes = [...announcedPrefixes];
    this.#watch = await whenAvailable(() => this.#store.watch({ prefixes }, follow), this.#log);
  }

  /** What the bus does not take in time is announced by another coordinator, or after the next start. */
  async stop(): Promise<void> {
    this.#watch?.close();
    await Promise.race([this.#chain, pause(STOP_TIMEOUT_MS)]);
  }

  #read({ changes }: ChangeBatch): Announcement[] {
    return changes.flatMap((change) => {
      try {
        return this.#announcements.of(change);
      } catch (error) {
        this.#log.error({ key: change.key, error: messageOf(error) }, 'a record cannot be announced');
        return [];
      }
    });
  }

  /** In the order of etcd. */
  #publish({ id, type, payload }: Announcement): void {
    this.#chain = this.#chain.then(async () => {
      try {
        await this.#bus.publishEvent(type, payload, { id });
      } catch (error) {
        this.#log.error({ event: type, id, error: messageOf(error) }, 'event not published');
      }
    });
  }
}
