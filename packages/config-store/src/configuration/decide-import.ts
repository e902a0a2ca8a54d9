/** What an import writes. Pure. */
import { SalvorError } from '@salvor/service-kit';
import { ownerKey, parseKey } from '../keys.ts';
import type { StoreEntry } from '../types.ts';
import { parseVdiskNbd } from '../vdisk-config.ts';
import { type ConfigurationFile, digestOf } from './configuration-file.ts';
import { isExported } from './entry-check.ts';
import { exportedValue } from './exported-value.ts';
import { withSecretsOf } from './secrets.ts';

export interface ImportedKey {
  readonly key: string;
  readonly value: string;
  /** What it replaces; null: etcd has nothing. */
  readonly found: StoreEntry | null;
}

export interface ImportPlan {
  /** What belongs together stands together: clusters, then vdisks, then what is made of them. */
  readonly writes: readonly ImportedKey[];
  readonly unchanged: number;
  /** Changed in etcd since the export, or by another hand altogether, and not to be overwritten. */
  readonly newer: readonly string[];
  /** Of the configuration in etcd, and not in the file. They stay. */
  readonly others: readonly string[];
}

export interface ImportOptions {
  /** Also what was changed in etcd since the export. */
  readonly overwrite: boolean;
}

/**
 * @param all everything in etcd
 * @throws SalvorError `secret-missing`, `vdisk-owned`, `unknown-cluster`
 */
export function decideImport(
  file: Pick<ConfigurationFile, 'entries'>,
  all: ReadonlyMap<string, StoreEntry>,
  { overwrite }: ImportOptions,
): ImportPlan {
  const writes: ImportedKey[] = [];
  const newer: string[] = [];
  const missing: string[] = [];
  let unchanged = 0;
  for (const [key, { value, digest }] of file.entries) {
    const found = all.get(key) ?? null;
    const present = found === null ? null : exportedValue(found);
    if (present === value || found?.value === value) {
      unchanged += 1;
      continue;
    }
    const isNewer = present !== null && digestOf(present) !== digest;
    if (isNewer && !overwrite) {
      newer.push(key);
      continue;
    }
    const filled = withSecretsOf(key, value, found?.value ?? null);
    missing.push(...filled.missing.map((path) => `${key}: ${path}`));
    writes.push({ key, value: filled.value, found });
  }
  if (missing.length > 0)
    throw new SalvorError(
      'secret-missing',
      `expected a secret in the file, or in etcd, for ${missing.join(', ')}; write it into the file in place of [redacted]`,
    );
  assertNotInUse(writes, all);
  assertClusters(writes, file, all);
  const others = [...all.values()].filter(
    ({ key, value, lease }) => lease === null && isExported(key, value) && !file.entries.has(key),
  );
  return { writes: ordered(writes), unchanged, newer, others: others.map(({ key }) => key) };
}

/** A server holds what it read when it mounted the vdisk, and engines have what it wrote since: nothing of that is put back. */
function assertNotInUse(writes: readonly ImportedKey[], all: ReadonlyMap<string, StoreEntry>): void {
  const used = new Set<string>();
  for (const { key } of all.values()) {
    const about = parseKey(key);
    if (about?.kind !== 'vdisk-owner') continue;
    used.add(`vdisk ${about.vdisk}`);
    for (const cluster of clustersOf(all.get(`${about.vdisk}:vdisk:conf:storage:nbd`)?.value))
      used.add(`cluster ${cluster}`);
  }
  const refused = writes.filter(({ key, found }) => found !== null && used.has(subjectOf(key)));
  if (refused.length === 0) return;
  throw new SalvorError(
    'vdisk-owned',
    `expected nobody to have mounted what is changed, found ${refused.map(({ key }) => `${key} (${ownerOf(key, all)})`).join(', ')}; end the servers first`,
  );
}

function ownerOf(key: string, all: ReadonlyMap<string, StoreEntry>): string {
  const about = parseKey(key);
  const vdisk = about !== null && 'vdisk' in about ? about.vdisk : '';
  return vdisk !== '' && all.has(ownerKey(vdisk)) ? `vdisk ${vdisk} is mounted` : 'vdisks on it are mounted';
}

function assertClusters(
  writes: readonly ImportedKey[],
  { entries }: Pick<ConfigurationFile, 'entries'>,
  all: ReadonlyMap<string, StoreEntry>,
): void {
  const missing = writes.flatMap(({ key, value }) => {
    if (parseKey(key)?.kind !== 'vdisk-nbd') return [];
    return clustersOf(value)
      .map((cluster) => `${cluster}:cluster:conf:storage`)
      .filter((wanted) => !entries.has(wanted) && !all.has(wanted))
      .map((wanted) => `${wanted}, which ${key} names`);
  });
  if (missing.length > 0)
    throw new SalvorError('unknown-cluster', `expected in the file or in etcd: ${missing.join('; ')}`);
}

function clustersOf(value: string | undefined): string[] {
  if (value === undefined) return [];
  const { storageClusterID, slaveStorageClusterID, templateStorageClusterID } = parseVdiskNbd(value);
  return [storageClusterID, slaveStorageClusterID, templateStorageClusterID].filter((id) => id !== '');
}

const RANKS = ['healing', 'cluster', 'vdisk', 'volume', 'archive', 'instance', 'plan'];

/** What a key is about: keys of one subject are written together where that can be. */
export function subjectOf(key: string): string {
  const about = parseKey(key);
  if (about === null) return `vdisk ${/^\/salvor\/tlogs\/([^/]+)\//.exec(key)?.[1] ?? key}`;
  if (about.kind === 'healing-everywhere') return 'healing';
  if ('cluster' in about) return `cluster ${about.cluster}`;
  if ('vdisk' in about) return `vdisk ${about.vdisk}`;
  if ('archive' in about) return `archive ${about.archive}`;
  if ('volume' in about) return `volume ${about.volume}`;
  if ('instance' in about) return `instance ${about.instance}`;
  if ('plan' in about) return `plan ${about.plan}`;
  return key;
}

function ordered(writes: readonly ImportedKey[]): ImportedKey[] {
  const rank = (key: string): number => {
    const at = RANKS.indexOf(subjectOf(key).split(' ')[0] ?? '');
    return at < 0 ? RANKS.length : at;
  };
  return writes.toSorted(
    (a, b) =>
      rank(a.key) - rank(b.key) ||
      (subjectOf(a.key) < subjectOf(b.key) ? -1 : subjectOf(a.key) > subjectOf(b.key) ? 1 : 0),
  );
}
