import { SalvorError } from '@salvor/service-kit';
import type { Command } from '../command.ts';
import { tlogsText, tlogText } from '../rendering/tlog-text.ts';
import { operationEnd } from './operation-end.ts';
import { outcomeText } from './outcome.ts';
import { operationIdOption } from './vdisk.ts';

const id = { name: 'vdisk', help: 'the id of the vdisk' };

export const tlogCommands: readonly Command[] = [
  {
    name: 'tlog status',
    sends: 'tlog.status',
    positionals: [{ ...id, optional: true }],
    examples: ['salvor tlog status', 'salvor tlog status v1'],
    async run({ args, paint, print, withBus }) {
      const vdisk = args.optionalPositional('vdisk');
      const { reply, json } = await withBus((session) => session.ask('tlog.status', { vdisk }));
      print(json, () =>
        vdisk === undefined
          ? tlogsText(paint, reply.logs)
          : reply.logs.map((log) => tlogText(paint, log)).join(''),
      );
    },
  },
  {
    name: 'tlog enable',
    sends: 'tlog.enable',
    positionals: [id],
    options: {
      policy: {
        type: 'string',
        value: 'policy',
        help: 'block (default): writes wait while JetStream does not take them; overflow: they go on, and the log is broken',
      },
      'operation-id': operationIdOption,
    },
    examples: ['salvor tlog enable v1', 'salvor tlog enable v1 --policy overflow'],
    async run({ args, paint, print, withBus }) {
      const policy = args.text('policy');
      const request = {
        vdisk: args.positional('vdisk'),
        ...(policy === undefined ? {} : { policy }),
        operationId: args.text('operation-id'),
      };
      const { reply, json } = await withBus((session) => session.ask('tlog.enable', request));
      print(json, () => outcomeText(paint, reply));
    },
  },
  {
    name: 'tlog disable',
    sends: 'tlog.disable',
    positionals: [id],
    options: { 'operation-id': operationIdOption },
    examples: ['salvor tlog disable v1'],
    async run({ args, paint, print, withBus }) {
      const request = { vdisk: args.positional('vdisk'), operationId: args.text('operation-id') };
      const { reply, json } = await withBus((session) => session.ask('tlog.disable', request));
      print(json, () => outcomeText(paint, reply));
    },
  },
  {
    name: 'tlog verify',
    sends: 'tlog.verify',
    options: {
      vdisk: { type: 'string', value: 'id', help: 'only the log of this vdisk' },
      wait: { type: 'boolean', help: 'wait for the end, and fail if anything is damaged' },
      'operation-id': operationIdOption,
    },
    examples: ['salvor tlog verify --wait', 'salvor tlog verify --vdisk v1'],
    async run({ args, paint, print, withBus }) {
      const request = { vdisk: args.text('vdisk'), operationId: args.text('operation-id') };
      if (!args.flag('wait')) {
        const { reply, json } = await withBus((session) => session.ask('tlog.verify', request));
        print(json, () => outcomeText(paint, reply));
        return;
      }
      const { reply, json } = await withBus(async (session) => {
        const begun = await session.ask('tlog.verify', request);
        return operationEnd(session, begun.reply.operation);
      });
      const { status, message } = reply.operation;
      if (status !== 'completed') throw new SalvorError(`operation-${status}`, message);
      print(json, () => `${message}\n`);
    },
  },
];
