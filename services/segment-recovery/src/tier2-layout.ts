/** Whose Tier-2 a directory is that a command names. */
import { stat } from 'node:fs/promises';
import { hasPravegaFiles } from '@salvor/pravega';
import { decideTier2Layout, type Tier2Layout } from '@salvor/segments';
import { SalvorError } from '@salvor/service-kit';
import { hasArchive } from '@salvor/tlog';

/** Throws `no-tree`, `unknown-layout` or `both-layouts`. */
export async function layoutBelow(root: string): Promise<Tier2Layout> {
  const found = await stat(root).catch(() => null);
  if (found?.isDirectory() !== true)
    throw new SalvorError('no-tree', `${root}: expected the directory of Tier-2, found none`);
  return decideTier2Layout({
    root,
    hasArchive: await hasArchive(root),
    hasPravegaFiles: hasPravegaFiles(root),
  });
}
