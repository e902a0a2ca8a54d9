import type { Command } from '../command.ts';
import { paintStatus } from '../rendering/paint.ts';
import { printable, properties } from '../rendering/text.ts';
import { dateTimeText, durationText } from '../rendering/time.ts';

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
];
