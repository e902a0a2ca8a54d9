import {
  type ConfigStore,
  type Lease,
  listRbdVolumes,
  RBD_VOLUMES_PREFIX,
  rbdVolumeKey,
  VolumeClaim,
  type Watch,
} from '@salvor/config-store';
import { messageOf, pause } from '@salvor/service-kit';
import { RbdKeeper, type RbdKeeperOptions } from './rbd-keeper.ts';

export interface RbdLoopOptions extends Omit<RbdKeeperOptions, 'claim' | 'volume'> {
  readonly store: ConfigStore;
  readonly instance: string;
}

const LOOK_EVERY_MS = 500;
/** After a replica died, another one has its volumes this much later. */
const LEASE_TTL_SECONDS = 5;
const STOP_MS = 5_000;

/** Keeps the mirrored images of this zone, those that no other replica keeps. */
export class RbdLoop {
  readonly #options: RbdLoopOptions;
  readonly #badRecords = new Set<string>();
  readonly #keepers = new Map<string, RbdKeeper>();
  readonly #stopping = new AbortController();
  #lease: Lease | null = null;
  #watch: Watch | null = null;
  #running: Promise<void> = Promise.resolve();

  constructor(options: RbdLoopOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    const keepers = [...this.#keepers.values()].map((keeper) => keeper.stop());
    await Promise.race([Promise.allSettled([this.#running, ...keepers]), pause(STOP_MS)]);
    this.#watch?.close();
    await this.#lease?.revoke().catch(() => this.#lease?.release());
  }

  get kept(): number {
    return this.#keepers.size;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.#look().catch((error: unknown) =>
        this.#options.log.warn(
          { error: messageOf(error) },
          'mirrored volumes could not be looked at, trying again',
        ),
      );
      await pause(LOOK_EVERY_MS, signal);
    }
  }

  async #look(): Promise<void> {
    const { store, instance, log } = this.#options;
    this.#watch ??= await store.watch({ prefixes: [RBD_VOLUMES_PREFIX] }, ({ changes }) => {
      const keys = new Set(changes.map(({ key }) => key));
      for (const keeper of this.#keepers.values())
        if (keys.has(rbdVolumeKey(keeper.volume))) keeper.noticed();
    });
    const lease = await this.#held();
    for (const [volume, keeper] of this.#keepers) if (keeper.isOver) this.#keepers.delete(volume);
    const records = await listRbdVolumes(store, ({ message }) => {
      if (this.#badRecords.has(message)) return;
      this.#badRecords.add(message);
      log.error({ error: message }, 'a volume is not kept: its record is bad');
    });
    for (const { volume } of records) {
      if (this.#keepers.has(volume) || this.#stopping.signal.aborted) continue;
      const claim = await VolumeClaim.take(store, lease, volume, instance);
      if (claim === null) continue;
      const keeper = new RbdKeeper({ ...this.#options, claim, volume });
      this.#keepers.set(volume, keeper);
      keeper.start();
    }
  }

  async #held(): Promise<Lease> {
    const state = this.#lease?.state();
    if (this.#lease !== null && (state === 'valid' || state === 'doubt')) return this.#lease;
    this.#lease = await this.#options.store.grantLease(LEASE_TTL_SECONDS);
    return this.#lease;
  }
}
