import type { ConfigStore } from '@salvor/config-store';
import { SalvorError } from '@salvor/service-kit';
import type { EngineLogin } from '@salvor/vdisk';
import { EngineControl } from '@salvor/vdisk';
import { type KnownCluster, readCluster } from './descriptions.ts';

export interface EngineAccess {
  readonly timeoutMs: number;
  readonly login?: EngineLogin | undefined;
}

/**
 * Refuses a new vdisk while an engine still holds blocks under its name: they would come up as its content.
 *
 * @throws SalvorError `leftover-blocks`
 */
export async function assertNoBlocks(
  store: ConfigStore,
  vdisk: string,
  clusters: readonly string[],
  access: EngineAccess,
): Promise<void> {
  const known = await Promise.all(clusters.map((cluster) => readCluster(store, cluster)));
  // Where an engine is away, the admission refuses anyway, and says so better.
  if (known.some(({ record }) => record.status !== 'healthy')) return;
  for (const { address, db } of known.flatMap(enginesIn)) {
    const count = await EngineControl.with({ address, db, ...access }, (control) =>
      control.blockCount(vdisk),
    );
    if (count === 0) continue;
    throw new SalvorError(
      'leftover-blocks',
      `engine ${address} holds ${count} blocks of an earlier vdisk ${vdisk}: choose another id, or remove its keys there`,
    );
  }
}

function enginesIn({ storage }: KnownCluster): { address: string; db: number }[] {
  return storage.servers.filter(({ status }) => status !== 'rip').map(({ address, db }) => ({ address, db }));
}
