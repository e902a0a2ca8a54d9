/** A recovery from the log, for a terminal. */
import type { RecoveryDescription } from '@salvor/contracts';
import type { Paint } from './paint.ts';
import { counted, printable, properties, table } from './text.ts';
import { dateTimeText, durationText } from './time.ts';

const MIB = 1024 * 1024;

export function recoveryText(paint: Paint, recovery: RecoveryDescription): string {
  const { status, reason, pairs, vdisks, operation, estimateMs, endedAt } = recovery;
  const clusters = [recovery.cluster, recovery.slaveCluster].filter((one) => one !== undefined);
  const facts = properties(paint, [
    ['recovery', printable(recovery.recovery)],
    ['clusters', clusters.map(printable).join(', ')],
    ['status', `${status === 'done' ? paint('green', status) : paint('yellow', printable(status))}`],
    ['why', printable(reason)],
    ['prepared', dateTimeText(recovery.preparedAt)],
    ['ended', endedAt === undefined ? undefined : dateTimeText(endedAt)],
    ['revisions', revisions(recovery)],
    [
      'takes',
      estimateMs === undefined
        ? undefined
        : `about ${durationText(estimateMs)} at ${((recovery.bytesPerSecond ?? 0) / MIB).toFixed(1)} MiB a second (${printable(recovery.rateFrom ?? '')})`,
    ],
    [
      'replay',
      operation === undefined
        ? undefined
        : `${printable(operation.operation)} is ${printable(operation.status)}: ${printable(operation.message)}`,
    ],
  ]);
  const ways = table(
    paint,
    ['pair', 'lost', 'way', 'onto', 'waits for'],
    pairs.map(({ shard, lost, way, replacements, waitsFor }) => [
      String(shard),
      lost.map(printable).join(', '),
      printable(way),
      replacements.map(printable).join(', ') || '-',
      printable(waitsFor ?? '-'),
    ]),
    'no pairs',
  );
  const rows = vdisks.map((one) => [
    printable(one.vdisk),
    `${one.counted ? '' : 'at most '}${one.blocks}`,
    printable(one.recoverable),
    one.logBlocks === undefined ? '-' : counted(one.logBlocks, 'block'),
    one.logBytes === undefined ? '-' : `${(one.logBytes / MIB).toFixed(1)} MiB`,
    one.state === 'restored'
      ? `restored ${counted(one.restoredBlocks ?? 0, 'block')} in ${durationText(one.durationMs ?? 0)}`
      : printable(one.state),
    printable(one.why ?? (one.lostBlocks === undefined ? '-' : `${one.lostBlocks} blocks are lost`)),
  ]);
  const lost = ['vdisk', 'lost', 'recoverable', 'in the log', 'bytes', 'state', 'why not all'];
  return [facts, ways, table(paint, lost, rows, 'no vdisk has lost blocks')].join('\n');
}

function revisions({ beforeRevision, afterRevision }: RecoveryDescription): string | undefined {
  if (beforeRevision === undefined) return undefined;
  return `${beforeRevision} before the loss${afterRevision === undefined ? '' : `, ${afterRevision} after it`}`;
}
