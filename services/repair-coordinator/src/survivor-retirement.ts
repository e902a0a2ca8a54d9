import {
  type ClosedIncident,
  type ConfigStore,
  clusterStorageKey,
  parseClusterStorage,
  parseRecord,
  salvorClusterKey,
  salvorClusterSchema,
  vdisksOfCluster,
} from '@salvor/config-store';
import { type Logger, messageOf } from '@salvor/service-kit';
import { EngineControl, removeVdisk } from '@salvor/vdisk';
import type { EngineAccess } from './vdisk-blocks.ts';

export interface SurvivorRetirementOptions {
  readonly store: ConfigStore;
  readonly log: Logger;
  readonly access: EngineAccess;
  /** Default {@link RETIRE_AFTER_MS}. */
  readonly afterMs?: number;
}

/** Owners learn in milliseconds that a pair is given up; reads that began before have ended long before this. */
const RETIRE_AFTER_MS = 60_000;

/**
 * Takes the identity, and then the blocks, from an engine that was the last one of a pair that is given up, so that it can be
 * offered as a spare. Tried once: who finds keys left there removes them by hand.
 */
export class SurvivorRetirement {
  readonly #options: SurvivorRetirementOptions;
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #running = new Set<Promise<void>>();

  constructor(options: SurvivorRetirementOptions) {
    this.#options = options;
  }

  /** Retires the survivor of a spread that has ended, some time from now. */
  plan(incident: Pick<ClosedIncident, 'id' | 'shard' | 'cluster' | 'survivor'>): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      const run = this.#retire(incident).finally(() => this.#running.delete(run));
      this.#running.add(run);
    }, this.#options.afterMs ?? RETIRE_AFTER_MS);
    timer.unref();
    this.#timers.add(timer);
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    await Promise.all(this.#running);
  }

  async #retire({
    id,
    shard,
    cluster: own,
    survivor,
  }: Pick<ClosedIncident, 'id' | 'shard' | 'cluster' | 'survivor'>): Promise<void> {
    if (survivor === undefined) return;
    const { store, log, access } = this.#options;
    const { cluster, address, db } = survivor;
    try {
      const { entries, revision } = await store.getMany([
        clusterStorageKey(cluster),
        salvorClusterKey(cluster),
      ]);
      const storage = entries.get(clusterStorageKey(cluster));
      const record = entries.get(salvorClusterKey(cluster));
      if (storage == null || record == null) return;
      const entry = parseClusterStorage(storage.value).servers[shard];
      if (entry?.status !== 'rip' || entry.address !== address) {
        log.warn(
          { incident: id, engine: address },
          'left the engine of a pair that is not given up as it is',
        );
        return;
      }
      const { role } = parseRecord(salvorClusterSchema, record.key, record.value);
      const identity = { cluster, role, shard, generation: entry.generation };
      const place = { address, db, ...access };
      // First: whoever has not heard that the pair is given up must not find an engine that seems to hold nothing.
      if (!(await EngineControl.with(place, (control) => control.disown(identity)))) return;
      const on = await Promise.all([own, cluster].map((each) => vdisksOfCluster(store, each)));
      const vdisks = new Set(on.flatMap(({ primary, slave }) => [...primary, ...slave]));
      for (const vdisk of vdisks)
        await removeVdisk({ ...place, vdisk, identity, untilEpoch: revision, search: true });
      log.info({ incident: id, engine: address }, 'retired the engine that was left of a pair');
    } catch (error) {
      const why = 'could not retire the engine that was left of a pair; flush it before it is used again';
      log.warn({ incident: id, engine: address, error: messageOf(error) }, why);
    }
  }
}
