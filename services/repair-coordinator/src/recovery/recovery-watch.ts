import {
  applyRecovery,
  type ConfigStore,
  INCIDENTS_PREFIX,
  parseKey,
  parseRecord,
  RECOVERIES_PREFIX,
  recoverySchema,
  UNAVAILABLE_PREFIX,
  type Watch,
  whenAvailable,
} from '@salvor/config-store';
import { type Logger, messageOf } from '@salvor/service-kit';
import { lostBlocks } from './lost-blocks.ts';

export interface RecoveryWatchOptions {
  readonly store: ConfigStore;
  readonly log: Logger;
  /** Names this coordinator. */
  readonly by: string;
}

/** Everything is looked at again after so long, whatever was or was not heard. */
const SAFETY_INTERVAL_MS = 2_000;

/**
 * Prepares the recovery of a cluster as soon as both members of a pair are judged to be gone for good, keeps its plan up to
 * date, and drops it when one of them is back. Several coordinators may do this: each change is one compared transaction.
 */
export class RecoveryWatch {
  readonly #options: RecoveryWatchOptions;
  #watch: Watch | null = null;
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> | null = null;
  #again = false;
  #stopped = false;

  constructor(options: RecoveryWatchOptions) {
    this.#options = options;
  }

  /** Waits for etcd as long as that takes. */
  async start(): Promise<void> {
    const { store, log } = this.#options;
    const prefixes = [UNAVAILABLE_PREFIX, INCIDENTS_PREFIX, RECOVERIES_PREFIX];
    this.#watch = await whenAvailable(() => store.watch({ prefixes }, () => this.#wake()), log);
    this.#timer = setInterval(() => this.#wake(), SAFETY_INTERVAL_MS);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#watch?.close();
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.#running;
  }

  #wake(): void {
    if (this.#stopped) return;
    if (this.#running !== null) {
      this.#again = true;
      return;
    }
    this.#again = false;
    this.#running = this.#look()
      .catch((error: unknown) =>
        this.#options.log.warn({ error: messageOf(error) }, 'could not prepare a recovery, trying again'),
      )
      .finally(() => {
        this.#running = null;
        if (this.#again) this.#wake();
      });
  }

  async #look(): Promise<void> {
    const { store, log, by } = this.#options;
    for (const cluster of this.#clusters()) {
      if (this.#stopped) return;
      const vdisks = await lostBlocks(store, cluster);
      const request = { kind: 'prepare', vdisks, ordered: false, by, operation: 'none' } as const;
      const { outcome, code, reason, recovery } = await applyRecovery(store, cluster, request);
      if (outcome === 'applied')
        log.error({ cluster, recovery: recovery?.id, code, reason }, 'recovery from the log');
    }
  }

  /** Those with a pair without a live member, and those whose plan waits. */
  #clusters(): Set<string> {
    const clusters = new Set<string>();
    for (const [key, { value }] of this.#watch?.entries() ?? []) {
      const about = parseKey(key);
      if (about?.kind === 'unavailable') clusters.add(about.cluster);
      if (about?.kind === 'recovery' && parseRecord(recoverySchema, key, value).status === 'prepared')
        clusters.add(about.cluster);
    }
    return clusters;
  }
}
