/** The record of a recovery as it begins, grows and moves. Pure. */
import { incidentClusterCharsMax } from '../healing/engine-failure.ts';
import { cut } from '../healing/engine-move.ts';
import {
  isWorse,
  type LostPair,
  type RecoveryRecord,
  type RecoveryStatus,
  type RecoveryVdisk,
  recoveryHistoryMax,
  recoveryVdisksMax,
} from './recovery-record.ts';

interface Step {
  readonly at: number;
  readonly reason: string;
  readonly by: string;
  readonly operation: string;
}

/** `<cluster>-dr-<base36 of the time>` */
export function recoveryId(cluster: string, at: number): string {
  const name = cluster.replaceAll(/[^A-Za-z0-9_:-]/g, '_').slice(0, incidentClusterCharsMax);
  return `${name}-dr-${at.toString(36)}`;
}

export function newRecovery(
  {
    cluster,
    slave,
    pairs,
    at,
  }: {
    readonly cluster: string;
    readonly slave: string | null;
    readonly pairs: readonly LostPair[];
    readonly at: number;
  },
  {
    vdisks,
    read,
    by,
    operation,
  }: {
    readonly vdisks: readonly RecoveryVdisk[];
    readonly read: RecoveryRecord['before'];
    readonly by: string;
    readonly operation: string;
  },
): RecoveryRecord {
  const shards = pairs.map(({ shard }) => shard).join(', ');
  const reason = `both members of pair ${shards} of ${cluster} are gone for good; the plan waits for an operator`;
  const record: RecoveryRecord = {
    id: recoveryId(cluster, at),
    cluster,
    ...(slave === null ? {} : { slaveCluster: slave }),
    ...{ status: 'prepared', attempt: 1, reason, preparedAt: at, updatedAt: at },
    pairs: [...pairs],
    before: read,
    vdisks: vdisks.slice(0, recoveryVdisksMax),
    history: [],
  };
  return { ...record, history: [{ at, to: 'prepared', reason, by, operation }] };
}

/** What was lost before stays lost; of a vdisk that lost more, the sum. */
export function mergedVdisks(
  { vdisks: known, after }: RecoveryRecord,
  found: readonly RecoveryVdisk[],
): RecoveryVdisk[] {
  const before = new Map(known.map((one) => [one.vdisk, one]));
  const now = found.map((one): RecoveryVdisk => {
    const old = before.get(one.vdisk);
    if (old === undefined) return one;
    // Not applied yet: the same loss, counted again. What was found in the logs is still so.
    if (after === undefined) {
      if (old.log === undefined || one.recoverable === 'nothing' || one.blocks !== old.blocks) return one;
      if (isWorse(one.recoverable, old.recoverable)) return { ...one, log: old.log };
      const { why: _why, ...fresh } = one;
      return {
        ...{ ...fresh, recoverable: old.recoverable, log: old.log },
        ...(old.why === undefined ? {} : { why: old.why }),
        ...(old.unproven === undefined ? {} : { unproven: old.unproven }),
      };
    }
    return { ...one, blocks: old.blocks + one.blocks, counted: old.counted && one.counted };
  });
  if (after === undefined) return now.slice(0, recoveryVdisksMax);
  const names = new Set(now.map(({ vdisk }) => vdisk));
  return [...known.filter(({ vdisk }) => !names.has(vdisk)), ...now].slice(0, recoveryVdisksMax);
}

export function withHistory(
  recovery: RecoveryRecord,
  to: RecoveryStatus,
  { at: now, reason, by, operation }: Step,
): RecoveryRecord {
  const at = Math.max(now, recovery.history.at(-1)?.at ?? 0);
  const line = { at, from: recovery.status, to, reason: cut(reason), by, operation };
  const lines = [...recovery.history, line];
  const kept =
    lines.length <= recoveryHistoryMax
      ? lines
      : [...lines.slice(0, 1), ...lines.slice(1 - recoveryHistoryMax)];
  return { ...recovery, status: to, reason: cut(reason), updatedAt: at, history: kept };
}
