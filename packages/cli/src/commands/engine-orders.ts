/** Taking engines out, bringing them back, and exchanging them. */
import type { EngineBringOnlineReply } from '@salvor/contracts';
import type { Command } from '../command.ts';
import { printable } from '../rendering/text.ts';
import { byHand, byHandOptions } from './by-hand.ts';
import { engineAddress } from './engine-address.ts';
import { outcomeText } from './outcome.ts';

const address = { name: 'address', help: 'host:port of the engine' };

export const engineOrderCommands: readonly Command[] = [
  {
    name: 'engine offline',
    sends: 'engine.take-offline',
    positionals: [address],
    options: {
      ...byHandOptions,
      force: { type: 'boolean', help: 'although data becomes unavailable' },
    },
    examples: ["salvor engine offline 10.100.0.1:22005 --reason 'new memory' --by alice"],
    async run({ args, paint, print, withBus }) {
      const request = { address: args.positional('address'), force: args.flag('force'), ...byHand(args) };
      const { reply, json } = await withBus((session) => session.ask('engine.take-offline', request));
      print(json, () => `${outcomeText(paint, reply)}${seeIncident(reply.incident)}`);
    },
  },
  {
    name: 'engine online',
    sends: 'engine.bring-online',
    positionals: [address],
    options: {
      ...byHandOptions,
      'accept-data-loss': { type: 'boolean', help: 'bring a stale engine back, and give up what it missed' },
      'dry-run': { type: 'boolean', help: 'only say what would be done, and what would be lost' },
    },
    examples: [
      "salvor engine online 10.100.0.1:22005 --reason 'memory is in' --by alice",
      "salvor engine online 10.100.0.1:22005 --reason 'its partner burnt' --accept-data-loss --dry-run",
    ],
    async run({ args, paint, print, withBus }) {
      const request = {
        address: args.positional('address'),
        acceptDataLoss: args.flag('accept-data-loss'),
        dryRun: args.flag('dry-run'),
        ...byHand(args),
      };
      const { reply, json } = await withBus((session) => session.ask('engine.bring-online', request));
      const would = reply.dryRun ? 'would be ' : '';
      print(
        json,
        () => `${would}${outcomeText(paint, reply)}${lossText(reply)}${seeIncident(reply.incident)}`,
      );
    },
  },
  {
    name: 'engine retire',
    sends: 'engine.retire',
    positionals: [address],
    options: byHandOptions,
    examples: ["salvor engine retire 10.100.0.1:22005 --reason 'out of warranty' --by alice"],
    async run({ args, paint, print, withBus }) {
      const request = { address: args.positional('address'), ...byHand(args) };
      const { reply, json } = await withBus((session) => session.ask('engine.retire', request));
      print(json, () => `${outcomeText(paint, reply)}${seeIncident(reply.incident)}`);
    },
  },
  {
    name: 'engine replace',
    sends: 'engine.replace',
    positionals: [address],
    options: {
      with: {
        type: 'string',
        required: true,
        value: 'host:port[/db]',
        help: 'the engine that takes its place: empty, or a spare',
      },
      ...byHandOptions,
    },
    examples: [
      "salvor engine replace 10.100.0.1:22005 --with 10.100.0.9:22005 --reason 'a faster one' --by alice",
    ],
    async run({ args, paint, print, withBus }) {
      const request = {
        address: args.positional('address'),
        with: engineAddress(args.required('with')),
        ...byHand(args),
      };
      const { reply, json } = await withBus((session) => session.ask('engine.replace', request));
      print(json, () => `${outcomeText(paint, reply)}${seeIncident(reply.incident)}`);
    },
  },
];

function lossText({ lost, dryRun }: EngineBringOnlineReply): string {
  if (lost.length === 0) return '';
  const each = lost.map(({ vdisk, blocks, atMost, detail }) => {
    const bound = atMost === undefined ? 'not known how much' : `at most ${atMost} blocks`;
    return `  ${printable(vdisk)}: ${blocks === undefined ? bound : `${blocks} blocks`} (${printable(detail)})\n`;
  });
  return `${dryRun ? 'would be lost' : 'given up'}:\n${each.join('')}`;
}

function seeIncident(incident: string | undefined): string {
  return incident === undefined ? '' : `see 'salvor incident explain ${printable(incident)}'\n`;
}
