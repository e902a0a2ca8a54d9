/** Carries out the open recovery of a cluster, from wherever an earlier run stopped. */
import {
  applyRecovery,
  busyVdisks,
  lockVdisks,
  type OperationEnding,
  type OperationRun,
  previewRecovery,
  type RecoveryRecord,
  type RecoveryRequest,
  readRecovery,
  recoveredVdisks,
  unlockVdisks,
  vdiskLifecycleKey,
  vdiskRestored,
} from '@salvor/config-store';
import { codeOf, messageOf, SalvorError } from '@salvor/service-kit';
import { LogGapError } from '@salvor/tlog';
import { isFinal } from './final-errors.ts';
import { lossOf } from './lost-shards.ts';
import { type Hopeless, type ManyOptions, ManyVdisks, type Restored } from './many-vdisks.ts';
import { claimNewEngines } from './new-engines.ts';
import type { ReplayState } from './replay-state.ts';

export async function runRecovery(
  options: ManyOptions,
  run: OperationRun,
  state: ReplayState,
): Promise<OperationEnding> {
  const { store } = options;
  const { cluster, by } = state;
  const order = { by, operation: run.record.operation };
  const recovery = await begun(options, run, state);
  if (recovery === null) return notBegun(options, run, await readRecovery(store, cluster), cluster);
  const { id, attempt } = recovery;
  const about = { ...order, recovery: id, attempt };
  try {
    let current = recovery;
    for (;;) {
      const done = await recoveredVdisks(store, current);
      const due = current.vdisks
        .filter(({ vdisk, recoverable }) => recoverable !== 'nothing' && !done.has(vdisk))
        .map(({ vdisk, recoverable }) => ({ vdisk, acceptLoss: recoverable === 'part' }));
      if (due.length === 0) break;
      const many = new ManyVdisks(options, {
        ...{ run, loss: lossOf(current), state: { ...state, recovery: id, attempt } },
        done: (restored) => release(options, current, restored),
      });
      const hopeless = await many.restore(due, done.size);
      state = many.state;
      if (hopeless.length === 0) break;
      current = await degraded(options, about, current, hopeless);
    }
    await step(options, cluster, { ...about, kind: 'written' });
    const restored = new Set((await recoveredVdisks(store, current)).keys());
    const { reason } = await step(options, cluster, { ...about, kind: 'finished', restored });
    return { status: 'completed', message: `recovery ${id}: ${reason}` };
  } catch (error) {
    if (run.cancelRequested()) {
      const { reason } = await step(options, cluster, { ...order, kind: 'cancel', recovery: id });
      return { status: 'cancelled', message: `recovery ${id}: ${reason}` };
    }
    const now = await readRecovery(store, cluster);
    if (now === null || now.id !== id || now.attempt !== attempt) return over(cluster, now);
    if (!isFinal(error)) throw error;
    const { reason } = await step(options, cluster, { ...about, kind: 'fail', reason: messageOf(error) });
    return { status: 'failed', code: codeOf(error), message: `recovery ${id}: ${reason}` };
  }
}

/** Null when there is nothing to carry out any more: it was done, dropped, or is another one now. */
async function begun(
  options: ManyOptions,
  run: OperationRun,
  { cluster, by, force, recovery: known }: ReplayState,
): Promise<RecoveryRecord | null> {
  const { store, access, log } = options;
  const operation = run.record.operation;
  const recovery = await readRecovery(store, cluster);
  if (recovery === null || (known !== undefined && known !== recovery.id)) return null;
  const { status } = recovery;
  if (status === 'replaying' || status === 'verifying') {
    if (recovery.operation === operation) return recovery;
    throw new SalvorError('under-way', `operation ${recovery.operation} carries recovery ${recovery.id} out`);
  }
  if (known !== undefined || status === 'done' || run.cancelRequested()) return null;
  const request = { kind: 'begin', by, operation } as const;
  if (status === 'prepared') {
    const [busy] = await busyVdisks(store, recovery);
    if (busy !== undefined) throw new SalvorError('vdisk-busy', busy.reason);
    const preview = await previewRecovery(store, cluster, request);
    if (preview?.recovery === undefined)
      throw new SalvorError(preview?.code ?? 'no-recovery', preview?.reason ?? '');
    await lockVdisks(store, recovery, { at: Date.now(), force });
    const due = new Set(recovery.pairs.filter(({ applied }) => !applied).map(({ shard }) => shard));
    await claimNewEngines(
      { store, access, log },
      preview.recovery.pairs.filter(({ shard }) => due.has(shard)),
    );
    // What was chosen may have changed meanwhile: then it is chosen again.
    const chosen = JSON.stringify(preview.recovery.pairs);
    const again = await previewRecovery(store, cluster, request);
    if (JSON.stringify(again?.recovery?.pairs) !== chosen)
      throw new SalvorError('conflict', 'spares came or went while the new engines were prepared');
  }
  return (await step(options, cluster, request)).recovery;
}

async function step(
  { store, log }: ManyOptions,
  cluster: string,
  request: RecoveryRequest,
): Promise<{ recovery: RecoveryRecord; reason: string }> {
  const { outcome, code, reason, recovery } = await applyRecovery(store, cluster, request);
  if (outcome === 'refused' || outcome === 'conflict' || recovery === null)
    throw new SalvorError(code, reason);
  if (outcome === 'applied')
    log.info({ cluster, recovery: recovery.id, code, reason }, 'recovery from the log');
  return { recovery, reason };
}

async function release(
  { store, owner }: ManyOptions,
  { cluster, id, attempt }: RecoveryRecord,
  { vdisk, epoch, blocksWritten, blocksDeleted, bytesWritten, blocksVerified, durationMs }: Restored,
): Promise<void> {
  const lock = await store.get(vdiskLifecycleKey(vdisk));
  const done = await vdiskRestored(
    store,
    {
      ...{ cluster, recovery: id, attempt, vdisk, epoch, durationMs, by: owner.server, at: Date.now() },
      ...{ blocks: blocksWritten + blocksDeleted, bytes: bytesWritten, verified: blocksVerified },
    },
    lock?.revision ?? 'absent',
  );
  if (!done)
    throw new SalvorError('conflict', `vdisk ${vdisk} was locked anew, or taken, while it was restored`);
}

/** Their logs do not hold everything: what they hold is brought back, and the rest waits for an operator. */
async function degraded(
  options: ManyOptions,
  about: {
    readonly by: string;
    readonly operation: string;
    readonly recovery: string;
    readonly attempt: number;
  },
  recovery: RecoveryRecord,
  hopeless: readonly Hopeless[],
): Promise<RecoveryRecord> {
  const known = new Map(recovery.vdisks.map((one) => [one.vdisk, one.recoverable]));
  const vdisks = hopeless.map(({ vdisk, error }) => ({
    vdisk,
    // Once, losses are accepted; who fails all the same gets nothing.
    recoverable: known.get(vdisk) === 'all' ? ('part' as const) : ('nothing' as const),
    why: messageOf(error),
    ...(error instanceof LogGapError ? { unproven: error.unproven.count } : {}),
  }));
  const next = await step(options, recovery.cluster, { ...about, kind: 'measured', vdisks });
  const names = new Set(hopeless.map(({ vdisk }) => vdisk));
  const locked = { ...next.recovery, vdisks: next.recovery.vdisks.filter(({ vdisk }) => names.has(vdisk)) };
  await lockVdisks(options.store, locked, { at: Date.now(), force: true });
  return next.recovery;
}

/** Nothing was changed, or nothing more is to be done. */
async function notBegun(
  { store }: ManyOptions,
  run: OperationRun,
  recovery: RecoveryRecord | null,
  cluster: string,
): Promise<OperationEnding> {
  if (recovery?.status !== 'prepared' || !run.cancelRequested()) return over(cluster, recovery);
  // Those of a recovery that had begun before are not whole.
  if (recovery.after === undefined) await unlockVdisks(store, recovery);
  return { status: 'cancelled', message: `recovery ${recovery.id} was not begun; its plan waits` };
}

function over(cluster: string, recovery: RecoveryRecord | null): OperationEnding {
  if (recovery === null)
    return { status: 'failed', code: 'no-recovery', message: `cluster ${cluster} has none` };
  const { id, status, reason } = recovery;
  const message = `recovery ${id} is ${status}: ${reason}`;
  if (status === 'done') return { status: 'completed', message };
  return { status: status === 'cancelled' ? 'cancelled' : 'failed', code: `recovery-${status}`, message };
}
