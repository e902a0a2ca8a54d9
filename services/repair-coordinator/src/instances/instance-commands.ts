import type { CommandContext, CommandHandlers } from '@salvor/bus';
import {
  type ConfigStore,
  canonicalRequest,
  formatRecord,
  hookRunKey,
  INSTANCES_PREFIX,
  type InstanceRecord,
  instanceKey,
  instanceRestarts,
  instanceSchema,
  instanceVdisksMax,
  markOf,
  onServerExits,
  operationKey,
  operationSchema,
  type Put,
  parseRecord,
  readVdisk,
  recordIn,
  repeatOf,
  reusedReason,
  type StoreEntry,
  vdiskLifecycleKey,
  vdiskLifecycleSchema,
} from '@salvor/config-store';
import { type InstanceDescriptionInit, isId } from '@salvor/contracts';
import { SalvorError } from '@salvor/service-kit';
import { accepted, type Decided } from '../command-replies.ts';
import type { HookBook } from '../hooks/hook-book.ts';
import { instancePuts, missingHook, movedInstance } from './instance-change.ts';
import type { InstanceMove } from './instance-decision.ts';

/** Tries of one command while others change the instance. */
const TRIES_MAX = 16;
const by = 'command';

interface Change {
  readonly reason: string;
  readonly puts?: readonly Put[];
  readonly deletes?: readonly string[];
  /** Runs that must not be there yet. */
  readonly runs?: readonly string[];
}

/** The commands about instances. */
export function instanceCommandHandlers(store: ConfigStore, book: HookBook): CommandHandlers {
  return {
    'instance.set': async ({ operationId: _, ...request }, context) => {
      const { instance, vdisks } = request;
      assertWords(request);
      for (const vdisk of vdisks) {
        if ((await readVdisk(store, vdisk)) === null)
          throw new SalvorError('unknown-vdisk', `there is no vdisk ${vdisk}`);
      }
      return apply(store, context, 'instance.set', request, (before) => {
        const key = instanceKey(instance);
        const value = formatRecord(instanceSchema, key, wanted(request, before, context.operationId));
        return { reason: `instance ${instance} uses ${vdisks.join(', ')}`, puts: [{ key, value }] };
      });
    },
    'instance.delete': ({ instance }, context) =>
      apply(store, context, 'instance.delete', { instance }, (before) => {
        known(instance, before);
        return { reason: `instance ${instance} is forgotten`, deletes: [instanceKey(instance)] };
      }),
    'instance.start': async ({ instance }, context) => {
      await assertWritable(store, instance);
      const reason = 'an operator wants it started';
      const move: InstanceMove = { to: 'starting', reason, point: 'instance.start', cause: null };
      return apply(store, context, 'instance.start', { instance }, (before) =>
        moved(known(instance, before), move, book, ['started', 'starting']),
      );
    },
    'instance.stop': ({ instance }, context) => {
      const cause = { kind: 'operator', at: Date.now() } as const;
      const reason = 'an operator wants it stopped';
      const move: InstanceMove = { to: 'stopping', reason, point: 'instance.stop', cause };
      return apply(store, context, 'instance.stop', { instance }, (before) =>
        moved(known(instance, before), move, book, ['stopped', 'stopping']),
      );
    },
    'instance.list': async ({ vdisk }) => {
      const { entries } = await store.list(INSTANCES_PREFIX);
      const instances = entries.map(({ key, value }) => parseRecord(instanceSchema, key, value));
      return {
        instances: instances
          .filter(({ vdisks }) => vdisk === undefined || vdisks.includes(vdisk))
          .map(instanceDescription),
      };
    },
    'instance.get': async ({ instance }) => {
      const key = instanceKey(instance);
      const entry = await store.get(key);
      return { instance: instanceDescription(known(instance, entry === null ? null : readOf(entry))) };
    },
  };
}

/** An instance is started where its data may be written: not on the copy of a volume, whose primary is in another zone. */
async function assertWritable(store: ConfigStore, instance: string): Promise<void> {
  const entry = instance === '' ? null : await store.get(instanceKey(instance));
  for (const vdisk of entry === null ? [] : readOf(entry).vdisks) {
    const lock = await store.get(vdiskLifecycleKey(vdisk));
    if (lock === null || parseRecord(vdiskLifecycleSchema, lock.key, lock.value).state !== 'secondary')
      continue;
    throw new SalvorError(
      'vdisk-secondary',
      `instance ${instance} is not started: vdisk ${vdisk} is the copy of a volume whose primary is in another zone; 'salvor volume promote' or a recovery plan makes it the primary`,
    );
  }
}

/** One transaction: the change, and the mark of the operation, so that a repeat finds the answer. */
async function apply(
  store: ConfigStore,
  { operationId: operation }: CommandContext,
  kind: string,
  request: { readonly instance: string } & Readonly<Record<string, unknown>>,
  change: (before: InstanceRecord | null) => Change,
) {
  const { instance } = request;
  const key = instanceKey(instance);
  const canonical = canonicalRequest(kind, request);
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const { entries } = await store.getMany([key, operationKey(operation)]);
    const mark = recordIn(entries, operationKey(operation), operationSchema);
    if (mark !== null) {
      const decided: Decided =
        repeatOf(mark, canonical) === 'reused'
          ? { outcome: 'refused', code: 'operation-reused', reason: reusedReason(mark), operation }
          : { outcome: 'already', code: 'same-operation', reason: mark.reason, operation };
      return accepted(decided, { instance });
    }
    const entry = entries.get(key) ?? null;
    const { reason, puts = [], deletes = [], runs = [] } = change(entry === null ? null : readOf(entry));
    const isChange = puts.length + deletes.length > 0;
    const outcome = isChange ? 'applied' : 'already';
    const record = {
      operation,
      kind,
      request: canonical,
      outcome,
      reason,
      at: Date.now(),
      subject: instance,
    } as const;
    const stored = await store.transact({
      compare: [
        { key, revision: entry?.revision ?? 'absent' },
        { key: operationKey(operation), revision: 'absent' },
        ...runs.map((run) => ({ key: hookRunKey(run), revision: 'absent' as const })),
      ],
      puts: [...puts, markOf(record)],
      deletes,
    });
    if (stored.ok) return accepted({ outcome, code: 'changed', reason, operation }, { instance });
  }
  throw new SalvorError('conflict', `instance ${instance} was changed by others at every attempt; try again`);
}

/** While hooks run, what is wanted is noted, and done when they have ended. */
function moved(
  before: InstanceRecord,
  move: InstanceMove,
  book: HookBook,
  already: readonly InstanceRecord['status'][],
): Change {
  const { instance, status } = before;
  const desired = move.to === 'starting' ? ('started' as const) : ('stopped' as const);
  const verb = desired === 'started' ? 'start' : 'stop';
  if (already.includes(status) && before.desired === desired)
    return { reason: `instance ${instance} is ${status} already` };
  const isUnderWay = status === 'starting' || status === 'stopping';
  if (isUnderWay || already.includes(status)) {
    const key = instanceKey(instance);
    const value = formatRecord(instanceSchema, key, { ...before, desired });
    const when = isUnderWay ? `: it is ${status} now` : '';
    return { reason: `instance ${instance} is to ${verb}${when}`, puts: [{ key, value }] };
  }
  const change = movedInstance({ ...before, desired }, move, book, { now: Date.now(), by });
  if (change === null) {
    const why = missingHook(before, move.to === 'starting' ? 'instance.start' : 'instance.stop');
    throw new SalvorError('no-hook', `instance ${instance} cannot ${verb}: ${why}`);
  }
  return {
    reason: `instance ${instance} is to ${verb}`,
    puts: instancePuts(change),
    runs: change.record.runs,
  };
}

interface SetRequest {
  readonly instance: string;
  readonly vdisks: readonly string[];
  readonly zone?: string | undefined;
  readonly server?: string | undefined;
  readonly stopHook?: string | undefined;
  readonly startHook?: string | undefined;
  readonly fenceHook?: string | undefined;
  readonly standby: boolean;
  readonly restart: string;
  readonly onServerExit: string;
}

function assertWords({ instance, vdisks, restart, onServerExit }: SetRequest): void {
  const problems = [
    ...(isId(instance) ? [] : [{ path: 'instance', expected: '1 to 64 of A-Z a-z 0-9 _ : -' }]),
    ...(vdisks.length >= 1 && vdisks.length <= instanceVdisksMax
      ? []
      : [{ path: 'vdisks', expected: `1 to ${instanceVdisksMax} vdisks` }]),
    ...(instanceRestarts.some((word) => word === restart)
      ? []
      : [{ path: 'restart', expected: instanceRestarts.join(' or ') }]),
    ...(onServerExits.some((word) => word === onServerExit)
      ? []
      : [{ path: 'onServerExit', expected: onServerExits.join(' or ') }]),
  ];
  if (problems.length === 0) return;
  const sentence = problems.map(({ path, expected }) => `${path}: expected ${expected}`).join('; ');
  throw new SalvorError('invalid-request', `the instance cannot be set: ${sentence}`, problems);
}

/** What an operator says of it, with the status that it has. A new one is taken for started, unless it is a stand-by. */
function wanted(request: SetRequest, before: InstanceRecord | null, operation: string): InstanceRecord {
  const { instance, vdisks, zone, server, stopHook, startHook, fenceHook, restart, onServerExit } = request;
  const earlier = before ?? unknownInstance(request.standby);
  const { zone: _, server: __, stopHook: ___, startHook: ____, fenceHook: _____, ...kept } = earlier;
  return instanceSchema.parse({
    ...kept,
    ...{ instance, vdisks, restart, onServerExit, operation },
    ...{ zone, server, stopHook, startHook, fenceHook },
  });
}

function unknownInstance(isStandby: boolean): Partial<InstanceRecord> {
  const at = Date.now();
  if (!isStandby)
    return { desired: 'started', status: 'started', reason: 'it was made known', changedAt: at, runs: [] };
  const reason = 'it was made known as a stand-by';
  const cause = { kind: 'operator', at } as const;
  return { desired: 'stopped', status: 'stopped', reason, cause, changedAt: at, runs: [] };
}

function known(instance: string, record: InstanceRecord | null): InstanceRecord {
  if (record === null) throw new SalvorError('unknown-instance', `there is no instance ${instance}`);
  return record;
}

function readOf({ key, value }: StoreEntry): InstanceRecord {
  return parseRecord(instanceSchema, key, value);
}

function instanceDescription(record: InstanceRecord): InstanceDescriptionInit {
  const { instance, vdisks, desired, status, reason, restart, onServerExit, changedAt, runs } = record;
  const { zone, server, stopHook, startHook, fenceHook, cause } = record;
  return {
    ...{ instance, vdisks: [...vdisks], desired, status, reason, restart, onServerExit, changedAt },
    runs: [...runs],
    ...(zone === undefined ? {} : { zone }),
    ...(server === undefined ? {} : { server }),
    ...(stopHook === undefined ? {} : { stopHook }),
    ...(startHook === undefined ? {} : { startHook }),
    ...(fenceHook === undefined ? {} : { fenceHook }),
    ...(cause?.incident === undefined ? {} : { incident: cause.incident }),
  };
}
