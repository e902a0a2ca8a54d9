import type { CommandShapes, PlanRunDescription, PlanSummary } from '@salvor/contracts';
import type { Paint } from './paint.ts';
import { printable, properties, table, title } from './text.ts';
import { dateTimeText, durationText } from './time.ts';

/** One line for each plan. */
export function plansText(paint: Paint, plans: readonly PlanSummary[]): string {
  const rows = plans.map(({ plan, version, writtenIn, zones, active, changedAt }) => [
    ...[printable(plan), zones.map(printable).join(', '), `${version}`, printable(writtenIn)],
    ...[dateTimeText(changedAt), printable(active ?? '-')],
  ]);
  return table(paint, ['plan', 'zones', 'version', 'written in', 'written', 'under way'], rows, 'no plans');
}

/** A plan with its members as both zones have them. */
export function planStatusText(paint: Paint, status: CommandShapes['plan.status']['reply']): string {
  const { plan, zone, other, otherVersion, otherReason, members, latest, testedAt } = status;
  const rows = members.map(({ group, kind, subject, here, there }) => [
    ...[printable(group), printable(kind), printable(subject), printable(here), printable(there)],
  ]);
  return (
    title(paint, `plan ${printable(plan.plan)}, version ${plan.version}`) +
    properties(paint, [
      ['written', `${dateTimeText(plan.changedAt)} in zone ${printable(plan.writtenIn)}`],
      [
        `zone ${printable(other)}`,
        otherVersion === undefined
          ? paint('yellow', printable(otherReason))
          : otherVersion === plan.version
            ? 'has the same version'
            : paint('yellow', `has version ${otherVersion}`),
      ],
      ['under way', plan.active && printable(plan.active)],
      [
        'latest run',
        latest && `${printable(latest.kind)}, ${printable(latest.status)}: ${printable(latest.reason)}`,
      ],
      ['tested', testedAt === undefined ? 'never in this zone' : dateTimeText(testedAt)],
    ]) +
    table(
      paint,
      ['group', 'what', 'id', `in ${printable(zone)}`, `in ${printable(other)}`],
      rows,
      'no members',
    )
  );
}

/** What was written, readable. */
export function planDocumentText(document: string): string {
  if (document === '') return 'it was deleted\n';
  return `${JSON.stringify(JSON.parse(document), null, 2)}\n`;
}

/** A run with its steps, and what it came to. */
export function runText(paint: Paint, run: PlanRunDescription): string {
  const { rpoWrites, rpoMs, rtoMs } = run;
  // Of clones nothing is lost.
  const writesText = run.kind === 'test' || run.kind === 'cleanup' ? () => '-' : lostText;
  const steps = run.steps.map(({ act, zone, subject, status, reason, beganAt, endedAt }) => [
    ...[printable(act), printable(subject), printable(zone), printable(status)],
    beganAt === undefined || endedAt === undefined ? '-' : durationText(endedAt - beganAt),
    printable(reason),
  ]);
  const volumes = run.volumes.map(({ volume, lostWrites, lostMs, promotedMs, generation, sequence }) => [
    ...[printable(volume), writesText(lostWrites), lostMs === undefined ? '?' : durationText(lostMs)],
    promotedMs === undefined ? '-' : durationText(promotedMs),
    sequence === undefined ? '-' : `record ${sequence} of generation ${generation}`,
  ]);
  return (
    title(paint, `plan ${printable(run.plan)}, ${printable(run.kind)}, in zone ${printable(run.target)}`) +
    properties(paint, [
      ['run', printable(run.run)],
      ['status', `${printable(run.status)}: ${printable(run.reason)}`],
      ['began', dateTimeText(run.beganAt)],
      ['ended', run.endedAt === undefined ? undefined : dateTimeText(run.endedAt)],
      ['lost writes', writesText(rpoWrites)],
      ['lost time', rpoMs === undefined ? '?' : `at most ${durationText(rpoMs)}`],
      ['served after', rtoMs === undefined ? '-' : durationText(rtoMs)],
    ]) +
    table(
      paint,
      ['volume', 'lost writes', 'lost time', 'there after', 'goes on from'],
      volumes,
      'no volumes',
    ) +
    table(paint, ['step', 'of', 'zone', 'status', 'took', 'why'], steps, 'no steps')
  );
}

function lostText(writes: number | undefined): string {
  return writes === undefined ? 'not known yet' : `${writes}`;
}
