import type { InstanceDescription } from '@salvor/contracts';
import type { Command } from '../command.ts';
import { type Paint, paintStatus } from '../rendering/paint.ts';
import { printable, properties, table } from '../rendering/text.ts';
import { dateTimeText } from '../rendering/time.ts';
import { outcomeText } from './outcome.ts';
import { operationIdOption } from './vdisk.ts';

const id = { name: 'instance', help: 'the id of the instance' };

export const instanceCommands: readonly Command[] = [
  {
    name: 'instance set',
    sends: 'instance.set',
    positionals: [id],
    options: {
      vdisk: { type: 'string', required: true, value: 'id', multiple: true, help: 'a vdisk that it uses' },
      zone: { type: 'string', value: 'id', help: 'the zone that it runs in' },
      server: { type: 'string', value: 'id', help: 'the NBD server through which it uses them' },
      'stop-hook': {
        type: 'string',
        value: 'name',
        help: 'the hook that stops it (default: all at instance.stop)',
      },
      'start-hook': {
        type: 'string',
        value: 'name',
        help: 'the hook that starts it (default: all at instance.start)',
      },
      'fence-hook': {
        type: 'string',
        value: 'name',
        help: 'the hook that keeps the instance of this id in the other zone from running, in a failover',
      },
      standby: { type: 'boolean', help: 'a new one is stopped, and stays so until it is started' },
      restart: { type: 'string', value: 'who', help: 'automatic (default) or operator: who starts it again' },
      'on-server-exit': {
        type: 'string',
        value: 'what',
        help: 'ignore (default) or start, when its NBD server has crashed and is back',
      },
      'operation-id': operationIdOption,
    },
    examples: ['salvor instance set vm-1 --vdisk v1 --stop-hook stop-vm --start-hook start-vm'],
    async run({ args, paint, print, withBus }) {
      const request = {
        instance: args.positional('instance'),
        vdisks: args.list('vdisk'),
        zone: args.text('zone'),
        server: args.text('server'),
        stopHook: args.text('stop-hook'),
        startHook: args.text('start-hook'),
        fenceHook: args.text('fence-hook'),
        standby: args.flag('standby'),
        restart: args.text('restart'),
        onServerExit: args.text('on-server-exit'),
        operationId: args.text('operation-id'),
      };
      const { reply, json } = await withBus((session) => session.ask('instance.set', request));
      print(json, () => outcomeText(paint, reply));
    },
  },
  {
    name: 'instance list',
    sends: 'instance.list',
    options: { vdisk: { type: 'string', value: 'id', help: 'only those that use this vdisk' } },
    examples: ['salvor instance list', 'salvor instance list --vdisk v1'],
    async run({ args, paint, print, withBus }) {
      const request = { vdisk: args.text('vdisk') };
      const { reply, json } = await withBus((session) => session.ask('instance.list', request));
      const headers = ['instance', 'vdisks', 'status', 'wanted', 'since', 'why'];
      print(json, () =>
        table(
          paint,
          headers,
          reply.instances.map((one) => instanceRow(paint, one)),
          'no instances',
        ),
      );
    },
  },
  {
    name: 'instance show',
    sends: 'instance.get',
    positionals: [id],
    examples: ['salvor instance show vm-1'],
    async run({ args, paint, print, withBus }) {
      const request = { instance: args.positional('instance') };
      const { reply, json } = await withBus((session) => session.ask('instance.get', request));
      const { instance } = reply;
      print(json, () =>
        properties(paint, [
          ['instance', printable(instance.instance)],
          ['vdisks', instance.vdisks.map(printable).join(', ')],
          ['zone', instance.zone && printable(instance.zone)],
          ['server', instance.server && printable(instance.server)],
          ['status', `${paintStatus(paint, printable(instance.status))}: ${printable(instance.reason)}`],
          ['wanted', printable(instance.desired)],
          ['changed', dateTimeText(instance.changedAt)],
          ['incident', instance.incident && printable(instance.incident)],
          ['stop hook', printable(instance.stopHook ?? 'every hook at instance.stop')],
          ['start hook', printable(instance.startHook ?? 'every hook at instance.start')],
          ['fence hook', instance.fenceHook && printable(instance.fenceHook)],
          ['started again by', instance.restart === 'automatic' ? 'Salvor' : 'an operator'],
          ['after a server crash', printable(instance.onServerExit)],
          ['hook runs', instance.runs.map(printable).join(', ') || 'none'],
        ]),
      );
    },
  },
  ...(['start', 'stop', 'delete'] as const).map(
    (verb): Command => ({
      name: `instance ${verb}`,
      sends: `instance.${verb}`,
      positionals: [id],
      options: { 'operation-id': operationIdOption },
      examples: [`salvor instance ${verb} vm-1`],
      async run({ args, paint, print, withBus }) {
        const request = { instance: args.positional('instance'), operationId: args.text('operation-id') };
        const { reply, json } = await withBus((session) => session.ask(`instance.${verb}`, request));
        print(json, () => outcomeText(paint, reply));
      },
    }),
  ),
];

function instanceRow(
  paint: Paint,
  { instance, vdisks, status, desired, changedAt, reason }: InstanceDescription,
): string[] {
  return [
    printable(instance),
    vdisks.map(printable).join(', '),
    paintStatus(paint, printable(status)),
    printable(desired),
    dateTimeText(changedAt),
    printable(reason),
  ];
}
