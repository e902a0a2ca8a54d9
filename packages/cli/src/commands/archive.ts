/** Archives of volumes: copies with history. */
import type { CommandName } from '@salvor/contracts';
import type { Arguments } from '../arguments.ts';
import type { Command, OptionSpecs } from '../command.ts';
import { archiveAnswersText, archiveStatusText, archivesText } from '../rendering/archive-text.ts';
import { archiveRestoreCommand, archiveVerifyCommand } from './archive-restore.ts';
import { outcomeText } from './outcome.ts';
import { operationIdOption } from './vdisk.ts';

const archive = { name: 'archive', help: 'the name of the archive' };
const volume = { name: 'volume', help: 'the id of the volume' };
const onlyArchive = {
  archive: { type: 'string', value: 'archive', help: 'only this one' },
} as const satisfies OptionSpecs;
const operationId = { 'operation-id': operationIdOption } as const;

/** `salvor archive <verb> <archive> <volume>`, where the request names nothing else. */
type SimpleName = Extract<CommandName, 'archive.full-backup' | 'archive.hash-backup'>;

function simple(verb: string, sends: SimpleName): Command {
  return {
    ...{ name: `archive ${verb}`, sends, positionals: [archive, volume], options: operationId },
    examples: [`salvor archive ${verb} a1 vol1`],
    async run({ args, paint, print, withBus }) {
      const { reply, json } = await withBus((session) => session.ask(sends, both(args)));
      print(json, () => outcomeText(paint, reply));
    },
  };
}

function both(args: Arguments): { archive: string; volume: string; operationId: string | undefined } {
  return {
    archive: args.positional('archive'),
    volume: args.positional('volume'),
    operationId: args.text('operation-id'),
  };
}

export const archiveCommands: readonly Command[] = [
  {
    name: 'archive list',
    sends: 'archive.list',
    examples: ['salvor archive list'],
    async run({ paint, print, withBus }) {
      const { reply, json } = await withBus((session) => session.ask('archive.list', {}));
      print(json, () => archivesText(paint, reply.archives));
    },
  },
  {
    ...{ name: 'archive status', sends: 'archive.status', positionals: [volume], options: onlyArchive },
    examples: ['salvor archive status vol1'],
    async run({ args, paint, print, withBus }) {
      const request = { volume: args.positional('volume'), archive: args.text('archive') };
      const { reply, json } = await withBus((session) => session.ask('archive.status', request));
      print(json, () => archiveStatusText(paint, reply.archives));
    },
  },
  {
    ...{ name: 'archive is-overflow', sends: 'archive.is-overflow', positionals: [volume] },
    options: onlyArchive,
    examples: ['salvor archive is-overflow vol1'],
    async run({ args, paint, print, withBus }) {
      const request = { volume: args.positional('volume'), archive: args.text('archive') };
      const { reply, json } = await withBus((session) => session.ask('archive.is-overflow', request));
      print(json, () => archiveAnswersText(paint, 'overflow', reply.archives));
    },
  },
  {
    ...{ name: 'archive is-send-error', sends: 'archive.is-send-error', positionals: [volume] },
    options: onlyArchive,
    examples: ['salvor archive is-send-error vol1'],
    async run({ args, paint, print, withBus }) {
      const request = { volume: args.positional('volume'), archive: args.text('archive') };
      const { reply, json } = await withBus((session) => session.ask('archive.is-send-error', request));
      print(json, () => archiveAnswersText(paint, 'send error', reply.archives));
    },
  },
  {
    ...{ name: 'archive init-storage', sends: 'archive.init-storage', positionals: [volume] },
    options: {
      vdisk: { type: 'string', required: true, value: 'id', help: 'the vdisk that has its content' },
      ...operationId,
    },
    examples: ['salvor archive init-storage vol1 --vdisk v1'],
    async run({ args, paint, print, withBus }) {
      const request = {
        ...{ volume: args.positional('volume'), vdisk: args.required('vdisk') },
        operationId: args.text('operation-id'),
      };
      const { reply, json } = await withBus((session) => session.ask('archive.init-storage', request));
      print(json, () => outcomeText(paint, reply));
    },
  },
  {
    ...{ name: 'archive start-synchronizing', sends: 'archive.start-synchronizing' },
    positionals: [archive, volume],
    options: {
      zone: { type: 'string', value: 'zone', help: 'the zone that has the volume (default: this one)' },
      ...operationId,
    },
    examples: ['salvor archive start-synchronizing a1 vol1'],
    async run({ args, paint, print, withBus }) {
      const request = { ...both(args), zone: args.text('zone') };
      const { reply, json } = await withBus((session) => session.ask('archive.start-synchronizing', request));
      print(json, () => outcomeText(paint, reply));
    },
  },
  {
    ...{ name: 'archive stop-synchronizing', sends: 'archive.stop-synchronizing' },
    positionals: [archive, volume],
    options: {
      forget: { type: 'boolean', help: 'the volume is none of this archive any more; its files stay' },
      ...operationId,
    },
    examples: ['salvor archive stop-synchronizing a1 vol1'],
    async run({ args, paint, print, withBus }) {
      const request = { ...both(args), forget: args.flag('forget') };
      const { reply, json } = await withBus((session) => session.ask('archive.stop-synchronizing', request));
      print(json, () => outcomeText(paint, reply));
    },
  },
  simple('full-backup', 'archive.full-backup'),
  simple('hash-backup', 'archive.hash-backup'),
  {
    ...{ name: 'archive kick', sends: 'archive.kick' },
    options: {
      ...onlyArchive,
      volume: { type: 'string', value: 'volume', help: 'only this one' },
      ...operationId,
    },
    examples: ['salvor archive kick', 'salvor archive kick --archive a1 --volume vol1'],
    async run({ args, paint, print, withBus }) {
      const request = {
        ...{ archive: args.text('archive'), volume: args.text('volume') },
        operationId: args.text('operation-id'),
      };
      const { reply, json } = await withBus((session) => session.ask('archive.kick', request));
      print(json, () => archiveAnswersText(paint, 'waited', reply.kicked));
    },
  },
  {
    ...{ name: 'archive make-primary', sends: 'archive.make-primary', positionals: [archive, volume] },
    options: {
      force: { type: 'boolean', help: 'although it lacks what the present one acknowledged' },
      ...operationId,
    },
    examples: ['salvor archive make-primary a2 vol1'],
    async run({ args, paint, print, withBus }) {
      const request = { ...both(args), force: args.flag('force') };
      const { reply, json } = await withBus((session) => session.ask('archive.make-primary', request));
      print(json, () => outcomeText(paint, reply));
    },
  },
  {
    ...{ name: 'archive snapshot', sends: 'archive.snapshot' },
    positionals: [archive, volume, { name: 'name', help: 'the name of the state' }],
    options: {
      remove: { type: 'boolean', help: 'removes the name instead' },
      ...operationId,
    },
    examples: ['salvor archive snapshot a1 vol1 monday'],
    async run({ args, paint, print, withBus }) {
      const request = { ...both(args), name: args.positional('name'), remove: args.flag('remove') };
      const { reply, json } = await withBus((session) => session.ask('archive.snapshot', request));
      print(json, () => outcomeText(paint, reply));
    },
  },
  {
    ...{ name: 'archive set-retention', sends: 'archive.set-retention', positionals: [archive, volume] },
    options: {
      'every-state': {
        ...{ type: 'string', required: true, value: 'duration' },
        help: 'every state that is younger can be restored: 7d, 12h',
      },
      points: { type: 'string', value: 'count', help: 'how many older ones can be (default 0)' },
      'point-every': {
        type: 'string',
        value: 'duration',
        help: 'from one of these to the next (default 1d)',
      },
      ...operationId,
    },
    examples: ['salvor archive set-retention a1 vol1 --every-state 7d --points 30 --point-every 1d'],
    async run({ args, paint, print, withBus }) {
      const pointEvery = args.text('point-every');
      const request = {
        ...{ ...both(args), everyStateMs: 1_000 * args.duration('every-state', SECONDS_MAX) },
        points: args.integer('points', 0, 1_000) ?? 0,
        ...(pointEvery === undefined
          ? {}
          : { pointEveryMs: 1_000 * args.duration('point-every', SECONDS_MAX) }),
      };
      const { reply, json } = await withBus((session) => session.ask('archive.set-retention', request));
      print(json, () => outcomeText(paint, reply));
    },
  },
  {
    ...{ name: 'archive replicate', sends: 'archive.replicate', positionals: [archive, volume] },
    options: {
      to: {
        type: 'string',
        required: true,
        value: 'archive',
        help: 'the archive that takes what this one holds',
      },
      ...operationId,
    },
    examples: ['salvor archive replicate a1 vol1 --to a2'],
    async run({ args, paint, print, withBus }) {
      const request = { ...both(args), to: args.required('to') };
      const { reply, json } = await withBus((session) => session.ask('archive.replicate', request));
      print(json, () => outcomeText(paint, reply));
    },
  },
  archiveRestoreCommand,
  archiveVerifyCommand,
];

const SECONDS_MAX: number = 3_650 * 86_400;
