/** A recovery in the words of the contracts. */
import {
  type ConfigStore,
  lifecycleIn,
  type RecoveredVdisk,
  type RecoveryRecord,
  type RecoveryVdisk,
  readOperation,
  recoveredVdisks,
  type VdiskLifecycle,
  vdiskLifecycleKey,
} from '@salvor/config-store';
import type { RecoveryDescriptionInit, RecoveryVdiskInit } from '@salvor/contracts';
import { operationDescription } from '../descriptions.ts';

/** Keys read with one call. */
const READ_AT_ONCE = 100;
const BYTES_PER_SECOND_ASSUMED = 20 * 1024 * 1024;

export async function describeRecovery(
  store: ConfigStore,
  recovery: RecoveryRecord,
): Promise<RecoveryDescriptionInit> {
  const { id, cluster, slaveCluster, status, attempt, reason, preparedAt, updatedAt, endedAt } = recovery;
  const operation = recovery.operation === undefined ? null : await readOperation(store, recovery.operation);
  const { bytesPerSecond, from } = recovery.rate ?? {
    bytesPerSecond: BYTES_PER_SECOND_ASSUMED,
    from: 'assumed: nothing was replayed here yet',
  };
  const vdisks = await describeVdisks(store, recovery, bytesPerSecond);
  const estimates = vdisks.flatMap(({ estimateMs }) => estimateMs ?? []);
  return {
    ...{ recovery: id, cluster, status, attempt, reason, preparedAt, updatedAt },
    ...(slaveCluster === undefined ? {} : { slaveCluster }),
    ...(endedAt === undefined ? {} : { endedAt }),
    pairs: recovery.pairs.map(({ shard, way, waitsFor, members, applied }) => ({
      ...{ shard, way, applied },
      ...(waitsFor === undefined ? {} : { waitsFor }),
      lost: members.map(({ address }) => address),
      replacements: members.flatMap(({ replacement }) => replacement?.address ?? []),
      incidents: members.map(({ incident }) => incident),
    })),
    vdisks,
    beforeRevision: Number(recovery.before.revision),
    ...(recovery.after?.revision === undefined ? {} : { afterRevision: Number(recovery.after.revision) }),
    bytesPerSecond: Math.round(bytesPerSecond),
    rateFrom: from,
    ...(estimates.length === 0 ? {} : { estimateMs: estimates.reduce((sum, one) => sum + one, 0) }),
    ...(operation === null ? {} : { operation: operationDescription(operation) }),
    history: recovery.history.map(({ at, to, reason: why, by, operation: of }) => ({
      ...{ at, to, reason: why, by, operation: of },
    })),
  };
}

async function describeVdisks(
  store: ConfigStore,
  recovery: RecoveryRecord,
  bytesPerSecond: number,
): Promise<RecoveryVdiskInit[]> {
  const results = await recoveredVdisks(store, recovery);
  const described: RecoveryVdiskInit[] = [];
  for (let from = 0; from < recovery.vdisks.length; from += READ_AT_ONCE) {
    const page = recovery.vdisks.slice(from, from + READ_AT_ONCE);
    const { entries } = await store.getMany(page.map(({ vdisk }) => vdiskLifecycleKey(vdisk)));
    for (const one of page) {
      const lifecycle = lifecycleIn(entries, one.vdisk);
      described.push(vdiskDescription(one, results.get(one.vdisk) ?? null, lifecycle, bytesPerSecond));
    }
  }
  return described;
}

function vdiskDescription(
  { vdisk, blocks, counted, recoverable, why, log }: RecoveryVdisk,
  result: RecoveredVdisk | null,
  lifecycle: VdiskLifecycle | null,
  bytesPerSecond: number,
): RecoveryVdiskInit {
  const lost = lifecycle?.lost?.blocks ?? result?.lost?.blocks;
  return {
    ...{ vdisk, blocks, counted, recoverable, state: stateOf(result, lifecycle) },
    ...(why === undefined ? {} : { why }),
    ...(log === undefined
      ? {}
      : {
          logBlocks: log.blocks,
          logBytes: log.bytes,
          estimateMs: Math.round((log.bytes * 1_000) / bytesPerSecond),
        }),
    ...(result === null
      ? {}
      : {
          restoredBlocks: result.blocks,
          verifiedBlocks: result.verified,
          durationMs: result.durationMs,
        }),
    ...(lost === undefined ? {} : { lostBlocks: lost }),
  };
}

/** See `RecoveryVdisk` of the contracts. */
function stateOf(result: RecoveredVdisk | null, lifecycle: VdiskLifecycle | null): string {
  if (result?.outcome === 'loss-accepted') return 'loss-accepted';
  const isLocked = lifecycle?.state === 'restoring';
  if (isLocked && lifecycle.lost !== undefined) return 'lost';
  if (result !== null) return 'restored';
  return isLocked ? 'locked' : 'waits';
}
