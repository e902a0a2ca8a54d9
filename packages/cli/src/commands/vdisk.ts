import { SalvorError } from '@salvor/service-kit';
import type { Command, OptionSpec, OptionSpecs } from '../command.ts';
import { usageError } from '../failure.ts';
import { table } from '../rendering/text.ts';
import { orphansText, ownerText, vdiskText } from '../rendering/vdisk-text.ts';
import { operationEnd } from './operation-end.ts';
import { outcomeText } from './outcome.ts';
import { stateHelp, stateOf } from './vdisk-state.ts';

const id = { name: 'vdisk', help: 'the id of the vdisk' };

/** Engines are looked at, which may be long in answering. */
const lookAtEngines = { timeoutMs: 45_000 } as const;

/** For every command that changes something. */
export const operationIdOption: OptionSpec = {
  type: 'string',
  value: 'id',
  help: 'idempotency key: the same id twice is one effect and the same answer',
};

const createOptions: OptionSpecs = {
  cluster: { type: 'string', required: true, value: 'id', help: 'primary cluster' },
  'slave-cluster': {
    type: 'string',
    value: 'id',
    help: 'slave cluster; needed to survive the loss of an engine',
  },
  size: { type: 'string', required: true, value: 'GiB', help: 'size in GiB, at least 1' },
  type: {
    type: 'string',
    value: 'type',
    help: "db (default), cache or tmp: 0-Disk's layout; volume: the native one; boot: deduped",
  },
  'block-size': { type: 'string', value: 'bytes', help: 'block size, a power of two (default 4096)' },
  'read-only': { type: 'boolean', help: 'refuse writes' },
  template: { type: 'string', value: 'vdisk', help: 'a boot vdisk to make this one from; both of type boot' },
  tlog: {
    type: 'string',
    value: 'policy',
    help: 'give it a transaction log: block (writes wait while JetStream does not take them) or overflow (they go on without it)',
  },
  'operation-id': operationIdOption,
};

export const vdiskCommands: readonly Command[] = [
  {
    name: 'vdisk create',
    sends: 'vdisk.create',
    positionals: [id],
    options: createOptions,
    examples: [
      'salvor vdisk create v1 --size 10 --cluster primary-1 --slave-cluster slave-1',
      'salvor vdisk create v2 --size 10 --cluster primary-1 --slave-cluster slave-1 --tlog block',
      'salvor vdisk create vm1 --size 10 --cluster primary-1 --type boot --template ubuntu-24',
    ],
    async run({ args, paint, print, withBus }) {
      const request = {
        vdisk: args.positional('vdisk'),
        type: args.text('type') ?? 'db',
        sizeGiB: sizeGiB('vdisk create', args.required('size')),
        blockSize: args.integer('block-size', 1, 2 ** 31 - 1),
        cluster: args.required('cluster'),
        slaveCluster: args.text('slave-cluster'),
        readOnly: args.flag('read-only'),
        templateVdisk: args.text('template'),
        tlog: args.text('tlog'),
        operationId: args.text('operation-id'),
      };
      const { reply, json } = await withBus((session) => session.ask('vdisk.create', request));
      print(json, () => outcomeText(paint, reply));
    },
  },
  {
    name: 'vdisk delete',
    sends: 'vdisk.delete',
    positionals: [id],
    options: { 'operation-id': operationIdOption },
    examples: ['salvor vdisk delete v1'],
    async run({ args, paint, print, withBus }) {
      const request = { vdisk: args.positional('vdisk'), operationId: args.text('operation-id') };
      const { reply, json } = await withBus((session) => session.ask('vdisk.delete', request));
      print(json, () => outcomeText(paint, reply));
    },
  },
  {
    name: 'vdisk resize',
    sends: 'vdisk.resize',
    positionals: [id],
    options: {
      size: { type: 'string', required: true, value: 'GiB', help: 'new size in GiB, at least 1' },
      force: { type: 'boolean', help: 'allow to shrink, if nothing is stored beyond the new end' },
      'operation-id': operationIdOption,
    },
    examples: ['salvor vdisk resize v1 --size 20'],
    async run({ args, paint, print, withBus }) {
      const request = {
        vdisk: args.positional('vdisk'),
        sizeGiB: sizeGiB('vdisk resize', args.required('size')),
        force: args.flag('force'),
        operationId: args.text('operation-id'),
      };
      const { reply, json } = await withBus((session) => session.ask('vdisk.resize', request, lookAtEngines));
      print(json, () => outcomeText(paint, reply));
    },
  },
  {
    name: 'vdisk clone',
    sends: 'vdisk.clone',
    positionals: [
      { name: 'source', help: 'the id of the vdisk to copy' },
      { name: 'vdisk', help: 'the id of the new vdisk' },
    ],
    options: {
      cluster: { type: 'string', value: 'id', help: 'primary cluster (default: the clusters of the source)' },
      'slave-cluster': { type: 'string', value: 'id', help: 'slave cluster' },
      at: { type: 'string', value: 'state', help: `an earlier state of the source: ${stateHelp}` },
      'operation-id': operationIdOption,
    },
    examples: [
      'salvor vdisk clone v1 v2',
      'salvor vdisk clone v1 v2 --at before-upgrade',
      'salvor vdisk clone v1 v2 --cluster primary-2 --slave-cluster slave-2',
    ],
    async run({ args, paint, print, withBus }) {
      const at = args.text('at');
      const request = {
        ...(at === undefined ? {} : stateOf('vdisk clone', at)),
        source: args.positional('source'),
        vdisk: args.positional('vdisk'),
        cluster: args.text('cluster'),
        slaveCluster: args.text('slave-cluster'),
        operationId: args.text('operation-id'),
      };
      const { reply, json } = await withBus((session) => session.ask('vdisk.clone', request));
      print(json, () => outcomeText(paint, reply));
    },
  },
  {
    name: 'vdisk takeover',
    sends: 'vdisk.takeover',
    positionals: [id],
    options: {
      to: { type: 'string', required: true, value: 'server', help: 'the NBD server that takes it' },
      force: { type: 'boolean', help: 'replace an owner that does not answer' },
      'operation-id': operationIdOption,
    },
    examples: ['salvor vdisk takeover v1 --to nbd-1'],
    async run({ args, paint, print, withBus }) {
      const request = {
        vdisk: args.positional('vdisk'),
        server: args.required('to'),
        force: args.flag('force'),
        operationId: args.text('operation-id'),
      };
      const { reply, json } = await withBus((session) =>
        session.ask('vdisk.takeover', request, { instance: request.server }),
      );
      print(json, () => outcomeText(paint, reply));
    },
  },
  {
    name: 'vdisk scrub',
    sends: 'vdisk.scrub',
    positionals: [id],
    options: {
      'no-repair': { type: 'boolean', help: 'only report what differs' },
      prefer: {
        type: 'string',
        value: 'side',
        help: 'primary or slave: whose copy is taken where nothing proves one right',
      },
      bandwidth: {
        type: 'string',
        value: 'MiB/s',
        help: "of each copy; 0 = no limit (default: the server's)",
      },
      wait: { type: 'boolean', help: 'wait for the end, and fail if the scrub fails' },
      'operation-id': operationIdOption,
    },
    examples: ['salvor vdisk scrub v1 --wait', 'salvor vdisk scrub v1 --no-repair'],
    async run({ args, paint, print, withBus }) {
      const request = {
        vdisk: args.positional('vdisk'),
        repair: !args.flag('no-repair'),
        prefer: args.text('prefer'),
        bandwidthMiBs: args.integer('bandwidth', 0, 1_000_000),
        operationId: args.text('operation-id'),
      };
      if (!args.flag('wait')) {
        const { reply, json } = await withBus((session) => session.ask('vdisk.scrub', request));
        print(json, () => outcomeText(paint, reply));
        return;
      }
      const { reply, json } = await withBus(async (session) => {
        const begun = await session.ask('vdisk.scrub', request);
        return operationEnd(session, begun.reply.operation);
      });
      const { status, message } = reply.operation;
      if (status !== 'completed') throw new SalvorError(`operation-${status}`, message);
      print(json, () => `${message}\n`);
    },
  },
  {
    name: 'vdisk list',
    sends: 'vdisk.list',
    options: { cluster: { type: 'string', value: 'id', help: 'only those that live on this cluster' } },
    examples: [
      'salvor vdisk list',
      'salvor vdisk list --cluster primary-1',
      "salvor vdisk list --json | jq -r '.vdisks[].vdisk'",
    ],
    async run({ args, paint, print, withBus }) {
      const request = { cluster: args.text('cluster') };
      const { reply, json } = await withBus((session) => session.ask('vdisk.list', request));
      const rows = reply.vdisks.map((vdisk) => [
        vdisk.vdisk,
        vdisk.type,
        `${vdisk.sizeGiB} GiB`,
        `${vdisk.blockSize}`,
        vdisk.cluster,
        vdisk.slaveCluster ?? '-',
        vdisk.status === '' ? '-' : vdisk.status,
        ownerText(vdisk.owner),
      ]);
      const headers = ['vdisk', 'type', 'size', 'block', 'cluster', 'slave cluster', 'status', 'owner'];
      print(json, () => table(paint, headers, rows, 'no vdisks'));
    },
  },
  {
    name: 'vdisk describe',
    sends: 'vdisk.describe',
    positionals: [id],
    examples: ['salvor vdisk describe v1'],
    async run({ args, paint, print, withBus }) {
      const request = { vdisk: args.positional('vdisk') };
      const { reply, json } = await withBus((session) =>
        session.ask('vdisk.describe', request, lookAtEngines),
      );
      print(json, () => vdiskText(paint, reply.vdisk));
    },
  },
  {
    name: 'vdisk orphans',
    sends: 'vdisk.orphans',
    positionals: [{ name: 'cluster', help: 'the cluster whose engines are looked through' }],
    examples: ['salvor vdisk orphans primary-1'],
    async run({ args, paint, print, withBus }) {
      const request = { cluster: args.positional('cluster') };
      const { reply, json } = await withBus((session) =>
        session.ask('vdisk.orphans', request, lookAtEngines),
      );
      print(json, () => orphansText(paint, reply));
    },
  },
  {
    name: 'vdisk delete-orphan',
    sends: 'vdisk.delete-orphan',
    positionals: [{ name: 'cluster', help: 'the cluster whose engines hold it' }, id],
    options: {
      confirm: { type: 'string', required: true, value: 'vdisk', help: 'the id of the vdisk once more' },
      'operation-id': operationIdOption,
    },
    examples: ['salvor vdisk delete-orphan primary-1 v0 --confirm v0'],
    async run({ args, paint, print, withBus }) {
      const request = {
        cluster: args.positional('cluster'),
        vdisk: args.positional('vdisk'),
        confirm: args.required('confirm'),
        operationId: args.text('operation-id'),
      };
      const { reply, json } = await withBus((session) => session.ask('vdisk.delete-orphan', request));
      print(json, () => outcomeText(paint, reply));
    },
  },
];

/** `10`, `10G` and `10GiB` are 10 GiB. */
function sizeGiB(command: string, text: string): number {
  const digits = /^(\d{1,9})(?:G|GiB)?$/i.exec(text)?.[1];
  if (digits === undefined || Number(digits) < 1) {
    throw usageError(`${command}: expected --size to be whole GiB, at least 1, found '${text}'`);
  }
  return Number(digits);
}
