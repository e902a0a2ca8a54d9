import {
  type ConfigStore,
  ConfigValueError,
  type Lease,
  listVolumes,
  parseRecord,
  type StoreEntry,
  VOLUMES_PREFIX,
  VolumeClaim,
  volumeKey,
  volumeSchema,
  type Watch,
} from '@salvor/config-store';
import { type Logger, messageOf, pause } from '@salvor/service-kit';
import { VolumeKeeper, type VolumeKeeperOptions } from './volume-keeper.ts';

export interface VolumeLoopOptions extends Omit<VolumeKeeperOptions, 'claim' | 'volume'> {
  readonly store: ConfigStore;
  readonly log: Logger;
  readonly instance: string;
}

const LOOK_EVERY_MS = 500;
/** After a replica died, another one has its volumes this much later. */
const LEASE_TTL_SECONDS = 5;
const STOP_MS = 5_000;

/** Keeps the volumes of this zone in step, those that no other replica keeps. */
export class VolumeLoop {
  readonly #options: VolumeLoopOptions;
  /** Told once each. */
  readonly #badRecords = new Set<string>();
  readonly #keepers = new Map<string, VolumeKeeper>();
  readonly #stopping = new AbortController();
  #lease: Lease | null = null;
  #watch: Watch | null = null;
  #running: Promise<void> = Promise.resolve();

  constructor(options: VolumeLoopOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    const ended = Promise.allSettled([
      this.#running,
      ...[...this.#keepers.values()].map((keeper) => keeper.stop()),
    ]);
    await Promise.race([ended, pause(STOP_MS)]);
    this.#watch?.close();
    await this.#lease?.revoke().catch(() => this.#lease?.release());
  }

  get volumes(): readonly VolumeKeeper[] {
    return [...this.#keepers.values()];
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.#look().catch((error: unknown) =>
        this.#options.log.warn({ error: messageOf(error) }, 'volumes could not be looked at, trying again'),
      );
      await pause(LOOK_EVERY_MS, signal);
    }
  }

  async #look(): Promise<void> {
    const { store, instance } = this.#options;
    this.#watch ??= await store.watch({ prefixes: [VOLUMES_PREFIX] }, ({ changes }) => {
      for (const { key, entry } of changes) this.#noticed(key, entry);
    });
    const lease = await this.#held();
    for (const [volume, keeper] of this.#keepers) if (keeper.isOver) this.#keepers.delete(volume);
    for (const { volume } of await listVolumes(store, (error) => this.#bad(error))) {
      if (this.#keepers.has(volume) || this.#stopping.signal.aborted) continue;
      const claim = await VolumeClaim.take(store, lease, volume, instance);
      if (claim === null) continue;
      const keeper = new VolumeKeeper({ ...this.#options, claim, volume });
      this.#keepers.set(volume, keeper);
      keeper.start();
    }
  }

  #noticed(key: string, entry: StoreEntry | null): void {
    for (const keeper of this.#keepers.values()) {
      if (volumeKey(keeper.volume) !== key) continue;
      try {
        keeper.noticed(entry === null ? null : parseRecord(volumeSchema, key, entry.value));
      } catch (error) {
        if (!(error instanceof ConfigValueError)) throw error;
        this.#bad(error);
      }
    }
  }

  /** One volume cannot be kept; that is no reason to let the others be. */
  #bad({ message }: ConfigValueError): void {
    if (this.#badRecords.has(message)) return;
    this.#badRecords.add(message);
    this.#options.log.error({ error: message }, 'a volume is not kept in step: its record is bad');
  }

  async #held(): Promise<Lease> {
    const state = this.#lease?.state();
    if (this.#lease !== null && (state === 'valid' || state === 'doubt')) return this.#lease;
    this.#lease = await this.#options.store.grantLease(LEASE_TTL_SECONDS);
    return this.#lease;
  }
}
