import {
  applyEngineStatus,
  applyInBurst,
  type ConfigStore,
  INCIDENTS_PREFIX,
  type IncidentRecord,
  incidentSchema,
  parseRecord,
  REPAIRS_PREFIX,
  repairKey,
  SALVOR_CLUSTERS_PREFIX,
  type StoreEntry,
  salvorClusterKey,
  salvorClusterSchema,
  tier1RecoveryKey,
  vdisksOfCluster,
} from '@salvor/config-store';
import { type Logger, messageOf } from '@salvor/service-kit';
import type { EngineLogin } from '@salvor/vdisk';
import { EngineControl } from '@salvor/vdisk';
import { logResult } from './reports.ts';
import { SpreadBegin } from './spread-begin.ts';
import { SurvivorRetirement } from './survivor-retirement.ts';
import { WatchLoop } from './watch-loop.ts';

export interface HealingLoopOptions {
  readonly store: ConfigStore;
  readonly instance: string;
  readonly log: Logger;
  readonly engineTimeoutMs: number;
  readonly login?: EngineLogin | undefined;
  /** How long a spare is waited for before the blocks of a lost engine's pair are spread; null = for ever. */
  readonly spreadAfterMs: number | null;
  /** How long after that the engine which is left of the pair is cleaned; default a minute. */
  readonly retireAfterMs?: number;
}

/** Incidents whose ends are looked at, and stored, at the same time. */
const COMPLETED_AT_ONCE = 24;
/** For how long it is taken that a cluster has the vdisks it had. */
const KNOWN_VDISKS_MS = 2_000;

/**
 * Brings incidents to their end from what etcd holds: counts repairs, gives a verdict again that waits for a spare, and has
 * blocks spread when no spare comes.
 * Nothing here depends on an event having arrived.
 */
export class HealingLoop {
  readonly #options: HealingLoopOptions;
  /** The vdisks of each cluster as last read, and when. */
  readonly #known = new Map<string, { readonly vdisks: ReadonlySet<string>; readonly readAtMs: number }>();
  readonly #spreads: SpreadBegin | null;
  readonly #survivors: SurvivorRetirement;
  readonly #loop: WatchLoop;

  constructor(options: HealingLoopOptions) {
    this.#options = options;
    const { store, instance, log, engineTimeoutMs: timeoutMs, login } = options;
    const { spreadAfterMs, retireAfterMs } = options;
    this.#spreads =
      spreadAfterMs === null ? null : new SpreadBegin({ store, instance, log, afterMs: spreadAfterMs });
    this.#survivors = new SurvivorRetirement({
      ...{ store, log, access: { timeoutMs, login } },
      ...(retireAfterMs === undefined ? {} : { afterMs: retireAfterMs }),
    });
    this.#loop = new WatchLoop({
      ...{ store, log },
      prefixes: [INCIDENTS_PREFIX, REPAIRS_PREFIX, SALVOR_CLUSTERS_PREFIX, tier1RecoveryKey],
      trouble: 'could not look at incidents, trying again',
      look: () => this.#look(),
    });
  }

  /** Waits for etcd as long as that takes. */
  start(): Promise<void> {
    return this.#loop.start();
  }

  async stop(): Promise<void> {
    await this.#loop.stop();
    await this.#survivors.stop();
  }

  /** Looks at every open incident, now or right after the look that is under way. */
  wake(): void {
    this.#loop.wake();
  }

  async #look(): Promise<void> {
    const { log, store } = this.#options;
    // While Tier-1 is brought back an incident may be there and its vdisks not yet: none of them would be missing.
    if ((await store.get(tier1RecoveryKey)) !== null) return;
    const entries = this.#loop.entries();
    const listed: Listed = new Map();
    const completions: (() => Promise<void>)[] = [];
    const looking = async (key: string, look: () => Promise<void>): Promise<void> => {
      if (this.#loop.isStopped) return;
      await look().catch((error: unknown) =>
        log.warn({ key, error: messageOf(error) }, 'could not look at an incident, trying again'),
      );
    };
    for (const [key, { value }] of [...entries]) {
      if (!key.startsWith(INCIDENTS_PREFIX)) continue;
      await looking(key, async () => {
        const incident = parseRecord(incidentSchema, key, value);
        if (incident.status === 'offline') await this.#goOnWithoutEngine(incident);
        else completions.push(() => looking(key, () => this.#completeIfRepaired(incident, entries, listed)));
      });
    }
    // Of those that end together the ends are stored together.
    for (let from = 0; from < completions.length; from += COMPLETED_AT_ONCE)
      await Promise.all(completions.slice(from, from + COMPLETED_AT_ONCE).map((complete) => complete()));
  }

  async #completeIfRepaired(
    incident: IncidentRecord,
    entries: ReadonlyMap<string, StoreEntry>,
    listed: Listed,
  ): Promise<void> {
    const { store, instance, log } = this.#options;
    const { id, attempt, cluster, address } = incident;
    const isRepaired = (vdisk: string): boolean => entries.has(repairKey(id, attempt, vdisk));
    if (this.#isKnownToLack(cluster, isRepaired)) return;
    // A pair that is given up is both clusters' loss.
    const clusters = [cluster, ...(incident.repairKind === 'spread' ? [incident.survivor?.cluster] : [])];
    const named = clusters.join(' ');
    const listing = listed.get(named) ?? vdisksOn(store, clusters);
    listed.set(named, listing);
    const on = await listing;
    if (on.unreadable.length > 0) {
      const [first] = on.unreadable;
      log.error(
        { incident: id, vdisk: first?.vdisk, reason: first?.reason },
        'a vdisk with a bad configuration keeps a repair from ending',
      );
      return;
    }
    const { vdisks } = on;
    this.#known.set(cluster, { vdisks, readAtMs: performance.now() });
    const repaired = new Set([...vdisks].filter(isRepaired));
    if (repaired.size < vdisks.size) return;
    if (vdisks.size === 0) await this.#claimSpare(incident);
    const result = await applyInBurst(
      store,
      {
        kind: 'repairs-complete',
        incident: id,
        attempt,
        repaired,
        vdisks,
        by: 'repair-coordinator',
        operation: `${id}-${attempt}-complete-${instance}`,
      },
      { cluster },
    );
    logResult(log, 'repairs complete', address, result);
    if (result.outcome === 'applied' && incident.repairKind === 'spread') this.#survivors.plan(incident);
  }

  async #goOnWithoutEngine(incident: IncidentRecord): Promise<void> {
    if (incident.verdict?.verdict !== 'permanent') return;
    if (!(await this.#retryForSpare(incident))) await this.#spreads?.consider(incident);
  }

  /**
   * Whether a vdisk that was on the cluster a moment ago is not repaired yet: then all of them need not be listed again for
   * each of a thousand records that come in. What says that a repair is complete is always read anew.
   */
  #isKnownToLack(cluster: string, isRepaired: (vdisk: string) => boolean): boolean {
    const known = this.#known.get(cluster);
    if (known === undefined || performance.now() - known.readAtMs > KNOWN_VDISKS_MS) return false;
    for (const vdisk of known.vdisks) if (!isRepaired(vdisk)) return true;
    return false;
  }

  /** A cluster without vdisks has nobody who would make the spare a member. */
  async #claimSpare({ cluster, shard, replacement }: IncidentRecord): Promise<void> {
    if (replacement === undefined) return;
    const { store, engineTimeoutMs: timeoutMs, login } = this.#options;
    const key = salvorClusterKey(cluster);
    const entry = await store.get(key);
    if (entry === null) return;
    const { role } = parseRecord(salvorClusterSchema, key, entry.value);
    const { address, db, generation } = replacement;
    await EngineControl.with({ address, db, timeoutMs, login }, (control) =>
      control.claim({ cluster, role, shard, generation }, { mustBeEmpty: true }),
    );
  }

  /** Whether the cluster has a spare for it, which it gets then. */
  async #retryForSpare({ id, attempt, cluster, address, verdict }: IncidentRecord): Promise<boolean> {
    if (verdict === undefined) return false;
    const { store, instance, log } = this.#options;
    const entry = this.#loop.entries().get(salvorClusterKey(cluster));
    if (entry === undefined || parseRecord(salvorClusterSchema, entry.key, entry.value).spares.length === 0)
      return false;
    const { reason, evidence, by } = verdict;
    const operation = `${id}-${attempt}-spare-${instance}-${entry.revision}`;
    const input = {
      kind: 'verdict',
      incident: id,
      attempt,
      verdict: 'permanent',
      reason,
      evidence,
      by,
      operation,
    } as const;
    const result = await applyEngineStatus(store, input, { cluster });
    logResult(log, 'verdict that waited for a spare', address, result);
    return result.code !== 'waiting-for-spare';
  }
}

interface VdisksOn {
  readonly vdisks: ReadonlySet<string>;
  readonly unreadable: readonly { readonly vdisk: string; readonly reason: string }[];
}

/** By clusters: their vdisks, as one look has listed them. None is created while an engine of them is down. */
type Listed = Map<string, Promise<VdisksOn>>;

async function vdisksOn(store: ConfigStore, clusters: readonly (string | undefined)[]): Promise<VdisksOn> {
  const vdisks = new Set<string>();
  const unreadable: { vdisk: string; reason: string }[] = [];
  for (const cluster of clusters) {
    if (cluster === undefined) continue;
    const on = await vdisksOfCluster(store, cluster);
    for (const vdisk of [...on.primary, ...on.slave]) vdisks.add(vdisk);
    unreadable.push(...on.unreadable);
  }
  return { vdisks, unreadable };
}
