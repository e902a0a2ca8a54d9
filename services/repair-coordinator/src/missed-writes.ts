import {
  type ConfigStore,
  engineInPlace,
  ownerKey,
  ownersComparedMax,
  readVdisk,
  type ServerEntry,
} from '@salvor/config-store';
import type { LostDataInit } from '@salvor/contracts';
import { messageOf } from '@salvor/service-kit';
import { EngineControl, identityText } from '@salvor/vdisk';
import { type KnownCluster, readCluster } from './descriptions.ts';
import type { EngineAccess } from './vdisk-blocks.ts';

const GIB_BYTES = 1024 ** 3;

export interface MissedWrites {
  /** Certainly nothing, as long as nobody owns one of the vdisks. */
  readonly isNothing: boolean;
  /** What each vdisk would lose if the engine served as it is. */
  readonly lost: LostDataInit[];
  /** The engine is empty, and belongs to nobody. */
  readonly isBlank: boolean;
}

/**
 * Looks at an engine that is offline and at its partner: which writes were acknowledged without it? Changes nothing.
 *
 * @throws EngineError when the engine itself cannot be used
 */
export async function lookForMissedWrites(
  store: ConfigStore,
  access: EngineAccess,
  known: KnownCluster,
  shard: number,
  vdisks: { readonly single: readonly string[]; readonly mirrored: readonly string[] },
): Promise<MissedWrites> {
  const { cluster, record, storage } = known;
  const entry = storage.servers[shard];
  if (entry === undefined) return { isNothing: false, lost: [], isBlank: false };
  const identity = { cluster, role: record.role, shard, generation: entry.generation };
  return EngineControl.with({ address: entry.address, db: entry.db, ...access }, async (own) => {
    const isBlank = (await own.identity()) === null && (await own.assertEmpty().then(() => true, nothing));
    if (!isBlank) await own.assertIdentity(identity);
    const lost: LostDataInit[] = [];
    let isNothing = !isBlank && (await areUnowned(store, [...vdisks.single, ...vdisks.mirrored]));
    await withPartner(store, access, known, shard, async (partner) => {
      for (const vdisk of vdisks.mirrored) {
        const atMost = await blocksOfShard(store, vdisk, storage.servers);
        const bound = atMost === undefined ? {} : { atMost };
        if (isBlank || typeof partner === 'string') {
          isNothing = false;
          const detail = isBlank ? `${entry.address} is empty: all of it` : `not known: ${partner}`;
          lost.push({ vdisk, ...bound, detail });
          continue;
        }
        const [mine, other] = [await own.writesAlone(vdisk), await partner.writesAlone(vdisk)];
        const isLevel =
          other.dirtyBlocks === 0 && !other.isForked && !mine.isForked && mine.batch === other.batch;
        if (isLevel) continue;
        isNothing = false;
        const detail = `${partner.address} took ${other.dirtyBlocks} blocks alone, and is at batch ${other.batch}; ${entry.address} is at batch ${mine.batch}`;
        lost.push({ vdisk, blocks: other.dirtyBlocks, ...bound, detail });
      }
    });
    return { isNothing, lost, isBlank };
  });
}

/** Opens the engine's partner for `work`, or says why it cannot be asked. */
async function withPartner(
  store: ConfigStore,
  access: EngineAccess,
  { record }: KnownCluster,
  shard: number,
  work: (partner: EngineControl | string) => Promise<void>,
): Promise<void> {
  if (record.partner === undefined) return work('there is no partner');
  const { cluster, storage, record: other } = await readCluster(store, record.partner);
  const entry = storage.servers[shard];
  if (entry === undefined) return work('there is no partner');
  const { address, db, generation } = engineInPlace(entry);
  let partner: EngineControl;
  try {
    partner = await EngineControl.connect({ address, db, ...access });
  } catch (error) {
    return work(`its partner ${address} cannot be asked: ${messageOf(error)}`);
  }
  try {
    const wanted = identityText({ cluster, role: other.role, shard, generation });
    const found = await partner.identity();
    await work(found === wanted ? partner : `its partner ${address} lost its data`);
  } finally {
    partner.close();
  }
}

async function areUnowned(store: ConfigStore, vdisks: readonly string[]): Promise<boolean> {
  if (vdisks.length > ownersComparedMax) return false;
  if (vdisks.length === 0) return true;
  const { entries } = await store.getMany(vdisks.map(ownerKey));
  return [...entries.values()].every((entry) => entry === null);
}

async function blocksOfShard(
  store: ConfigStore,
  vdisk: string,
  servers: readonly ServerEntry[],
): Promise<number | undefined> {
  try {
    const stored = await readVdisk(store, vdisk);
    const shards = servers.filter(({ status }) => status !== 'rip').length;
    if (stored === null || shards === 0) return undefined;
    return Math.ceil((stored.static.size * GIB_BYTES) / stored.static.blockSize / shards);
  } catch {
    // How large it is cannot be read: then nothing bounds the loss.
    return undefined;
  }
}

function nothing(): false {
  return false;
}
