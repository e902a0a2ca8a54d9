/** Repairs that are under way, stopped or begun anew. */
import type { CommandName, RepairState } from '@salvor/contracts';
import type { Command } from '../command.ts';
import { type Paint, paintStatus } from '../rendering/paint.ts';
import { printable, table } from '../rendering/text.ts';
import { durationText } from '../rendering/time.ts';
import { byHand, byHandOptions } from './by-hand.ts';
import { outcomeText } from './outcome.ts';

const incident = { name: 'incident', help: 'the id of the incident' };
const headers = ['incident', 'vdisk', 'onto', 'kind', 'state', 'server', 'blocks', 'took', 'waits for'];

export const repairCommands: readonly Command[] = [
  {
    name: 'repair list',
    sends: 'repair.list',
    options: { cluster: { type: 'string', value: 'id', help: 'only those of this cluster' } },
    examples: ['salvor repair list', 'salvor repair list --cluster primary-1'],
    async run({ args, paint, print, withBus }) {
      const request = { cluster: args.text('cluster') };
      const { reply, json } = await withBus((session) => session.ask('repair.list', request));
      const rows = reply.repairs.map((repair) => repairRow(paint, repair));
      print(json, () => table(paint, headers, rows, 'no repairs'));
    },
  },
  {
    name: 'repair retry',
    sends: 'repair.retry',
    positionals: [incident],
    options: {
      vdisk: { type: 'string', value: 'id', help: 'only of this vdisk: its owner tries again at once' },
      ...byHandOptions,
    },
    examples: [
      "salvor repair retry inc-7f3a --reason 'the network is back' --by alice",
      "salvor repair retry inc-7f3a --vdisk v1 --reason 'its server is back'",
    ],
    async run({ args, paint, print, withBus }) {
      const request = {
        incident: args.positional('incident'),
        vdisk: args.text('vdisk'),
        ...byHand(args),
      };
      const { reply, json } = await withBus((session) => session.ask('repair.retry', request));
      print(json, () => outcomeText(paint, reply));
    },
  },
  order('cancel', 'repair.cancel', 'it slows the backup down'),
  order('resume', 'repair.resume', 'the backup is done'),
];

function order(verb: string, sends: CommandName & `repair.${'cancel' | 'resume'}`, why: string): Command {
  return {
    name: `repair ${verb}`,
    sends,
    positionals: [incident],
    options: byHandOptions,
    examples: [`salvor repair ${verb} inc-7f3a --reason '${why}' --by alice`],
    async run({ args, paint, print, withBus }) {
      const request = { incident: args.positional('incident'), ...byHand(args) };
      const { reply, json } = await withBus((session) => session.ask(sends, request));
      print(json, () => outcomeText(paint, reply));
    },
  };
}

function repairRow(paint: Paint, repair: RepairState): string[] {
  const { address, replacement, copiedBlocks, dirtyBlocks, repairMs } = repair;
  return [
    printable(repair.incident),
    printable(repair.vdisk),
    printable(replacement ?? address),
    paintStatus(paint, printable(repair.kind)),
    printable(repair.state),
    printable(repair.server ?? '-'),
    copiedBlocks === undefined ? '-' : `${copiedBlocks} of ${dirtyBlocks ?? '?'}`,
    repairMs === undefined ? '-' : durationText(repairMs),
    printable(repair.waitsFor) || '-',
  ];
}
