import type { ConfigStore, VdiskClone } from '@salvor/config-store';
import { type Logger, SalvorError } from '@salvor/service-kit';
import type { Bandwidth } from '../copy/bandwidth.ts';
import type { MountSettings } from '../mount-options.ts';
import { mountForOperation } from '../operation-mount.ts';
import { type CloneRunOptions, compareBlocks, copyBlocks, countBlocks } from './clone-run.ts';
import type { CopyAccess } from './clone-source.ts';
import { readVdiskMap } from './vdisk-map.ts';

export interface CloneOptions {
  readonly store: ConfigStore;
  /** Names the owner of the target while it is filled: the same after a restart, which so takes over from itself. */
  readonly operation: string;
  readonly instance: string;
  readonly settings: MountSettings;
  readonly access: CopyAccess;
  /** One for all clones of a process. */
  readonly bandwidth: Bandwidth;
  readonly log: Logger;
  readonly report: (state: VdiskClone, total: number) => Promise<void>;
  readonly signal: AbortSignal;
}

export interface FilledClone {
  readonly state: VdiskClone;
  readonly blocks: number;
  /** Gives the target back. */
  readonly release: () => Promise<void>;
}

/** Passes of the verification: one that finds nothing is the last. */
const PASSES_MAX = 3;

/**
 * Fills a clone from where it stands, and compares every block until nothing differs. The target is owned by this process
 * until it is released, so its copies are kept equal, and repaired, as those of any vdisk in use.
 *
 * @throws SalvorError `clone-differs` when the copies differ however often they are written
 */
export async function fillClone(options: CloneOptions, from: VdiskClone): Promise<FilledClone> {
  const { store, operation, instance, settings, access, bandwidth, log, signal } = options;
  const source = await readVdiskMap(store, from.source);
  const { mounted } = await mountForOperation({
    ...{ store, vdisk: from.vdisk, operation, server: `clone-${operation}`, instance, settings, log },
    about: { operation },
  });
  const release = (): Promise<void> => mounted.unmount();
  try {
    let total = 0;
    // Read anew for each pass: the engines of the target may have changed since.
    const run = async (): Promise<CloneRunOptions> => ({
      ...{ source, access, bandwidth, signal, device: mounted.device },
      target: await readVdiskMap(store, from.vdisk),
      report: (state) => options.report(state, total),
    });
    const first = await run();
    total = await countBlocks(first);
    let state = from.phase === 'copy' ? await copyBlocks(first, from) : from;
    await options.report(state, total);
    while (state.passes < PASSES_MAX) {
      const compared = await compareBlocks(await run(), state);
      state = { ...compared, differing: 0 };
      if (compared.differing === 0) return { state, blocks: total, release };
      log.warn({ operation, vdisk: from.vdisk, blocks: compared.differing }, 'blocks of a clone differed');
      await options.report(state, total);
    }
    throw new SalvorError(
      'clone-differs',
      `copies of vdisk ${from.vdisk} still differed after ${PASSES_MAX} comparisons`,
    );
  } catch (error) {
    await release();
    throw error;
  }
}
