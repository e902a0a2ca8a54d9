import {
  type ConfigStore,
  clusterStorageKey,
  listVdisks,
  parseClusterStorage,
  parseRecord,
  readVdisk,
  salvorClusterKey,
  salvorClusterSchema,
  templateIn,
  vdiskTemplateKey,
} from '@salvor/config-store';
import { messageOf, SalvorError } from '@salvor/service-kit';
import type { EngineIdentity } from '../engine-keys.ts';

/** Why garbage cannot be collected now; nothing was removed. */
export class CollectionRefusedError extends SalvorError {
  constructor(
    code:
      | 'unknown-cluster'
      | 'wrong-role'
      | 'cluster-not-healthy'
      | 'bad-configuration'
      | 'unknown-vdisks'
      | 'template-pending'
      | 'collection-running'
      | 'owner-not-settled'
      | 'cluster-changed'
      | 'cancelled',
    message: string,
  ) {
    super(code, message);
  }
}

export interface EnginePlace {
  readonly identity: EngineIdentity;
  readonly address: string;
  readonly db: number;
}

/** A cluster all of whose engines are online, or out of use for good. */
export interface HealthyCluster {
  readonly cluster: string;
  readonly partner: string | null;
  readonly engines: readonly EnginePlace[];
  /** Revision of its storage configuration: the same later on means that all were online all the time. */
  readonly revision: string;
}

/** @throws CollectionRefusedError unless every engine of the cluster is online or rip */
export async function readHealthyCluster(
  store: ConfigStore,
  cluster: string,
  role: 'primary' | 'slave',
): Promise<HealthyCluster> {
  const [storageKey, recordKey] = [clusterStorageKey(cluster), salvorClusterKey(cluster)];
  const { entries } = await store.getMany([storageKey, recordKey]);
  const [storage, entry] = [entries.get(storageKey), entries.get(recordKey)];
  if (storage == null || entry == null)
    throw new CollectionRefusedError('unknown-cluster', `there is no storage cluster ${cluster}`);
  const record = parseRecord(salvorClusterSchema, recordKey, entry.value);
  if (record.role !== role) {
    const message = `cluster ${cluster} is a ${record.role}, expected a ${role}: garbage is collected on a primary cluster and its slave together`;
    throw new CollectionRefusedError('wrong-role', message);
  }
  const { servers } = parseClusterStorage(storage.value);
  const down = servers.findIndex(({ status }) => status !== 'online' && status !== 'rip');
  if (down >= 0 || record.status !== 'healthy') {
    const what = down < 0 ? record.status : `shard ${down} is ${servers[down]?.status}`;
    throw new CollectionRefusedError(
      'cluster-not-healthy',
      `cluster ${cluster} is not healthy (${what}): repair it first`,
    );
  }
  return {
    cluster,
    partner: record.partner ?? null,
    revision: storage.revision,
    engines: servers.flatMap(({ status, address, db, generation }, shard) =>
      status === 'rip' ? [] : [{ identity: { cluster, role, shard, generation }, address, db }],
    ),
  };
}

/** The deduped vdisks that a collection on a cluster has to do with. */
export interface ContentUsers {
  /** Their block maps, and the content that they write, lie on the cluster. */
  readonly own: readonly string[];
  /** Made from a template there: their block maps lie elsewhere, and may name content of the cluster. */
  readonly byTemplate: readonly { readonly vdisk: string; readonly cluster: string }[];
}

/** @throws CollectionRefusedError when a vdisk cannot be read, or is still to get the map of its template */
export async function contentUsers(store: ConfigStore, cluster: string): Promise<ContentUsers> {
  const own: string[] = [];
  const byTemplate: { vdisk: string; cluster: string }[] = [];
  for (const vdisk of await listVdisks(store)) {
    const stored = await readVdisk(store, vdisk).catch((error: unknown) => {
      throw new CollectionRefusedError(
        'bad-configuration',
        `vdisk ${vdisk} may use cluster ${cluster}, its configuration cannot be read: ${messageOf(error)}`,
      );
    });
    if (stored === null || stored.static.type !== 'boot') continue;
    const { storageClusterID: home, templateStorageClusterID: template } = stored.nbd;
    if (home !== cluster && template !== cluster) continue;
    await assertHasMap(store, vdisk);
    if (home === cluster) own.push(vdisk);
    else byTemplate.push({ vdisk, cluster: home });
  }
  return { own, byTemplate };
}

/** While a vdisk copies a block map it comes to name content that it has not stored itself. */
async function assertHasMap(store: ConfigStore, vdisk: string): Promise<void> {
  const { entries } = await store.getMany([vdiskTemplateKey(vdisk)]);
  if (templateIn(entries, vdisk) === null) return;
  throw new CollectionRefusedError(
    'template-pending',
    `vdisk ${vdisk} does not have the block map of its template yet: connect to it once, or delete it`,
  );
}
