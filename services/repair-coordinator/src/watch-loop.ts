import { type ConfigStore, type StoreEntry, type Watch, whenAvailable } from '@salvor/config-store';
import { type Logger, messageOf } from '@salvor/service-kit';

export interface WatchLoopOptions {
  readonly store: ConfigStore;
  readonly log: Logger;
  /** A change of any key that begins with one of these wakes the loop. */
  readonly prefixes: readonly string[];
  /** Everything is looked at again after so long, whatever was or was not heard; default 2000. */
  readonly safetyIntervalMs?: number;
  /** Pause behind a look before the next, so that many changes at once are looked at together; default 0. */
  readonly restMs?: number;
  /** What failed, as the log says it, when a look rejects. */
  readonly trouble: string;
  /** One look at everything. The next one begins when it has ended, however it did. */
  readonly look: () => Promise<void>;
}

const SAFETY_INTERVAL_MS = 2_000;

/** Looks at what etcd holds, again and again: at each change, and now and then. One look at a time, none is missed. */
export class WatchLoop {
  readonly #options: WatchLoopOptions;
  #watch: Watch | null = null;
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> | null = null;
  #rest: NodeJS.Timeout | null = null;
  #again = false;
  #stopped = false;

  constructor(options: WatchLoopOptions) {
    this.#options = options;
  }

  /** Waits for etcd as long as that takes; what is there already is looked at right away. */
  async start(): Promise<void> {
    const { store, log, prefixes, safetyIntervalMs = SAFETY_INTERVAL_MS } = this.#options;
    const selection = { prefixes };
    this.#watch = await whenAvailable(() => store.watch(selection, () => this.wake()), log);
    this.#timer = setInterval(() => this.wake(), safetyIntervalMs);
    this.wake();
  }

  /** Resolves when a look that is under way has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#watch?.close();
    if (this.#timer !== null) clearInterval(this.#timer);
    if (this.#rest !== null) clearTimeout(this.#rest);
    await this.#running;
  }

  /** A look that is under way need not go on to its end. */
  get isStopped(): boolean {
    return this.#stopped;
  }

  /** What the watch last told; nothing before {@link start}. */
  entries(): ReadonlyMap<string, StoreEntry> {
    return this.#watch?.entries() ?? NOTHING;
  }

  /** Looks now, or right after the look that is under way and the pause behind it. */
  wake(): void {
    // While it starts it is woken by the watch it does not know yet.
    if (this.#stopped || this.#watch === null) return;
    if (this.#running !== null || this.#rest !== null) {
      this.#again = true;
      return;
    }
    this.#again = false;
    this.#running = this.#options
      .look()
      .catch((error: unknown) => this.#options.log.warn({ error: messageOf(error) }, this.#options.trouble))
      .finally(() => this.#ended());
  }

  #ended(): void {
    const { restMs = 0 } = this.#options;
    this.#running = null;
    if (this.#stopped) return;
    if (restMs === 0) return this.#wakeAgain();
    this.#rest = setTimeout(() => {
      this.#rest = null;
      this.#wakeAgain();
    }, restMs);
  }

  #wakeAgain(): void {
    if (this.#again) this.wake();
  }
}

const NOTHING: ReadonlyMap<string, StoreEntry> = new Map();
