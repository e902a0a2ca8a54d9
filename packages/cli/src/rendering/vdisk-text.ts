import type { VdiskDescription, VdiskOnEngine, VdiskOrphansReply, VdiskOwner } from '@salvor/contracts';
import { type Paint, paintStatus } from './paint.ts';
import { counted, printable, properties, table } from './text.ts';
import { dateTimeText, durationText } from './time.ts';

/** `nbd-1 epoch 41`, or `-` while nobody has it mounted. */
export function ownerText(owner: VdiskOwner | undefined): string {
  return owner === undefined ? '-' : `${printable(owner.server)} epoch ${owner.epoch}`;
}

/** One vdisk: what it is, who has it, and what each engine holds of it. */
export function vdiskText(paint: Paint, vdisk: VdiskDescription): string {
  const clusterText = (cluster: string, status: string): string =>
    `${cluster} (${paintStatus(paint, status)})`;
  const { usedBlocks, usedBytes, realBytes, scrub } = vdisk;
  const about = properties(paint, [
    ['vdisk', vdisk.vdisk],
    ['status', vdisk.status === '' ? undefined : paintStatus(paint, vdisk.status)],
    ['type', `${vdisk.type}${vdisk.readOnly ? ', read-only' : ''}`],
    ['size', `${vdisk.sizeGiB} GiB in blocks of ${vdisk.blockSize} bytes`],
    [
      'used',
      usedBlocks === undefined
        ? 'not known: a shard has no copy that answers'
        : `${counted(usedBlocks, 'block')}, ${bytesText(usedBytes ?? 0)}`,
    ],
    ['memory on engines', realBytes === undefined ? undefined : `${bytesText(realBytes)}, all copies`],
    ['cluster', clusterText(vdisk.cluster, vdisk.clusterStatus)],
    [
      'slave cluster',
      vdisk.slaveCluster === undefined
        ? 'none: the loss of an engine is the loss of its blocks'
        : clusterText(vdisk.slaveCluster, vdisk.slaveClusterStatus ?? 'unknown'),
    ],
    ['owner', ownerText(vdisk.owner)],
    ['owner since', vdisk.owner?.since === undefined ? undefined : dateTimeText(vdisk.owner.since)],
    ['mount', mountText(vdisk)],
    ['scrub', scrub && `${dateTimeText(scrub.at)} ${scrub.status}: ${printable(scrub.message)}`],
    ['open incidents', vdisk.openIncidents.length === 0 ? 'none' : vdisk.openIncidents.join(', ')],
    ...vdisk.repairs.map(
      (repair) =>
        [
          'repair',
          `${dateTimeText(repair.at)} ${printable(repair.incident)} attempt ${repair.attempt} by ${printable(repair.server)}: ` +
            `${counted(repair.copiedBlocks, 'block')} copied in ${durationText(repair.repairMs)}`,
        ] as const,
    ),
    ...vdisk.operations.map(
      ({ operation, kind, message }) =>
        ['operation', `${printable(operation)} ${printable(kind)}: ${printable(message)}`] as const,
    ),
  ]);
  if (vdisk.engines.length === 0) return about;
  const headers = [
    'shard',
    'role',
    'engine',
    'status',
    'blocks',
    'data',
    'kept beside',
    'batch',
    'dirty',
    'copies',
  ];
  return `${about}\n${table(paint, headers, engineRows(vdisk), 'no engines')}`;
}

export function orphansText(paint: Paint, { orphans, engines }: VdiskOrphansReply): string {
  const rows = orphans.map(({ vdisk, why, address, shard, keys, keyCount, bytes }) => [
    printable(vdisk),
    why,
    address,
    shard === undefined ? 'spare' : `${shard}`,
    keyCount > keys.length
      ? `${keys.map(printable).join(' ')} and ${keyCount - keys.length} more`
      : keys.map(printable).join(' '),
    bytesText(bytes),
  ]);
  const found = table(paint, ['vdisk', 'why', 'engine', 'shard', 'keys', 'memory'], rows, 'no orphans');
  const unseen = engines.filter(({ complete }) => !complete);
  return unseen.reduce(
    (text, { address, problem, keys }) =>
      `${text}${paint('yellow', 'not complete')}: ${address}: ${printable(problem ?? `only ${keys} keys were looked at`)}\n`,
    found,
  );
}

function engineRows({ engines, copies }: VdiskDescription): string[][] {
  const text = (count: number | undefined): string => (count === undefined ? '?' : `${count}`);
  return [...engines]
    .sort((a, b) => a.shard - b.shard)
    .map((engine: VdiskOnEngine) => [
      `${engine.shard}`,
      engine.role,
      engine.address,
      engine.problem === undefined ? engine.status : `${engine.status}: ${printable(engine.problem)}`,
      text(engine.blocks),
      engine.dataBytes === undefined ? '?' : bytesText(engine.dataBytes),
      engine.overheadBytes === undefined ? '?' : bytesText(engine.overheadBytes),
      text(engine.batch),
      text(engine.dirtyBlocks),
      copies.find(({ shard }) => shard === engine.shard)?.state ?? '?',
    ]);
}

function mountText({ mount, mountProblem }: VdiskDescription): string | undefined {
  if (mount === undefined) return mountProblem === undefined ? undefined : printable(mountProblem);
  const modes = mount.pairs.map(({ shard, mode }) => `${shard} ${mode}`).join(', ');
  return `${mount.state}, ${counted(mount.connections, 'connection')}; shards: ${modes}`;
}

const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** `1.5 MiB` */
export function bytesText(bytes: number): string {
  const step = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** step;
  return `${step === 0 ? value : value.toFixed(1)} ${units[step]}`;
}
