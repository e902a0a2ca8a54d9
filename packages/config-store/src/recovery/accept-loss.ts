/** An operator gives up, by its very number, what no log can bring back: the vdisk may be used again. */
import { untilNoConflict } from '../healing/compare-and-set.ts';
import { canonicalRequest, markOf, repeatOf, reusedReason } from '../healing/operation-mark.ts';
import { formatRecord, recordIn } from '../healing/record-text.ts';
import { operationSchema } from '../healing/records.ts';
import { operationKey, recoveredVdiskKey, recoveryKey, vdiskLifecycleKey, vdiskNbdKey } from '../keys.ts';
import { lifecycleIn } from '../lifecycle/vdisk-lifecycle.ts';
import type { ConfigStore } from '../types.ts';
import { parseVdiskNbd } from '../vdisk-config.ts';
import { type RecoveredVdisk, recoveredVdiskSchema, recoverySchema } from './recovery-record.ts';
import { unlocked } from './restoring-vdisks.ts';

export interface LossAcceptance {
  readonly vdisk: string;
  /** As the plan of the recovery says. */
  readonly blocks: number;
  readonly by: string;
  readonly reason: string;
  readonly operation: string;
}

export interface LossAccepted {
  readonly outcome: 'applied' | 'already' | 'refused' | 'conflict';
  readonly code:
    | 'accepted'
    | 'same-operation'
    | 'operation-reused'
    | 'unknown-vdisk'
    | 'nothing-lost'
    | 'recovery-open'
    | 'other-loss'
    | 'conflict';
  readonly reason: string;
}

/** @throws StoreError when etcd does not answer, ConfigValueError when a stored record cannot be used. */
export async function acceptLoss(
  store: ConfigStore,
  request: LossAcceptance,
  { now = Date.now }: { readonly now?: () => number } = {},
): Promise<LossAccepted> {
  const { vdisk, blocks, by, operation } = request;
  const canonical = canonicalRequest('dr.accept-loss', { vdisk, blocks });
  const result = await untilNoConflict(async (): Promise<LossAccepted | 'conflict'> => {
    const nbd = await store.get(vdiskNbdKey(vdisk));
    if (nbd === null) return refuse('unknown-vdisk', `there is no vdisk ${vdisk}`);
    const cluster = parseVdiskNbd(nbd.value).storageClusterID;
    const resultKey = recoveredVdiskKey(cluster, vdisk);
    const lockKey = vdiskLifecycleKey(vdisk);
    const keys = [operationKey(operation), lockKey, recoveryKey(cluster), resultKey];
    const { entries } = await store.getMany(keys);
    const mark = recordIn(entries, operationKey(operation), operationSchema);
    if (mark !== null)
      return repeatOf(mark, canonical) === 'reused'
        ? refuse('operation-reused', reusedReason(mark))
        : { outcome: 'already', code: 'same-operation', reason: `done before: ${mark.reason}` };
    const lock = lifecycleIn(entries, vdisk);
    const recovery = recordIn(entries, recoveryKey(cluster), recoverySchema);
    if (lock?.state !== 'restoring')
      return refuse('nothing-lost', `vdisk ${vdisk} is not locked by a recovery`);
    if (lock.lost === undefined)
      return refuse(
        'nothing-lost',
        `the log of vdisk ${vdisk} holds what it lost: replay it ('salvor dr replay')`,
      );
    if (recovery !== null && lock.operations.includes(recovery.id) && recovery.status !== 'done') {
      const why = `recovery ${recovery.id} is ${recovery.status}: what is lost for good is known when it is done`;
      return refuse('recovery-open', why);
    }
    if (blocks !== lock.lost.blocks) {
      const found = `vdisk ${vdisk} has lost ${lock.lost.blocks} blocks (${lock.lost.reason})`;
      return refuse('other-loss', `${found}, and ${blocks} were given: give that very number`);
    }
    const before = recordIn(entries, resultKey, recoveredVdiskSchema);
    const at = now();
    const given: RecoveredVdisk = {
      recovery: lock.operations[0] ?? 'none',
      ...{ attempt: before?.attempt ?? 1, vdisk, blocks: before?.blocks ?? 0, bytes: before?.bytes ?? 0 },
      ...{ verified: before?.verified ?? 0, durationMs: before?.durationMs ?? 0 },
      ...{ outcome: 'loss-accepted', by, at, lost: lock.lost },
    };
    const reason = `${by} gave up ${blocks} blocks of vdisk ${vdisk} (${lock.lost.reason}): ${request.reason}`;
    const done = markOf({
      ...{ operation, kind: 'dr.accept-loss', request: canonical, outcome: 'applied', reason, at },
      subject: vdisk,
    });
    const freed = unlocked(vdisk, lock, at);
    const stored = await store.transact({
      compare: keys.map((key) => ({ key, revision: entries.get(key)?.revision ?? 'absent' })),
      puts: [
        done,
        { key: resultKey, value: formatRecord(recoveredVdiskSchema, resultKey, given) },
        ...freed.puts,
      ],
      deletes: freed.deletes,
    });
    return stored.ok ? { outcome: 'applied', code: 'accepted', reason } : 'conflict';
  });
  if (result !== 'conflict') return result;
  const reason = `the records of vdisk ${vdisk} were changed by others at every attempt; try again`;
  return { outcome: 'conflict', code: 'conflict', reason };
}

function refuse(code: LossAccepted['code'], reason: string): LossAccepted {
  return { outcome: 'refused', code, reason };
}
