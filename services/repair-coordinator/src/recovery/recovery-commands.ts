import type { CommandHandlers } from '@salvor/bus';
import {
  acceptLoss,
  applyRecovery,
  beginOperation,
  busyVdisks,
  type ConfigStore,
  cancelOperation,
  ownerKey,
  ownerSchema,
  parseRecord,
  previewRecovery,
  type RecoveryRecord,
  readOperation,
  readRecovery,
  vdisksOfCluster,
} from '@salvor/config-store';
import { SalvorError } from '@salvor/service-kit';
import { accepted, isRepeat } from '../command-replies.ts';
import { readCluster } from '../descriptions.ts';
import { lostBlocks } from './lost-blocks.ts';
import { describeRecovery } from './recovery-description.ts';

/** Owners that an error names. */
const NAMED_MAX = 5;

/** The commands with which operators bring back what both members of a pair have lost. The replays are carried out elsewhere. */
export function recoveryCommandHandlers(store: ConfigStore): CommandHandlers {
  return {
    'dr.plan': async ({ cluster, order, by }, { operationId: operation }) => {
      const { record } = await readCluster(store, cluster);
      const vdisks = await lostBlocks(store, cluster);
      const request = { kind: 'prepare', vdisks, ordered: order, by: by ?? 'operator', operation } as const;
      const { outcome, code, reason, recovery } = await applyRecovery(store, cluster, request);
      const isOpen = recovery !== null && !['done', 'cancelled'].includes(recovery.status);
      if (recovery === null || (outcome === 'refused' && (!isOpen || order)))
        throw new SalvorError(code, reason || `cluster ${cluster} is ${record.status}`);
      const reply = outcome === 'applied' ? outcome : 'already';
      return { recovery: await describeRecovery(store, recovery), operation, outcome: reply, reason };
    },
    'dr.status': async ({ cluster }) => {
      await readCluster(store, cluster);
      const recovery = await readRecovery(store, cluster);
      return recovery === null ? {} : { recovery: await describeRecovery(store, recovery) };
    },
    'dr.replay': async ({ operationId: _, ...request }, { operationId: operation }) => {
      const { cluster, vdisk, before, after, dryRun, force } = request;
      await readCluster(store, cluster);
      if (!(await isRepeat(store, operation))) {
        if ((before === undefined) !== (after === undefined)) {
          const why = 'expected both revisions, before and after the loss, or neither';
          throw new SalvorError('invalid-revisions', `${why}; one of them alone tells nothing`);
        }
        const recovery = await readRecovery(store, cluster);
        const isOwn = before === undefined && (await isToBegin(store, cluster, recovery));
        const vdisks = await affected(store, cluster, isOwn ? recovery : null, vdisk);
        if (!dryRun) await assertFree(store, vdisks, force);
      }
      const what = vdisk === undefined ? `the vdisks of cluster ${cluster}` : `vdisk ${vdisk}`;
      const begun = await beginOperation(store, {
        ...{ operation, kind: 'dr.replay', subject: cluster },
        request: { cluster, vdisk, before, after, dryRun, force },
        message: dryRun ? `walks through the logs of ${what}` : `brings back blocks of ${what} from the log`,
        checkpoint: {
          ...{ cluster, dryRun, force, by: request.by ?? 'operator' },
          ...(vdisk === undefined ? {} : { vdisk }),
          ...(before === undefined ? {} : { before: String(before) }),
          ...(after === undefined ? {} : { after: String(after) }),
        },
      });
      return accepted(begun, { cluster });
    },
    'dr.cancel': async ({ cluster, by }, { operationId: operation }) => {
      await readCluster(store, cluster);
      const running = (await readRecovery(store, cluster))?.operation;
      const work = running === undefined ? undefined : (await readOperation(store, running))?.work;
      if (running !== undefined && work?.status === 'running') {
        const { outcome, code, reason } = await cancelOperation(store, running, by ?? 'operator');
        return accepted({ outcome, code, reason, operation }, { cluster });
      }
      const input = { kind: 'cancel', by: by ?? 'operator', operation } as const;
      const { outcome, code, reason } = await applyRecovery(store, cluster, input);
      return accepted({ outcome, code, reason, operation }, { cluster });
    },
    'dr.accept-loss': async ({ vdisk, blocks, reason: why, by }, { operationId: operation }) => {
      const request = { vdisk, blocks, by: by ?? 'operator', reason: why, operation };
      const { outcome, code, reason } = await acceptLoss(store, request);
      return accepted({ outcome, code, reason, operation }, { vdisk });
    },
  };
}

/** Whether the replay is that of the open recovery. Throws when that one cannot begin. */
async function isToBegin(
  store: ConfigStore,
  cluster: string,
  recovery: RecoveryRecord | null,
): Promise<boolean> {
  if (recovery === null || recovery.status === 'done') return false;
  if (recovery.status === 'cancelled' && recovery.after === undefined) return false;
  const preview = await previewRecovery(store, cluster, {
    kind: 'begin',
    by: 'preview',
    operation: 'preview',
  });
  if (preview?.outcome === 'refused') throw new SalvorError(preview.code, preview.reason);
  return true;
}

async function affected(
  store: ConfigStore,
  cluster: string,
  recovery: RecoveryRecord | null,
  vdisk: string | undefined,
): Promise<readonly string[]> {
  const { primary } = await vdisksOfCluster(store, cluster);
  if (vdisk !== undefined && !primary.includes(vdisk))
    throw new SalvorError('unknown-vdisk', `cluster ${cluster} has no vdisk ${vdisk}`);
  if (recovery !== null) {
    const [busy] = await busyVdisks(store, recovery);
    if (busy !== undefined) throw new SalvorError('vdisk-busy', busy.reason);
    // The configuration that survives is that of all of them.
    if (recovery.after === undefined) return recovery.vdisks.map((one) => one.vdisk);
  }
  return vdisk === undefined ? primary : [vdisk];
}

async function assertFree(store: ConfigStore, vdisks: readonly string[], force: boolean): Promise<void> {
  if (force) return;
  const owned: string[] = [];
  for (const vdisk of vdisks) {
    const key = ownerKey(vdisk);
    const entry = await store.get(key);
    if (entry !== null) owned.push(`${vdisk} by ${parseRecord(ownerSchema, key, entry.value).server}`);
  }
  if (owned.length === 0) return;
  const named = owned.slice(0, NAMED_MAX).join(', ');
  const more = owned.length > NAMED_MAX ? ` and ${owned.length - NAMED_MAX} more` : '';
  throw new SalvorError(
    'vdisk-owned',
    `vdisks are in use: ${named}${more}; stop their instances and disconnect their clients, or take them away with force`,
  );
}
