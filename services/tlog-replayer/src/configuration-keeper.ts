import {
  type ConfigStore,
  configurationKeeperKey,
  type Lease,
  type ParsedKey,
  parseKey,
} from '@salvor/config-store';
import { type Logger, messageOf, pause } from '@salvor/service-kit';
import { configurationDigest, dropOldConfigurations, putConfiguration, type Tier2Store } from '@salvor/tlog';

export interface ConfigurationKeeperOptions {
  readonly store: ConfigStore;
  readonly tier2: Tier2Store;
  readonly log: Logger;
  readonly instance: string;
  /** Pause between two looks. */
  readonly intervalMs: number;
  readonly leaseTtlSeconds?: number;
}

const LEASE_TTL_SECONDS = 5;
/** What has not changed is stored again after so long: its age tells that somebody looks. */
const AGAIN_MS = 60_000;
const STOP_TIMEOUT_MS = 3_000;

/** What has to be known to serve the vdisks again elsewhere. Who owns or repairs what at the moment is not. */
const kinds: ReadonlySet<ParsedKey['kind']> = new Set([
  ...(['vdisk-static', 'vdisk-nbd', 'vdisk-tlog', 'vdisk-lifecycle', 'vdisk-template'] as const),
  ...(['cluster-storage', 'cluster-zerostor', 'cluster-tlog', 'salvor-cluster', 'server-vdisks'] as const),
  ...([
    'tlog-config',
    'tlog-state',
    'instance',
    'incident',
    'unavailable',
    'recovery',
    'recovered-vdisk',
  ] as const),
]);
const SNAPSHOT_KEY = /^\/salvor\/tlogs\/[^/]+\/(?:snapshots\/|archived$)/;

/** Keeps the configuration in Tier-2 beside the logs. One replica does it at a time. */
export class ConfigurationKeeper {
  readonly #options: ConfigurationKeeperOptions;
  readonly #stopping = new AbortController();
  #lease: Lease | null = null;
  #running: Promise<void> = Promise.resolve();
  #stored: { digest: string; atMs: number } | null = null;
  #troubled = false;

  constructor(options: ConfigurationKeeperOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.race([this.#running, pause(STOP_TIMEOUT_MS)]);
    await this.#lease?.revoke().catch(() => this.#lease?.release());
  }

  async #run(): Promise<void> {
    const { log, intervalMs } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        if (await this.#isKeeper()) await this.#look();
        this.#troubled = false;
      } catch (error) {
        if (!this.#troubled)
          log.error({ error: messageOf(error) }, 'the configuration is not kept in Tier-2');
        this.#troubled = true;
      }
      await pause(intervalMs, signal);
    }
  }

  async #look(): Promise<void> {
    const { store, tier2 } = this.#options;
    const { revision, entries: all } = await store.list('');
    const entries = all
      .filter(({ key }) => SNAPSHOT_KEY.test(key) || kinds.has(parseKey(key)?.kind ?? 'operation'))
      .map(({ key, value }): [string, string] => [key, value]);
    const digest = configurationDigest(entries.filter(([key]) => !key.endsWith('/archived')));
    const now = performance.now();
    const isChanged = this.#stored?.digest !== digest;
    if (!isChanged && this.#stored !== null && now - this.#stored.atMs < AGAIN_MS) return;
    await putConfiguration(tier2, { revision, at: Date.now(), entries }, isChanged);
    this.#stored = { digest, atMs: now };
    if (isChanged) await dropOldConfigurations(tier2);
  }

  async #isKeeper(): Promise<boolean> {
    const { store, instance, leaseTtlSeconds = LEASE_TTL_SECONDS } = this.#options;
    const state = this.#lease?.state();
    if (this.#lease === null || (state !== 'valid' && state !== 'doubt')) {
      this.#lease = await store.grantLease(leaseTtlSeconds);
      this.#stored = null;
    }
    const held = await store.get(configurationKeeperKey);
    if (held !== null) return held.lease === this.#lease.id;
    const value = JSON.stringify({ holder: instance, since: Date.now() });
    const { ok } = await store.transact({
      compare: [{ key: configurationKeeperKey, revision: 'absent' }],
      puts: [{ key: configurationKeeperKey, value, lease: this.#lease.id }],
    });
    return ok;
  }
}
