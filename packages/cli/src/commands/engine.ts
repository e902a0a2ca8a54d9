import type { EngineDescription, Evidence } from '@salvor/contracts';
import { tellIncident } from '@salvor/story';
import type { Command } from '../command.ts';
import { type Paint, paintStatus } from '../rendering/paint.ts';
import { printable, properties, table } from '../rendering/text.ts';
import { clockText } from '../rendering/time.ts';
import { outcomeText } from './outcome.ts';
import { operationIdOption } from './vdisk.ts';

const address = { name: 'address', help: 'host:port of the engine' };

export const engineHeaders = [
  'cluster',
  'shard',
  'address',
  'db',
  'status',
  'generation',
  'incident',
] as const;

export const engineCommands: readonly Command[] = [
  {
    name: 'engine list',
    sends: 'engine.list',
    options: { cluster: { type: 'string', value: 'id', help: 'only those of this cluster' } },
    examples: ['salvor engine list', 'salvor engine list --cluster primary-1'],
    async run({ args, paint, print, withBus }) {
      const request = { cluster: args.text('cluster') };
      const { reply, json } = await withBus((session) => session.ask('engine.list', request));
      const rows = reply.engines.map((engine) => engineRow(paint, engine));
      print(json, () => table(paint, engineHeaders, rows, 'no engines'));
    },
  },
  {
    name: 'engine show',
    sends: 'engine.get',
    positionals: [address],
    examples: ['salvor engine show 10.100.0.1:22005'],
    async run({ args, paint, print, withBus }) {
      const request = { address: args.positional('address') };
      const { reply, json } = await withBus((session) => session.ask('engine.get', request));
      const { engine, incident } = reply;
      const story = incident === undefined ? '' : `\n${tellIncident(incident, Date.now()).join('\n')}\n`;
      print(json, () => `${engineProperties(paint, engine)}${story}`);
    },
  },
  {
    name: 'engine probe',
    sends: 'engine.probe',
    positionals: [address],
    options: { db: { type: 'string', value: 'number', help: 'Redis database number (default 0)' } },
    examples: ['salvor engine probe 10.100.0.1:22005'],
    async run({ args, paint, print, withBus }) {
      const request = { address: args.positional('address'), db: args.integer('db', 0, 65_535) };
      const { reply, json } = await withBus((session) => session.ask('engine.probe', request));
      print(json, () =>
        [
          `${printable(reply.address)} is ${paintStatus(paint, reply.status)}: ${printable(reply.reason)}\n`,
          ...reply.evidence.map((evidence) => `  ${evidenceText(evidence)}\n`),
        ].join(''),
      );
    },
  },
  {
    name: 'engine report-failure',
    sends: 'engine.report-failure',
    positionals: [address],
    options: {
      reason: { type: 'string', required: true, value: 'text', help: 'what was seen' },
      reporter: { type: 'string', value: 'id', help: 'who reports (default operator)' },
      'operation-id': operationIdOption,
    },
    examples: ["salvor engine report-failure 10.100.0.1:22005 --reason 'the rack has no power'"],
    async run({ args, paint, print, withBus }) {
      const request = {
        address: args.positional('address'),
        reason: args.required('reason'),
        reporter: args.text('reporter'),
        operationId: args.text('operation-id'),
      };
      const { reply, json } = await withBus((session) => session.ask('engine.report-failure', request));
      print(json, () => `${outcomeText(paint, reply)}${nextStep(reply.incident)}`);
    },
  },
  {
    name: 'engine verdict',
    sends: 'engine.set-verdict',
    positionals: [address, { name: 'verdict', help: 'temporary, permanent or false-alarm' }],
    options: {
      reason: { type: 'string', required: true, value: 'text', help: 'why; kept in the audit trail' },
      by: { type: 'string', value: 'id', help: 'who decides (default operator)' },
      'operation-id': operationIdOption,
    },
    examples: ["salvor engine verdict 10.100.0.1:22005 permanent --reason 'the disk is broken' --by alice"],
    async run({ args, paint, print, withBus }) {
      const request = {
        address: args.positional('address'),
        verdict: args.positional('verdict'),
        reason: args.required('reason'),
        by: args.text('by'),
        operationId: args.text('operation-id'),
      };
      const { reply, json } = await withBus((session) => session.ask('engine.set-verdict', request));
      print(json, () => `${outcomeText(paint, reply)}${nextStep(reply.incident)}`);
    },
  },
];

export function engineRow(paint: Paint, engine: EngineDescription): string[] {
  const replacement =
    engine.replacement === undefined ? '' : ` (filling ${printable(engine.replacement.address)})`;
  return [
    engine.cluster,
    `${engine.shard}`,
    printable(engine.address),
    `${engine.db}`,
    `${paintStatus(paint, engine.status)}${replacement}`,
    `${engine.generation}`,
    engine.incident ?? '-',
  ];
}

export function evidenceText({ kind, detail, at, observer }: Evidence): string {
  const by = observer === '' ? '' : ` (${printable(observer)})`;
  return `${clockText(at)}Z  ${printable(kind)}${by}: ${printable(detail)}`;
}

function engineProperties(paint: Paint, engine: EngineDescription): string {
  const { replacement } = engine;
  return properties(paint, [
    ['engine', `${printable(engine.address)} db ${engine.db}`],
    ['cluster', `${engine.cluster} (${engine.role}), shard ${engine.shard}`],
    ['status', paintStatus(paint, engine.status)],
    ['0-Disk state', engine.state],
    ['generation', `${engine.generation}`],
    [
      'replacement',
      replacement &&
        `${printable(replacement.address)} db ${replacement.db}, generation ${replacement.generation}`,
    ],
    ['incident', engine.incident ?? 'none'],
  ]);
}

function nextStep(incident: string | undefined): string {
  return incident === undefined ? '' : `see 'salvor incident explain ${printable(incident)}'\n`;
}
