import {
  type ConfigStore,
  clusterStorageKey,
  parseClusterStorage,
  parseRecord,
  SALVOR_CLUSTERS_PREFIX,
  salvorClusterSchema,
} from '@salvor/config-store';
import { type Logger, messageOf } from '@salvor/service-kit';
import { identityText } from '@salvor/vdisk';
import { type ProbeOptions, probeEngine } from './probe.ts';
import type { ProbeFinding } from './verdict.ts';

export interface EngineSweepOptions {
  readonly store: ConfigStore;
  readonly probe: ProbeOptions;
  readonly intervalMs: number;
  /** Bad findings in a row before an engine is reported. */
  readonly findingsNeeded: number;
  readonly report: (failure: {
    cluster: string;
    address: string;
    reason: string;
    detectedAt: number;
  }) => Promise<void>;
  readonly log: Logger;
}

/** What tells that an engine is gone, as opposed to busy, loading, or short of disk. */
const GONE: ReadonlySet<ProbeFinding['kind']> = new Set([
  'unreachable',
  'hung',
  'identity-lost',
  'identity-mismatch',
]);

/** Probes every engine that etcd shows as online: an engine that nobody uses at the moment must not die unnoticed. */
export class EngineSweep {
  readonly #options: EngineSweepOptions;
  readonly #bad = new Map<string, number>();
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> | null = null;

  constructor(options: EngineSweepOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#running ??= this.sweep()
        .catch((error: unknown) =>
          this.#options.log.warn({ error: messageOf(error) }, 'engines not swept, trying again'),
        )
        .finally(() => {
          this.#running = null;
        });
    }, this.#options.intervalMs);
  }

  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.#running;
  }

  /** Looks at every engine once. */
  async sweep(): Promise<void> {
    const { store } = this.#options;
    const seen = new Set<string>();
    for (const { key, value } of (await store.list(SALVOR_CLUSTERS_PREFIX)).entries) {
      const cluster = decodeURIComponent(key.slice(SALVOR_CLUSTERS_PREFIX.length));
      const { role } = parseRecord(salvorClusterSchema, key, value);
      const storage = await store.get(clusterStorageKey(cluster));
      const servers = storage === null ? [] : parseClusterStorage(storage.value).servers;
      const online = [...servers.entries()].filter(([, { status }]) => status === 'online');
      await Promise.all(
        online.map(([shard, { address, db, generation }]) => {
          seen.add(`${cluster}/${address}/${db}`);
          return this.#look({
            cluster,
            address,
            db,
            identity: identityText({ cluster, role, shard, generation }),
          });
        }),
      );
    }
    for (const name of this.#bad.keys()) if (!seen.has(name)) this.#bad.delete(name);
  }

  async #look(engine: { cluster: string; address: string; db: number; identity: string }): Promise<void> {
    const { probe, findingsNeeded, report } = this.#options;
    const { cluster, address, db } = engine;
    const name = `${cluster}/${address}/${db}`;
    const { kind, detail, at } = await probeEngine(engine, probe);
    const bad = GONE.has(kind) ? (this.#bad.get(name) ?? 0) + 1 : 0;
    this.#bad.set(name, bad);
    if (bad < findingsNeeded) return;
    this.#bad.set(name, 0);
    await report({ cluster, address, reason: `${detail} (${bad} probes in a row)`, detectedAt: at });
  }
}
