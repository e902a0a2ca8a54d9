import type { Command } from '../command.ts';
import { paintStatus } from '../rendering/paint.ts';
import { printable, properties, table } from '../rendering/text.ts';
import { dateTimeText, durationText } from '../rendering/time.ts';
import { outcomeText } from './outcome.ts';
import { operationIdOption } from './vdisk.ts';

export const operationCommands: readonly Command[] = [
  {
    name: 'operation show',
    sends: 'operation.get',
    positionals: [{ name: 'operation', help: 'the id of the operation' }],
    examples: ['salvor operation show op-1b07'],
    async run({ args, paint, print, withBus }) {
      const request = { operation: args.positional('operation') };
      const { reply, json } = await withBus((session) => session.ask('operation.get', request));
      const { operation } = reply;
      const { startedAt, endedAt } = operation;
      print(json, () =>
        properties(paint, [
          ['operation', operation.operation],
          ['command', printable(operation.kind)],
          ['status', paintStatus(paint, operation.status)],
          ['message', printable(operation.message)],
          ['about', operation.subject === undefined ? undefined : printable(operation.subject)],
          ['steps', operation.done === undefined ? undefined : stepsText(operation)],
          ['paused', operation.paused ? 'yes' : undefined],
          ['asked to stop', operation.cancelRequested && endedAt === undefined ? 'yes' : undefined],
          ['started', dateTimeText(startedAt)],
          [
            'ended',
            endedAt === undefined
              ? undefined
              : `${dateTimeText(endedAt)} after ${durationText(endedAt - startedAt)}`,
          ],
        ]),
      );
    },
  },
  {
    name: 'operation list',
    sends: 'operation.list',
    options: {
      all: { type: 'boolean', help: 'also those that have ended' },
      kind: { type: 'string', value: 'command', help: 'only those of this command, such as vdisk.clone' },
      subject: { type: 'string', value: 'id', help: 'only those about this id, such as a vdisk' },
      limit: { type: 'string', value: 'count', help: 'at most so many, the latest first (default 100)' },
    },
    examples: ['salvor operation list', 'salvor operation list --all --kind vdisk.clone'],
    async run({ args, paint, print, withBus }) {
      const request = {
        all: args.flag('all'),
        kind: args.text('kind'),
        subject: args.text('subject'),
        limit: args.integer('limit', 1, 10_000),
      };
      const { reply, json } = await withBus((session) => session.ask('operation.list', request));
      const rows = reply.operations.map((operation) => [
        operation.operation,
        operation.kind,
        operation.subject ?? '-',
        operation.status,
        operation.done === undefined ? '-' : stepsText(operation),
        dateTimeText(operation.startedAt),
        printable(operation.message),
      ]);
      const headers = ['operation', 'command', 'about', 'status', 'steps', 'started', 'message'];
      print(json, () => table(paint, headers, rows, 'no operations'));
    },
  },
  {
    name: 'operation cancel',
    sends: 'operation.cancel',
    positionals: [{ name: 'operation', help: 'the id of the operation' }],
    options: { 'operation-id': operationIdOption },
    examples: ['salvor operation cancel op-5e80'],
    async run({ args, paint, print, withBus }) {
      const request = { operation: args.positional('operation'), operationId: args.text('operation-id') };
      const { reply, json } = await withBus((session) => session.ask('operation.cancel', request));
      print(json, () => outcomeText(paint, reply));
    },
  },
  {
    name: 'operation pause',
    sends: 'operation.pause',
    positionals: [{ name: 'operation', help: 'the id of the operation' }],
    options: { 'operation-id': operationIdOption },
    examples: ['salvor operation pause op-5e80'],
    async run({ args, paint, print, withBus }) {
      const request = { operation: args.positional('operation'), operationId: args.text('operation-id') };
      const { reply, json } = await withBus((session) => session.ask('operation.pause', request));
      print(json, () => outcomeText(paint, reply));
    },
  },
  {
    name: 'operation resume',
    sends: 'operation.resume',
    positionals: [{ name: 'operation', help: 'the id of the operation' }],
    options: { 'operation-id': operationIdOption },
    examples: ['salvor operation resume op-5e80'],
    async run({ args, paint, print, withBus }) {
      const request = { operation: args.positional('operation'), operationId: args.text('operation-id') };
      const { reply, json } = await withBus((session) => session.ask('operation.resume', request));
      print(json, () => outcomeText(paint, reply));
    },
  },
];

function stepsText({ done = 0, total }: { done?: number | undefined; total?: number | undefined }): string {
  return total === undefined ? `${done}` : `${done} of ${total}`;
}
