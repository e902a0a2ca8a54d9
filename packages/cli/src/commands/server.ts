import type { ServedPair } from '@salvor/contracts';
import type { Command } from '../command.ts';
import { type Paint, paintStatus } from '../rendering/paint.ts';
import { counted, printable, table } from '../rendering/text.ts';

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
