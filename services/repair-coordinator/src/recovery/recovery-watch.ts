import {
  applyRecovery,
  type ConfigStore,
  INCIDENTS_PREFIX,
  parseKey,
  parseRecord,
  RECOVERIES_PREFIX,
  recoverySchema,
  UNAVAILABLE_PREFIX,
} from '@salvor/config-store';
import type { Logger } from '@salvor/service-kit';
import { WatchLoop } from '../watch-loop.ts';
import { lostBlocks } from './lost-blocks.ts';

export interface RecoveryWatchOptions {
  readonly store: ConfigStore;
  readonly log: Logger;
  /** Names this coordinator. */
  readonly by: string;
}

/** Nobody waits for it: when many engines fail at once, their incidents are looked at together. */
const REST_MS = 100;

/**
 * Prepares the recovery of a cluster as soon as both members of a pair are judged to be gone for good, keeps its plan up to
 * date, and drops it when one of them is back. Several coordinators may do this: each change is one compared transaction.
 */
export class RecoveryWatch {
  readonly #options: RecoveryWatchOptions;
  readonly #loop: WatchLoop;

  constructor(options: RecoveryWatchOptions) {
    this.#options = options;
    const { store, log } = options;
    this.#loop = new WatchLoop({
      ...{ store, log },
      prefixes: [UNAVAILABLE_PREFIX, INCIDENTS_PREFIX, RECOVERIES_PREFIX],
      restMs: REST_MS,
      trouble: 'could not prepare a recovery, trying again',
      look: () => this.#look(),
    });
  }

  /** Waits for etcd as long as that takes. */
  start(): Promise<void> {
    return this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  async #look(): Promise<void> {
    const { store, log, by } = this.#options;
    for (const cluster of this.#clusters()) {
      if (this.#loop.isStopped) return;
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
    for (const [key, { value }] of this.#loop.entries()) {
      const about = parseKey(key);
      if (about?.kind === 'unavailable') clusters.add(about.cluster);
      if (about?.kind === 'recovery' && parseRecord(recoverySchema, key, value).status === 'prepared')
        clusters.add(about.cluster);
    }
    return clusters;
  }
}
