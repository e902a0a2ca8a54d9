import type { DrReportReply } from '@salvor/contracts';
import type { Paint } from './paint.ts';
import { printable, properties, table } from './text.ts';

export function segmentRecoveryText(
  paint: Paint,
  { operation, status, message, recovery }: DrReportReply,
): string {
  const head = properties(paint, [
    ['operation', printable(operation)],
    ['status', `${status}: ${printable(message)}`],
  ]);
  if (recovery === undefined) return head;
  const { dryRun, layout, containerCount, containers, trouble, moreTrouble } = recovery;
  const rows = containers.map(({ container, segments, bytes, uncertain }) =>
    [container, segments, bytes, uncertain].map(String),
  );
  const sums = properties(paint, [
    ['root', printable(recovery.root)],
    ['layout', `${layout}, ${containerCount} containers`],
    ['segments', `${recovery.segments} with ${recovery.bytes} bytes`],
    [dryRun ? 'to write' : 'written', String(recovery.written)],
    ['already there', String(recovery.already)],
    ['left as they are', recovery.differing === 0 ? undefined : String(recovery.differing)],
    ['not written', recovery.failed === 0 ? undefined : String(recovery.failed)],
    ['events', String(recovery.events)],
    ['keys of tables', String(recovery.entries)],
    ['uncertain', `${recovery.uncertain} segments`],
    ['damage', `${recovery.damage} findings, and ${recovery.notes} notes`],
    ['backup', recovery.backup && printable(recovery.backup)],
    ['report', recovery.report && printable(recovery.report)],
  ]);
  const list = table(paint, ['container', 'segments', 'bytes', 'uncertain'], rows, 'no containers');
  const told = trouble.map((line) => `${printable(line)}\n`).join('');
  const more = moreTrouble > 0 ? `and ${moreTrouble} more; the report has all\n` : '';
  return `${head}${sums}${list}${told}${more}`;
}
