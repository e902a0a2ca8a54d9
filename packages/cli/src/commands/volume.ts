import { fromPlainJson, type VolumeDescription } from '@salvor/contracts';
import type { Command } from '../command.ts';
import { usageError } from '../failure.ts';
import { hashesText, segmentsText, volumesText, volumeText } from '../rendering/volume-text.ts';
import { outcomeText } from './outcome.ts';
import { operationIdOption } from './vdisk.ts';

const id = { name: 'volume', help: 'the id of the volume, the same in both zones' };

export const volumeCommands: readonly Command[] = [
  {
    name: 'volume list',
    sends: 'volume.list',
    examples: ['salvor volume list'],
    async run({ paint, print, withBus }) {
      const { reply, json } = await withBus((session) => session.ask('volume.list', {}));
      print(json, () => volumesText(paint, reply.volumes));
    },
  },
  {
    name: 'volume status',
    sends: 'volume.status',
    positionals: [id],
    examples: ['salvor volume status vol1'],
    async run({ args, paint, print, withBus }) {
      const request = { volume: args.positional('volume') };
      const { reply, json } = await withBus((session) => session.ask('volume.status', request));
      print(json, () => volumeText(paint, reply.volume));
    },
  },
  {
    name: 'volume compare',
    sends: 'volume.compare',
    positionals: [id],
    options: {
      first: { type: 'string', value: 'block', help: 'first block, where a bulk begins (default 0)' },
      count: { type: 'string', value: 'blocks', help: 'how many blocks (default 64)' },
    },
    examples: ['salvor volume compare vol1', 'salvor volume compare vol1 --first 4096 --count 4096'],
    async run({ args, paint, print, withBus }) {
      const request = {
        volume: args.positional('volume'),
        first: args.integer('first', 0, Number.MAX_SAFE_INTEGER) ?? 0,
        count: args.integer('count', 0, 32_768) ?? 64,
      };
      const { reply, json } = await withBus((session) => session.ask('volume.compare', request));
      print(json, () => hashesText(paint, request.first, reply));
    },
  },
  {
    name: 'volume log',
    sends: 'volume.log',
    positionals: [id],
    options: {
      container: {
        type: 'string',
        required: true,
        value: 'number',
        help: "of its log, as 'salvor volume status --json' tells",
      },
      from: { type: 'string', value: 'place', help: 'first place in the stream (default 1)' },
      compression: { type: 'string', value: 'kind', help: 'none (default) or brotli' },
    },
    examples: ['salvor volume log vol1 --container 2', 'salvor volume log vol1 --container 2 --from 41'],
    async run({ args, paint, print, withBus }) {
      const request = {
        volume: args.positional('volume'),
        container: args.integer('container', 0, 0x7fff_ffff) ?? 0,
        from: args.integer('from', 1, Number.MAX_SAFE_INTEGER) ?? 1,
        compression: args.text('compression') ?? 'none',
      };
      const { reply, json } = await withBus((session) => session.ask('volume.log', request));
      print(json, () => segmentsText(paint, reply));
    },
  },
  {
    name: 'volume tell',
    sends: 'volume.tell',
    options: {
      told: {
        type: 'string',
        required: true,
        value: 'json',
        help: "the volume as 'salvor volume status --json' shows it in the other zone",
      },
    },
    examples: [
      `salvor volume tell --told '{"zone":"north","volume":"vol1","vdisk":"v1","role":"primary","status":"active - primary","conditions":[],"phase":"serving","reason":"","generation":1,"generationZone":"north","lineage":[],"begins":0,"container":2,"logBegins":0,"sizeBytes":1073741824,"blockSize":4096,"peer":"south","mode":"instant","changedAt":1700000000000}'`,
    ],
    async run({ args, paint, print, withBus }) {
      const told = volumeIn(args.text('told') ?? '');
      const { reply, json } = await withBus((session) => session.ask('volume.tell', { told }));
      print(json, () => volumeText(paint, reply.volume));
    },
  },
  {
    name: 'volume enable',
    sends: 'volume.enable',
    positionals: [id],
    options: {
      vdisk: {
        type: 'string',
        required: true,
        value: 'id',
        help: 'the vdisk in this zone, which has a transaction log; of driver rbd the image in its pool',
      },
      driver: {
        type: 'string',
        value: 'driver',
        help: 'native (default): a vdisk, by its transaction log; rbd: an image, by Ceph RBD mirroring',
      },
      from: {
        type: 'string',
        value: 'zone',
        help: 'it becomes the copy of that of this zone; its own content is replaced',
      },
      'operation-id': operationIdOption,
    },
    examples: [
      'salvor volume enable vol1 --vdisk v1',
      'salvor volume enable vol1 --vdisk v1 --from north',
      'salvor volume enable vol1 --driver rbd --vdisk img',
    ],
    async run({ args, paint, print, withBus }) {
      const request = {
        volume: args.positional('volume'),
        vdisk: args.text('vdisk') ?? '',
        from: args.text('from'),
        ...(args.text('driver') === undefined ? {} : { driver: args.text('driver') }),
        operationId: args.text('operation-id'),
      };
      const { reply, json } = await withBus((session) => session.ask('volume.enable', request));
      print(json, () => outcomeText(paint, reply));
    },
  },
  {
    name: 'volume disable',
    sends: 'volume.disable',
    positionals: [id],
    options: {
      force: {
        type: 'boolean',
        help: 'also when it is no complete copy, or has writes that the other zone lacks',
      },
      'operation-id': operationIdOption,
    },
    examples: ['salvor volume disable vol1'],
    async run({ args, paint, print, withBus }) {
      const request = {
        volume: args.positional('volume'),
        force: args.flag('force'),
        operationId: args.text('operation-id'),
      };
      const { reply, json } = await withBus((session) => session.ask('volume.disable', request));
      print(json, () => outcomeText(paint, reply));
    },
  },
  {
    name: 'volume replicate',
    sends: 'volume.replicate',
    positionals: [id],
    options: {
      to: { type: 'string', required: true, value: 'zone', help: 'the zone that may follow it' },
      mode: {
        type: 'string',
        value: 'mode',
        help: 'instant (at first): it follows the transaction log; one-time: each order is one run; periodic; none: it may not any more',
      },
      every: {
        type: 'string',
        value: 'time',
        help: 'of mode periodic: from one run to the next, such as 15m',
      },
      start: {
        type: 'string',
        value: 'time',
        help: 'of mode periodic: the first run, such as 2026-01-31T02:00:00Z; default now',
      },
      missed: {
        type: 'string',
        value: 'policy',
        help: 'of mode periodic: slots with nobody there are caught up once (run-once, default) or not (skip)',
      },
      'bandwidth-mib': {
        type: 'string',
        value: 'MiB',
        help: 'what comes over in a second at most; 0: no limit. Default: as it is',
      },
      compression: {
        type: 'string',
        value: 'kind',
        help: 'brotli: what comes over is compressed; none. Default: as it is',
      },
      'operation-id': operationIdOption,
    },
    examples: [
      'salvor volume replicate vol1 --to south',
      'salvor volume replicate vol1 --to south --bandwidth-mib 40 --compression brotli',
      'salvor volume replicate vol1 --to south --mode periodic --every 15m --start 2026-01-31T02:00:00Z',
    ],
    async run({ args, paint, print, withBus }) {
      const mode = args.text('mode');
      const request = {
        volume: args.positional('volume'),
        to: args.text('to') ?? '',
        ...(mode === undefined ? {} : { mode }),
        everyMs: args.text('every') === undefined ? undefined : args.duration('every', 366 * 86_400) * 1_000,
        startAt: startAt(args.text('start')),
        missed: args.text('missed'),
        bandwidthMib: args.integer('bandwidth-mib', 0, 65_536),
        compression: args.text('compression'),
        operationId: args.text('operation-id'),
      };
      const { reply, json } = await withBus((session) => session.ask('volume.replicate', request));
      print(json, () => outcomeText(paint, reply));
    },
  },
  {
    name: 'volume promote',
    sends: 'volume.promote',
    positionals: [id],
    options: {
      force: { type: 'boolean', help: 'although the other zone is primary, or does not answer' },
      point: {
        type: 'string',
        value: 'name',
        help: 'of driver rbd, with --force: a clone of this point takes the place of the image',
      },
      'operation-id': operationIdOption,
    },
    examples: [
      'salvor volume promote vol1',
      'salvor volume promote vol1 --force',
      'salvor volume promote vol1 --force --point dr-7',
    ],
    async run({ args, paint, print, withBus }) {
      const request = {
        volume: args.positional('volume'),
        force: args.flag('force'),
        ...(args.text('point') === undefined ? {} : { point: args.text('point') }),
        operationId: args.text('operation-id'),
      };
      const { reply, json } = await withBus((session) => session.ask('volume.promote', request));
      print(json, () => outcomeText(paint, reply));
    },
  },
  {
    name: 'volume clone',
    sends: 'volume.clone',
    positionals: [id],
    options: {
      point: {
        type: 'string',
        value: 'name',
        help: 'a point that is whole in this zone; default: the newest',
      },
      'operation-id': operationIdOption,
    },
    examples: ['salvor volume clone vol1', 'salvor volume clone vol1 --point dr-7'],
    async run({ args, paint, print, withBus }) {
      const request = {
        volume: args.positional('volume'),
        ...(args.text('point') === undefined ? {} : { point: args.text('point') }),
        operationId: args.text('operation-id'),
      };
      const { reply, json } = await withBus((session) => session.ask('volume.clone', request));
      print(json, () => outcomeText(paint, reply));
    },
  },
  {
    name: 'volume remove-clone',
    sends: 'volume.remove-clone',
    positionals: [id],
    options: {
      clone: { type: 'string', required: true, value: 'image', help: "as 'salvor volume status' shows it" },
      'operation-id': operationIdOption,
    },
    examples: ['salvor volume remove-clone vol1 --clone img-test-op-5a11'],
    async run({ args, paint, print, withBus }) {
      const request = {
        volume: args.positional('volume'),
        clone: args.text('clone') ?? '',
        operationId: args.text('operation-id'),
      };
      const { reply, json } = await withBus((session) => session.ask('volume.remove-clone', request));
      print(json, () => outcomeText(paint, reply));
    },
  },
  {
    name: 'volume demote',
    sends: 'volume.demote',
    positionals: [id],
    options: { 'operation-id': operationIdOption },
    examples: ['salvor volume demote vol1'],
    async run({ args, paint, print, withBus }) {
      const request = { volume: args.positional('volume'), operationId: args.text('operation-id') };
      const { reply, json } = await withBus((session) => session.ask('volume.demote', request));
      print(json, () => outcomeText(paint, reply));
    },
  },
  {
    name: 'volume resync',
    sends: 'volume.resync',
    positionals: [id],
    options: {
      discard: {
        type: 'string',
        value: 'zone',
        help: 'this zone: its writes that the primary lacks are given up',
      },
      'operation-id': operationIdOption,
    },
    examples: ['salvor volume resync vol1', 'salvor volume resync vol1 --discard north'],
    async run({ args, paint, print, withBus }) {
      const request = {
        volume: args.positional('volume'),
        discard: args.text('discard'),
        operationId: args.text('operation-id'),
      };
      const { reply, json } = await withBus((session) => session.ask('volume.resync', request));
      print(json, () => outcomeText(paint, reply));
    },
  },
];

/** Unix milliseconds. */
function startAt(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const at = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isFinite(at) && at >= 0) return at;
  throw usageError(
    `volume replicate: expected --start to be a time such as 2026-01-31T02:00:00Z, found '${text}'`,
  );
}

/** What `volume status --json` shows, whole or the volume in it. @throws ValidationError, SyntaxError */
function volumeIn(text: string): VolumeDescription {
  const found: unknown = JSON.parse(text);
  const isWhole =
    typeof found === 'object' && found !== null && 'volume' in found && typeof found.volume === 'object';
  return fromPlainJson('VolumeDescription', isWhole ? found.volume : found);
}
