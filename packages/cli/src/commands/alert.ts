import type { AlertDescription } from '@salvor/contracts';
import type { Command } from '../command.ts';
import type { Paint } from '../rendering/paint.ts';
import { printable, table } from '../rendering/text.ts';
import { dateTimeText, durationText } from '../rendering/time.ts';

export const alertCommands: readonly Command[] = [
  {
    name: 'alert list',
    sends: 'alert.list',
    options: { all: { type: 'boolean', help: 'also alerts that were cleared' } },
    examples: ['salvor alert list', 'salvor alert list --all'],
    async run({ args, paint, print, withBus }) {
      const request = { all: args.flag('all') };
      const { reply, json } = await withBus((session) => session.ask('alert.list', request));
      print(json, () => alertsText(paint, reply.alerts, Date.now()));
    },
  },
];

export function alertsText(paint: Paint, alerts: readonly AlertDescription[], now: number): string {
  const rows = alerts.map(({ kind, subject, message, since, raisedAt, clearedAt }) => [
    clearedAt === undefined ? paint('red', printable(kind)) : paint('dim', `${printable(kind)} (cleared)`),
    printable(subject),
    dateTimeText(raisedAt),
    durationText((clearedAt ?? now) - since),
    printable(message),
  ]);
  return table(paint, ['alert', 'about', 'raised', 'no progress for', 'what it waits for'], rows, 'none');
}
