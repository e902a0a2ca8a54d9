import { formatRecord, parseRecord } from '../healing/record-text.ts';
import { segmentRecoveryOwnerKey } from '../keys.ts';
import type { Compare, ConfigStore, Lease } from '../types.ts';
import { type SegmentRecoveryOwner, segmentRecoveryOwnerSchema } from './segment-records.ts';

/** The right to bring segments back: one process has it, under a lease, and every write proves that it still does. */
export interface SegmentClaim {
  /** Part of every transaction. */
  readonly proof: Compare;
  readonly lease: Lease;
  release(): Promise<void>;
}

export type SegmentClaimResult =
  | { readonly claim: SegmentClaim }
  | { readonly heldBy: SegmentRecoveryOwner; readonly ttlMs: number };

/** Takes the right, or says who has it. Throws StoreError, and ConfigValueError for a record it cannot read. */
export async function claimSegmentRecovery(
  store: ConfigStore,
  { operation, worker, ttlSeconds }: { operation: string; worker: string; ttlSeconds: number },
): Promise<SegmentClaimResult> {
  const key = segmentRecoveryOwnerKey;
  const lease = await store.grantLease(ttlSeconds);
  const owner = { operation, worker, since: Date.now() };
  const value = formatRecord(segmentRecoveryOwnerSchema, key, owner);
  const taken = await store.transact({
    compare: [{ key, revision: 'absent' }],
    puts: [{ key, value, lease: lease.id }],
  });
  if (taken.ok)
    return {
      claim: { proof: { key, createRevision: taken.revision }, lease, release: () => lease.revoke() },
    };
  await lease.revoke();
  const holder = taken.current.get(key);
  // It was let go in between: whoever asks again finds out.
  if (holder == null) return claimSegmentRecovery(store, { operation, worker, ttlSeconds });
  return { heldBy: parseRecord(segmentRecoveryOwnerSchema, key, holder.value), ttlMs: ttlSeconds * 1_000 };
}

/** Who has the right now; null when nobody has. */
export async function segmentRecoveryOwner(store: ConfigStore): Promise<SegmentRecoveryOwner | null> {
  const entry = await store.get(segmentRecoveryOwnerKey);
  return entry === null
    ? null
    : parseRecord(segmentRecoveryOwnerSchema, segmentRecoveryOwnerKey, entry.value);
}
