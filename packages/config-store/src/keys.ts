import { StoreError } from './errors.ts';

/** Everything of Salvor's own lives below this prefix; all other keys are 0-Disk's. */
export const SALVOR_PREFIX = '/salvor/';

export type ParsedKey =
  | { readonly kind: 'vdisk-static'; readonly vdisk: string }
  | { readonly kind: 'vdisk-nbd'; readonly vdisk: string }
  | { readonly kind: 'vdisk-tlog'; readonly vdisk: string }
  | { readonly kind: 'cluster-storage'; readonly cluster: string }
  | { readonly kind: 'cluster-zerostor'; readonly cluster: string }
  | { readonly kind: 'cluster-tlog'; readonly cluster: string }
  | { readonly kind: 'server-vdisks'; readonly server: string }
  | { readonly kind: 'salvor-cluster'; readonly cluster: string }
  | { readonly kind: 'incident'; readonly cluster: string; readonly shard: number }
  | { readonly kind: 'closed-incident'; readonly incident: string }
  | { readonly kind: 'restarts'; readonly cluster: string; readonly shard: number }
  | { readonly kind: 'vdisk-owner'; readonly vdisk: string }
  | { readonly kind: 'vdisk-takeover'; readonly vdisk: string }
  | { readonly kind: 'vdisk-lifecycle'; readonly vdisk: string }
  | { readonly kind: 'vdisk-template'; readonly vdisk: string }
  | { readonly kind: 'healing-everywhere' }
  | { readonly kind: 'healing-cluster'; readonly cluster: string }
  | { readonly kind: 'collection'; readonly cluster: string }
  | { readonly kind: 'collection-settled'; readonly cluster: string; readonly vdisk: string }
  | { readonly kind: 'operation'; readonly operation: string }
  | { readonly kind: 'operation-worker'; readonly operation: string }
  | { readonly kind: 'rbd-volume'; readonly volume: string }
  | { readonly kind: 'hook'; readonly hook: string }
  | { readonly kind: 'hook-lane'; readonly lane: string }
  | { readonly kind: 'hook-run'; readonly run: string }
  | { readonly kind: 'hook-due'; readonly run: string }
  | { readonly kind: 'alert'; readonly alert: string }
  | { readonly kind: 'instance'; readonly instance: string }
  | { readonly kind: 'repair-progress'; readonly server: string }
  | { readonly kind: 'unavailable'; readonly cluster: string; readonly shard: number }
  | { readonly kind: 'available-again'; readonly cluster: string; readonly shard: number }
  | { readonly kind: 'recovery'; readonly cluster: string }
  | { readonly kind: 'recovered-vdisk'; readonly cluster: string; readonly vdisk: string }
  | { readonly kind: 'volume'; readonly volume: string }
  | { readonly kind: 'volume-worker'; readonly volume: string }
  | { readonly kind: 'volume-point'; readonly volume: string; readonly point: string }
  | { readonly kind: 'vdisk-volume'; readonly vdisk: string }
  | { readonly kind: 'archive'; readonly archive: string; readonly volume: string }
  | { readonly kind: 'archive-worker'; readonly archive: string; readonly volume: string }
  | { readonly kind: 'plan'; readonly plan: string }
  | { readonly kind: 'plan-active'; readonly plan: string }
  | { readonly kind: 'plan-run'; readonly plan: string; readonly run: string }
  | { readonly kind: 'tlog-config'; readonly vdisk: string }
  | { readonly kind: 'tlog-state'; readonly vdisk: string }
  | { readonly kind: 'tlog-snapshot'; readonly vdisk: string; readonly name: string }
  | { readonly kind: 'segment'; readonly container: number; readonly segment: string }
  | { readonly kind: 'segment-container'; readonly container: number }
  | { readonly kind: 'segment-recovery'; readonly operation: string }
  | { readonly kind: 'segment-recovery-owner' }
  | { readonly kind: 'repair'; readonly incident: string; readonly attempt: number; readonly vdisk: string };

// 0-Disk's keys: the id comes first and may itself hold colons, so they are told apart by their suffix.
export const vdiskStaticKey = (vdisk: string): string => `${stockId(vdisk)}:vdisk:conf:static`;
export const vdiskNbdKey = (vdisk: string): string => `${stockId(vdisk)}:vdisk:conf:storage:nbd`;
export const vdiskTlogKey = (vdisk: string): string => `${stockId(vdisk)}:vdisk:conf:storage:tlog`;
export const clusterStorageKey = (cluster: string): string => `${stockId(cluster)}:cluster:conf:storage`;
export const clusterZerostorKey = (cluster: string): string => `${stockId(cluster)}:cluster:conf:zerostor`;
export const clusterTlogKey = (cluster: string): string => `${stockId(cluster)}:cluster:conf:tlog`;
export const serverVdisksKey = (server: string): string => `${stockId(server)}:nbdserver:conf:vdisks`;

export const SALVOR_CLUSTERS_PREFIX = `${SALVOR_PREFIX}clusters/`;
export const INCIDENTS_PREFIX = `${SALVOR_PREFIX}incidents/`;
export const CLOSED_INCIDENTS_PREFIX = `${SALVOR_PREFIX}incidents-closed/`;
export const VDISK_OWNERS_PREFIX = `${SALVOR_PREFIX}vdisks/`;
export const HEALING_PREFIX = `${SALVOR_PREFIX}healing/`;
export const COLLECTIONS_PREFIX = `${SALVOR_PREFIX}collections/`;
export const OPERATIONS_PREFIX = `${SALVOR_PREFIX}operations/`;
export const OPERATION_WORKERS_PREFIX = `${SALVOR_PREFIX}operation-workers/`;
export const REPAIRS_PREFIX = `${SALVOR_PREFIX}repairs/`;
export const HOOKS_PREFIX = `${SALVOR_PREFIX}hooks/`;
export const HOOK_LANES_PREFIX = `${SALVOR_PREFIX}hook-lanes/`;
export const HOOKS_DUE_PREFIX = `${SALVOR_PREFIX}hooks-due/`;
/** Who ran which hook, when, and what came of it. */
export const AUDIT_PREFIX = `${SALVOR_PREFIX}audit/`;
export const ALERTS_PREFIX = `${SALVOR_PREFIX}alerts/`;
export const INSTANCES_PREFIX = `${SALVOR_PREFIX}instances/`;
export const REPAIR_PROGRESS_PREFIX = `${SALVOR_PREFIX}repair-progress/`;
export const UNAVAILABLE_PREFIX = `${SALVOR_PREFIX}unavailable/`;
export const TLOGS_PREFIX = `${SALVOR_PREFIX}tlogs/`;
export const AVAILABLE_AGAIN_PREFIX = `${SALVOR_PREFIX}available-again/`;
export const VOLUMES_PREFIX = `${SALVOR_PREFIX}volumes/`;
export const RBD_VOLUMES_PREFIX = `${SALVOR_PREFIX}rbd-volumes/`;
export const VOLUME_POINTS_PREFIX = `${SALVOR_PREFIX}volume-points/`;
export const ARCHIVES_PREFIX = `${SALVOR_PREFIX}archives/`;
export const PLANS_PREFIX = `${SALVOR_PREFIX}plans/`;
export const RECOVERIES_PREFIX = `${SALVOR_PREFIX}recoveries/`;
export const SEGMENT_CONTAINERS_PREFIX = `${SALVOR_PREFIX}segment-containers/`;
/** Under a lease: who brings segments back now. */
export const segmentRecoveryOwnerKey = `${SALVOR_PREFIX}segment-recovery/owner`;

export const salvorClusterKey = (cluster: string): string => `${SALVOR_CLUSTERS_PREFIX}${segment(cluster)}`;
export const incidentKey = (cluster: string, shard: number): string =>
  `${clusterIncidentsPrefix(cluster)}${count(shard, 0)}`;
export const clusterIncidentsPrefix = (cluster: string): string => `${INCIDENTS_PREFIX}${segment(cluster)}/`;
export const closedIncidentKey = (incident: string): string =>
  `${CLOSED_INCIDENTS_PREFIX}${segment(incident)}`;
/** Attempts to restart the engine of a shard. */
export const restartsKey = (cluster: string, shard: number): string =>
  `${SALVOR_PREFIX}restarts/${segment(cluster)}/${count(shard, 0)}`;
export const ownerKey = (vdisk: string): string => `${VDISK_OWNERS_PREFIX}${segment(vdisk)}/owner`;
export const takeoverKey = (vdisk: string): string => `${VDISK_OWNERS_PREFIX}${segment(vdisk)}/takeover`;
export const vdiskLifecycleKey = (vdisk: string): string =>
  `${VDISK_OWNERS_PREFIX}${segment(vdisk)}/lifecycle`;
/** From which template a deduped vdisk still has to get its block map; gone once it has. */
export const vdiskTemplateKey = (vdisk: string): string => `${VDISK_OWNERS_PREFIX}${segment(vdisk)}/template`;
/** Which volume the vdisk is; most are none. */
export const vdiskVolumeKey = (vdisk: string): string => `${VDISK_OWNERS_PREFIX}${segment(vdisk)}/volume`;
/** A volume as this zone has it. */
export const volumeKey = (volume: string): string => `${VOLUMES_PREFIX}${segment(volume)}`;
/** Under a lease: who keeps the volume in step with its other zone. */
export const volumeWorkerKey = (volume: string): string =>
  `${SALVOR_PREFIX}volume-workers/${segment(volume)}`;
/** States of the primary that were reached here. */
export const volumePointsPrefix = (volume: string): string => `${VOLUME_POINTS_PREFIX}${segment(volume)}/`;
export const volumePointKey = (volume: string, point: string): string =>
  `${volumePointsPrefix(volume)}${segment(point)}`;
/** A volume as an archive holds it. */
export const archiveKey = (archive: string, volume: string): string =>
  `${ARCHIVES_PREFIX}${segment(archive)}/${segment(volume)}`;
/** Under a lease: who brings that archive of the volume up to date. */
export const archiveWorkerKey = (archive: string, volume: string): string =>
  `${SALVOR_PREFIX}archive-workers/${segment(archive)}/${segment(volume)}`;
/** A recovery plan, the same in both of its zones. */
export const planKey = (plan: string): string => `${PLANS_PREFIX}${segment(plan)}`;
/** The run of a plan that is under way in this zone. */
export const planActiveKey = (plan: string): string => `${SALVOR_PREFIX}plan-active/${segment(plan)}`;
export const planRunsPrefix = (plan: string): string => `${SALVOR_PREFIX}plan-runs/${segment(plan)}/`;
export const planRunKey = (plan: string, run: string): string => `${planRunsPrefix(plan)}${segment(run)}`;
/** What operators hold back everywhere. */
export const healingEverywhereKey = `${HEALING_PREFIX}everywhere`;
/** What operators hold back on one cluster: a pause, and times of maintenance. */
export const healingClusterKey = (cluster: string): string => `${HEALING_PREFIX}clusters/${segment(cluster)}`;
/** The collection of garbage that is under way on a cluster. */
export const collectionKey = (cluster: string): string => `${COLLECTIONS_PREFIX}${segment(cluster)}`;
export const collectionSettledPrefix = (cluster: string): string => `${collectionKey(cluster)}/settled/`;
export const collectionSettledKey = (cluster: string, vdisk: string): string =>
  `${collectionSettledPrefix(cluster)}${segment(vdisk)}`;
export const operationKey = (operation: string): string => `${OPERATIONS_PREFIX}${segment(operation)}`;
export const operationWorkerKey = (operation: string): string =>
  `${OPERATION_WORKERS_PREFIX}${segment(operation)}`;
export const repairKey = (incident: string, attempt: number, vdisk: string): string =>
  `${repairsPrefix(incident, attempt)}${segment(vdisk)}`;
/** All repair records of one attempt of one incident. */
export const repairsPrefix = (incident: string, attempt: number): string =>
  `${incidentRepairsPrefix(incident)}${count(attempt, 1)}/`;
/** All repair records of an incident. */
export const incidentRepairsPrefix = (incident: string): string => `${REPAIRS_PREFIX}${segment(incident)}/`;

/** A volume whose copies Ceph RBD mirroring makes. */
export const rbdVolumeKey = (volume: string): string => `${RBD_VOLUMES_PREFIX}${segment(volume)}`;
export const hookKey = (hook: string): string => `${HOOKS_PREFIX}${segment(hook)}`;
/** Under a lease: who runs the hooks of this lane, one after the other. */
export const hookLaneKey = (lane: string): string => `${HOOK_LANES_PREFIX}${segment(lane)}`;
/** There while a run has not ended. */
export const hookDueKey = (run: string): string => `${HOOKS_DUE_PREFIX}${segment(run)}`;
export const hookRunKey = (run: string): string => `${AUDIT_PREFIX}${segment(run)}`;
export const alertKey = (alert: string): string => `${ALERTS_PREFIX}${segment(alert)}`;
export const instanceKey = (instance: string): string => `${INSTANCES_PREFIX}${segment(instance)}`;
/** How far the repairs are that one NBD server carries out. */
export const repairProgressKey = (server: string): string => `${REPAIR_PROGRESS_PREFIX}${segment(server)}`;
/** What has no live copy while both members of a pair are down; `cluster` is the primary one. */
export const unavailableKey = (cluster: string, shard: number): string =>
  `${UNAVAILABLE_PREFIX}${segment(cluster)}/${count(shard, 0)}`;
/** The transaction log of a vdisk; it has one exactly when this is there. */
export const tlogConfigKey = (vdisk: string): string => `${TLOGS_PREFIX}${segment(vdisk)}/config`;
/** How far the vdisk can be restored from its log, as its owner says. */
export const tlogStateKey = (vdisk: string): string => `${TLOGS_PREFIX}${segment(vdisk)}/state`;
/** Since when there are live copies again, after the latest time that there was none. */
export const availableAgainKey = (cluster: string, shard: number): string =>
  `${AVAILABLE_AGAIN_PREFIX}${segment(cluster)}/${count(shard, 0)}`;
/** States that are kept exact. */
export const tlogSnapshotsPrefix = (vdisk: string): string => `${TLOGS_PREFIX}${segment(vdisk)}/snapshots/`;
/** A named state of the vdisk in its log. */
export const tlogSnapshotKey = (vdisk: string, name: string): string =>
  `${tlogSnapshotsPrefix(vdisk)}${segment(name)}`;
/** The latest recovery from the log of a primary cluster. */
export const recoveryKey = (cluster: string): string => `${RECOVERIES_PREFIX}${segment(cluster)}`;
/** What each vdisk of the cluster got back in it. */
export const recoveredVdisksPrefix = (cluster: string): string => `${recoveryKey(cluster)}/`;
export const recoveredVdiskKey = (cluster: string, vdisk: string): string =>
  `${recoveredVdisksPrefix(cluster)}${segment(vdisk)}`;

export const segmentContainerKey = (container: number): string =>
  `${SEGMENT_CONTAINERS_PREFIX}${count(container, 0)}`;
/** Segments of a container, by name. */
export const segmentsPrefix = (container: number): string =>
  `${SALVOR_PREFIX}segments/${count(container, 0)}/`;
export const segmentKey = (container: number, name: string): string =>
  `${segmentsPrefix(container)}${segment(name)}`;
/** What an operation found of segments in Tier-2, and did with them. */
export const SEGMENT_RECOVERIES_PREFIX: string = `${SALVOR_PREFIX}segment-recoveries/`;
export const segmentRecoveryKey = (operation: string): string =>
  `${SEGMENT_RECOVERIES_PREFIX}${segment(operation)}`;

/** What a key is about, or null for a key that is neither 0-Disk's nor Salvor's. */
export function parseKey(key: string): ParsedKey | null {
  return key.startsWith(SALVOR_PREFIX) ? parseSalvorKey(key) : parseStockKey(key);
}

const stockSuffixes: readonly (readonly [suffix: string, parsed: (id: string) => ParsedKey])[] = [
  [':vdisk:conf:static', (vdisk) => ({ kind: 'vdisk-static', vdisk })],
  [':vdisk:conf:storage:nbd', (vdisk) => ({ kind: 'vdisk-nbd', vdisk })],
  [':vdisk:conf:storage:tlog', (vdisk) => ({ kind: 'vdisk-tlog', vdisk })],
  [':cluster:conf:storage', (cluster) => ({ kind: 'cluster-storage', cluster })],
  [':cluster:conf:zerostor', (cluster) => ({ kind: 'cluster-zerostor', cluster })],
  [':cluster:conf:tlog', (cluster) => ({ kind: 'cluster-tlog', cluster })],
  [':nbdserver:conf:vdisks', (server) => ({ kind: 'server-vdisks', server })],
];

function parseStockKey(key: string): ParsedKey | null {
  for (const [suffix, parsed] of stockSuffixes) {
    if (key.length > suffix.length && key.endsWith(suffix)) return parsed(key.slice(0, -suffix.length));
  }
  return null;
}

function parseSalvorKey(key: string): ParsedKey | null {
  const parts = key.slice(SALVOR_PREFIX.length).split('/').map(parseSegment);
  const [room, first, second, third] = parts;
  if (parts.some((part) => part === null) || room == null || first == null) return null;
  if (parts.length === 2) {
    if (room === 'clusters') return { kind: 'salvor-cluster', cluster: first };
    if (room === 'incidents-closed') return { kind: 'closed-incident', incident: first };
    if (room === 'healing' && first === 'everywhere') return { kind: 'healing-everywhere' };
    if (room === 'collections') return { kind: 'collection', cluster: first };
    if (room === 'operations') return { kind: 'operation', operation: first };
    if (room === 'operation-workers') return { kind: 'operation-worker', operation: first };
    if (room === 'rbd-volumes') return { kind: 'rbd-volume', volume: first };
    if (room === 'hooks') return { kind: 'hook', hook: first };
    if (room === 'hook-lanes') return { kind: 'hook-lane', lane: first };
    if (room === 'hooks-due') return { kind: 'hook-due', run: first };
    if (room === 'audit') return { kind: 'hook-run', run: first };
    if (room === 'alerts') return { kind: 'alert', alert: first };
    if (room === 'instances') return { kind: 'instance', instance: first };
    if (room === 'repair-progress') return { kind: 'repair-progress', server: first };
    if (room === 'recoveries') return { kind: 'recovery', cluster: first };
    if (room === 'volumes') return { kind: 'volume', volume: first };
    if (room === 'plans') return { kind: 'plan', plan: first };
    if (room === 'plan-active') return { kind: 'plan-active', plan: first };
    if (room === 'volume-workers') return { kind: 'volume-worker', volume: first };
    if (room === 'segment-recoveries') return { kind: 'segment-recovery', operation: first };
    if (room === 'segment-recovery' && first === 'owner') return { kind: 'segment-recovery-owner' };
    const container = parseCount(first, 0);
    if (room === 'segment-containers' && container !== null) return { kind: 'segment-container', container };
  }
  if (second == null) return null;
  if (parts.length === 3) {
    if (room === 'vdisks' && second === 'owner') return { kind: 'vdisk-owner', vdisk: first };
    if (room === 'vdisks' && second === 'takeover') return { kind: 'vdisk-takeover', vdisk: first };
    if (room === 'vdisks' && second === 'lifecycle') return { kind: 'vdisk-lifecycle', vdisk: first };
    if (room === 'vdisks' && second === 'template') return { kind: 'vdisk-template', vdisk: first };
    if (room === 'vdisks' && second === 'volume') return { kind: 'vdisk-volume', vdisk: first };
    if (room === 'archives') return { kind: 'archive', archive: first, volume: second };
    if (room === 'archive-workers') return { kind: 'archive-worker', archive: first, volume: second };
    if (room === 'plan-runs') return { kind: 'plan-run', plan: first, run: second };
    if (room === 'volume-points') return { kind: 'volume-point', volume: first, point: second };
    if (room === 'tlogs' && second === 'config') return { kind: 'tlog-config', vdisk: first };
    if (room === 'tlogs' && second === 'state') return { kind: 'tlog-state', vdisk: first };
    if (room === 'healing' && first === 'clusters') return { kind: 'healing-cluster', cluster: second };
    const container = parseCount(first, 0);
    if (room === 'segments' && container !== null) return { kind: 'segment', container, segment: second };
    if (room === 'recoveries') return { kind: 'recovered-vdisk', cluster: first, vdisk: second };
    const shard = parseCount(second, 0);
    if (room === 'unavailable' && shard !== null) return { kind: 'unavailable', cluster: first, shard };
    if (room === 'available-again' && shard !== null)
      return { kind: 'available-again', cluster: first, shard };
    if (room === 'incidents' && shard !== null) return { kind: 'incident', cluster: first, shard };
    if (room === 'restarts' && shard !== null) return { kind: 'restarts', cluster: first, shard };
  }
  if (parts.length === 4 && room === 'collections' && second === 'settled' && third != null)
    return { kind: 'collection-settled', cluster: first, vdisk: third };
  if (parts.length === 4 && room === 'tlogs' && second === 'snapshots' && third != null)
    return { kind: 'tlog-snapshot', vdisk: first, name: third };
  const attempt = parseCount(second, 1);
  if (parts.length === 4 && room === 'repairs' && attempt !== null && third != null) {
    return { kind: 'repair', incident: first, attempt, vdisk: third };
  }
  return null;
}

function stockId(id: string): string {
  if (id === '' || id.startsWith(SALVOR_PREFIX)) {
    throw new StoreError('invalid-key', `expected a non-empty id outside ${SALVOR_PREFIX}, found '${id}'`);
  }
  return id;
}

// Ids of a stock fleet may hold any character: whatever is outside Salvor's own id alphabet is percent-encoded.
function segment(id: string): string {
  if (id === '') throw new StoreError('invalid-key', 'expected an id, found an empty string');
  return id.replace(/[^A-Za-z0-9_:.-]+/gu, (other) =>
    [...Buffer.from(other)].map((byte) => `%${byte.toString(16).padStart(2, '0').toUpperCase()}`).join(''),
  );
}

function parseSegment(text: string): string | null {
  if (text === '') return null;
  try {
    const id = decodeURIComponent(text);
    return segment(id) === text ? id : null;
  } catch {
    return null; // a percent sign that no key of ours holds
  }
}

function count(value: number, least: number): string {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new StoreError('invalid-key', `expected an integer of at least ${least}, found ${value}`);
  }
  return String(value);
}

function parseCount(text: string, least: number): number | null {
  const value = Number(text);
  return /^(0|[1-9]\d{0,14})$/.test(text) && value >= least ? value : null;
}
