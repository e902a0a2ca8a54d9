import type { DrReportReply, Tier1Recovery, Tier1Vdisk } from '@salvor/contracts';
import type { Paint } from './paint.ts';
import { printable, properties, table } from './text.ts';

export function tier1RecoveryText(
  paint: Paint,
  { operation, status, message }: DrReportReply,
  tier1: Tier1Recovery,
): string {
  const { dryRun, configuration, configurationAt, vdisks, moreVdisks, trouble, moreTrouble } = tier1;
  const stored = configurationAt === undefined ? '' : ` of ${new Date(configurationAt).toISOString()}`;
  const sums = properties(paint, [
    ['operation', printable(operation)],
    ['status', `${status}: ${printable(message)}`],
    ['root', printable(tier1.root)],
    ['lost', printable(tier1.loss)],
    ['configuration', configuration === undefined ? 'none' : `${printable(configuration)}${stored}`],
    [
      'etcd',
      tier1.raisedTo > tier1.revision
        ? `revision ${tier1.revision}, raised to ${tier1.raisedTo}`
        : `revision ${tier1.revision}`,
    ],
    ['clusters', String(tier1.clusters)],
    [dryRun ? 'keys to write' : 'keys written', String(tier1.keysWritten)],
    ['already there', String(tier1.keysThere)],
    ['left as they are', some(tier1.keysKept)],
    ['not brought back', some(tier1.keysWithheld)],
    ['streams made', some(tier1.streamsMade)],
    ['lost segments', String(tier1.lostSegments)],
    ['backup', tier1.backup && printable(tier1.backup)],
    ['report', tier1.report && printable(tier1.report)],
  ]);
  const list = table(
    paint,
    ['vdisk', 'outcome', 'Tier-2', 'JetStream', 'log', 'lost'],
    vdisks.map(rowOf),
    'no vdisks',
  );
  const moreOf = moreVdisks > 0 ? `and ${moreVdisks} more vdisks; the report has all\n` : '';
  const told = trouble.map((line) => `${printable(line)}\n`).join('');
  const more = moreTrouble > 0 ? `and ${moreTrouble} more; the report has all\n` : '';
  return `${sums}${list}${moreOf}${told}${more}`;
}

function rowOf({ vdisk, outcome, archivedTo, tailFrom, tailTo, logStatus, lost }: Tier1Vdisk): string[] {
  const tail = tailFrom === undefined ? '-' : `${tailFrom} to ${tailTo}`;
  const ranges = lost.map(({ from, to }) => `${from} to ${to}`).join(', ');
  return [
    ...[printable(vdisk), outcome, archivedTo === undefined ? '-' : `up to ${archivedTo}`, tail],
    ...[logStatus ?? '-', ranges === '' ? '-' : ranges],
  ];
}

function some(count: number): string | undefined {
  return count === 0 ? undefined : String(count);
}
