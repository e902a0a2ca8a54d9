import type { Announcement, Publisher } from './announcement.ts';
import { Bell } from './bell.ts';

/** Events of one source that may be on their way at once; the source is not read on meanwhile. */
export const MAX_UNACKNOWLEDGED = 256;
const LOOK_AGAIN_MS = 1_000;

interface Entry {
  unacknowledged: number;
  /** The source need not be read again up to here once this entry and those before it are acknowledged. */
  doneTo: number;
}

/**
 * Sends the events of one source in their order without waiting for each, and knows how far the source is done: read, and
 * every event of it stored by the bus.
 */
export class Deliveries {
  readonly #publisher: Publisher;
  readonly #onProgress: (doneTo: number) => void;
  readonly #entries: Entry[] = [];
  readonly #acknowledged = new Bell();
  #unacknowledged = 0;
  #doneTo: number;

  constructor(publisher: Publisher, doneTo: number, onProgress: (doneTo: number) => void) {
    this.#publisher = publisher;
    this.#doneTo = doneTo;
    this.#onProgress = onProgress;
  }

  get doneTo(): number {
    return this.#doneTo;
  }

  get unacknowledged(): number {
    return this.#unacknowledged;
  }

  /** @param doneTo where to go on after these events; null while a record that began earlier is not complete */
  add(announcements: readonly Announcement[], idOf: (index: number) => string, doneTo: number | null): void {
    if (announcements.length > 0) {
      const entry = { unacknowledged: announcements.length, doneTo: doneTo ?? this.#lastDoneTo() };
      this.#entries.push(entry);
      this.#unacknowledged += announcements.length;
      for (const [index, announcement] of announcements.entries())
        this.#send(entry, announcement, idOf(index));
      return;
    }
    if (doneTo === null) return;
    const last = this.#entries.at(-1);
    if (last === undefined) this.#proceed(doneTo);
    else last.doneTo = doneTo;
  }

  /** Waits until at most `count` events are on their way, or the signal aborts. @returns whether it is so */
  async atMost(count: number, signal: AbortSignal): Promise<boolean> {
    while (this.#unacknowledged > count && !signal.aborted)
      await this.#acknowledged.wait(LOOK_AGAIN_MS, signal);
    return this.#unacknowledged <= count;
  }

  #lastDoneTo(): number {
    return this.#entries.at(-1)?.doneTo ?? this.#doneTo;
  }

  #send(entry: Entry, announcement: Announcement, id: string): void {
    this.#publisher.publish(announcement, id).then(
      () => {
        entry.unacknowledged -= 1;
        this.#unacknowledged -= 1;
        while (this.#entries[0]?.unacknowledged === 0) {
          const done = this.#entries.shift();
          if (done !== undefined) this.#proceed(done.doneTo);
        }
        this.#acknowledged.ring();
      },
      // The publisher closed: the event stays open, so its line is read again after the next start.
      () => {},
    );
  }

  #proceed(doneTo: number): void {
    if (doneTo === this.#doneTo) return;
    this.#doneTo = doneTo;
    this.#onProgress(doneTo);
  }
}
