import type { Bus } from '@salvor/bus';
import {
  type ConfigStore,
  clusterStorageKey,
  parseClusterStorage,
  parseRecord,
  salvorClusterKey,
  salvorClusterSchema,
} from '@salvor/config-store';
import { restartEmpty, type Stack, until } from '@salvor/testkit';

const LOOK_INTERVAL_MS = 2_000;
const SCRUB_EVERY_LOOKS = 6;
const REQUEST_TIMEOUT_MS = 2_000;
const SIDES = ['primary', 'slave'] as const;

export interface ErrandOptions {
  readonly stack: Stack;
  /** Straight to NATS and etcd, past every line. */
  readonly bus: Bus;
  readonly store: ConfigStore;
  readonly devices: readonly string[];
  /** Has a process for a piece of work; false when a fault has it. */
  readonly having: (process: string, work: () => Promise<void>) => Promise<boolean>;
}

/**
 * What an operator does all the while: engines that were replaced become spares again, those that are held because they
 * keep failing are let go, vdisks are scrubbed, come and go.
 */
export class Errands {
  readonly counts = { acknowledged: 0, sparesAdded: 0, scrubs: 0, created: 0, deleted: 0, refused: 0 };
  readonly #options: ErrandOptions;
  #number = 0;

  constructor(options: ErrandOptions) {
    this.#options = options;
  }

  /** Until `signal`. */
  async run(signal: AbortSignal): Promise<void> {
    for (let look = 0; !signal.aborted; look++) {
      for (const side of SIDES) await this.#tolerate(() => this.#replenish(side));
      await this.#tolerate(() => this.#acknowledge());
      if (look % SCRUB_EVERY_LOOKS === 1) await this.#tolerate(() => this.#scrub());
      if (look % SCRUB_EVERY_LOOKS === 3) await this.#tolerate(() => this.#createAndDelete());
      const dueAt = performance.now() + LOOK_INTERVAL_MS;
      await until(() => signal.aborted || performance.now() >= dueAt, {
        what: 'the next errand is due',
        timeoutMs: LOOK_INTERVAL_MS + 60_000,
      });
    }
  }

  /** While parts are away, or clusters are being healed, an errand may be refused, or not be heard. */
  async #tolerate(errand: () => Promise<void>): Promise<void> {
    try {
      await errand();
    } catch {
      this.counts.refused++;
    }
  }

  /** An engine that fails again and again is held offline until somebody says that they have seen it. */
  async #acknowledge(): Promise<void> {
    const { bus } = this.#options;
    const { incidents } = await bus.request(
      'incident.list',
      { all: false },
      { timeoutMs: REQUEST_TIMEOUT_MS },
    );
    for (const { incident, hold } of incidents) {
      if (hold?.kind !== 'flapping') continue;
      await bus.request(
        'incident.acknowledge',
        { incident, reason: 'seen' },
        { timeoutMs: REQUEST_TIMEOUT_MS },
      );
      this.counts.acknowledged++;
    }
  }

  async #scrub(): Promise<void> {
    const { bus, devices } = this.#options;
    const vdisk = devices[this.#number++ % devices.length];
    if (vdisk === undefined) return;
    // One after the other: on a slow machine they would pile up, and be most of what it does.
    const { operations } = await bus.request('operation.list', {}, { timeoutMs: REQUEST_TIMEOUT_MS });
    if (operations.some(({ kind }) => kind === 'vdisk.scrub')) return;
    await bus.request('vdisk.scrub', { vdisk }, { timeoutMs: REQUEST_TIMEOUT_MS });
    this.counts.scrubs++;
  }

  async #createAndDelete(): Promise<void> {
    const { bus, stack } = this.#options;
    const vdisk = `errand-${this.#number++}`;
    const place = { cluster: stack.clusters.primary, slaveCluster: stack.clusters.slave };
    await bus.request(
      'vdisk.create',
      { vdisk, type: 'db', sizeGiB: 1, ...place },
      { timeoutMs: REQUEST_TIMEOUT_MS },
    );
    this.counts.created++;
    await bus.request('vdisk.delete', { vdisk }, { timeoutMs: REQUEST_TIMEOUT_MS });
    this.counts.deleted++;
  }

  async #replenish(side: (typeof SIDES)[number]): Promise<void> {
    const { stack, store, bus } = this.#options;
    const cluster = stack.clusters[side];
    const used = new Set<string>();
    let isShort = false;
    for (const name of SIDES.map((each) => stack.clusters[each])) {
      const { entries } = await store.getMany([clusterStorageKey(name), salvorClusterKey(name)]);
      const [storage, record] = [entries.get(clusterStorageKey(name)), entries.get(salvorClusterKey(name))];
      if (storage == null || record == null) return;
      const { servers } = parseClusterStorage(storage.value);
      const { spares } = parseRecord(salvorClusterSchema, record.key, record.value);
      for (const { address, replacement } of servers) {
        used.add(address);
        if (replacement !== undefined) used.add(replacement.address);
      }
      for (const { address } of spares) used.add(address);
      if (name === cluster) isShort = spares.length === 0;
    }
    if (!isShort) return;
    const { primary, slave, spares } = stack.engines;
    const free = [...primary, ...slave, ...spares].find(
      ({ address, process }) => !used.has(address) && !process.paused,
    );
    if (free === undefined) return;
    if (!(await this.#options.having(free.name, () => restartEmpty(free)))) return;
    await bus.request(
      'cluster.add-spares',
      { cluster, spares: [{ address: free.address, db: 0 }] },
      { timeoutMs: REQUEST_TIMEOUT_MS },
    );
    this.counts.sparesAdded++;
  }
}
