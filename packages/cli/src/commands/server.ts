import type { ServedPair } from '@salvor/contracts';
import type { Command } from '../command.ts';
import { type Paint, paintStatus } from '../rendering/paint.ts';
import { counted, printable, table } from '../rendering/text.ts';
import { operationIdOption } from './vdisk.ts';

export const serverCommands: readonly Command[] = [
  {
    name: 'server show',
    sends: 'nbdserver.status',
    positionals: [
      { name: 'server', help: 'the id of the NBD server; default: whichever answers', optional: true },
    ],
    examples: ['salvor server show', 'salvor server show nbd-1'],
    async run({ args, paint, print, withBus }) {
      const instance = args.optionalPositional('server');
      const { reply, json } = await withBus((session) => session.ask('nbdserver.status', {}, { instance }));
      const rows = reply.vdisks.map((vdisk) => [
        vdisk.vdisk,
        paintStatus(paint, vdisk.state),
        `${vdisk.epoch}`,
        `${vdisk.connections}`,
        pairsText(paint, vdisk.pairs),
      ]);
      const headers = ['vdisk', 'state', 'epoch', 'connections', 'pairs'];
      print(
        json,
        () =>
          `${printable(reply.server)} at ${printable(reply.uri)}\n\n${table(paint, headers, rows, 'serves no vdisks')}`,
      );
    },
  },
  {
    name: 'server probe',
    sends: 'nbdserver.probe',
    positionals: [
      { name: 'server', help: 'the id of the NBD server' },
      { name: 'address', help: 'host:port of the storage engine' },
    ],
    options: {
      db: { type: 'string', value: 'number', help: 'Redis database number (default 0)' },
    },
    examples: ['salvor server probe nbd-1 10.100.0.1:22005'],
    async run({ args, paint, print, withBus }) {
      const request = { address: args.positional('address'), db: args.integer('db', 0, 65_535) };
      const instance = args.positional('server');
      const { reply, json } = await withBus((session) =>
        session.ask('nbdserver.probe', request, { instance }),
      );
      const rows = reply.vdisks.map(({ vdisk, missedWrites }) => [
        vdisk,
        missedWrites === undefined ? 'unknown' : missedWrites ? 'yes' : 'no',
      ]);
      print(json, () =>
        [
          `${printable(reply.server)} finds ${printable(reply.address)} ${paintStatus(paint, reply.status)}: ${printable(reply.reason)}\n`,
          ...(rows.length === 0 ? [] : [`\n${table(paint, ['vdisk', 'missed writes'], rows, '')}`]),
        ].join(''),
      );
    },
  },
  {
    name: 'server cut',
    sends: 'nbdserver.cut',
    positionals: [
      { name: 'server', help: 'the id of the NBD server' },
      { name: 'cut', help: 'the id of the cut, a new one for each' },
    ],
    options: {
      vdisk: { type: 'string', value: 'id', help: 'a vdisk that this server owns, where the cut begins' },
      epoch: { type: 'string', value: 'number', help: 'of its owner (salvor server show)' },
      'hold-ms': {
        type: 'string',
        value: 'ms',
        help: 'writes are not answered until the cut is collected, for so long at most (default 0: they are)',
      },
      collect: { type: 'boolean', help: 'lets writes be answered, and tells where the log was' },
      'operation-id': operationIdOption,
    },
    examples: [
      'salvor server cut nbd-1 cut-1 --vdisk v1 --epoch 41',
      'salvor server cut nbd-1 cut-1 --collect',
    ],
    async run({ args, paint, print, withBus }) {
      const vdisk = args.text('vdisk');
      const epoch = args.integer('epoch', 0, Number.MAX_SAFE_INTEGER) ?? 0;
      const request = {
        cut: args.positional('cut'),
        vdisks: vdisk === undefined ? [] : [{ vdisk, epoch }],
        holdMs: args.integer('hold-ms', 0, 5_000) ?? 0,
        collect: args.flag('collect'),
        operationId: args.text('operation-id'),
      };
      const instance = args.positional('server');
      const { reply, json } = await withBus((session) => session.ask('nbdserver.cut', request, { instance }));
      const rows = reply.places.map(({ vdisk: id, segment }) => [
        printable(id),
        `${segment.number}`,
        `${segment.last}`,
      ]);
      const none = `${printable(reply.server)} has cut; --collect tells where\n`;
      print(json, () => table(paint, ['vdisk', 'segment', 'record'], rows, none));
    },
  },
];

/** What a pair is called that has lost nothing. */
const WHOLE: ReadonlySet<string> = new Set(['both', 'mirrored']);

/** `8 pairs`, and by name those that are not served by both members. */
function pairsText(paint: Paint, pairs: readonly ServedPair[]): string {
  const degraded = pairs.filter(({ mode }) => !WHOLE.has(mode));
  if (degraded.length === 0) return counted(pairs.length, 'pair');
  const shown = degraded.map(({ shard, mode }) => `shard ${shard} ${paintStatus(paint, mode)}`);
  return `${counted(pairs.length, 'pair')}: ${shown.join(', ')}`;
}
