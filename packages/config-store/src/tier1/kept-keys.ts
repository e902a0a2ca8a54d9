import { type ParsedKey, parseKey, SALVOR_PREFIX } from '../keys.ts';

/** Names the installation that this etcd is of: Tier-2 keeps it with the configuration. Made once. */
export const installationKey = `${SALVOR_PREFIX}installation`;
/** There while Tier-1 is being brought back from Tier-2: what etcd has meanwhile is no configuration yet. */
export const tier1RecoveryKey = `${SALVOR_PREFIX}segment-recovery/tier1`;
/** Written again and again by a recovery, so that the revision of etcd rises. */
export const raisedRevisionKey = `${SALVOR_PREFIX}segment-recovery/revision`;

/** What has to be known to serve the vdisks again elsewhere. Who owns or repairs what at the moment is not. */
const kept: ReadonlySet<ParsedKey['kind']> = new Set([
  ...(['vdisk-static', 'vdisk-nbd', 'vdisk-tlog', 'vdisk-lifecycle', 'vdisk-template'] as const),
  ...(['cluster-storage', 'cluster-zerostor', 'cluster-tlog', 'salvor-cluster', 'server-vdisks'] as const),
  ...(['tlog-config', 'tlog-state', 'tlog-snapshot', 'incident', 'unavailable'] as const),
  ...(['recovery', 'recovered-vdisk', 'instance', 'healing-everywhere', 'healing-cluster'] as const),
  ...(['volume', 'volume-point', 'vdisk-volume', 'rbd-volume', 'archive', 'plan'] as const),
  // Of attempts that are over: they tell which engine of a pair served last.
  ...(['repair'] as const),
]);
const ARCHIVED_KEY = /^\/salvor\/tlogs\/[^/]+\/archived$/;

/** Whether a key belongs to the configuration that Tier-2 keeps. Operations do while they have not ended. */
export function isConfiguration(key: string, value: string): boolean {
  if (key === installationKey || ARCHIVED_KEY.test(key)) return true;
  const kind = parseKey(key)?.kind;
  return kind === 'operation' ? isUnderWay(value) : kind !== undefined && kept.has(kind);
}

/** Of records that tell beside what they are how far they are, many times a minute: the members that say what they are. */
const settled: ReadonlyMap<ParsedKey['kind'] | undefined, readonly string[]> = new Map([
  [
    'volume',
    [
      ...['vdisk', 'role', 'phase', 'generation', 'lineage', 'begins', 'known', 'peer', 'mode', 'link'],
      ...['schedule', 'promotion', 'divergence', 'rival'],
    ],
  ],
  [
    'archive',
    [
      ...['role', 'source', 'phase', 'generation', 'lineage', 'history', 'forks', 'sizeBytes', 'base'],
      ...['overflow', 'lost', 'holes', 'snapshots', 'retention'],
    ],
  ],
  [
    'rbd-volume',
    [
      ...['pool', 'image', 'replaces', 'peer', 'follows', 'mode', 'generation', 'schedule', 'promotion'],
      ...['clones', 'kept'],
    ],
  ],
]);

/**
 * What of a value is worth a snapshot of the configuration when it alone changes: how far something is, is not. Null: nothing of
 * it is.
 */
export function worthKeeping(key: string, value: string): string | null {
  const kind = parseKey(key)?.kind;
  if (ARCHIVED_KEY.test(key) || kind === 'operation' || kind === 'repair' || kind === 'volume-point')
    return null;
  const members = settled.get(kind);
  if (members === undefined) return value;
  try {
    const record: unknown = JSON.parse(value);
    if (typeof record !== 'object' || record === null) return value;
    return JSON.stringify(members.map((member) => Reflect.get(record, member)));
  } catch {
    return value;
  }
}

function isUnderWay(value: string): boolean {
  try {
    const record: unknown = JSON.parse(value);
    const work = typeof record === 'object' && record !== null ? Reflect.get(record, 'work') : null;
    return typeof work === 'object' && work !== null && Reflect.get(work, 'status') === 'running';
  } catch {
    return false;
  }
}
