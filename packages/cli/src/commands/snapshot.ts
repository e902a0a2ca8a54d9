/** States of a vdisk in its transaction log: named ones, and the way back to an earlier one. */
import { SalvorError } from '@salvor/service-kit';
import type { Command } from '../command.ts';
import type { Session } from '../connection.ts';
import { printable, table } from '../rendering/text.ts';
import { operationEnd } from './operation-end.ts';
import { outcomeText } from './outcome.ts';
import { operationIdOption } from './vdisk.ts';
import { stateHelp, stateOf } from './vdisk-state.ts';

const id = { name: 'vdisk', help: 'the id of the vdisk' };
const snapshotName = { name: 'name', help: 'the name of the snapshot' };
const wait = { type: 'boolean', help: 'wait for the end; exit code 1 when it failed' } as const;

async function endOf(session: Session, operation: string): Promise<string> {
  const { status, message } = (await operationEnd(session, operation)).reply.operation;
  if (status !== 'completed') throw new SalvorError(`operation-${status}`, message);
  return `${message}\n`;
}

export const rollbackCommand: Command = {
  name: 'vdisk rollback',
  sends: 'vdisk.rollback',
  positionals: [id],
  options: {
    to: { type: 'string', required: true, value: 'state', help: stateHelp },
    wait,
    'operation-id': operationIdOption,
  },
  examples: [
    'salvor vdisk rollback v1 --to before-upgrade --wait',
    'salvor vdisk rollback v1 --to 2024-05-01T12:00:00Z',
  ],
  async run({ args, paint, print, withBus }) {
    const request = {
      vdisk: args.positional('vdisk'),
      ...stateOf('vdisk rollback', args.required('to')),
      operationId: args.text('operation-id'),
    };
    const waits = args.flag('wait');
    const { reply, json, end } = await withBus(async (session) => {
      const answer = await session.ask('vdisk.rollback', request);
      return { ...answer, end: waits ? await endOf(session, answer.reply.operation) : null };
    });
    print(json, () => end ?? outcomeText(paint, reply));
  },
};

export const snapshotCommands: readonly Command[] = [
  {
    name: 'snapshot create',
    sends: 'vdisk.snapshot.create',
    positionals: [id, snapshotName],
    options: { wait, 'operation-id': operationIdOption },
    examples: ['salvor snapshot create v1 before-upgrade --wait'],
    async run({ args, paint, print, withBus }) {
      const request = {
        ...{ vdisk: args.positional('vdisk'), name: args.positional('name') },
        operationId: args.text('operation-id'),
      };
      const waits = args.flag('wait');
      const { reply, json, end } = await withBus(async (session) => {
        const answer = await session.ask('vdisk.snapshot.create', request);
        return { ...answer, end: waits ? await endOf(session, answer.reply.operation) : null };
      });
      print(json, () => end ?? outcomeText(paint, reply));
    },
  },
  {
    name: 'snapshot list',
    sends: 'vdisk.snapshot.list',
    positionals: [id],
    examples: ['salvor snapshot list v1'],
    async run({ args, paint, print, withBus }) {
      const vdisk = args.positional('vdisk');
      const { reply, json } = await withBus((session) => session.ask('vdisk.snapshot.list', { vdisk }));
      const rows = reply.snapshots.map(({ name, sequence, at }) => [
        ...[printable(name), String(sequence), new Date(at).toISOString()],
      ]);
      print(json, () => table(paint, ['snapshot', 'record', 'taken'], rows, 'no snapshots'));
    },
  },
  {
    name: 'snapshot delete',
    sends: 'vdisk.snapshot.delete',
    positionals: [id, snapshotName],
    options: { 'operation-id': operationIdOption },
    examples: ['salvor snapshot delete v1 before-upgrade'],
    async run({ args, paint, print, withBus }) {
      const request = {
        ...{ vdisk: args.positional('vdisk'), name: args.positional('name') },
        operationId: args.text('operation-id'),
      };
      const { reply, json } = await withBus((session) => session.ask('vdisk.snapshot.delete', request));
      print(json, () => outcomeText(paint, reply));
    },
  },
];
