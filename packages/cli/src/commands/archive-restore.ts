import { SalvorError } from '@salvor/service-kit';
import type { Command } from '../command.ts';
import type { Session } from '../connection.ts';
import { operationEnd } from './operation-end.ts';
import { outcomeText } from './outcome.ts';
import { operationIdOption } from './vdisk.ts';
import { stateHelp, stateOf } from './vdisk-state.ts';

const both = [
  { name: 'archive', help: 'the name of the archive' },
  { name: 'volume', help: 'the id of the volume' },
];
const wait = { type: 'boolean', help: 'wait for the end; exit code 1 when it failed' } as const;

async function endOf(session: Session, operation: string): Promise<string> {
  const { status, message } = (await operationEnd(session, operation)).reply.operation;
  if (status !== 'completed') throw new SalvorError(`operation-${status}`, message);
  return `${message}\n`;
}

export const archiveRestoreCommand: Command = {
  name: 'archive restore',
  sends: 'archive.restore',
  positionals: both,
  options: {
    vdisk: { type: 'string', required: true, value: 'id', help: 'the vdisk; its content is replaced' },
    cluster: { type: 'string', value: 'id', help: 'makes the vdisk, on this primary cluster' },
    'slave-cluster': { type: 'string', value: 'id', help: 'slave cluster of the vdisk that is made' },
    to: { type: 'string', value: 'state', help: `${stateHelp} of the archive; default: the newest` },
    wait,
    'operation-id': operationIdOption,
  },
  examples: [
    'salvor archive restore a1 vol1 --vdisk v1-old --cluster p1 --slave-cluster s1 --to 2024-05-01T12:00:00Z --wait',
    'salvor archive restore a1 vol1 --vdisk v1 --to monday',
  ],
  async run({ args, paint, print, withBus }) {
    const to = args.text('to');
    const request = {
      ...{ archive: args.positional('archive'), volume: args.positional('volume') },
      ...{ vdisk: args.required('vdisk'), cluster: args.text('cluster') },
      slaveCluster: args.text('slave-cluster'),
      ...(to === undefined ? {} : stateOf('archive restore', to)),
      operationId: args.text('operation-id'),
    };
    const waits = args.flag('wait');
    const { reply, json, end } = await withBus(async (session) => {
      const answer = await session.ask('archive.restore', request);
      return { ...answer, end: waits ? await endOf(session, answer.reply.operation) : null };
    });
    print(json, () => end ?? outcomeText(paint, reply));
  },
};

export const archiveVerifyCommand: Command = {
  name: 'archive verify',
  sends: 'archive.verify',
  positionals: both,
  options: { wait, 'operation-id': operationIdOption },
  examples: ['salvor archive verify a1 vol1 --wait'],
  async run({ args, paint, print, withBus }) {
    const request = {
      ...{ archive: args.positional('archive'), volume: args.positional('volume') },
      operationId: args.text('operation-id'),
    };
    const waits = args.flag('wait');
    const { reply, json, end } = await withBus(async (session) => {
      const answer = await session.ask('archive.verify', request);
      return { ...answer, end: waits ? await endOf(session, answer.reply.operation) : null };
    });
    print(json, () => end ?? outcomeText(paint, reply));
  },
};
