import type { CommandHandlers } from '@salvor/bus';
import {
  type BegunOperation,
  beginOperation,
  type ConfigStore,
  deleteSnapshot,
  listSnapshots,
  type RequestedPoint,
  readSnapshot,
  readTlog,
  readVdisk,
  rollbackVdisk,
} from '@salvor/config-store';
import { SalvorError } from '@salvor/service-kit';
import { accepted } from './command-replies.ts';

const NAME = /^[A-Za-z0-9_:-]{1,64}$/;

export interface RequestedAt {
  readonly atSequence?: number | undefined;
  readonly atTime?: number | undefined;
  readonly atSnapshot?: string | undefined;
}

/** The commands about states of vdisks in their transaction logs. */
export function pointInTimeHandlers(store: ConfigStore): CommandHandlers {
  return {
    'vdisk.snapshot.create': async ({ vdisk, name }, { operationId: operation }) =>
      accepted(await beginSnapshot(store, vdisk, name, operation), { vdisk }),
    'vdisk.snapshot.list': async ({ vdisk }) => {
      await assertLog(store, vdisk);
      const snapshots = await listSnapshots(store, vdisk);
      return { snapshots: snapshots.map(({ name, sequence, at }) => ({ name, sequence, at })) };
    },
    'vdisk.snapshot.delete': async ({ vdisk, name }, { operationId: operation }) => {
      assertName(name);
      const isGone = await deleteSnapshot(store, vdisk, name);
      const reason = isGone
        ? `snapshot '${name}' of vdisk ${vdisk} is deleted`
        : `vdisk ${vdisk} has no snapshot '${name}'`;
      return { vdisk, operation, outcome: isGone ? 'applied' : 'already', reason };
    },
    'vdisk.rollback': async ({ vdisk, ...at }, { operationId: operation }) => {
      const point = pointOf(at);
      if (point === null)
        throw new SalvorError(
          'bad-request',
          'expected where to go: one of atSequence, atTime and atSnapshot, found none',
        );
      return accepted(await rollbackVdisk(store, { vdisk, point }, { operation, by: 'command' }), { vdisk });
    },
  };
}

/** The state that a request names; null: none. @throws SalvorError `bad-request` for more than one */
export function pointOf({ atSequence, atTime, atSnapshot }: RequestedAt): RequestedPoint | null {
  const named: RequestedPoint[] = [
    ...(atSequence === undefined ? [] : [{ kind: 'sequence' as const, sequence: atSequence }]),
    ...(atTime === undefined ? [] : [{ kind: 'time' as const, at: atTime }]),
    ...(atSnapshot === undefined ? [] : [{ kind: 'snapshot' as const, name: atSnapshot }]),
  ];
  const [point = null] = named;
  if (named.length > 1)
    throw new SalvorError(
      'bad-request',
      `expected one of atSequence, atTime and atSnapshot, found ${named.length}`,
    );
  if ((point?.kind === 'sequence' && point.sequence < 0) || (point?.kind === 'time' && point.at < 0))
    throw new SalvorError('bad-request', 'expected a sequence and a time of at least 0');
  return point;
}

async function beginSnapshot(
  store: ConfigStore,
  vdisk: string,
  name: string,
  operation: string,
): Promise<BegunOperation> {
  assertName(name);
  await assertLog(store, vdisk);
  const known = await readSnapshot(store, vdisk, name);
  if (known !== null && known.operation !== operation)
    throw new SalvorError('snapshot-exists', `vdisk ${vdisk} has a snapshot '${name}' already`);
  const message = `snapshot '${name}' of vdisk ${vdisk} is being taken`;
  const request = { vdisk, name };
  return beginOperation(store, {
    operation,
    kind: 'vdisk.snapshot.create',
    request,
    subject: vdisk,
    message,
  });
}

function assertName(name: string): void {
  if (NAME.test(name)) return;
  throw new SalvorError(
    'bad-request',
    `name: expected 1 to 64 of A-Z a-z 0-9 _ : -, found ${JSON.stringify(name)}`,
  );
}

async function assertLog(store: ConfigStore, vdisk: string): Promise<void> {
  if ((await readVdisk(store, vdisk)) === null)
    throw new SalvorError('unknown-vdisk', `there is no vdisk ${vdisk}`);
  if ((await readTlog(store, vdisk)) === null)
    throw new SalvorError('no-log', `vdisk ${vdisk} has no transaction log`);
}
