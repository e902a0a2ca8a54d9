import type { VdiskOwner } from '@salvor/contracts';
import type { Command, OptionSpec, OptionSpecs } from '../command.ts';
import { usageError } from '../failure.ts';
import { paintStatus } from '../rendering/paint.ts';
import { counted, printable, properties, table } from '../rendering/text.ts';
import { dateTimeText, durationText } from '../rendering/time.ts';
import { outcomeText } from './outcome.ts';

const id = { name: 'vdisk', help: 'the id of the vdisk' };

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
    help: "db (default), cache or tmp: 0-Disk's layout; volume: the native one",
  },
  'block-size': { type: 'string', value: 'bytes', help: 'block size, a power of two (default 4096)' },
  'read-only': { type: 'boolean', help: 'refuse writes' },
  'operation-id': operationIdOption,
};

export const vdiskCommands: readonly Command[] = [
  {
    name: 'vdisk create',
    sends: 'vdisk.create',
    positionals: [id],
    options: createOptions,
    examples: ['salvor vdisk create v1 --size 10 --cluster primary-1 --slave-cluster slave-1'],
    async run({ args, paint, print, withBus }) {
      const request = {
        vdisk: args.positional('vdisk'),
        type: args.text('type') ?? 'db',
        sizeGiB: sizeGiB(args.required('size')),
        blockSize: args.integer('block-size', 1, 2 ** 31 - 1),
        cluster: args.required('cluster'),
        slaveCluster: args.text('slave-cluster'),
        readOnly: args.flag('read-only'),
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
    name: 'vdisk list',
    sends: 'vdisk.list',
    examples: ['salvor vdisk list', "salvor vdisk list --json | jq -r '.vdisks[].vdisk'"],
    async run({ paint, print, withBus }) {
      const { reply, json } = await withBus((session) => session.ask('vdisk.list', {}));
      const rows = reply.vdisks.map((vdisk) => [
        vdisk.vdisk,
        vdisk.type,
        `${vdisk.sizeGiB} GiB`,
        `${vdisk.blockSize}`,
        vdisk.cluster,
        vdisk.slaveCluster ?? '-',
        ownerText(vdisk.owner),
      ]);
      const headers = ['vdisk', 'type', 'size', 'block', 'cluster', 'slave cluster', 'owner'];
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
      const { reply, json } = await withBus((session) => session.ask('vdisk.describe', request));
      const { vdisk } = reply;
      const clusterText = (cluster: string, status: string) => `${cluster} (${paintStatus(paint, status)})`;
      print(json, () =>
        properties(paint, [
          ['vdisk', vdisk.vdisk],
          ['type', `${vdisk.type}${vdisk.readOnly ? ', read-only' : ''}`],
          ['size', `${vdisk.sizeGiB} GiB in blocks of ${vdisk.blockSize} bytes`],
          ['cluster', clusterText(vdisk.cluster, vdisk.clusterStatus)],
          [
            'slave cluster',
            vdisk.slaveCluster === undefined
              ? 'none: the loss of an engine is the loss of its blocks'
              : clusterText(vdisk.slaveCluster, vdisk.slaveClusterStatus ?? 'unknown'),
          ],
          ['owner', ownerText(vdisk.owner)],
          ['open incidents', vdisk.openIncidents.length === 0 ? 'none' : vdisk.openIncidents.join(', ')],
          ...vdisk.repairs.map(
            (repair) =>
              [
                'repair',
                `${dateTimeText(repair.at)} ${printable(repair.incident)} attempt ${repair.attempt} by ${printable(repair.server)}: ` +
                  `${counted(repair.copiedBlocks, 'block')} copied in ${durationText(repair.repairMs)}`,
              ] as const,
          ),
        ]),
      );
    },
  },
];

/** `nbd-1 epoch 41`, or `-` while nobody has it mounted. */
export function ownerText(owner: VdiskOwner | undefined): string {
  return owner === undefined ? '-' : `${printable(owner.server)} epoch ${owner.epoch}`;
}

/** `10`, `10G` and `10GiB` are 10 GiB. */
function sizeGiB(text: string): number {
  const digits = /^(\d{1,9})(?:G|GiB)?$/i.exec(text)?.[1];
  if (digits === undefined || Number(digits) < 1) {
    throw usageError(`vdisk create: expected --size to be whole GiB, at least 1, found '${text}'`);
  }
  return Number(digits);
}
