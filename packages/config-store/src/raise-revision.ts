/** Makes the revision of etcd rise, so that the epoch of every later owner is above all earlier ones. */
import { SalvorError } from '@salvor/service-kit';
import { raisedRevisionKey } from './tier1/index.ts';
import type { Compare, ConfigStore } from './types.ts';

/** Writes under way: etcd syncs many at once. */
const AT_ONCE = 128;

export interface RaiseOptions {
  readonly store: ConfigStore;
  readonly to: bigint;
  readonly operation: string;
  /** The right to do so; absent: nobody else may be at it. */
  readonly proof?: Compare;
  /** Throws when it is to end. */
  readonly assertWanted?: () => void;
  readonly reached?: (revision: bigint) => Promise<void>;
}

/** @returns the revision that etcd has then @throws SalvorError `lease-lost`; StoreError */
export async function raiseRevision({
  store,
  to,
  operation,
  proof,
  assertWanted,
  reached,
}: RaiseOptions): Promise<bigint> {
  let revision = 0n;
  let sent = 0;
  const hand = async (): Promise<void> => {
    while (revision < to) {
      assertWanted?.();
      const value = JSON.stringify({ operation, to: String(to), write: ++sent });
      const done = await store.transact({
        compare: proof === undefined ? [] : [proof],
        puts: [{ key: raisedRevisionKey, value }],
      });
      if (!done.ok) throw new SalvorError('lease-lost', 'another process carries the recovery out now');
      const found = BigInt(done.revision);
      if (found <= revision) continue;
      revision = found;
      await reached?.(revision);
    }
  };
  const settled = await Promise.allSettled(Array.from({ length: AT_ONCE }, hand));
  const failed = settled.find((one) => one.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return revision;
}
