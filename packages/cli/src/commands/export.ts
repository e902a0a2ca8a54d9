/** Vdisks as files in Tier-2. */
import { SalvorError } from '@salvor/service-kit';
import type { Command } from '../command.ts';
import type { Session } from '../connection.ts';
import { operationEnd } from './operation-end.ts';
import { outcomeText } from './outcome.ts';
import { operationIdOption } from './vdisk.ts';
import { stateHelp, stateOf } from './vdisk-state.ts';

const file = { name: 'file', help: 'the name of the file in the folder exports/ of Tier-2' };
const wait = { type: 'boolean', help: 'wait for the end; exit code 1 when it failed' } as const;

async function endOf(session: Session, operation: string): Promise<string> {
  const { status, message } = (await operationEnd(session, operation)).reply.operation;
  if (status !== 'completed') throw new SalvorError(`operation-${status}`, message);
  return `${message}\n`;
}

export const exportCommands: readonly Command[] = [
  {
    name: 'vdisk export',
    sends: 'vdisk.export',
    positionals: [{ name: 'vdisk', help: 'the id of the vdisk' }, file],
    options: {
      at: {
        type: 'string',
        value: 'state',
        help: `an earlier state: ${stateHelp}; default: the newest in its log, or what its engines hold when it has none`,
      },
      wait,
      'operation-id': operationIdOption,
    },
    examples: [
      'salvor vdisk export v1 v1.avro --wait',
      'salvor vdisk export v1 v1-before-upgrade.avro --at before-upgrade',
    ],
    async run({ args, paint, print, withBus }) {
      const at = args.text('at');
      const request = {
        ...(at === undefined ? {} : stateOf('vdisk export', at)),
        ...{ vdisk: args.positional('vdisk'), file: args.positional('file') },
        operationId: args.text('operation-id'),
      };
      const waits = args.flag('wait');
      const { reply, json, end } = await withBus(async (session) => {
        const answer = await session.ask('vdisk.export', request);
        return { ...answer, end: waits ? await endOf(session, answer.reply.operation) : null };
      });
      print(json, () => end ?? outcomeText(paint, reply));
    },
  },
  {
    name: 'vdisk import',
    sends: 'vdisk.import',
    positionals: [file, { name: 'vdisk', help: 'the id of the new vdisk' }],
    options: {
      cluster: { type: 'string', required: true, value: 'id', help: 'primary cluster' },
      'slave-cluster': {
        type: 'string',
        value: 'id',
        help: 'slave cluster; needed to survive the loss of an engine',
      },
      wait,
      'operation-id': operationIdOption,
    },
    examples: ['salvor vdisk import v1.avro v2 --cluster primary-1 --slave-cluster slave-1 --wait'],
    async run({ args, paint, print, withBus }) {
      const request = {
        ...{ file: args.positional('file'), vdisk: args.positional('vdisk') },
        cluster: args.required('cluster'),
        slaveCluster: args.text('slave-cluster'),
        operationId: args.text('operation-id'),
      };
      const waits = args.flag('wait');
      const { reply, json, end } = await withBus(async (session) => {
        const answer = await session.ask('vdisk.import', request, { timeoutMs: 45_000 });
        return { ...answer, end: waits ? await endOf(session, answer.reply.operation) : null };
      });
      print(json, () => end ?? outcomeText(paint, reply));
    },
  },
];
