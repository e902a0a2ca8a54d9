import {
  type ConfigStore,
  doubtedUntil,
  HEALING_PREFIX,
  healingPause,
  INCIDENTS_PREFIX,
  type IncidentRecord,
  incidentSchema,
  ownerKey,
  ownerSchema,
  parseKey,
  parseRecord,
  RECOVERIES_PREFIX,
  recoverySchema,
  repairKey,
  repairsPrefix,
  type StoreEntry,
  vdisksOfCluster,
  type Watch,
} from '@salvor/config-store';
import { codeOf, type Logger, pause } from '@salvor/service-kit';
import { type MountedVdisk, OwnedElsewhereError } from '@salvor/vdisk';
import { type RepairWanted, repairsWanted } from './repairs-wanted.ts';
import type { VdiskExports } from './vdisk-exports.ts';

/** How often vdisks that nobody serves are looked for while a repair is under way, in milliseconds. */
const LOOK_INTERVAL_MS = 1_000;
/** How often it is looked whether the repair of a vdisk that was taken is on record, unless it was heard. */
const RECORD_INTERVAL_MS = 500;
/** A vdisk whose repair does not end is given back after so long, so that others get their turn. */
const HELD_MAX_MS = 600_000;
const AT_ONCE_MAX = 8;

export interface IdleRepairsOptions {
  readonly store: ConfigStore;
  readonly server: string;
  readonly exports: VdiskExports;
  readonly log: Logger;
  /** Vdisks repaired at once without a client. */
  readonly atOnceMax?: number;
}

/**
 * Repairs vdisks that nobody has mounted: takes such a vdisk while an engine of its clusters is under repair, and gives it
 * back when its repair is on record. The owner key decides between servers that try at once.
 */
export class IdleRepairs {
  readonly #options: IdleRepairsOptions;
  readonly #held = new Map<string, () => void>();
  /** Vdisks that are held, by what wakes who waits for their repair. */
  readonly #repaired = new Map<string, () => void>();
  #watch: Watch | null = null;
  #timer: NodeJS.Timeout | null = null;
  #queue: RepairWanted[] = [];
  /** The repairs that the queue was listed for. */
  #listedFor = '';
  readonly #underWay = new Set<string>();
  #stopped = false;

  constructor(options: IdleRepairsOptions) {
    this.#options = options;
  }

  /** Follows the incidents in the background, from when etcd can be reached. */
  start(): void {
    void this.#follow();
  }

  /** Why vdisks without a client are not looked after at the moment; null when they are. */
  problem(): string | null {
    return this.#watch === null ? 'etcd has not answered yet' : null;
  }

  /** A repair of the vdisk was put on record by this process. */
  noteRepaired(vdisk: string): void {
    this.#repaired.get(vdisk)?.();
  }

  stop(): void {
    this.#stopped = true;
    this.#watch?.close();
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const release of this.#held.values()) release();
    this.#held.clear();
    for (const wake of this.#repaired.values()) wake();
  }

  async #follow(): Promise<void> {
    const { store, log } = this.#options;
    while (!this.#stopped && this.#watch === null) {
      try {
        const prefixes = [INCIDENTS_PREFIX, HEALING_PREFIX, RECOVERIES_PREFIX];
        const watch = await store.watch({ prefixes }, () => this.#schedule());
        if (this.#stopped) return watch.close();
        this.#watch = watch;
      } catch (error) {
        log.warn({ error: String(error) }, 'cannot follow incidents yet');
        await pause(LOOK_INTERVAL_MS);
      }
    }
    this.#schedule();
  }

  #due(): IncidentRecord[] {
    const incidents: IncidentRecord[] = [];
    const entries = this.#watch?.entries() ?? new Map<string, StoreEntry>();
    const hopeless = withoutSource(entries);
    for (const [key, { value }] of entries) {
      if (!key.startsWith(INCIDENTS_PREFIX)) continue;
      try {
        const incident = parseRecord(incidentSchema, key, value);
        if (incident.status === 'offline' || hopeless.has(incident.id)) continue;
        if (healingPause(entries, incident.cluster) === undefined) incidents.push(incident);
      } catch (error) {
        this.#options.log.error({ key, error: String(error) }, 'ignored a bad incident record');
      }
    }
    return incidents;
  }

  #schedule(): void {
    if (this.#stopped || this.#timer !== null || this.#due().length === 0) return;
    this.#timer = setTimeout(() => {
      this.#look()
        .catch((error: unknown) => {
          this.#options.log.warn(
            { error: String(error) },
            'could not look for vdisks to repair, trying again',
          );
        })
        .finally(() => {
          this.#timer = null;
          this.#schedule();
        });
    }, LOOK_INTERVAL_MS);
  }

  /** Lists what is to be repaired, unless that which was listed before is still being worked off. */
  async #look(): Promise<void> {
    const listedFor = attemptsOf(this.#due()).join(' ');
    if (this.#queue.length > 0 && listedFor === this.#listedFor) return;
    this.#queue = await this.#wanted();
    this.#listedFor = listedFor;
    this.#takeNext();
  }

  #takeNext(): void {
    const { atOnceMax = AT_ONCE_MAX } = this.#options;
    while (!this.#stopped && this.#underWay.size < atOnceMax) {
      const next = this.#queue.shift();
      if (next === undefined) return;
      if (this.#underWay.has(next.vdisk)) continue;
      this.#underWay.add(next.vdisk);
      void this.#repair(next).finally(() => {
        this.#underWay.delete(next.vdisk);
        this.#takeNext();
      });
    }
  }

  async #wanted(): Promise<RepairWanted[]> {
    const { store, server } = this.#options;
    // What this server is to leave alone, others take meanwhile.
    const due = this.#due().filter((incident) => doubtedUntil(incident, server, Date.now()) === null);
    const vdisks = new Map<string, readonly string[]>();
    const recorded = new Set<string>();
    for (const { id, attempt, cluster } of due) {
      if (!vdisks.has(cluster)) {
        const { primary, slave } = await vdisksOfCluster(store, cluster);
        vdisks.set(cluster, [...primary, ...slave]);
      }
      for (const { key } of (await store.list(repairsPrefix(id, attempt))).entries) recorded.add(key);
    }
    return repairsWanted({ due, vdisks, recorded, server });
  }

  async #repair({ vdisk, records }: RepairWanted): Promise<void> {
    const { store, server, exports, log } = this.#options;
    if (exports.isMounted(vdisk)) return;
    try {
      const key = ownerKey(vdisk);
      const held = await store.get(key);
      // What an earlier run of this very server held, nobody else will take before its lease expires.
      if (held !== null && parseRecord(ownerSchema, key, held.value).server !== server) return;
      if (await this.#isOver(records)) return;
      const { mounted, release } = await exports.use(vdisk, 'repair');
      if (this.#stopped) return release();
      this.#held.set(vdisk, release);
      log.info({ vdisk }, 'took a vdisk without a client to repair it');
      await this.#untilOver(vdisk, records, mounted);
    } catch (error) {
      if (error instanceof OwnedElsewhereError || codeOf(error) === 'being-restored') return;
      log.warn({ vdisk, error: String(error) }, 'could not take a vdisk to repair it');
    } finally {
      this.#held.get(vdisk)?.();
      this.#held.delete(vdisk);
    }
  }

  /** Ends with the ownership too: then it is not repaired here any more, and may be taken anew by whoever looks first. */
  async #untilOver(
    vdisk: string,
    records: RepairWanted['records'],
    mounted: Pick<MountedVdisk, 'alive'>,
  ): Promise<void> {
    const endsAt = performance.now() + HELD_MAX_MS;
    while (!this.#stopped && performance.now() < endsAt) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, RECORD_INTERVAL_MS);
        this.#repaired.set(vdisk, () => {
          clearTimeout(timer);
          resolve();
        });
      });
      this.#repaired.delete(vdisk);
      try {
        if (this.#stopped || !mounted.alive || (await this.#isOver(records))) return;
      } catch (error) {
        this.#options.log.warn({ vdisk, error: String(error) }, 'cannot look whether a repair is on record');
      }
    }
  }

  /** Whether each of the repairs is on record, or wanted no more. */
  async #isOver(records: RepairWanted['records']): Promise<boolean> {
    const due = new Set(attemptsOf(this.#due()));
    const left = records.filter(({ incident, attempt }) => due.has(`${incident}/${attempt}`));
    for (const { incident, attempt, vdisk } of left)
      if ((await this.#options.store.get(repairKey(incident, attempt, vdisk))) === null) return false;
    return true;
  }
}

/** Incidents of pairs that have no member left: only their log can bring the blocks back, and it takes the vdisks itself. */
function withoutSource(entries: ReadonlyMap<string, StoreEntry>): Set<string> {
  const incidents = new Set<string>();
  for (const [key, { value }] of entries) {
    if (parseKey(key)?.kind !== 'recovery') continue;
    const { status, pairs } = parseRecord(recoverySchema, key, value);
    if (status !== 'prepared') continue;
    for (const { members, survivor, applied } of pairs) {
      if (applied) continue;
      for (const { incident } of members) incidents.add(incident);
      if (survivor !== undefined) incidents.add(survivor.incident);
    }
  }
  return incidents;
}

function attemptsOf(due: readonly IncidentRecord[]): string[] {
  return due.map(({ id, attempt }) => `${id}/${attempt}`);
}
