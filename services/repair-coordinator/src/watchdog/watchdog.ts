import {
  ALERTS_PREFIX,
  type AlertRecord,
  alertKey,
  alertSchema,
  type ClusterVdisks,
  type ConfigStore,
  formatRecord,
  HEALING_PREFIX,
  OPERATION_WORKERS_PREFIX,
  OPERATIONS_PREFIX,
  parseRecord,
  REPAIRS_PREFIX,
  type StoreEntry,
  vdisksOfCluster,
  type Watch,
  whenAvailable,
} from '@salvor/config-store';
import { type GaugeMetric, type Logger, messageOf } from '@salvor/service-kit';
import { decideStuck, type Stuck, type StuckBounds } from './stuck-decision.ts';
import { stuckPrefixes, stuckView } from './stuck-view.ts';

export interface WatchdogOptions {
  readonly store: ConfigStore;
  readonly log: Logger;
  readonly bounds: StuckBounds;
  /** Set to the number of raised alerts, by kind. */
  readonly raised?: GaugeMetric;
  /** How often it looks, in milliseconds. */
  readonly intervalMs?: number;
}

const INTERVAL_MS = 2_000;
/** The vdisks of a cluster are many, and stay the same while it is being healed: none is created or deleted meanwhile. */
const VDISKS_KNOWN_MS = 30_000;

interface Alert {
  readonly entry: StoreEntry;
  readonly record: AlertRecord | null;
}

interface Judgement {
  readonly stuck: readonly Stuck[];
  /** What is stuck and not yet said so, or said in other words. */
  readonly raises: readonly (readonly [stuck: Stuck, before: Alert | null])[];
  readonly clears: readonly (readonly [entry: StoreEntry, record: AlertRecord])[];
}

/** All that is looked at, but for the alerts themselves. */
const judgedPrefixes = [
  HEALING_PREFIX,
  OPERATION_WORKERS_PREFIX,
  OPERATIONS_PREFIX,
  REPAIRS_PREFIX,
  ...stuckPrefixes,
];

/**
 * Raises an alert for what neither progresses nor ends, and clears it when it does. It judges by what etcd holds alone, so
 * a bus that is away raises none. Several coordinators may run it: each change is one compared transaction.
 */
export class Watchdog {
  readonly #options: WatchdogOptions;
  readonly #kinds = new Set<string>();
  /** Vdisks of the clusters with a repair that is stuck, and when they were read, in `performance.now()` milliseconds. */
  readonly #known = new Map<string, { readonly vdisks: ClusterVdisks; readonly readAt: number }>();
  #watch: Watch | null = null;
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> | null = null;
  #stopped = false;

  constructor(options: WatchdogOptions) {
    this.#options = options;
  }

  /** Waits for etcd as long as that takes. */
  async start(): Promise<void> {
    const { store, log, intervalMs = INTERVAL_MS } = this.#options;
    const prefixes = [ALERTS_PREFIX, ...judgedPrefixes];
    this.#watch = await whenAvailable(() => store.watch({ prefixes }, () => {}), log);
    this.#timer = setInterval(() => this.#tick(), intervalMs);
    this.#tick();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#watch?.close();
    await this.#running;
  }

  #tick(): void {
    if (this.#running !== null || this.#stopped) return;
    this.#running = this.#look()
      .catch((error: unknown) =>
        this.#options.log.warn({ error: messageOf(error) }, 'could not look for stuck work, trying again'),
      )
      .finally(() => {
        this.#running = null;
      });
  }

  async #look(): Promise<void> {
    if (this.#watch === null) return;
    const watched = new Map(this.#watch.entries());
    const glance = await this.#judge(alertsIn(watched), watched);
    this.#count(glance.stuck);
    if (glance.raises.length === 0 && glance.clears.length === 0) return;
    // The keys watched may be of different revisions. To change an alert: it first, then all that it is judged by.
    const alerts = alertsIn(await this.#read([ALERTS_PREFIX]));
    const { raises, clears } = await this.#judge(alerts, await this.#read(judgedPrefixes));
    for (const [stuck, before] of raises) await this.#raise(stuck, before);
    for (const [entry, record] of clears) await this.#clear(entry, record);
  }

  async #read(prefixes: readonly string[]): Promise<Map<string, StoreEntry>> {
    const entries = new Map<string, StoreEntry>();
    for (const prefix of prefixes)
      for (const entry of (await this.#options.store.list(prefix)).entries) entries.set(entry.key, entry);
    return entries;
  }

  async #judge(
    alerts: ReadonlyMap<string, Alert>,
    entries: ReadonlyMap<string, StoreEntry>,
  ): Promise<Judgement> {
    const { bounds } = this.#options;
    const raised = [...alerts].flatMap(([id, { entry, record }]) =>
      record === null || record.clearedAt !== undefined ? [] : [{ id, entry, record }],
    );
    const since = new Map(raised.map(({ id, record }) => [id, record.since]));
    const now = Date.now();
    const decide = (vdisks: ReadonlyMap<string, ClusterVdisks>): Stuck[] =>
      decideStuck(stuckView(entries, vdisks), now, bounds, since);
    const nameless = decide(new Map());
    // Which vdisks a repair waits for does not decide whether it is stuck: it is asked for what is said of those that are.
    const clusters = nameless.flatMap(({ kind, cluster }) =>
      kind === 'repair-stuck' && cluster !== undefined ? [cluster] : [],
    );
    const stuck = clusters.length === 0 ? nameless : decide(await this.#vdisksOf(new Set(clusters)));
    const ids = new Set(stuck.map(({ alert }) => alert));
    return {
      stuck,
      raises: stuck.flatMap((one) => {
        const before = alerts.get(one.alert) ?? null;
        const same = raised.find(({ id }) => id === one.alert)?.record;
        return same?.message === one.message && same.since === one.since ? [] : [[one, before] as const];
      }),
      clears: raised.flatMap(({ id, entry, record }) => (ids.has(id) ? [] : [[entry, record] as const])),
    };
  }

  async #vdisksOf(clusters: ReadonlySet<string>): Promise<ReadonlyMap<string, ClusterVdisks>> {
    const vdisks = new Map<string, ClusterVdisks>();
    for (const cluster of clusters) {
      const before = this.#known.get(cluster);
      const isFresh = before !== undefined && performance.now() - before.readAt < VDISKS_KNOWN_MS;
      const known = isFresh
        ? before
        : { vdisks: await vdisksOfCluster(this.#options.store, cluster), readAt: performance.now() };
      this.#known.set(cluster, known);
      vdisks.set(cluster, known.vdisks);
    }
    for (const cluster of this.#known.keys()) if (!clusters.has(cluster)) this.#known.delete(cluster);
    return vdisks;
  }

  async #raise(stuck: Stuck, before: Alert | null): Promise<void> {
    const { store, log } = this.#options;
    const was = before?.record ?? null;
    const isRaised = was !== null && was.clearedAt === undefined;
    const key = alertKey(stuck.alert);
    const record = { ...stuck, raisedAt: isRaised ? was.raisedAt : Date.now() };
    const stored = await store.transact({
      compare: [{ key, revision: before?.entry.revision ?? 'absent' }],
      puts: [{ key, value: formatRecord(alertSchema, key, record) }],
    });
    if (stored.ok && !isRaised) log.error({ ...record }, 'alert raised');
  }

  async #clear({ key, revision }: StoreEntry, record: AlertRecord): Promise<void> {
    const { store, log } = this.#options;
    const clearedAt = Math.max(Date.now(), record.raisedAt);
    const stored = await store.transact({
      compare: [{ key, revision }],
      puts: [{ key, value: formatRecord(alertSchema, key, { ...record, clearedAt }) }],
    });
    if (stored.ok) log.info({ alert: record.alert, lastedMs: clearedAt - record.raisedAt }, 'alert cleared');
  }

  #count(stuck: readonly Stuck[]): void {
    const counts = new Map<string, number>();
    for (const { kind } of stuck) counts.set(kind, (counts.get(kind) ?? 0) + 1);
    for (const kind of counts.keys()) this.#kinds.add(kind);
    for (const kind of this.#kinds) this.#options.raised?.set(counts.get(kind) ?? 0, { kind });
  }
}

/** By id; `record` is null for one that cannot be read, which is replaced. */
function alertsIn(entries: ReadonlyMap<string, StoreEntry>): Map<string, Alert> {
  const alerts = new Map<string, Alert>();
  for (const [key, entry] of entries) {
    if (!key.startsWith(ALERTS_PREFIX)) continue;
    let record: AlertRecord | null = null;
    try {
      record = parseRecord(alertSchema, key, entry.value);
    } catch {
      record = null;
    }
    alerts.set(record?.alert ?? decodeURIComponent(key.slice(ALERTS_PREFIX.length)), { entry, record });
  }
  return alerts;
}
