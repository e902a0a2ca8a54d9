/** Reads the vdisks of a pair of clusters, and asks whether one of them keeps its blocks from being spread. */
import type { ConfigStore } from '../types.ts';
import { readVdisk, vdiskStorages } from '../vdisk-directory.ts';
import { decideSpreadHindrance, isOnPair, type PlacedVdisk } from './spread-hindrance.ts';

/** Looks at every vdisk. Throws StoreError. */
export async function spreadHindrance(
  store: ConfigStore,
  pair: { readonly cluster: string; readonly partner: string },
): Promise<string | null> {
  const vdisks: PlacedVdisk[] = [];
  for (const { vdisk, nbd } of await vdiskStorages(store)) {
    if (!(nbd instanceof Error) && !isOnPair(nbd, pair)) continue;
    const stored = nbd instanceof Error ? null : await readVdisk(store, vdisk).catch(() => null);
    vdisks.push({ vdisk, nbd, type: stored?.static.type ?? null });
  }
  return decideSpreadHindrance(vdisks, pair);
}
