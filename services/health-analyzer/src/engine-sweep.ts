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
import { decideSweep, type SweptEngine } from './sweep-decision.ts';

export interface SweepReport {
  readonly cluster: string;
  readonly address: string;
  readonly reason: string;
  readonly detectedAt: number;
}

export interface EngineSweepOptions {
  readonly store: ConfigStore;
  readonly probe: ProbeOptions;
  readonly intervalMs: number;
  /** Bad findings in a row before an engine is reported. */
  readonly findingsNeeded: number;
  readonly report: (failure: SweepReport) => Promise<void>;
  readonly log: Logger;
}

interface OnlineEngine {
  readonly cluster: string;
  readonly address: string;
  readonly db: number;
  readonly identity: string;
}

/** Probes every engine that etcd shows as online: an engine that nobody uses at the moment must not die unnoticed. */
export class EngineSweep {
  readonly #options: EngineSweepOptions;
  #bad: ReadonlyMap<string, number> = new Map();
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
    const { probe, findingsNeeded, report, log } = this.#options;
    const online = await this.#online();
    const swept = await Promise.all(
      online.map(async (engine) => ({
        ...engine,
        name: nameOf(engine),
        finding: await probeEngine(engine, probe),
      })),
    );
    const decision = decideSweep(this.#bad, swept, findingsNeeded);
    this.#bad = decision.bad;
    if (decision.doubt !== null) log.error({ reason: decision.doubt }, 'engines do not answer here');
    const due = new Set(decision.report.map(({ name }: SweptEngine) => name));
    for (const { name, cluster, address, finding } of swept) {
      if (!due.has(name)) continue;
      const reason = `${finding.detail} (${findingsNeeded} probes in a row)`;
      await report({ cluster, address, reason, detectedAt: finding.at });
    }
  }

  async #online(): Promise<OnlineEngine[]> {
    const { store } = this.#options;
    const engines: OnlineEngine[] = [];
    for (const { key, value } of (await store.list(SALVOR_CLUSTERS_PREFIX)).entries) {
      const cluster = decodeURIComponent(key.slice(SALVOR_CLUSTERS_PREFIX.length));
      const { role } = parseRecord(salvorClusterSchema, key, value);
      const storage = await store.get(clusterStorageKey(cluster));
      const servers = storage === null ? [] : parseClusterStorage(storage.value).servers;
      for (const [shard, { address, db, generation, status }] of servers.entries()) {
        if (status !== 'online') continue;
        engines.push({ cluster, address, db, identity: identityText({ cluster, role, shard, generation }) });
      }
    }
    return engines;
  }
}

function nameOf({ cluster, address, db }: OnlineEngine): string {
  return `${cluster}/${address}/${db}`;
}
