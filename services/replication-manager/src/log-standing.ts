import { type ConfigStore, ownerKey, readTlog } from '@salvor/config-store';
import type { LogStanding } from './decide-level-log.ts';

/** Whoever had the vdisk before it is looked at is seen. Throws StoreError, ConfigValueError. */
export async function readLogStanding(store: ConfigStore, vdisk: string): Promise<LogStanding> {
  const isOwned = (await store.get(ownerKey(vdisk))) !== null;
  const tlog = await readTlog(store, vdisk);
  return { isOwned, isLogWhole: tlog?.state?.status === 'whole' };
}
