/** Whose Tier-2 a directory is. */
import { stat } from 'node:fs/promises';
import type { Tier2Layout } from '@salvor/segments';
import { SalvorError } from '@salvor/service-kit';

/** Throws `no-tree`, `unknown-layout` or `both-layouts`. */
export async function layoutBelow(root: string): Promise<Tier2Layout> {
  const found = await stat(root).catch(() => null);
  if (found?.isDirectory() !== true)
    throw new SalvorError('no-tree', `${root}: expected the directory of Tier-2, found none`);
  const [{ hasArchive }, { hasPravegaFiles }, { decideTier2Layout }] = await Promise.all([
    import('@salvor/tlog'),
    import('@salvor/pravega'),
    import('@salvor/segments'),
  ]);
  return decideTier2Layout({
    root,
    hasArchive: await hasArchive(root),
    hasPravegaFiles: hasPravegaFiles(root),
  });
}
