/** The steps of a run of a recovery plan. Pure. */
import {
  isLeft,
  type PlanAct,
  type PlanDocument,
  type PlanGroup,
  type PlanRun,
  type PlanRunKind,
  type PlanStep,
  planOrder,
} from '@salvor/config-store';

export interface RunRequest {
  readonly run: string;
  readonly plan: string;
  readonly version: number;
  readonly kind: PlanRunKind;
  /** This zone. */
  readonly target: string;
  readonly document: PlanDocument;
  /** Of a cleanup: what it removes, the latest first. */
  readonly tests?: readonly PlanRun[];
}

/** A run of which nothing was done yet. */
export function newPlanRun({ target, document, tests = [], ...request }: RunRequest, now: number): PlanRun {
  const source = document.zones.find((zone) => zone !== target) ?? '';
  return {
    ...request,
    ...{ target, source, document, steps: stepsOf(request.kind, document, { target, source, tests }) },
    ...{ direction: 'forward', status: 'running', isCancelled: false, reason: 'it begins', started: null },
    ...{ measures: [], clones: [], tested: tests.map(({ run }) => run), beganAt: now, endedAt: null },
  };
}

function stepsOf(
  kind: PlanRunKind,
  document: PlanDocument,
  {
    target,
    source,
    tests,
  }: { readonly target: string; readonly source: string; readonly tests: readonly PlanRun[] },
): PlanStep[] {
  const groups = planOrder(document);
  const last = groups.toReversed();
  const check = step('check', target, '', '');
  const records = document.records.map(({ name }) => step('record', target, '', name));
  const starts = groups.flatMap((group) => instanceSteps('start', target, group));
  const promotes = groups.flatMap((group) => volumeSteps('promote', target, group));
  switch (kind) {
    case 'planned':
      return [
        check,
        ...last.flatMap((group) => instanceSteps('stop', source, group)),
        ...last.flatMap((group) => volumeSteps('demote', source, group)),
        ...groups.flatMap((group) => volumeSteps('level', target, group)),
        ...promotes,
        ...records,
        ...starts,
        ...groups.flatMap((group) => volumeSteps('protect', source, group)),
      ];
    case 'failover':
      return [
        check,
        ...groups.flatMap((group) => instanceSteps('fence', target, group)),
        ...promotes,
        ...records,
        ...starts,
      ];
    case 'reprotect':
      return [
        check,
        ...last.flatMap((group) => instanceSteps('stop', source, group)),
        ...groups.flatMap((group) => volumeSteps('protect', source, group)),
      ];
    case 'test':
      return [
        check,
        ...groups.flatMap((group) => volumeSteps('clone', target, group)),
        ...groups.flatMap((group) => testSteps('start-test', target, group)),
      ];
    case 'cleanup':
      return [
        ...removals('stop-test', target, stepsLeft(tests, 'start-test')),
        ...removals('remove-clone', target, stepsLeft(tests, 'clone')),
      ];
  }
}

/** What tests have done and nobody has taken back, the last first: the plan may be another one by now. */
function stepsLeft(tests: readonly PlanRun[], act: PlanAct): PlanStep[] {
  return tests.flatMap(({ steps }) => steps.filter((each) => each.act === act && isLeft(each)).toReversed());
}

function removals(act: PlanAct, target: string, made: readonly PlanStep[]): PlanStep[] {
  const isFirst = ({ subject }: PlanStep, at: number): boolean =>
    made.findIndex((each) => each.subject === subject) === at;
  return made.filter(isFirst).map(({ group, subject }) => step(act, target, group, subject));
}

function volumeSteps(act: PlanAct, zone: string, { name, volumes }: PlanGroup): PlanStep[] {
  return volumes.map((volume) => step(act, zone, name, volume));
}

function instanceSteps(act: PlanAct, zone: string, { name, instances }: PlanGroup): PlanStep[] {
  return instances.map(({ instance }) => step(act, zone, name, instance));
}

function testSteps(act: PlanAct, zone: string, { name, instances }: PlanGroup): PlanStep[] {
  return instances.flatMap(({ instance, test }) => (test === null ? [] : [step(act, zone, name, instance)]));
}

function step(act: PlanAct, zone: string, group: string, subject: string): PlanStep {
  const rest = { status: 'pending', reason: '', beganAt: null, endedAt: null } as const;
  return { act, zone, group, subject, ...rest };
}
