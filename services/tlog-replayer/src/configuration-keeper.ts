import { randomUUID } from 'node:crypto';
import {
  type ConfigStore,
  configurationKeeperKey,
  configurationTroubleKey,
  configurationTroubleSchema,
  formatRecord,
  installationKey,
  installationSchema,
  isConfiguration,
  type Lease,
  parseKey,
  type StoreEntry,
  tier1RecoveryKey,
  worthKeeping,
} from '@salvor/config-store';
import { codeOf, type Logger, messageOf, pause, SalvorError } from '@salvor/service-kit';
import {
  configurationDigest,
  dropOldConfigurations,
  newestConfiguration,
  putConfiguration,
  type Tier2Store,
} from '@salvor/tlog';
import { decideKeeping, type EtcdNow } from './keeping-decision.ts';
import { type LastKept, vanishedKeys } from './vanished-keys.ts';

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
/** Of those that vanished. */
const KEYS_NAMED = 5;

/** Keeps the configuration in Tier-2 beside the logs. One replica does it at a time. */
export class ConfigurationKeeper {
  readonly #options: ConfigurationKeeperOptions;
  readonly #stopping = new AbortController();
  #lease: Lease | null = null;
  #running: Promise<void> = Promise.resolve();
  #stored: { digest: string; atMs: number } | null = null;
  /** Code of what keeps it from working; it is told once. */
  #trouble: string | null = null;
  /** That of which the configuration may be kept. */
  #installation: string | null = null;
  /** The revision that was seen last: while it rises, Tier-2 is not asked again. */
  #seen = 0n;
  /** What Tier-2 has; null: it is to be read. */
  #kept: LastKept | null = null;
  /** Since when etcd has the trouble on record; null: it has none, undefined: that is not known. */
  #troubleSince: number | null | undefined = undefined;

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
        if (await this.#isKeeper()) {
          await this.#look();
          await this.#record(null);
        }
        this.#trouble = null;
      } catch (error) {
        const code = codeOf(error);
        await this.#record(error).catch(() => undefined);
        if (this.#trouble !== code)
          log.error({ code, error: messageOf(error) }, 'the configuration is not kept in Tier-2');
        this.#trouble = code;
      }
      await pause(intervalMs, signal);
    }
  }

  async #look(): Promise<void> {
    const { store, tier2 } = this.#options;
    const { revision, entries: all } = await store.list('');
    const installation = all.find(({ key }) => key === installationKey)?.value ?? null;
    const isRecovering = all.some(({ key }) => key === tier1RecoveryKey);
    if (!(await this.#mayKeep({ revision, installation, isRecovering }))) return;
    const entries = all
      .filter(({ key, value }) => isConfiguration(key, value))
      .map(({ key, value }): [string, string] => [key, value]);
    await this.#assertNothingVanished(new Map(all.map((entry) => [entry.key, entry])));
    const settled = entries.flatMap(([key, value]): [string, string][] => {
      const worth = worthKeeping(key, value);
      return worth === null ? [] : [[key, worth]];
    });
    const digest = configurationDigest(settled);
    const now = performance.now();
    const isChanged = this.#stored?.digest !== digest;
    if (!isChanged && this.#stored !== null && now - this.#stored.atMs < AGAIN_MS) return;
    const at = Date.now();
    const incidents = all.filter(({ key }) => parseKey(key)?.kind === 'incident');
    const openedIn = Object.fromEntries(
      incidents.map(({ key, createRevision }) => [key, Number(createRevision)]),
    );
    await putConfiguration(tier2, { revision, at, entries, openedIn }, isChanged);
    this.#kept = { revision: BigInt(revision), at, keys: new Set(entries.map(([key]) => key)) };
    this.#stored = { digest, atMs: now };
    if (isChanged) await dropOldConfigurations(tier2);
  }

  /** @throws SalvorError `keys-vanished` */
  async #assertNothingVanished(entries: ReadonlyMap<string, StoreEntry>): Promise<void> {
    if (this.#kept === null) {
      const newest = await newestConfiguration(this.#options.tier2);
      if (newest === null) return;
      const { revision, at } = newest;
      this.#kept = { revision: BigInt(revision), at, keys: new Set(newest.entries.map(([key]) => key)) };
    }
    const gone = vanishedKeys(this.#kept, entries, Date.now());
    if (gone.length === 0) return;
    const more = gone.length > KEYS_NAMED ? ` and ${gone.length - KEYS_NAMED} more` : '';
    throw new SalvorError(
      'keys-vanished',
      `expected in etcd what Tier-2 has as of revision ${this.#kept.revision}, found nothing at ${gone.slice(0, KEYS_NAMED).join(', ')}${more}, and no operation that took it away: bring it back with 'salvor dr recover', and remove it with Salvor's own commands if it was to go`,
    );
  }

  /** The watchdog raises an alert about it. Nothing is written into an etcd that is none to be kept, or not yet. */
  async #record(error: unknown): Promise<void> {
    const { store } = this.#options;
    if (this.#troubleSince === null && error === null) return;
    const code = codeOf(error);
    if (error !== null && (code === 'other-installation' || code === 'being-recovered')) return;
    const key = configurationTroubleKey;
    if (error === null) {
      await store.transact({ compare: [], deletes: [key] });
      this.#troubleSince = null;
      return;
    }
    if (this.#trouble === code && typeof this.#troubleSince === 'number') return;
    this.#troubleSince ??= Date.now();
    const value = { reason: messageOf(error), since: this.#troubleSince };
    await store.transact({
      compare: [],
      puts: [{ key, value: formatRecord(configurationTroubleSchema, key, value) }],
    });
  }

  /** Asked of Tier-2 whenever the name of the installation is another than before. @throws SalvorError `other-installation`, `being-recovered`, `went-back` */
  async #mayKeep(now: EtcdNow): Promise<boolean> {
    const revision = BigInt(now.revision);
    const hasRisen = revision >= this.#seen;
    this.#seen = revision;
    if (!now.isRecovering && hasRisen && now.installation !== null && now.installation === this.#installation)
      return true;
    this.#installation = null;
    this.#kept = null;
    const newest = await newestConfiguration(this.#options.tier2);
    const installation = newest?.entries.find(([key]) => key === installationKey)?.[1] ?? null;
    const before = newest === null ? null : { revision: newest.revision, installation };
    const { kind, reason } = decideKeeping(now, before);
    switch (kind) {
      case 'wait':
        throw new SalvorError(waitCode(now, installation), reason);
      case 'keep':
        this.#installation = now.installation;
        return true;
      case 'name': {
        const value = formatRecord(installationSchema, installationKey, { id: randomUUID(), at: Date.now() });
        await this.#options.store.transact({
          compare: [{ key: installationKey, revision: 'absent' }],
          puts: [{ key: installationKey, value }],
        });
        // With the name it is another configuration: the next look keeps it.
        return false;
      }
    }
  }

  async #isKeeper(): Promise<boolean> {
    const { store, instance, leaseTtlSeconds = LEASE_TTL_SECONDS } = this.#options;
    const state = this.#lease?.state();
    if (this.#lease === null || (state !== 'valid' && state !== 'doubt')) {
      this.#lease = await store.grantLease(leaseTtlSeconds);
      this.#stored = null;
      this.#installation = null;
      this.#kept = null;
      this.#troubleSince = undefined;
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

function waitCode({ isRecovering, installation }: EtcdNow, kept: string | null): string {
  if (isRecovering) return 'being-recovered';
  return installation !== null && installation === kept ? 'went-back' : 'other-installation';
}
