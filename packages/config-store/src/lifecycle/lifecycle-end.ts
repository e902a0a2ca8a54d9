import { vdiskLifecycleKey } from '../keys.ts';
import type { ConfigStore, Transaction } from '../types.ts';
import { lifecycleIn } from './vdisk-lifecycle.ts';

/** What is written when an operation no longer keeps a vdisk from being served: it may be mounted again. */
export async function lifecycleEnded(
  store: ConfigStore,
  vdisk: string,
  operation: string,
): Promise<Partial<Transaction>> {
  const key = vdiskLifecycleKey(vdisk);
  const { entries } = await store.getMany([key]);
  if (lifecycleIn(entries, vdisk)?.operations.includes(operation) !== true) return {};
  return { compare: [{ key, revision: entries.get(key)?.revision ?? 'absent' }], deletes: [key] };
}
