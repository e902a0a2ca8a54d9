import {
  type ConfigStore,
  collectionSettledKey,
  collectionSettledSchema,
  ownerKey,
  parseRecord,
} from '@salvor/config-store';
import { type Logger, pause } from '@salvor/service-kit';
import { mountVdisk } from '../mount.ts';
import type { MountSettings } from '../mount-options.ts';
import { OwnedElsewhereError } from '../ownership.ts';
import { CollectionRefusedError } from './content-clusters.ts';

/** How long owners may take to report; a write that an engine holds up fails earlier. */
const SETTLE_TIMEOUT_MS = 60_000;
const LOOK_INTERVAL_MS = 50;

export interface SettleOptions {
  readonly store: ConfigStore;
  readonly cluster: string;
  readonly collection: string;
  readonly server: string;
  readonly settings: MountSettings;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly vdisks: readonly string[];
}

/**
 * Resolves when no write to these vdisks that was begun before the call can change a block map any more: their owners said
 * so, or they have none and those before are fenced.
 *
 * @throws CollectionRefusedError `owner-not-settled` when one does not say so in time
 */
export async function settleWriters(options: SettleOptions): Promise<void> {
  const giveUpAt = performance.now() + SETTLE_TIMEOUT_MS;
  await Promise.all(options.vdisks.map((vdisk) => settleWriter(options, vdisk, giveUpAt)));
}

async function settleWriter(options: SettleOptions, vdisk: string, giveUpAt: number): Promise<void> {
  const { store, cluster, signal } = options;
  let problem = 'its owner has not reported';
  while (performance.now() < giveUpAt && !signal.aborted) {
    if (await hasSettled(options, vdisk)) return;
    if ((await store.get(ownerKey(vdisk))) === null) {
      const refusal = await fenceOwners(options, vdisk);
      if (refusal === null) return;
      problem = refusal;
    }
    await pause(LOOK_INTERVAL_MS);
  }
  throw new CollectionRefusedError(
    'owner-not-settled',
    `vdisk ${vdisk} may have writes under way on cluster ${cluster}: ${problem}; nothing was removed`,
  );
}

async function hasSettled({ store, cluster, collection }: SettleOptions, vdisk: string): Promise<boolean> {
  const key = collectionSettledKey(cluster, vdisk);
  const entry = await store.get(key);
  return entry !== null && parseRecord(collectionSettledSchema, key, entry.value).collection === collection;
}

/** Owns the vdisk for a moment: from then on no owner before can write. Null when that is so, else why not. */
async function fenceOwners(options: SettleOptions, vdisk: string): Promise<string | null> {
  const { store, server, collection, settings, log } = options;
  try {
    const mounted = await mountVdisk({
      store,
      vdisk,
      owner: { server, instance: collection },
      settings,
      purpose: 'repair',
      log,
      events: {
        engineFailed: () => {},
        repairCompleted: () => {},
        blocksCorrupt: () => {},
        dataUnavailable: () => {},
        dataAvailable: () => {},
        takeoverAsked: () => {},
        ownershipLost: () => {},
      },
    });
    const incomplete = mounted.incomplete();
    await mounted.unmount();
    return incomplete;
  } catch (error) {
    if (error instanceof OwnedElsewhereError) return 'it was taken by another server';
    throw error;
  }
}
