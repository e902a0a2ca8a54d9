import { schemaList } from '@salvor/contracts';
import { type Logger, messageOf } from '@salvor/service-kit';
import { type JetStreamManager, type KV, type NatsConnection, NatsError, type StreamConfig } from 'nats';
import { BusError } from './bus-error.ts';
import type { BusManifest, ConsumerManifest, LogContainers } from './manifest.ts';
import { bucketSettings, consumerSettings, streamSettings } from './manifest-settings.ts';

/** One way in which the server is not as the manifest wants it. */
export interface ManifestDifference {
  kind: 'stream' | 'consumer' | 'bucket' | 'schema';
  name: string;
  /** Name of the setting; absent when the whole thing is missing. */
  setting?: string;
  expected: unknown;
  found: unknown;
}

export interface AppliedItem {
  kind: ManifestDifference['kind'];
  name: string;
  action: 'created' | 'updated' | 'unchanged';
}

export interface ApplyOptions extends LogContainers {
  /** Copies of each stream in a cluster of servers; default 1. */
  replicas?: number;
  /** Streams, consumers and buckets that are there stay as they are, also where they differ. */
  missingOnly?: boolean;
}

type Settings = Record<string, unknown>;

const API_TIMEOUT_MS = 5_000;
const STREAM_NOT_FOUND = 10059;
const CONSUMER_NOT_FOUND = 10014;
const WRONG_LAST_SEQUENCE = 10071;

/**
 * Makes the server match the manifest, and says what differs. Older servers drop settings they do not know without a
 * word, so what they return is compared with what was asked, every time.
 */
export class ManifestReconciler {
  readonly #nc: NatsConnection;
  readonly #log: Logger;
  readonly #manifest: BusManifest;
  readonly #replicas: number;
  readonly #missingOnly: boolean;

  constructor(nc: NatsConnection, log: Logger, manifest: BusManifest, options: ApplyOptions) {
    this.#nc = nc;
    this.#log = log;
    this.#manifest = manifest;
    this.#replicas = options.replicas ?? 1;
    this.#missingOnly = options.missingOnly ?? false;
  }

  /**
   * Creates and updates; running it again changes nothing. Streams come before their consumers.
   * @throws BusError `manifest-drift` when a setting cannot be made so, `manifest-refused` when the server refuses
   */
  async apply(): Promise<AppliedItem[]> {
    const jsm = await this.#manager();
    const applied: AppliedItem[] = [];
    for (const item of this.#items()) {
      const action = await this.#applyItem(jsm, item);
      applied.push({ kind: item.kind, name: item.name, action });
      if (action !== 'unchanged')
        this.#log.info({ kind: item.kind, name: item.name, action }, 'bus manifest applied');
    }
    if (this.#manifest.buckets.length === 0) return applied;
    const schemas = await this.#applySchemas(await this.#openBucket());
    applied.push(...schemas);
    const created = schemas.filter(({ action }) => action === 'created').length;
    if (created > 0) this.#log.info({ created }, 'schemas published');
    return applied;
  }

  /** Compares without changing anything. @returns nothing when all is as it should be */
  async check(): Promise<ManifestDifference[]> {
    const jsm = await this.#manager();
    const differences: ManifestDifference[] = [];
    for (const item of this.#items()) {
      const found = await this.#guarded(item, () => item.find(jsm));
      differences.push(...compare(item, found));
    }
    if (!differences.some(({ kind, setting }) => kind === 'bucket' && setting === undefined)) {
      differences.push(...(await this.#checkSchemas(await this.#openBucket())));
    }
    return differences;
  }

  #items(): Item[] {
    const { streams, consumers, buckets } = this.#manifest;
    return [
      ...streams.map((stream) => streamItem('stream', stream.name, streamSettings(stream, this.#replicas))),
      ...buckets.map((bucket) =>
        streamItem('bucket', `KV_${bucket.name}`, bucketSettings(bucket, this.#replicas)),
      ),
      ...consumers.map(consumerItem),
    ];
  }

  async #applyItem(jsm: JetStreamManager, item: Item): Promise<AppliedItem['action']> {
    const before = await this.#guarded(item, () => item.find(jsm));
    if (before !== undefined && (this.#missingOnly || compare(item, before).length === 0)) return 'unchanged';
    const after = await this.#guarded(item, () => (before ? item.update(jsm) : item.create(jsm)));
    const left = compare(item, after);
    if (left.length > 0) throw driftError(left);
    return before ? 'updated' : 'created';
  }

  async #applySchemas(bucket: KV): Promise<AppliedItem[]> {
    const applied: AppliedItem[] = [];
    for (const { fingerprint, canonicalJson } of schemaList) {
      const item = { kind: 'schema' as const, name: fingerprint };
      const created = await this.#guarded(item, () => createOnly(bucket, fingerprint, canonicalJson));
      const found = created ? canonicalJson : (await bucket.get(fingerprint))?.string();
      if (found !== canonicalJson) {
        throw driftError([{ ...item, expected: canonicalJson, found }]);
      }
      applied.push({ ...item, action: created ? 'created' : 'unchanged' });
    }
    return applied;
  }

  async #checkSchemas(bucket: KV): Promise<ManifestDifference[]> {
    const differences: ManifestDifference[] = [];
    for (const { fingerprint, canonicalJson } of schemaList) {
      const found = (await bucket.get(fingerprint))?.string();
      if (found !== canonicalJson) {
        differences.push({ kind: 'schema', name: fingerprint, expected: canonicalJson, found });
      }
    }
    return differences;
  }

  #manager(): Promise<JetStreamManager> {
    return this.#nc.jetstreamManager({ checkAPI: false, timeout: API_TIMEOUT_MS });
  }

  #openBucket(): Promise<KV> {
    const [bucket] = this.#manifest.buckets;
    if (bucket === undefined)
      throw new BusError('manifest-drift', 'the manifest names no bucket for the schemas');
    return this.#nc.jetstream({ timeout: API_TIMEOUT_MS }).views.kv(bucket.name, { bindOnly: true });
  }

  async #guarded<T>(item: { kind: string; name: string }, act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (error) {
      throw new BusError(
        'manifest-refused',
        `${item.kind} ${item.name}: the server answered ${messageOf(error)}`,
        {
          cause: error,
        },
      );
    }
  }
}

interface Item {
  kind: ManifestDifference['kind'];
  name: string;
  wanted: Settings;
  find(jsm: JetStreamManager): Promise<Settings | undefined>;
  create(jsm: JetStreamManager): Promise<Settings>;
  update(jsm: JetStreamManager): Promise<Settings>;
}

function streamItem(kind: 'stream' | 'bucket', name: string, wanted: Partial<StreamConfig>): Item {
  return {
    kind,
    name,
    wanted,
    find: (jsm) => orMissing(STREAM_NOT_FOUND, async () => settingsOf((await jsm.streams.info(name)).config)),
    create: async (jsm) => settingsOf((await jsm.streams.add(wanted)).config),
    update: async (jsm) => settingsOf((await jsm.streams.update(name, wanted)).config),
  };
}

function consumerItem(manifest: ConsumerManifest): Item {
  const { stream, durable } = manifest;
  const wanted = consumerSettings(manifest);
  const put = async (jsm: JetStreamManager) => settingsOf((await jsm.consumers.add(stream, wanted)).config);
  return {
    kind: 'consumer',
    name: `${stream}.${durable}`,
    wanted: settingsOf(wanted),
    find: (jsm) =>
      orMissing(CONSUMER_NOT_FOUND, async () =>
        settingsOf((await jsm.consumers.info(stream, durable)).config),
      ),
    create: put,
    update: put,
  };
}

async function createOnly(bucket: KV, key: string, value: string): Promise<boolean> {
  try {
    await bucket.create(key, value);
    return true;
  } catch (error) {
    if (error instanceof NatsError && error.api_error?.err_code === WRONG_LAST_SEQUENCE) return false;
    throw error;
  }
}

async function orMissing<T>(errCode: number, find: () => Promise<T>): Promise<T | undefined> {
  try {
    return await find();
  } catch (error) {
    if (error instanceof NatsError && error.api_error?.err_code === errCode) return undefined;
    // A consumer of a stream that is not there is not there either.
    if (error instanceof NatsError && error.api_error?.err_code === STREAM_NOT_FOUND) return undefined;
    throw error;
  }
}

function settingsOf(config: object): Settings {
  return { ...config };
}

/** Only what the manifest asks for is compared: servers add settings of their own. */
function compare(item: Item, found: Settings | undefined): ManifestDifference[] {
  const { kind, name, wanted } = item;
  if (found === undefined) return [{ kind, name, expected: 'to exist', found: 'nothing' }];
  return Object.entries(wanted)
    .filter(([setting, expected]) => !sameSetting(expected, found[setting]))
    .map(([setting, expected]) => ({ kind, name, setting, expected, found: found[setting] }));
}

function sameSetting(expected: unknown, found: unknown): boolean {
  // Servers leave out what is false or empty.
  if (expected === false || expected === '') return found === undefined || found === expected;
  return JSON.stringify(expected) === JSON.stringify(found);
}

function driftError(differences: ManifestDifference[]): BusError {
  const told = differences.map(
    ({ kind, name, setting, expected, found }) =>
      `${kind} ${name}${setting === undefined ? '' : ` ${setting}`}: expected ${JSON.stringify(expected)}, found ${JSON.stringify(found)}`,
  );
  return new BusError(
    'manifest-drift',
    `the server does not take the manifest (is it older, or was the stream made by hand?): ${told.join('; ')}`,
  );
}
