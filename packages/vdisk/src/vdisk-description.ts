import {
  type ClusterStorage,
  type ConfigStore,
  clusterStorageKey,
  confirmVolume,
  lifecycleHindrance,
  lifecycleIn,
  type MountPurpose,
  parseClusterStorage,
  parseRecord,
  parseVdiskNbd,
  parseVdiskStatic,
  readVolumeHindrance,
  salvorClusterKey,
  salvorClusterSchema,
  templateIn,
  type VdiskStatic,
  type VdiskTemplate,
  type VolumeHindrance,
  vdiskLifecycleKey,
  vdiskNbdKey,
  vdiskSizeBytes,
  vdiskStaticKey,
  vdiskTemplateKey,
  vdiskVolumeKey,
} from '@salvor/config-store';
import { SalvorError } from '@salvor/service-kit';
import { sectorLayout } from './deduped/sector.ts';
import type { TemplateClusters } from './deduped/template-cluster.ts';
import type { BlockLayout } from './layout/block-layout.ts';
import { layoutFrom } from './layout/layout-spec.ts';
import type { Geometry } from './vdisk.ts';

/** The storage clusters of a vdisk, by id. */
export interface Clusters {
  readonly primary: string;
  readonly slave: string | null;
}

/** What a deduped vdisk still gets from a template. */
export interface TemplateUse {
  /** Clusters whose content it names; null when there are none but its own. */
  readonly content: TemplateClusters | null;
  /** The template whose block map it has not got yet. */
  readonly map: VdiskTemplate | null;
}

type LifecycleHindrance = NonNullable<ReturnType<typeof lifecycleHindrance>>;

/** The vdisk cannot be served, whoever asks: it does not exist, or its type or configuration does not allow it. */
export class VdiskRefusedError extends SalvorError {
  constructor(
    code: 'unknown-vdisk' | 'bad-configuration' | LifecycleHindrance['code'] | VolumeHindrance['code'],
    message: string,
  ) {
    super(code, message);
  }
}

/**
 * Reads what a vdisk looks like.
 *
 * @throws VdiskRefusedError
 */
export async function describeVdisk(
  store: ConfigStore,
  vdisk: string,
  purpose: MountPurpose = 'clients',
): Promise<Geometry & { clusters: Clusters; template: TemplateUse }> {
  const keys = [vdiskStaticKey(vdisk), vdiskNbdKey(vdisk)];
  const { entries } = await store.getMany([
    ...keys,
    vdiskLifecycleKey(vdisk),
    vdiskTemplateKey(vdisk),
    vdiskVolumeKey(vdisk),
  ]);
  const [fixed, nbd] = keys.map((key) => entries.get(key) ?? null);
  const lifecycle = lifecycleIn(entries, vdisk);
  const shape = fixed == null ? null : parseVdiskStatic(fixed.value);
  const hindrance = lifecycleHindrance(vdisk, { lifecycle, readOnly: shape?.readOnly ?? false }, purpose);
  if (hindrance !== null) throw new VdiskRefusedError(hindrance.code, hindrance.reason);
  const isVolume = entries.get(vdiskVolumeKey(vdisk)) != null;
  const unconfirmed = isVolume && purpose === 'clients' ? await readVolumeHindrance(store, vdisk) : null;
  if (unconfirmed !== null) throw new VdiskRefusedError(unconfirmed.code, unconfirmed.reason);
  if (shape === null || !nbd) throw new VdiskRefusedError('unknown-vdisk', `there is no vdisk ${vdisk}`);
  const { storageClusterID: primary, slaveStorageClusterID: slave } = parseVdiskNbd(nbd.value);
  const clusters = { primary, slave: slave === '' ? null : slave };
  const storage = await readStorage(store, primary);
  if (
    clusters.slave !== null &&
    (await readStorage(store, clusters.slave)).servers.length < storage.servers.length
  ) {
    throw new VdiskRefusedError(
      'bad-configuration',
      `vdisk ${vdisk}: slave cluster ${clusters.slave} has fewer servers than ${primary}`,
    );
  }
  return {
    vdisk,
    sizeBytes: vdiskSizeBytes(shape),
    blockSizeBytes: shape.blockSize,
    isDeduped: shape.type === 'boot',
    layout: layoutOf(vdisk, shape, storage.servers.length),
    // What it has lost is written back, whoever else may not write to it.
    readOnly: shape.readOnly && purpose !== 'restore',
    shards: storage.servers.length,
    clusters,
    template: {
      content: await contentSource(store, nbd.value),
      map: shape.type === 'boot' ? templateIn(entries, vdisk) : null,
    },
  };
}

/**
 * Last of all before clients are served: what etcd says of a volume is so now, and not only what it said before this began.
 *
 * @returns waits for that word
 * @throws VdiskRefusedError, later
 */
export async function volumeConfirmation(store: ConfigStore, vdisk: string): Promise<() => Promise<void>> {
  const confirmed = await confirmVolume(store, vdisk);
  return async () => {
    const hindrance = await confirmed();
    if (hindrance !== null) throw new VdiskRefusedError(hindrance.code, hindrance.reason);
  };
}

/**
 * Whether who had the vdisk may have it again: nothing was begun with it meanwhile that excludes it.
 *
 * @throws VdiskRefusedError
 */
export async function assertStillAllowed(
  store: ConfigStore,
  vdisk: string,
  purpose: MountPurpose = 'clients',
): Promise<void> {
  const keys = [vdiskStaticKey(vdisk), vdiskLifecycleKey(vdisk)];
  const { entries } = await store.getMany(keys);
  const fixed = entries.get(vdiskStaticKey(vdisk)) ?? null;
  if (fixed === null) throw new VdiskRefusedError('unknown-vdisk', `there is no vdisk ${vdisk} any more`);
  const { readOnly } = parseVdiskStatic(fixed.value);
  const hindrance = lifecycleHindrance(vdisk, { lifecycle: lifecycleIn(entries, vdisk), readOnly }, purpose);
  if (hindrance !== null) throw new VdiskRefusedError(hindrance.code, hindrance.reason);
}

/** Where content is that the vdisk's own cluster does not have yet. */
async function contentSource(store: ConfigStore, nbd: string): Promise<TemplateClusters | null> {
  const { storageClusterID, templateStorageClusterID: cluster } = parseVdiskNbd(nbd);
  if (cluster === '' || cluster === storageClusterID) return null;
  const key = salvorClusterKey(cluster);
  const entry = await store.get(key);
  const partner = entry === null ? undefined : parseRecord(salvorClusterSchema, key, entry.value).partner;
  return { cluster, slave: partner ?? null };
}

/** How the blocks of a vdisk of this type lie on the engines; of type boot, the sectors of its block map. */
export function layoutOf(vdisk: string, { type, blockSize }: VdiskStatic, shards: number): BlockLayout {
  switch (type) {
    case 'volume':
      return layoutFrom({ kind: 'volume', vdisk, blockSizeBytes: blockSize, shards });
    case 'boot':
      return sectorLayout(vdisk);
    default:
      return layoutFrom({ kind: 'nondeduped', vdisk, blockSizeBytes: blockSize, shards });
  }
}

async function readStorage(store: ConfigStore, cluster: string): Promise<ClusterStorage> {
  const entry = await store.get(clusterStorageKey(cluster));
  if (entry === null)
    throw new VdiskRefusedError('bad-configuration', `there is no storage cluster ${cluster}`);
  return parseClusterStorage(entry.value);
}
