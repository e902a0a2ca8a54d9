/** Locks the vdisks that have lost blocks until these are back, and lets go of each that is whole again. */
import { SalvorError } from '@salvor/service-kit';
import { formatRecord, parseRecord, recordIn } from '../healing/record-text.ts';
import { ownerSchema } from '../healing/records.ts';
import {
  ownerKey,
  recoveredVdiskKey,
  recoveredVdisksPrefix,
  vdiskLifecycleKey,
  vdiskStaticKey,
} from '../keys.ts';
import {
  type LifecycleState,
  lifecycleAfterRestore,
  lifecycleIn,
  type VdiskLifecycle,
  vdiskLifecycleSchema,
} from '../lifecycle/vdisk-lifecycle.ts';
import type { Compare, ConfigStore, Put } from '../types.ts';
import {
  type RecoveredVdisk,
  type RecoveryRecord,
  type RecoveryVdisk,
  recoveredVdiskSchema,
} from './recovery-record.ts';

/** States of vdisks that a recovery takes, or leaves out. */
const PASSED: ReadonlySet<LifecycleState> = new Set(['restoring', 'deleting', 'rolling-back']);
/** Vdisks in one transaction, of four keys each. */
const LOCKED_AT_ONCE = 24;
/** Times that a page is read again because somebody changed a vdisk of it. */
const ROUNDS_MAX = 16;

/** Whether vdisks are taken from another operation that restores them, as a recovery of the cluster does; else they are left to it. */
export interface LockScope {
  readonly leavesOthers?: boolean;
}

/**
 * Why a vdisk must not be locked for its restoration now, or null: an operation has it that must end first, for what that
 * copies would be incomplete. A rollback is not waited for, which itself waits for the blocks that are lost.
 */
function whyBusy(
  vdisk: string,
  lifecycle: VdiskLifecycle | null,
  by: string,
  { leavesOthers = false }: LockScope,
): string | null {
  if (lifecycle === null) return null;
  const { state, operations } = lifecycle;
  const isForeign = leavesOthers && state === 'restoring' && !operations.includes(by);
  if (PASSED.has(state) && !isForeign) return null;
  // Brought back from its own log it would not be what its record says it is.
  if (state === 'secondary')
    return `vdisk ${vdisk} is the secondary copy of a volume (${operations.join(', ')}), whose content comes from another zone: 'salvor volume disable --force' makes it an ordinary one that is recovered; then make the copy anew`;
  return `vdisk ${vdisk} is held by operation ${operations.join(', ')} (${state}): cancel it, or wait for its end`;
}

/** Vdisks of a recovery that cannot be locked now. Empty when there are none. */
export async function busyVdisks(
  store: ConfigStore,
  { id, vdisks }: Pick<RecoveryRecord, 'id' | 'vdisks'>,
  scope: LockScope = {},
): Promise<{ readonly vdisk: string; readonly reason: string }[]> {
  const busy: { vdisk: string; reason: string }[] = [];
  for (let from = 0; from < vdisks.length; from += LOCKED_AT_ONCE) {
    const page = vdisks.slice(from, from + LOCKED_AT_ONCE);
    const { entries } = await store.getMany(page.map(({ vdisk }) => vdiskLifecycleKey(vdisk)));
    for (const { vdisk } of page) {
      const reason = whyBusy(vdisk, lifecycleIn(entries, vdisk), id, scope);
      if (reason !== null) busy.push({ vdisk, reason });
    }
  }
  return busy;
}

/**
 * From then on nobody serves the vdisks of a recovery to clients. Vdisks that are gone or are being deleted are left out. Said
 * again, nothing changes.
 *
 * @param force those who own one of them lose it
 * @throws SalvorError `vdisk-busy`, `vdisk-owned`; `conflict` when others keep changing the vdisks
 */
export async function lockVdisks(
  store: ConfigStore,
  recovery: Pick<RecoveryRecord, 'id' | 'attempt' | 'vdisks'>,
  how: LockScope & { readonly at: number; readonly force: boolean },
): Promise<void> {
  const { vdisks } = recovery;
  for (let from = 0; from < vdisks.length; from += LOCKED_AT_ONCE)
    await lockPage(store, recovery, vdisks.slice(from, from + LOCKED_AT_ONCE), how);
}

async function lockPage(
  store: ConfigStore,
  recovery: Pick<RecoveryRecord, 'id' | 'attempt'>,
  page: readonly RecoveryVdisk[],
  { at, force, ...scope }: LockScope & { readonly at: number; readonly force: boolean },
): Promise<void> {
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const { entries } = await store.getMany(
      page.flatMap(({ vdisk }) => [vdiskStaticKey(vdisk), vdiskLifecycleKey(vdisk), ownerKey(vdisk)]),
    );
    const compare: Compare[] = [];
    const puts: Put[] = [];
    const deletes: string[] = [];
    for (const one of page) {
      const { vdisk } = one;
      if (entries.get(vdiskStaticKey(vdisk)) == null) continue;
      const lifecycle = lifecycleIn(entries, vdisk);
      if (lifecycle?.state === 'deleting') continue;
      const busy = whyBusy(vdisk, lifecycle, recovery.id, scope);
      if (busy !== null) throw new SalvorError('vdisk-busy', busy);
      const key = vdiskLifecycleKey(vdisk);
      const next = markOf(recovery, one, lifecycle, at);
      if (next === lifecycle) continue;
      compare.push({ key, revision: entries.get(key)?.revision ?? 'absent' });
      puts.push({ key, value: formatRecord(vdiskLifecycleSchema, key, next) });
      const owner = recordIn(entries, ownerKey(vdisk), ownerSchema);
      compare.push({ key: ownerKey(vdisk), revision: entries.get(ownerKey(vdisk))?.revision ?? 'absent' });
      if (owner === null) continue;
      // Who rolls it back is no client, and waits until it is restored.
      if (!force && lifecycle?.state !== 'rolling-back')
        throw new SalvorError(
          'vdisk-owned',
          `vdisk ${vdisk} is in use by ${owner.server}: stop its instance and disconnect its clients`,
        );
      deletes.push(ownerKey(vdisk));
    }
    if (puts.length === 0) return;
    if ((await store.transact({ compare, puts, deletes })).ok) return;
  }
  const names = page.map(({ vdisk }) => vdisk).join(', ');
  throw new SalvorError(
    'conflict',
    `the records of vdisks ${names} changed ${ROUNDS_MAX} times while they were being locked`,
  );
}

function markOf(
  { id, attempt }: Pick<RecoveryRecord, 'id' | 'attempt'>,
  { recoverable, blocks, unproven = blocks, why }: RecoveryVdisk,
  before: VdiskLifecycle | null,
  at: number,
): VdiskLifecycle {
  const isOwn = before?.state === 'restoring' && before.operations.includes(id) && before.attempt === attempt;
  if (isOwn && (recoverable === 'all' || before.lost !== undefined)) return before;
  // Of an earlier recovery: nobody has given it up yet.
  const earlier = before?.state === 'restoring' ? before.lost : undefined;
  const others = before?.operations.includes(id) === true ? 0 : (earlier?.blocks ?? 0);
  const lost =
    recoverable === 'all' ? earlier : { blocks: unproven + others, reason: why ?? 'no log holds them' };
  // What was begun under the lock before is gone on with.
  const stale = before?.operations.includes(id) === true ? before.stale : undefined;
  const rollback = before?.state === 'rolling-back' ? before.operations[0] : before?.rollback;
  return {
    ...{ state: 'restoring', operations: [id], attempt, at },
    ...(lost === undefined ? {} : { lost }),
    ...(stale === undefined ? {} : { stale }),
    ...(rollback === undefined ? {} : { rollback }),
  };
}

/** What is written when a vdisk is whole again, or what it lost is given up. */
export function unlocked(
  vdisk: string,
  lock: Pick<VdiskLifecycle, 'rollback'>,
  at: number,
): { readonly puts: Put[]; readonly deletes: string[] } {
  const key = vdiskLifecycleKey(vdisk);
  const next = lifecycleAfterRestore(lock, at);
  return next === null
    ? { puts: [], deletes: [key] }
    : { puts: [{ key, value: formatRecord(vdiskLifecycleSchema, key, next) }], deletes: [] };
}

/** Lets go of the vdisks of a recovery that was dropped before anything was changed. */
export async function unlockVdisks(
  store: ConfigStore,
  { id, vdisks }: { readonly id: string; readonly vdisks: readonly { readonly vdisk: string }[] },
): Promise<void> {
  for (const { vdisk } of vdisks) {
    const key = vdiskLifecycleKey(vdisk);
    const entry = await store.get(key);
    if (entry === null) continue;
    const lock = parseRecord(vdiskLifecycleSchema, key, entry.value);
    if (lock.state !== 'restoring' || !lock.operations.includes(id)) continue;
    await store.transact({
      compare: [{ key, revision: entry.revision }],
      ...unlocked(vdisk, lock, Date.now()),
    });
  }
}

/**
 * Notes, once, which batches the engines have that were stale, before their owner writes anything: later they have more. Gives
 * back what was noted first.
 *
 * @throws SalvorError `ownership-lost`
 */
export async function noteStaleBatches(
  store: ConfigStore,
  vdisk: string,
  epoch: string,
  batches: Readonly<Record<string, number>>,
): Promise<Readonly<Record<string, number>>> {
  const key = vdiskLifecycleKey(vdisk);
  const entry = await store.get(key);
  const lock = entry === null ? null : parseRecord(vdiskLifecycleSchema, key, entry.value);
  if (lock?.stale !== undefined) return lock.stale;
  if (entry !== null && lock?.state === 'restoring') {
    const { ok } = await store.transact({
      compare: [
        { key: ownerKey(vdisk), createRevision: epoch },
        { key, revision: entry.revision },
      ],
      puts: [{ key, value: formatRecord(vdiskLifecycleSchema, key, { ...lock, stale: batches }) }],
    });
    if (ok) return batches;
  }
  throw new SalvorError(
    'ownership-lost',
    `vdisk ${vdisk} is not locked for its replay by this owner any more`,
  );
}

export interface RestoredVdisk {
  readonly cluster: string;
  /** Id of the recovery, and its attempt. */
  readonly recovery: string;
  readonly attempt: number;
  readonly vdisk: string;
  /** Blocks that were written, and their bytes. */
  readonly blocks: number;
  readonly bytes: number;
  /** Blocks that were read again afterwards, and are as the log has them. */
  readonly verified: number;
  readonly durationMs: number;
  readonly by: string;
  readonly at: number;
  /** Create revision of the owner key under which the blocks were written. */
  readonly epoch: string;
}

/**
 * Records what a vdisk got back. It is free for its clients from then on, unless blocks of it are lost all the same. False
 * when it is not this owner's any more, or was locked anew.
 *
 * @param lockedIn revision of the lock under which everything was written
 */
export async function vdiskRestored(
  store: ConfigStore,
  { cluster, epoch, ...restored }: RestoredVdisk,
  lockedIn: string,
): Promise<boolean> {
  const { vdisk } = restored;
  const lock = await store.get(vdiskLifecycleKey(vdisk));
  if (lock?.revision !== lockedIn) return false;
  const locked = parseRecord(vdiskLifecycleSchema, lock.key, lock.value);
  const { lost } = locked;
  const key = recoveredVdiskKey(cluster, vdisk);
  const record: RecoveredVdisk = {
    ...restored,
    outcome: 'restored',
    ...(lost === undefined ? {} : { lost }),
  };
  const freed = lost === undefined ? unlocked(vdisk, locked, restored.at) : { puts: [], deletes: [] };
  const { ok } = await store.transact({
    compare: [
      { key: ownerKey(vdisk), createRevision: epoch },
      { key: lock.key, revision: lockedIn },
    ],
    puts: [{ key, value: formatRecord(recoveredVdiskSchema, key, record) }, ...freed.puts],
    deletes: freed.deletes,
  });
  return ok;
}

/** What the vdisks of a cluster got back in this attempt of a recovery. */
export async function recoveredVdisks(
  store: ConfigStore,
  { cluster, id, attempt }: Pick<RecoveryRecord, 'cluster' | 'id' | 'attempt'>,
): Promise<Map<string, RecoveredVdisk>> {
  const { entries } = await store.list(recoveredVdisksPrefix(cluster));
  const own = entries
    .map(({ key, value }) => parseRecord(recoveredVdiskSchema, key, value))
    .filter((one) => one.recovery === id && one.attempt === attempt);
  return new Map(own.map((one) => [one.vdisk, one]));
}
