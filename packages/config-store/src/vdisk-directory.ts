/** Which vdisks there are, and which of them live on a cluster. */
import { parseKey, SALVOR_PREFIX, vdiskNbdKey, vdiskStaticKey } from './keys.ts';
import { MAX_OPERATIONS } from './transaction.ts';
import type { StoreReader } from './types.ts';
import { parseVdiskNbd, parseVdiskStatic, type VdiskNbd, type VdiskStatic } from './vdisk-config.ts';

/** The id of every vdisk that has a static configuration, sorted. */
export async function listVdisks(store: StoreReader): Promise<string[]> {
  return (await stockKeys(store))
    .flatMap((key) => {
      const parsed = parseKey(key);
      return parsed?.kind === 'vdisk-static' ? [parsed.vdisk] : [];
    })
    .sort();
}

export interface ClusterVdisks {
  /** Ids of vdisks whose primary storage cluster this is. */
  readonly primary: readonly string[];
  /** Ids of vdisks whose slave storage cluster this is. */
  readonly slave: readonly string[];
  /** Vdisks whose storage configuration cannot be read: they may use any cluster. */
  readonly unreadable: readonly { readonly vdisk: string; readonly reason: string }[];
}

export async function vdisksOfCluster(store: StoreReader, cluster: string): Promise<ClusterVdisks> {
  const primary: string[] = [];
  const slave: string[] = [];
  const unreadable: { vdisk: string; reason: string }[] = [];
  for (const { vdisk, nbd } of await vdiskStorages(store)) {
    if (nbd instanceof Error) unreadable.push({ vdisk, reason: nbd.message });
    else {
      if (nbd.storageClusterID === cluster) primary.push(vdisk);
      if (nbd.slaveStorageClusterID === cluster) slave.push(vdisk);
    }
  }
  return { primary, slave, unreadable };
}

/** The vdisks with blocks on a cluster, told apart by whether its partner has them too. */
export async function vdisksAt(
  store: StoreReader,
  cluster: string,
): Promise<{ single: string[]; mirrored: string[] }> {
  const single: string[] = [];
  const mirrored: string[] = [];
  for (const { vdisk, nbd } of await vdiskStorages(store)) {
    // What cannot be read may be the only copy of something.
    if (nbd instanceof Error) single.push(vdisk);
    else if (nbd.slaveStorageClusterID === cluster) mirrored.push(vdisk);
    else if (nbd.storageClusterID === cluster)
      (nbd.slaveStorageClusterID === '' ? single : mirrored).push(vdisk);
  }
  return { single, mirrored };
}

export interface StoredVdisk {
  readonly static: VdiskStatic;
  readonly staticRevision: string;
  readonly nbd: VdiskNbd;
  readonly nbdRevision: string;
}

/** Both configurations of a vdisk at one revision; null if either is absent. Throws `ConfigValueError`. */
export async function readVdisk(store: StoreReader, vdisk: string): Promise<StoredVdisk | null> {
  const keys = [vdiskStaticKey(vdisk), vdiskNbdKey(vdisk)] as const;
  const { entries } = await store.getMany(keys);
  const [staticEntry, nbdEntry] = keys.map((key) => entries.get(key) ?? null);
  if (staticEntry == null || nbdEntry == null) return null;
  return {
    static: parseVdiskStatic(staticEntry.value),
    staticRevision: staticEntry.revision,
    nbd: parseVdiskNbd(nbdEntry.value),
    nbdRevision: nbdEntry.revision,
  };
}

/** Where every vdisk lies, or why that cannot be told. */
export async function vdiskStorages(store: StoreReader): Promise<{ vdisk: string; nbd: VdiskNbd | Error }[]> {
  const vdisks = (await stockKeys(store)).flatMap((key) => {
    const parsed = parseKey(key);
    return parsed?.kind === 'vdisk-nbd' ? [parsed.vdisk] : [];
  });
  const storages: { vdisk: string; nbd: VdiskNbd | Error }[] = [];
  for (let from = 0; from < vdisks.length; from += MAX_OPERATIONS) {
    const page = vdisks.slice(from, from + MAX_OPERATIONS);
    const { entries } = await store.getMany(page.map(vdiskNbdKey));
    for (const vdisk of page) {
      const entry = entries.get(vdiskNbdKey(vdisk));
      if (entry != null) storages.push({ vdisk, nbd: readNbd(entry.value) }); // absent: deleted meanwhile
    }
  }
  return storages;
}

function readNbd(value: string): VdiskNbd | Error {
  try {
    return parseVdiskNbd(value);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** 0-Disk's ids come first in its keys, so they are found by reading all keys but Salvor's own, without values. */
async function stockKeys(store: StoreReader): Promise<string[]> {
  const before = await store.listKeys({ from: '', to: SALVOR_PREFIX });
  const after = await store.listKeys({ from: AFTER_SALVOR, to: null });
  return [...before, ...after];
}

/** The first key after all that start with `/salvor/`: '0' follows '/'. */
const AFTER_SALVOR = '/salvor0';
