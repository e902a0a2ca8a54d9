import type { EngineDescription } from '@salvor/contracts';
import type { Command } from '../command.ts';
import { paintStatus } from '../rendering/paint.ts';
import { printable, properties, table } from '../rendering/text.ts';
import { dateTimeText } from '../rendering/time.ts';
import { unavailableText } from '../rendering/unavailable-text.ts';
import { byHand, byHandOptions } from './by-hand.ts';
import { engineHeaders, engineRow } from './engine.ts';
import { engineAddress } from './engine-address.ts';
import { outcomeText } from './outcome.ts';
import { operationIdOption } from './vdisk.ts';

const id = { name: 'cluster', help: 'the id of the cluster' };

export const clusterCommands: readonly Command[] = [
  {
    name: 'cluster create',
    sends: 'cluster.create',
    positionals: [id],
    options: {
      role: { type: 'string', required: true, value: 'role', help: 'primary or slave' },
      engine: {
        type: 'string',
        required: true,
        value: 'host:port[/db]',
        multiple: true,
        help: 'an engine, in shard order',
      },
      spare: { type: 'string', value: 'host:port[/db]', multiple: true, help: 'a spare engine' },
      partner: { type: 'string', value: 'id', help: 'the cluster its shards are paired with' },
      'operation-id': operationIdOption,
    },
    examples: [
      'salvor cluster create primary-1 --role primary --engine 10.100.0.1:22005 --engine 10.100.0.1:22006/1 --spare 10.100.0.9:22005 --partner slave-1',
    ],
    async run({ args, paint, print, withBus }) {
      const request = {
        cluster: args.positional('cluster'),
        role: args.required('role'),
        engines: args.list('engine').map(engineAddress),
        spares: args.list('spare').map(engineAddress),
        partner: args.text('partner'),
        operationId: args.text('operation-id'),
      };
      const { reply, json } = await withBus((session) => session.ask('cluster.create', request));
      print(json, () => outcomeText(paint, reply));
    },
  },
  {
    name: 'cluster add-spare',
    sends: 'cluster.add-spares',
    positionals: [id],
    options: {
      spare: {
        type: 'string',
        required: true,
        value: 'host:port[/db]',
        multiple: true,
        help: 'an empty engine that is in no cluster',
      },
      'operation-id': operationIdOption,
    },
    examples: ['salvor cluster add-spare primary-1 --spare 10.100.0.9:22006'],
    async run({ args, paint, print, withBus }) {
      const request = {
        cluster: args.positional('cluster'),
        spares: args.list('spare').map(engineAddress),
        operationId: args.text('operation-id'),
      };
      const { reply, json } = await withBus((session) => session.ask('cluster.add-spares', request));
      print(json, () => outcomeText(paint, reply));
    },
  },
  {
    name: 'cluster remove-spare',
    sends: 'cluster.remove-spare',
    positionals: [id, { name: 'address', help: 'host:port of the spare' }],
    options: byHandOptions,
    examples: ["salvor cluster remove-spare primary-1 10.100.0.9:22005 --reason 'needed elsewhere'"],
    async run({ args, paint, print, withBus }) {
      const request = {
        cluster: args.positional('cluster'),
        address: args.positional('address'),
        ...byHand(args),
      };
      const { reply, json } = await withBus((session) => session.ask('cluster.remove-spare', request));
      print(json, () => outcomeText(paint, reply));
    },
  },
  {
    name: 'cluster collect-garbage',
    sends: 'cluster.collect-garbage',
    positionals: [id],
    options: {
      'include-unknown': {
        type: 'boolean',
        help: 'go on although there are block maps of vdisks that etcd does not know; nobody may be writing them',
      },
      'operation-id': operationIdOption,
    },
    examples: ['salvor cluster collect-garbage primary-1'],
    async run({ args, paint, print, withBus }) {
      const request = {
        cluster: args.positional('cluster'),
        includeUnknown: args.flag('include-unknown'),
        operationId: args.text('operation-id'),
      };
      const { reply, json } = await withBus((session) => session.ask('cluster.collect-garbage', request));
      print(json, () => outcomeText(paint, reply));
    },
  },
  {
    name: 'cluster list',
    sends: 'cluster.list',
    examples: ['salvor cluster list'],
    async run({ paint, print, withBus }) {
      const { reply, json } = await withBus((session) => session.ask('cluster.list', {}));
      const rows = reply.clusters.map((cluster) => [
        cluster.cluster,
        cluster.role,
        paintStatus(paint, cluster.status),
        `${cluster.enginesOnline}/${cluster.engines}`,
        `${cluster.spares}`,
        cluster.partner ?? '-',
      ]);
      const headers = ['cluster', 'role', 'status', 'online', 'spares', 'partner'];
      const dark = unavailableText(
        paint,
        reply.clusters.flatMap(({ unavailable }) => unavailable),
      );
      print(json, () => `${table(paint, headers, rows, 'no clusters')}${dark === '' ? '' : `\n${dark}`}`);
    },
  },
  {
    name: 'cluster show',
    sends: 'cluster.get',
    positionals: [id],
    examples: ['salvor cluster show primary-1'],
    async run({ args, paint, print, withBus }) {
      const request = { cluster: args.positional('cluster') };
      const { reply, json } = await withBus((session) => session.ask('cluster.get', request));
      const { cluster } = reply;
      print(json, () =>
        [
          properties(paint, [
            ['cluster', cluster.cluster],
            ['role', cluster.role],
            ['status', paintStatus(paint, cluster.status)],
            ['partner', cluster.partner ?? 'none'],
            ['spares', cluster.spares.map(addressText).join(', ') || 'none'],
            ['changed', dateTimeText(cluster.updatedAt)],
          ]),
          table(
            paint,
            engineHeaders,
            cluster.engines.map((engine: EngineDescription) => engineRow(paint, engine)),
            'no engines',
          ),
          ...(cluster.retired.length === 0
            ? []
            : [
                table(
                  paint,
                  ['retired', 'incident', 'at'],
                  cluster.retired.map((retired) => [
                    addressText(retired),
                    printable(retired.incident),
                    dateTimeText(retired.at),
                  ]),
                  '',
                ),
              ]),
        ].join('\n'),
      );
    },
  },
];

/** `host:port`, and `/db` when it is not 0. */
export function addressText({ address, db }: { address: string; db: number }): string {
  return db === 0 ? printable(address) : `${printable(address)}/${db}`;
}
