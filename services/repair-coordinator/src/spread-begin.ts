import {
  applyEngineStatus,
  type ConfigStore,
  type IncidentRecord,
  parseRecord,
  salvorClusterKey,
  salvorClusterSchema,
  spreadHindrance,
} from '@salvor/config-store';
import type { Logger } from '@salvor/service-kit';
import { logResult } from './reports.ts';

export interface SpreadBeginOptions {
  readonly store: ConfigStore;
  readonly instance: string;
  readonly log: Logger;
  /** How long after the verdict a spare is waited for. */
  readonly afterMs: number;
}

/** What keeps an engine's blocks from being spread is looked at again after so long. */
const LOOK_AGAIN_MS = 10_000;
const REMEMBERED_MAX = 1_024;

/** Has the blocks of a lost engine's pair spread over the other pairs when nobody added a spare in time. */
export class SpreadBegin {
  readonly #options: SpreadBeginOptions;
  /** When each attempt was looked at last. */
  readonly #lookedAt = new Map<string, number>();

  constructor(options: SpreadBeginOptions) {
    this.#options = options;
  }

  /** Rejects when etcd does not answer. */
  async consider(incident: IncidentRecord): Promise<void> {
    const { store, instance, log, afterMs } = this.#options;
    const { id, attempt, cluster, address, verdict } = incident;
    if (verdict?.verdict !== 'permanent' || Date.now() < verdict.at + afterMs) return;
    const now = performance.now();
    const name = `${id}/${attempt}`;
    if (now - (this.#lookedAt.get(name) ?? Number.NEGATIVE_INFINITY) < LOOK_AGAIN_MS) return;
    if (this.#lookedAt.size >= REMEMBERED_MAX) this.#lookedAt.clear();
    this.#lookedAt.set(name, now);
    const result = await applyEngineStatus(
      store,
      {
        ...{ kind: 'spread', incident: id, attempt, afterMs, hindrance: await this.#hindrance(cluster) },
        ...{ by: 'repair-coordinator', operation: `${id}-${attempt}-spread-${instance}` },
      },
      { cluster },
    );
    if (result.outcome !== 'already') logResult(log, 'no spare was added', address, result);
  }

  /** What vdisks say; the decision itself knows what a cluster without a partner is told. */
  async #hindrance(cluster: string): Promise<string | null> {
    const { store } = this.#options;
    const key = salvorClusterKey(cluster);
    const entry = await store.get(key);
    const partner = entry === null ? undefined : parseRecord(salvorClusterSchema, key, entry.value).partner;
    return partner === undefined ? null : await spreadHindrance(store, { cluster, partner });
  }
}
