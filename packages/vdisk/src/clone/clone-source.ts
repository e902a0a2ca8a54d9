import { type EnginePlaceOptions, EngineReader } from '../census/engine-reader.ts';
import type { EngineIdentity } from '../engine-keys.ts';
import { EngineError } from '../errors.ts';

/** A copy of one shard that etcd records as current. */
export interface ShardCopy {
  readonly identity: EngineIdentity;
  readonly address: string;
  readonly db: number;
}

export type CopyAccess = Omit<EnginePlaceOptions, 'address' | 'db'>;

/**
 * Connects to the copy of a shard that has every acknowledged write of a vdisk that nobody writes: of two current copies
 * that is the one whose history is longer, where an owner died in the middle of a batch, or an engine lost its last writes.
 *
 * @throws EngineError when no copy answers
 */
export async function openSource(
  vdisk: string,
  shard: number,
  copies: readonly ShardCopy[],
  access: CopyAccess,
): Promise<EngineReader> {
  const opened = await Promise.allSettled(
    copies.map(async ({ identity, ...place }) => {
      const reader = await EngineReader.open({ ...place, ...access }, identity);
      try {
        return { reader, head: await reader.head(vdisk) };
      } catch (error) {
        reader.close();
        throw error;
      }
    }),
  );
  const found = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const [best, ...others] = found.sort((a, b) => b.head.seq - a.head.seq);
  for (const { reader } of others) reader.close();
  if (best !== undefined) return best.reader;
  const why = opened.flatMap((result) =>
    result.status === 'rejected' ? [String(result.reason.message)] : [],
  );
  const what = copies.length === 0 ? 'etcd records none as online' : why.join('; ');
  throw new EngineError('unreachable', `no copy of shard ${shard} of vdisk ${vdisk} can be read: ${what}`);
}
