import { type ConfigStore, type LostPair, vdisksOfCluster } from '@salvor/config-store';
import type { Logger } from '@salvor/service-kit';
import type { EngineLogin } from '@salvor/vdisk';
import { EngineControl, EngineError, type EngineIdentity, identityText, removeVdisk } from '@salvor/vdisk';

export interface EngineAccess {
  readonly timeoutMs: number;
  readonly login?: EngineLogin | undefined;
}

/**
 * Makes the engines that take the places of lost ones who they are to be, before the configuration names them. One that a
 * rebuild had begun to fill is emptied first. Done again, nothing changes.
 *
 * @throws EngineError of an engine that does not answer, is not empty, or is somebody else
 */
export async function claimNewEngines(
  {
    store,
    access,
    log,
  }: { readonly store: ConfigStore; readonly access: EngineAccess; readonly log: Logger },
  pairs: readonly LostPair[],
): Promise<void> {
  for (const { shard, way, members } of pairs) {
    if (way !== 'spares') continue;
    for (const { cluster, role, replacement, generation } of members) {
      if (replacement === undefined) continue;
      const { address, db } = replacement;
      const place = { address, db, ...access };
      const identity = { cluster, role, shard, generation: replacement.generation };
      const half = await EngineControl.with(place, (control) => claim(control, identity, generation));
      if (half === null) continue;
      await empty(store, place, half);
      await EngineControl.with(place, async (control) => {
        await control.disown(half);
        await control.claim(identity, { mustBeEmpty: true });
      });
      log.info({ engine: address, cluster, shard }, 'emptied an engine that a rebuild had begun to fill');
    }
  }
}

/** Gives back what it is instead: an engine of this very shard, in an earlier generation that never served. */
async function claim(
  control: EngineControl,
  identity: EngineIdentity,
  lostGeneration: number,
): Promise<EngineIdentity | null> {
  try {
    await control.claim(identity, { mustBeEmpty: true });
    return null;
  } catch (error) {
    if (!(error instanceof EngineError) || error.fault !== 'identity-mismatch') throw error;
    const found = await control.identity();
    for (let generation = lostGeneration + 1; generation < identity.generation; generation++) {
      const earlier = { ...identity, generation };
      if (found === identityText(earlier)) return earlier;
    }
    throw error;
  }
}

async function empty(
  store: ConfigStore,
  place: EngineAccess & { readonly address: string; readonly db: number },
  identity: EngineIdentity,
): Promise<void> {
  const { primary, slave } = await vdisksOfCluster(store, identity.cluster);
  const untilEpoch = String(Number.MAX_SAFE_INTEGER);
  for (const vdisk of new Set([...primary, ...slave]))
    await removeVdisk({ ...place, vdisk, identity, untilEpoch, search: true });
}
