import {
  type ConfigStore,
  formatRecord,
  type HookRunRecord,
  hookRunKey,
  hookRunPuts,
  type InstanceRecord,
  instanceKey,
  instanceSchema,
  type Put,
  type StoreEntry,
} from '@salvor/config-store';
import { events } from '@salvor/contracts';
import type { HookBook } from '../hooks/hook-book.ts';
import type { Hook } from '../hooks/hook-file.ts';
import { hookRunOf } from '../hooks/hook-runs.ts';
import type { InstanceMove } from './instance-decision.ts';

export interface InstanceChange {
  readonly record: InstanceRecord;
  readonly runs: readonly HookRunRecord[];
}

/** The instance after a move, and the hooks to run for it. Null when it needs a hook and there is none. */
export function movedInstance(
  instance: InstanceRecord,
  move: InstanceMove,
  book: HookBook,
  { now, by }: { readonly now: number; readonly by: string },
): InstanceChange | null {
  const hooks = move.point === null ? [] : hooksFor(instance, move.point, book);
  if (move.point !== null && hooks.length === 0) return null;
  const { cause: _, ...rest } = instance;
  // Two moves in one millisecond are two events.
  const at = Math.max(now, instance.changedAt + 1);
  const runs = hooks.map((hook) => instanceRun(instance, move, hook, { at, by }));
  const record: InstanceRecord = {
    ...rest,
    status: move.to,
    reason: move.reason,
    changedAt: at,
    changed: { from: instance.status, to: move.to, at },
    runs: runs.map(({ run }) => run),
    ...(move.cause === null ? {} : { cause: move.cause }),
  };
  return { record, runs };
}

/** What is stored for it in one transaction: the change, and the runs that it calls for. */
export function instancePuts({ record, runs }: InstanceChange): Put[] {
  const key = instanceKey(record.instance);
  return [{ key, value: formatRecord(instanceSchema, key, record) }, ...runs.flatMap(hookRunPuts)];
}

/** False when somebody else changed the instance meanwhile. */
export async function storeInstance(
  store: ConfigStore,
  before: StoreEntry,
  change: InstanceChange,
): Promise<boolean> {
  const stored = await store.transact({
    compare: [
      { key: before.key, revision: before.revision },
      ...change.runs.map(({ run }) => ({ key: hookRunKey(run), revision: 'absent' as const })),
    ],
    puts: instancePuts(change),
  });
  return stored.ok;
}

export function missingHook(
  { stopHook, startHook }: InstanceRecord,
  point: 'instance.stop' | 'instance.start',
): string {
  const name = point === 'instance.stop' ? stopHook : startHook;
  return name === undefined ? `no hook is hung up at ${point}` : `no hook ${name} is configured`;
}

/** The hook that the instance names, else all at the point. */
function hooksFor(
  instance: InstanceRecord,
  point: 'instance.stop' | 'instance.start',
  book: HookBook,
): Hook[] {
  const name = point === 'instance.stop' ? instance.stopHook : instance.startHook;
  const named = name === undefined ? null : book.hook(name);
  if (name !== undefined) return named === null ? [] : [named];
  const data = { instance: instance.instance, zone: instance.zone, server: instance.server };
  return book.hooks.filter(
    ({ on, where }) =>
      on.includes(point) &&
      Object.entries(where).every(([field, value]) =>
        Object.entries(data).some(([of, is]) => of === field && is === value),
      ),
  );
}

function instanceRun(
  { instance, vdisks, zone, server, status }: InstanceRecord,
  { to, reason, point, cause }: InstanceMove,
  hook: Hook,
  { at, by }: { readonly at: number; readonly by: string },
): HookRunRecord {
  const data = {
    ...{ instance, vdisks, from: status, to, reason, at },
    ...(zone === undefined ? {} : { zone }),
    ...(server === undefined ? {} : { server }),
    ...(cause?.incident === undefined ? {} : { incident: cause.incident }),
  };
  const { cloudEventType: type } = events['instance.status-changed'];
  const occurrence = { id: `${instance}-${at}-${to}`, type, subject: instance, at, data, points: [] };
  const run = hookRunOf(occurrence, hook, point ?? '', { now: at, by });
  // Stops and starts of an instance are carried out in their order, whichever hooks they are.
  return { ...run, lane: `instance:${instance}` };
}
