/** A replay that is not that of a recovery: again, of one vdisk, or between two configurations that somebody names. */
import {
  busyVdisks,
  type ConfigStore,
  clusterStorageKey,
  lockVdisks,
  type OperationEnding,
  type OperationRun,
  parseClusterStorage,
  parseRecord,
  type RecoveryVdisk,
  readVdisk,
  salvorClusterKey,
  salvorClusterSchema,
  unlockVdisks,
  vdisksOfCluster,
} from '@salvor/config-store';
import { SalvorError } from '@salvor/service-kit';
import { type Loss, lostBetween, wantedBlocks } from './lost-shards.ts';
import { type ManyOptions, ManyVdisks } from './many-vdisks.ts';
import { measureLog } from './measure-log.ts';
import type { ReplayState } from './replay-state.ts';

const MIB = 1024 * 1024;
const NAMED_MAX = 10;

export async function runFreeReplay(
  options: ManyOptions,
  run: OperationRun,
  state: ReplayState,
): Promise<OperationEnding> {
  const { store, logs } = options;
  const { cluster } = state;
  const { operation } = run.record;
  const loss = await lossNamed(store, state);
  const { primary } = await vdisksOfCluster(store, cluster);
  const logged: string[] = [];
  for (const vdisk of state.vdisk === undefined ? primary : [state.vdisk])
    if ((await logs.configOf(vdisk)) !== null) logged.push(vdisk);
  if (logged.length === 0) {
    const what = state.vdisk === undefined ? `no vdisk of cluster ${cluster}` : `vdisk ${state.vdisk}`;
    return { status: 'failed', code: 'no-log', message: `${what} has a transaction log` };
  }
  const locks = {
    ...{ id: operation, attempt: 1 },
    vdisks: logged.map((vdisk): RecoveryVdisk => ({ vdisk, blocks: 0, counted: false, recoverable: 'all' })),
  };
  const due = logged.filter((vdisk) => !state.done.includes(vdisk));
  const left = { ...locks, vdisks: locks.vdisks.filter(({ vdisk }) => due.includes(vdisk)) };
  try {
    const scope = { leavesOthers: true };
    const [busy] = await busyVdisks(store, left, scope);
    if (busy !== undefined) throw new SalvorError('vdisk-busy', busy.reason);
    await lockVdisks(store, left, { ...scope, at: Date.now(), force: state.force });
    const many = new ManyVdisks(options, {
      ...{ run, loss, state },
      done: ({ vdisk }) => unlockVdisks(store, { id: operation, vdisks: [{ vdisk }] }),
    });
    const hopeless = await many.restore(
      due.map((vdisk) => ({ vdisk, acceptLoss: false })),
      state.done.length,
    );
    await unlockVdisks(store, locks);
    const [first] = hopeless;
    if (first !== undefined)
      return { status: 'failed', code: first.error.code, message: first.error.message };
    const shards =
      loss.before === null ? 'all blocks' : `the blocks of shards ${[...loss.shards].join(', ')}`;
    return {
      status: 'completed',
      message: `${shards} of ${logged.length} vdisks are as their logs have them`,
    };
  } catch (error) {
    if (!run.cancelRequested()) throw error;
    await unlockVdisks(store, locks);
    return { status: 'cancelled', message: 'stopped; what was not reached is as it was' };
  }
}

/** Walks through the logs, and tells what would be written. */
export async function runDryReplay(
  options: ManyOptions,
  run: OperationRun,
  state: ReplayState,
  loss: Loss,
  vdisks: readonly string[],
): Promise<OperationEnding> {
  const { store, logs } = options;
  const told: string[] = [];
  let blocks = 0;
  let bytes = 0;
  for (const [index, vdisk] of vdisks.entries()) {
    const [config, stored] = [await logs.configOf(vdisk), await readVdisk(store, vdisk)];
    if (stored === null) continue;
    if (config === null) {
      told.push(`vdisk ${vdisk}: nothing, it has no log`);
      continue;
    }
    const wanted = wantedBlocks(vdisk, stored.static, loss);
    const source = await logs.open(vdisk, config);
    try {
      const { recoverable, why, log } = await measureLog(source, { vdisk, wanted, signal: run.signal });
      blocks += log?.blocks ?? 0;
      bytes += log?.bytes ?? 0;
      const what = `${log?.blocks ?? 0} blocks (${((log?.bytes ?? 0) / MIB).toFixed(1)} MiB)`;
      told.push(`vdisk ${vdisk}: ${recoverable === 'all' ? what : `${what}, not all: ${why}`}`);
    } finally {
      await source.close();
    }
    await run.report({ done: index + 1, total: vdisks.length, checkpoint: state });
  }
  const named = told.slice(0, NAMED_MAX).join('; ');
  const more = told.length > NAMED_MAX ? `; and ${told.length - NAMED_MAX} more vdisks` : '';
  const sum = `would write ${blocks} blocks, ${(bytes / MIB).toFixed(1)} MiB`;
  return { status: 'completed', message: `${sum}: ${named}${more}` };
}

/** @throws SalvorError `compacted` when etcd does not have a revision any more */
export async function lossNamed(store: ConfigStore, { cluster, before, after }: ReplayState): Promise<Loss> {
  if (before === undefined || after === undefined)
    return { before: null, shards: new Set(), survivors: new Set() };
  const configurationAt = async (revision: string) => {
    const keys = [clusterStorageKey(cluster), salvorClusterKey(cluster)] as const;
    const [storage, record] = await Promise.all(keys.map((key) => store.getAt(key, revision)));
    if (storage == null)
      throw new SalvorError('unknown-cluster', `there was no cluster ${cluster} at revision ${revision}`);
    const partner =
      record == null ? undefined : parseRecord(salvorClusterSchema, record.key, record.value).partner;
    const other = partner === undefined ? null : await store.getAt(clusterStorageKey(partner), revision);
    return {
      primary: parseClusterStorage(storage.value),
      slave: other === null ? null : parseClusterStorage(other.value),
    };
  };
  return lostBetween(await configurationAt(before), await configurationAt(after));
}
