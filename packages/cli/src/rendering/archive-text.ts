import type { ArchiveAnswer, ArchiveDescription } from '@salvor/contracts';
import type { Paint } from './paint.ts';
import { counted, printable, properties, table, title } from './text.ts';
import { dateTimeText, durationText } from './time.ts';

/** One line for each archive of each volume. */
export function archivesText(paint: Paint, archives: readonly ArchiveDescription[]): string {
  const rows = archives.map((archive) => [
    printable(archive.archive),
    printable(archive.volume),
    printable(archive.role),
    statusText(paint, archive),
    printable(archive.source),
    archive.isRestorable ? 'yes' : 'no',
    archive.writtenAt === undefined ? '-' : dateTimeText(archive.writtenAt),
  ]);
  const headers = ['archive', 'volume', 'role', 'status', 'from', 'restorable', 'last write'];
  return table(paint, headers, rows, 'no archives');
}

/** Everything about the archives of one volume. */
export function archiveStatusText(paint: Paint, archives: readonly ArchiveDescription[]): string {
  return archives.map((archive) => archiveText(paint, archive)).join('\n');
}

function archiveText(paint: Paint, archive: ArchiveDescription): string {
  const { backup, overflow, sendError, lost, retention, snapshots, holes } = archive;
  return (
    title(paint, `archive ${printable(archive.archive)} of volume ${printable(archive.volume)}`) +
    properties(paint, [
      ['status', statusText(paint, archive)],
      ['overflow', overflow && paint('red', printable(overflow))],
      ['waits', sendError && paint('red', printable(sendError))],
      ['lost', lost && paint('red', printable(lost))],
      ['role', `${printable(archive.role)}, from ${printable(archive.source)}`],
      ['phase', `${printable(archive.phase)}: ${printable(archive.reason)}`],
      ['backup', backup && backupText(backup)],
      ['at record', archive.sequence === undefined ? undefined : `${archive.sequence}`],
      ['last write', archive.writtenAt === undefined ? undefined : dateTimeText(archive.writtenAt)],
      [
        'keeps',
        `every state for ${durationText(retention.everyStateMs)}, ${retention.points} older ones, one each ${durationText(retention.pointEveryMs)}`,
      ],
      ['snapshots', snapshots.length === 0 ? undefined : counted(snapshots.length, 'snapshot')],
    ]) +
    (snapshots.length === 0
      ? ''
      : table(
          paint,
          ['snapshot', 'state', 'record', 'ordered'],
          snapshots.map(({ name, state, sequence, at }) => [
            ...[printable(name), printable(state), sequence === undefined ? '-' : `${sequence}`],
            dateTimeText(at),
          ]),
          '',
        )) +
    (holes.length === 0
      ? ''
      : table(
          paint,
          ['no state from', 'to', 'because'],
          holes.map(({ from, to, reason }) => [
            ...[dateTimeText(from), to === undefined ? 'now' : dateTimeText(to), printable(reason)],
          ]),
          '',
        ))
  );
}

/** One line for each archive. */
export function archiveAnswersText(paint: Paint, what: string, answers: readonly ArchiveAnswer[]): string {
  const rows = answers.map(({ archive, is, reason }) => [
    printable(archive),
    is ? paint('red', 'yes') : paint('green', 'no'),
    printable(reason),
  ]);
  return table(paint, ['archive', what, 'because'], rows, 'no archives');
}

function backupText({
  way,
  next,
  blocks,
  sentBlocks,
  sentBytes,
  hashBytes,
  reason,
}: NonNullable<ArchiveDescription['backup']>): string {
  const share = blocks === 0 ? 0 : Math.floor((100 * next) / blocks);
  return `${printable(way)}, at ${share} %: ${sentBlocks} blocks in ${sentBytes} bytes came over, and ${hashBytes} bytes of hashes; ${printable(reason)}`;
}

function statusText(paint: Paint, { status, lost }: ArchiveDescription): string {
  const isGood = status === 'protected' && lost === undefined;
  const isBad = status === 'overflow' || status === 'trouble';
  return paint(isBad ? 'red' : isGood ? 'green' : 'yellow', printable(status));
}
