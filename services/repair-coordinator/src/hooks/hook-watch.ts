import {
  type ChangeBatch,
  type ConfigStore,
  intendHookRun,
  type Watch,
  whenAvailable,
} from '@salvor/config-store';
import { type EventType, eventRecord, eventSubject, events, toPlainJson } from '@salvor/contracts';
import { type Logger, messageOf, pause } from '@salvor/service-kit';
import { type Announcement, Announcements, announcedPrefixes } from '../announcements.ts';
import type { HookBook } from './hook-book.ts';
import { type Occurred, pointsOf } from './hook-points.ts';
import { decideHookRuns, type Occurrence } from './hook-runs.ts';

const STOP_TIMEOUT_MS = 2_000;

export interface HookWatchOptions {
  readonly store: ConfigStore;
  readonly book: HookBook;
  readonly log: Logger;
  /** Names this coordinator. */
  readonly by: string;
}

/**
 * Records which hooks are to run. It reads what etcd holds, not what the bus tells: so what happened while no coordinator
 * ran is found at the next start, and the bus may be away. Every coordinator does this; each run is recorded once.
 */
export class HookWatch {
  readonly #options: HookWatchOptions;
  readonly #announcements = new Announcements();
  #watch: Watch | null = null;
  #chain: Promise<void> = Promise.resolve();

  constructor(options: HookWatchOptions) {
    this.#options = options;
  }

  /** Waits for etcd as long as that takes. */
  async start(): Promise<void> {
    const { store, book, log } = this.#options;
    await whenAvailable(() => book.register(), log);
    const prefixes = [...announcedPrefixes];
    this.#watch = await whenAvailable(() => store.watch({ prefixes }, (batch) => this.#follow(batch)), log);
  }

  async stop(): Promise<void> {
    this.#watch?.close();
    await Promise.race([this.#chain, pause(STOP_TIMEOUT_MS)]);
  }

  /** Records the runs that an event of the bus calls for. Rejects when they could not be recorded. */
  async take(announcement: Announcement): Promise<void> {
    const { store, book, by } = this.#options;
    // Those of instances are recorded together with the change of the instance.
    if (book.hooks.length === 0 || announcement.type === 'instance.status-changed') return;
    const runs = decideHookRuns(occurrenceOf(announcement), book.hooks, book.since, { now: Date.now(), by });
    for (const run of runs) await intendHookRun(store, run);
  }

  #follow({ changes }: ChangeBatch): void {
    const { log } = this.#options;
    for (const change of changes) {
      let announcements: Announcement[];
      try {
        announcements = this.#announcements.of(change);
      } catch (error) {
        log.error({ key: change.key, error: messageOf(error) }, 'a record runs no hooks: it cannot be read');
        continue;
      }
      for (const announcement of announcements) this.#record(announcement);
    }
  }

  /** In the order of etcd; while it is away, this waits. */
  #record(announcement: Announcement): void {
    const { log } = this.#options;
    this.#chain = this.#chain.then(async () => {
      try {
        await whenAvailable(() => this.take(announcement), log);
      } catch (error) {
        const { type, id } = announcement;
        log.error({ event: type, id, error: messageOf(error) }, 'the hooks of an event are not recorded');
      }
    });
  }
}

export function occurrenceOf({ id, type, payload }: Announcement): Occurrence {
  const subject = eventSubject(type, payload);
  return {
    id,
    type: events[type].cloudEventType,
    subject: subject.slice(subject.lastIndexOf('.') + 1),
    at: payload.at,
    data: dataOf(type, payload),
    points: pointsOf({ type, payload } as Occurred),
  };
}

/** As a reader of the bus sees it: what has no value is absent. */
function dataOf(type: EventType, payload: Announcement['payload']): Record<string, unknown> {
  const json = toPlainJson(eventRecord(type), payload as never);
  return typeof json === 'object' && json !== null ? { ...json } : {};
}
