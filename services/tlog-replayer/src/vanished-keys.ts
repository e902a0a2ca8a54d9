/** What the last configuration in Tier-2 has, and etcd has lost without anybody having deleted it. Pure. */
import {
  ConfigValueError,
  clusterStorageKey,
  operationSchema,
  parseKey,
  parseRecord,
  parseVdiskNbd,
  SEGMENT_RECOVERIES_PREFIX,
  type StoreEntry,
  salvorClusterKey,
  vdiskLifecycleKey,
  vdiskLifecycleSchema,
} from '@salvor/config-store';

/** The newest configuration in Tier-2. */
export interface LastKept {
  readonly revision: bigint;
  /** Milliseconds since 1970 UTC. */
  readonly at: number;
  readonly keys: ReadonlySet<string>;
}

/** Operations are known for seven days: what was deleted longer ago has left no trace of that. */
const OPERATIONS_KNOWN_MS = 6 * 86_400_000;

/**
 * A vdisk goes with its removal, a log with its end, and a cluster only where no vdisk names it and nothing of it is left. All else
 * that is gone is a loss of etcd: kept as the configuration, it would take the place of what it can be brought back from.
 *
 * @param entries all that etcd has
 */
export function vanishedKeys(
  { revision, at, keys }: LastKept,
  entries: ReadonlyMap<string, StoreEntry>,
  nowMs: number,
): string[] {
  if (nowMs - at > OPERATIONS_KNOWN_MS) return [];
  const gone = [...keys].filter((key) => !entries.has(key));
  if (gone.length === 0) return [];
  const isBehind = (entry: StoreEntry): boolean => BigInt(entry.revision) > revision;
  // What a recovery did not bring back it has decided about.
  if (
    [...entries.values()].some(
      (entry) => entry.key.startsWith(SEGMENT_RECOVERIES_PREFIX) && isBehind(entry) && isDone(entry),
    )
  )
    return [];
  const ended = endedBy(entries, isBehind);
  const named = clustersNamed(entries);
  return gone.filter((key) => {
    const about = parseKey(key);
    switch (about?.kind) {
      case 'vdisk-static':
      case 'vdisk-nbd':
        return !isBeingDeleted(entries, about.vdisk) && !ended.vdisks.has(about.vdisk);
      case 'tlog-config':
        return (
          !isBeingDeleted(entries, about.vdisk) &&
          !ended.vdisks.has(about.vdisk) &&
          !ended.logs.has(about.vdisk)
        );
      case 'cluster-storage':
      case 'salvor-cluster':
        return (
          named.has(about.cluster) ||
          entries.has(clusterStorageKey(about.cluster)) ||
          entries.has(salvorClusterKey(about.cluster))
        );
      default:
        return false;
    }
  });
}

function isBeingDeleted(entries: ReadonlyMap<string, StoreEntry>, vdisk: string): boolean {
  const key = vdiskLifecycleKey(vdisk);
  const entry = entries.get(key);
  return (
    entry !== undefined &&
    orNull(() => parseRecord(vdiskLifecycleSchema, key, entry.value).state) === 'deleting'
  );
}

/** Operations behind the last configuration that took vdisks, or their logs, away. */
function endedBy(
  entries: ReadonlyMap<string, StoreEntry>,
  isBehind: (entry: StoreEntry) => boolean,
): { readonly vdisks: ReadonlySet<string>; readonly logs: ReadonlySet<string> } {
  const vdisks = new Set<string>();
  const logs = new Set<string>();
  for (const entry of entries.values()) {
    if (parseKey(entry.key)?.kind !== 'operation' || !isBehind(entry)) continue;
    const found = orNull(() => parseRecord(operationSchema, entry.key, entry.value));
    if (found?.subject === undefined || found.outcome !== 'applied') continue;
    const { kind, subject, work } = found;
    // A clone or an import that came to nothing takes its vdisk away with it.
    if (kind === 'vdisk.delete' || work?.status === 'cancelled' || work?.status === 'failed')
      vdisks.add(subject);
    if (kind === 'tlog.disable') logs.add(subject);
  }
  return { vdisks, logs };
}

function clustersNamed(entries: ReadonlyMap<string, StoreEntry>): Set<string> {
  const named = new Set<string>();
  for (const { key, value } of entries.values()) {
    if (parseKey(key)?.kind !== 'vdisk-nbd') continue;
    const nbd = orNull(() => parseVdiskNbd(value));
    if (nbd !== null) for (const one of [nbd.storageClusterID, nbd.slaveStorageClusterID]) named.add(one);
  }
  return named;
}

function isDone({ value }: StoreEntry): boolean {
  const found: unknown = orNull(() => JSON.parse(value) as unknown);
  return typeof found === 'object' && found !== null && Reflect.get(found, 'dryRun') === false;
}

function orNull<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof ConfigValueError || error instanceof SyntaxError) return null;
    throw error;
  }
}
