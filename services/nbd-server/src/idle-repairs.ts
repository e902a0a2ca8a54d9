import {
  type ConfigStore,
  INCIDENTS_PREFIX,
  type IncidentRecord,
  incidentSchema,
  ownerKey,
  ownerSchema,
  parseRecord,
  repairKey,
  vdisksOfCluster,
  type Watch,
} from '@salvor/config-store';
import { type Logger, pause } from '@salvor/service-kit';
import { OwnedElsewhereError } from '@salvor/vdisk';
import type { VdiskExports } from './vdisk-exports.ts';

/** How often vdisks that nobody serves are looked for while a repair is under way, in milliseconds. */
const LOOK_INTERVAL_MS = 1_000;
/** Vdisks repaired at once without a client. */
const AT_ONCE_MAX = 4;

/**
 * Repairs vdisks that nobody has mounted: takes such a vdisk while an engine of its clusters is under repair, and gives it
 * back when its repair is on record. The owner key decides between servers that try at once.
 */
export class IdleRepairs {
  readonly #store: ConfigStore;
  readonly #server: string;
  readonly #exports: VdiskExports;
  readonly #log: Logger;
  readonly #held = new Map<string, () => void>();
  #watch: Watch | null = null;
  #timer: NodeJS.Timeout | null = null;
  #looking = false;
  #stopped = false;

  constructor(store: ConfigStore, server: string, exports: VdiskExports, log: Logger) {
    this.#store = store;
    this.#server = server;
    this.#exports = exports;
    this.#log = log;
  }

  /** Follows the incidents in the background, from when etcd can be reached. */
  start(): void {
    void this.#follow();
  }

  /** Why vdisks without a client are not looked after at the moment; null when they are. */
  problem(): string | null {
    return this.#watch === null ? 'etcd has not answered yet' : null;
  }

  async #follow(): Promise<void> {
    while (!this.#stopped && this.#watch === null) {
      try {
        const watch = await this.#store.watch({ prefixes: [INCIDENTS_PREFIX] }, () => this.#schedule());
        if (this.#stopped) return watch.close();
        this.#watch = watch;
      } catch (error) {
        this.#log.warn({ error: String(error) }, 'cannot follow incidents yet');
        await pause(LOOK_INTERVAL_MS);
      }
    }
    this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
    this.#watch?.close();
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const release of this.#held.values()) release();
    this.#held.clear();
  }

  #due(): IncidentRecord[] {
    const incidents: IncidentRecord[] = [];
    for (const [key, { value }] of this.#watch?.entries() ?? []) {
      try {
        const incident = parseRecord(incidentSchema, key, value);
        if (incident.status !== 'offline') incidents.push(incident);
      } catch (error) {
        this.#log.error({ key, error: String(error) }, 'ignored a bad incident record');
      }
    }
    return incidents;
  }

  #schedule(): void {
    if (this.#stopped || this.#timer !== null || (this.#due().length === 0 && this.#held.size === 0)) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      void this.#look();
    }, LOOK_INTERVAL_MS);
  }

  async #look(): Promise<void> {
    if (this.#looking || this.#stopped) return;
    this.#looking = true;
    try {
      const wanted = await this.#unrepaired();
      for (const [vdisk, release] of this.#held) {
        if (wanted.has(vdisk)) continue;
        this.#held.delete(vdisk);
        release();
      }
      for (const vdisk of wanted) if (this.#held.size < AT_ONCE_MAX) await this.#take(vdisk);
    } catch (error) {
      this.#log.warn({ error: String(error) }, 'could not look for vdisks to repair, trying again');
    } finally {
      this.#looking = false;
      this.#schedule();
    }
  }

  async #unrepaired(): Promise<Set<string>> {
    const wanted = new Set<string>();
    for (const { id, attempt, cluster } of this.#due()) {
      const { primary, slave } = await vdisksOfCluster(this.#store, cluster);
      for (const vdisk of [...primary, ...slave]) {
        if ((await this.#store.get(repairKey(id, attempt, vdisk))) === null) wanted.add(vdisk);
      }
    }
    return wanted;
  }

  async #take(vdisk: string): Promise<void> {
    if (this.#held.has(vdisk) || this.#exports.isMounted(vdisk)) return;
    const key = ownerKey(vdisk);
    const held = await this.#store.get(key);
    // What an earlier run of this very server held, nobody else will take before its lease expires.
    if (held !== null && parseRecord(ownerSchema, key, held.value).server !== this.#server) return;
    try {
      const { release } = await this.#exports.use(vdisk, 'repair');
      if (this.#stopped) return release();
      this.#held.set(vdisk, release);
      this.#log.info({ vdisk }, 'took a vdisk without a client to repair it');
    } catch (error) {
      if (error instanceof OwnedElsewhereError) return;
      this.#log.warn({ vdisk, error: String(error) }, 'could not take a vdisk to repair it');
    }
  }
}
