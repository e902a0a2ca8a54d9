import { createHash } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import { messageOf } from '@salvor/service-kit';
import { LogError } from './log-error.ts';
import type { Tier2Store } from './store/tier2-store.ts';

/**
 * The configuration as it was at one revision of etcd: `_system/configuration/<revision>-<digest>.json.gz`, and
 * `_system/configuration/latest.json.gz`, the same as the newest one, written again at least once a minute.
 */
export interface ConfigurationSnapshot {
  readonly format: 1;
  /** Of etcd; decimal. */
  readonly revision: string;
  /** Milliseconds since 1970 UTC. */
  readonly at: number;
  /** SHA-256 of the entries as JSON. */
  readonly sha256: string;
  /** By key. */
  readonly entries: readonly (readonly [key: string, value: string])[];
  /** By key of an open incident: revision of etcd that made it, which tells the order of outages. Absent in older files. */
  readonly openedIn?: Readonly<Record<string, number>>;
}

export const CONFIGURATION_FOLDER = '_system/configuration/';
const LATEST = `${CONFIGURATION_FOLDER}latest.json.gz`;
const NAME = /^(\d{16})-([0-9a-f]{16})\.json\.gz$/;
/** The JSON of a snapshot, some KiB a vdisk; the packed file is smaller. */
const MAX_BYTES: number = 64 * 1024 * 1024;
/** So many of the newest are kept, and behind them the last one of each day that a kept one is not of. */
const KEPT_NEWEST = 60;
const KEPT_DAYS = 30;
const DAY_MS = 86_400_000;

/** Of a path below the root of the store. */
export function isConfigurationFile(path: string): boolean {
  return (
    path === LATEST ||
    (path.startsWith(CONFIGURATION_FOLDER) && NAME.test(path.slice(CONFIGURATION_FOLDER.length)))
  );
}

export function configurationDigest(entries: ConfigurationSnapshot['entries']): string {
  return createHash('sha256').update(JSON.stringify(entries)).digest('hex');
}

/** Stores a snapshot. The dated file only when its contents are not stored yet under this revision. */
export async function putConfiguration(
  store: Tier2Store,
  { revision, at, entries, openedIn }: Omit<ConfigurationSnapshot, 'format' | 'sha256'>,
  isChanged: boolean,
): Promise<void> {
  const sha256 = configurationDigest(entries);
  const snapshot: ConfigurationSnapshot = {
    ...{ format: 1, revision, at, sha256, entries },
    ...(openedIn === undefined ? {} : { openedIn }),
  };
  const bytes = gzipSync(JSON.stringify(snapshot));
  const dated = `${CONFIGURATION_FOLDER}${revision.padStart(16, '0')}-${sha256.slice(0, 16)}.json.gz`;
  if (isChanged) await store.put(dated, [bytes]);
  await store.put(LATEST, [bytes]);
}

/**
 * The newest configuration that can be read, the latest file first, then the dated ones from the newest on. Null: there is none.
 *
 * @param noticed told of files that cannot be read
 * @throws LogError `store`
 */
export async function latestConfiguration(
  store: Tier2Store,
  noticed: (what: string) => void = () => undefined,
): Promise<ConfigurationSnapshot | null> {
  const dated = (await listConfigurations(store)).map(({ path }) => path);
  for (const path of [LATEST, ...dated]) {
    try {
      if ((await store.stat(path)) !== null) return await readConfiguration(store, path);
    } catch (error) {
      if (!(error instanceof LogError) || error.code !== 'bad-chunk') throw error;
      noticed(error.message);
    }
  }
  return null;
}

/** A configuration, and the file that it is from. */
export interface StoredConfiguration extends ConfigurationSnapshot {
  readonly path: string;
}

/**
 * The configuration of the highest revision that can be read, whichever file it is in: after a loss of etcd the latest file may
 * be of another history than the newest dated one. Null: there is none.
 *
 * @param noticed told of files that cannot be read
 * @throws LogError `store`
 */
export async function newestConfiguration(
  store: Tier2Store,
  noticed: (path: string, what: string) => void = () => undefined,
): Promise<StoredConfiguration | null> {
  const read = async (path: string): Promise<StoredConfiguration | null> => {
    try {
      if ((await store.stat(path)) === null) return null;
      return { ...(await readConfiguration(store, path)), path };
    } catch (error) {
      if (!(error instanceof LogError) || error.code !== 'bad-chunk') throw error;
      noticed(path, error.message);
      return null;
    }
  };
  const latest = await read(LATEST);
  for (const { path, revision } of await listConfigurations(store)) {
    if (latest !== null && BigInt(latest.revision) >= BigInt(revision)) return latest;
    const found = await read(path);
    if (found?.revision === revision) return found;
    if (found !== null) noticed(path, `it has the configuration of revision ${found.revision}`);
  }
  return latest;
}

/** Dated snapshots, newest first. */
export async function listConfigurations(store: Tier2Store): Promise<{ path: string; revision: string }[]> {
  const found: { path: string; revision: string }[] = [];
  for await (const { path } of store.list(CONFIGURATION_FOLDER)) {
    const name = NAME.exec(path.slice(CONFIGURATION_FOLDER.length));
    if (name?.[1] !== undefined) found.push({ path, revision: String(BigInt(name[1])) });
  }
  return found.sort((a, b) => (a.path < b.path ? 1 : -1));
}

/** @throws LogError `bad-chunk` when it is torn or altered; `store` */
export async function readConfiguration(
  store: Pick<Tier2Store, 'read' | 'stat'>,
  path: string,
): Promise<ConfigurationSnapshot> {
  const bad = (what: string): LogError =>
    new LogError('bad-chunk', `${path}: expected a configuration: ${what}`);
  const found = await store.stat(path);
  if (found === null) throw bad('it is not there');
  if (found.sizeBytes > MAX_BYTES) throw bad(`it has ${found.sizeBytes} bytes, more than ${MAX_BYTES}`);
  let json: unknown;
  try {
    const packed = await store.read(path, 0, found.sizeBytes);
    json = JSON.parse(gunzipSync(packed, { maxOutputLength: MAX_BYTES }).toString());
  } catch (error) {
    if (error instanceof LogError) throw error;
    throw bad(messageOf(error));
  }
  if (!isSnapshot(json)) throw bad('it has other members');
  if (!/^\d{1,19}$/.test(json.revision)) throw bad(`its revision is ${JSON.stringify(json.revision)}`);
  if (configurationDigest(json.entries) !== json.sha256) throw bad('its entries do not match their checksum');
  return json;
}

/** Lets go of old dated snapshots. */
export async function dropOldConfigurations(store: Tier2Store): Promise<void> {
  const all = await listConfigurations(store);
  let day = Number.POSITIVE_INFINITY;
  let days = 0;
  for (const { path } of all.slice(KEPT_NEWEST)) {
    const at = (await readConfiguration(store, path).catch(() => null))?.at ?? Number.POSITIVE_INFINITY;
    const own = Math.floor(at / DAY_MS);
    if (own < day && days < KEPT_DAYS) {
      day = own;
      days += 1;
    } else await store.delete(path);
  }
}

function isSnapshot(json: unknown): json is ConfigurationSnapshot {
  if (typeof json !== 'object' || json === null) return false;
  const { format, revision, at, sha256, entries, openedIn } = json as Record<string, unknown>;
  return (
    format === 1 &&
    typeof revision === 'string' &&
    typeof at === 'number' &&
    typeof sha256 === 'string' &&
    (openedIn === undefined ||
      (typeof openedIn === 'object' &&
        openedIn !== null &&
        Object.values(openedIn).every((made) => Number.isSafeInteger(made)))) &&
    Array.isArray(entries) &&
    entries.every(
      (entry) =>
        Array.isArray(entry) && entry.length === 2 && entry.every((member) => typeof member === 'string'),
    )
  );
}
