import type { ConfigStore } from '@salvor/config-store';
import { type Logger, messageOf, pause, SalvorError } from '@salvor/service-kit';
import { EngineControl } from '@salvor/vdisk';
import { type KnownCluster, readCluster } from './descriptions.ts';

export interface EngineAccess {
  readonly timeoutMs: number;
  readonly password?: string | undefined;
}

/** Tries to free the blocks of a deleted vdisk on an engine, with a pause in between. */
const DELETE_TRIES = 5;
const DELETE_RETRY_MS = 1_000;

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

/**
 * Frees the blocks of a vdisk that was deleted at `revision` on every engine of its clusters. What cannot be reached is
 * reported, and refused by {@link assertNoBlocks} later; what belongs to a vdisk created since is left alone.
 */
export async function deleteBlocks(
  engines: readonly { address: string; db: number }[],
  vdisk: string,
  revision: string,
  access: EngineAccess,
  log: Logger,
): Promise<void> {
  await Promise.all(
    engines.map(async ({ address, db }) => {
      for (let tries = 1; tries <= DELETE_TRIES; tries++) {
        try {
          const keys = await EngineControl.with({ address, db, ...access }, (control) =>
            control.deleteVdisk(vdisk, revision),
          );
          return log.info({ vdisk, engine: address, keys }, 'blocks of a deleted vdisk freed');
        } catch (error) {
          log.warn(
            { vdisk, engine: address, tries, error: messageOf(error) },
            'blocks of a deleted vdisk not freed',
          );
          if (tries < DELETE_TRIES) await pause(DELETE_RETRY_MS);
        }
      }
    }),
  );
}

/** The engines of clusters that take part in placement. */
export async function enginesOf(
  store: ConfigStore,
  clusters: readonly string[],
): Promise<{ address: string; db: number }[]> {
  return (await Promise.all(clusters.map((cluster) => readCluster(store, cluster)))).flatMap(enginesIn);
}

function enginesIn({ storage }: KnownCluster): { address: string; db: number }[] {
  return storage.servers.filter(({ status }) => status !== 'rip').map(({ address, db }) => ({ address, db }));
}
