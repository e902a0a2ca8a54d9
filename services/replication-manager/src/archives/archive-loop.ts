import {
  ArchiveHold,
  type ConfigStore,
  type ConfigValueError,
  type Lease,
  listArchives,
  tier1RecoveryKey,
} from '@salvor/config-store';
import { messageOf, pause } from '@salvor/service-kit';
import { ArchiveKeeper, type ArchiveKeeperOptions } from './archive-keeper.ts';

export interface ArchiveLoopOptions extends ArchiveKeeperOptions {
  readonly store: ConfigStore;
  /** One run of this process. */
  readonly instance: string;
}

const LOOK_EVERY_MS = 500;
/** After a process died, another one has its archives this much later. */
const LEASE_TTL_SECONDS = 5;
const STOP_MS = 5_000;

/** Writes the archives that are configured here, those that no other process writes. */
export class ArchiveLoop {
  readonly #options: ArchiveLoopOptions;
  readonly #badRecords = new Set<string>();
  readonly #keepers = new Map<string, ArchiveKeeper>();
  readonly #stopping = new AbortController();
  #lease: Lease | null = null;
  #running: Promise<void> = Promise.resolve();

  constructor(options: ArchiveLoopOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#options.stores.names.length > 0) this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    const keepers = [...this.#keepers.values()].map((keeper) => keeper.stop());
    await Promise.race([Promise.allSettled([this.#running, ...keepers]), pause(STOP_MS)]);
    await this.#lease?.revoke().catch(() => this.#lease?.release());
  }

  get keepers(): readonly ArchiveKeeper[] {
    return [...this.#keepers.values()];
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.#look().catch((error: unknown) =>
        this.#options.log.warn({ error: messageOf(error) }, 'archives could not be looked at, trying again'),
      );
      await pause(LOOK_EVERY_MS, signal);
    }
  }

  async #look(): Promise<void> {
    const { store, instance, stores } = this.#options;
    const lease = await this.#held();
    for (const [name, keeper] of this.#keepers) if (keeper.isOver) this.#keepers.delete(name);
    // What etcd has meanwhile is no record yet that may be gone on from.
    if ((await store.get(tier1RecoveryKey)) !== null) return;
    for (const { archive, volume } of await listArchives(store, (error) => this.#bad(error))) {
      const name = `${archive}/${volume}`;
      const isOurs = stores.names.includes(archive) && !this.#keepers.has(name);
      if (!isOurs || this.#stopping.signal.aborted) continue;
      const hold = await ArchiveHold.take(store, lease, { archive, volume }, instance);
      if (hold === null) continue;
      const keeper = new ArchiveKeeper(this.#options, hold);
      this.#keepers.set(name, keeper);
      keeper.start();
    }
  }

  /** One archive cannot be written; that is no reason to let the others be. */
  #bad({ message }: ConfigValueError): void {
    if (this.#badRecords.has(message)) return;
    this.#badRecords.add(message);
    this.#options.log.error({ error: message }, 'an archive is not written: its record is bad');
  }

  async #held(): Promise<Lease> {
    const state = this.#lease?.state();
    if (this.#lease !== null && (state === 'valid' || state === 'doubt')) return this.#lease;
    this.#lease = await this.#options.store.grantLease(LEASE_TTL_SECONDS);
    return this.#lease;
  }
}
