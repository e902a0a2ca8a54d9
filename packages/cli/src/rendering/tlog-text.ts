import type { TlogDescription } from '@salvor/contracts';
import type { Paint } from './paint.ts';
import { printable, properties, table, title } from './text.ts';
import { dateTimeText, durationText } from './time.ts';

const MIB = 1024 * 1024;

/** One line for each log. */
export function tlogsText(paint: Paint, logs: readonly TlogDescription[]): string {
  const rows = logs.map((log) => [
    printable(log.vdisk),
    statusText(paint, log.mounted?.status ?? log.status),
    printable(log.policy),
    printable(log.stream),
    log.replicas === 0 ? '?' : `R${log.replicas}`,
    `${log.segments}`,
    log.mounted === undefined ? '-' : durationText(log.mounted.lagMs),
    printable(log.server ?? '-'),
    printable(log.problem ?? log.mounted?.trouble ?? ''),
  ]);
  const headers = ['vdisk', 'status', 'policy', 'stream', 'copies', 'segments', 'lag', 'server', 'trouble'];
  return table(paint, headers, rows, 'no vdisk has a transaction log');
}

/** Everything about one. */
export function tlogText(paint: Paint, log: TlogDescription): string {
  const { mounted } = log;
  return (
    title(paint, `transaction log of vdisk ${printable(log.vdisk)}`) +
    properties(paint, [
      [
        'status',
        `${statusText(paint, mounted?.status ?? log.status)}: ${printable(mounted?.reason ?? log.reason)}`,
      ],
      ['since', dateTimeText(log.since)],
      ['policy', printable(log.policy)],
      ['stream', `${printable(log.stream)}, container ${log.container} of ${log.containers}`],
      ['copies', log.replicas === 0 ? 'not known' : `${log.replicas}`],
      ['stream holds', `${mib(log.streamBytes)} of ${mib(log.streamMaxBytes)}`],
      ['segments', `${log.segments}, the newest is ${log.newest}`],
      ['archived', log.archived === undefined ? undefined : `up to segment ${log.archived}`],
      ['base', mounted === undefined ? undefined : baseText(mounted.base)],
      ['sequence', mounted === undefined ? undefined : `${mounted.sequence}`],
      ['behind', mounted && `${mib(mounted.pendingBytes)}, ${durationText(mounted.lagMs)}`],
      ['flushes waiting', mounted && `${mounted.flushesWaiting}`],
      ['trouble', mounted?.trouble === undefined ? undefined : paint('red', printable(mounted.trouble))],
      ['written to disk', printable(log.fsync)],
      ['power loss', printable(log.powerLoss)],
      ['server', log.server === undefined ? undefined : printable(log.server)],
      ['problem', log.problem === undefined ? undefined : paint('red', printable(log.problem))],
    ])
  );
}

function baseText(base: number): string {
  return base === 0 ? 'none: nothing can be restored yet' : `from sequence ${base}`;
}

function statusText(paint: Paint, status: string): string {
  const colour = status === 'whole' ? 'green' : status === 'broken' ? 'red' : 'yellow';
  return paint(colour, printable(status));
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`;
}
