import type { CommandHandlers } from '@salvor/bus';
import {
  applyPlan,
  beginOperation,
  type ConfigStore,
  leftTests,
  listPlanRuns,
  listPlans,
  type PlanDocument,
  PlanError,
  type PlanRecord,
  type PlanResult,
  type PlanRunKind,
  parsePlan,
  planOrder,
  planRunKinds,
  readActiveRun,
  readPlan,
} from '@salvor/config-store';
import type { Outcome, PlanMemberInit } from '@salvor/contracts';
import { codeOf, type Logger, messageOf, SalvorError } from '@salvor/service-kit';
import { decideGroupFaults } from './decide-group-faults.ts';
import { memberStatus, planFaults } from './plan-check.ts';
import { describeRun, summaryOf } from './plan-description.ts';
import { tellLoss } from './plan-executor.ts';
import { assertRunnable } from './plan-size.ts';
import { newPlanRun } from './plan-steps.ts';
import { volumeIn } from './volume-steps.ts';
import type { ZoneHands } from './zone-hands.ts';

export interface PlanCommandsOptions {
  readonly store: ConfigStore;
  readonly hands: ZoneHands;
  /** The other zones that this one is configured to reach. */
  readonly peers: readonly string[];
  readonly log: Logger;
}

/** The commands about recovery plans, as one zone answers them. */
export function planCommandHandlers({ store, hands, peers, log }: PlanCommandsOptions): CommandHandlers {
  const { zone } = hands;
  const known = async (
    plan: string,
  ): Promise<PlanRecord & { document: NonNullable<PlanRecord['document']> }> => {
    const record = plan === '' ? null : await readPlan(store, plan);
    if (record?.document == null)
      throw new SalvorError('unknown-plan', `there is no plan ${plan} in zone ${zone}`);
    return { ...record, document: record.document };
  };
  return {
    'plan.apply': async ({ document: text, create }, { operationId: operation }) => {
      const document = parsePlan(text);
      assertZones(document.zones, zone, peers);
      assertRunnable(document);
      await assertMembers(hands, document);
      await assertGroups(hands, document, await listPlans(store));
      const { plan } = document;
      const result = await applyPlan(store, { plan, zone, document, isNew: create, operation });
      return { ...accepted(plan, result), version: result.record?.version ?? 0 };
    },
    'plan.delete': async ({ plan }, { operationId: operation }) => {
      if (plan === '') throw new SalvorError('unknown-plan', 'plan ids must not be empty');
      return accepted(plan, await applyPlan(store, { plan, zone, document: null, isNew: false, operation }));
    },
    'plan.list': async ({ all }) => {
      const plans = (await listPlans(store)).filter(({ document }) => all || document !== null);
      const summaries = plans.map(async (plan) => summaryOf(plan, await readActiveRun(store, plan.plan)));
      return { zone, plans: await Promise.all(summaries) };
    },
    'plan.get': async ({ plan }) => {
      const record = plan === '' ? null : await readPlan(store, plan);
      if (record === null) throw new SalvorError('unknown-plan', `there is no plan ${plan} in zone ${zone}`);
      const { document } = record;
      return {
        plan: summaryOf(record, await readActiveRun(store, plan)),
        document: document === null ? '' : JSON.stringify(document),
      };
    },
    'plan.status': async ({ plan }) => {
      const record = await known(plan);
      const { document } = record;
      const other = document.zones.find((each) => each !== zone) ?? '';
      const members = planOrder(document).flatMap(({ name: group, volumes, instances }) => [
        ...volumes.map((subject) => ({ group, kind: 'volume' as const, subject })),
        ...instances.map(({ instance: subject }) => ({ group, kind: 'instance' as const, subject })),
      ]);
      const runs = await listPlanRuns(store, plan);
      const [latest] = runs;
      const tested = runs.find(({ kind, status }) => kind === 'test' && status === 'completed')?.endedAt;
      const eyes = hands.glancing();
      const looks = members.map(async ({ group, kind, subject }): Promise<PlanMemberInit> => {
        const [here = '', there = ''] = await Promise.all(
          [zone, other].map((each) => memberStatus(eyes, each, kind, subject)),
        );
        return { group, kind, subject, here, there };
      });
      const [version, seen] = await Promise.all([otherVersion(eyes, other, plan), Promise.all(looks)]);
      return {
        plan: summaryOf(record, await readActiveRun(store, plan)),
        ...{ zone, other, ...version, members: seen },
        ...(latest === undefined ? {} : { latest: describeRun(latest) }),
        ...(tested == null ? {} : { testedAt: tested }),
      };
    },
    'plan.run': async ({ plan, kind: word }, { operationId: operation }) => {
      const { document, version } = await known(plan);
      const kind = kindOf(word);
      const active = await readActiveRun(store, plan);
      if (active !== null && active !== operation)
        throw new SalvorError('plan-busy', `plan ${plan} is under way (run ${active}): wait for its end`);
      const tests = kind === 'cleanup' ? leftTests(await listPlanRuns(store, plan)) : [];
      const request = { run: operation, plan, version, kind, target: zone, document, tests };
      const run = newPlanRun(request, Date.now());
      const begun = await beginOperation(store, {
        ...{ operation, kind: 'plan.run', request: { plan, kind }, subject: plan },
        ...{
          message: `plan ${plan} is run in zone ${zone}, ${kind}`,
          total: run.steps.length,
          checkpoint: run,
        },
      });
      const { outcome, code, reason } = begun;
      if (outcome === 'refused' || outcome === 'conflict') throw new SalvorError(code, reason);
      return { plan, operation, outcome, reason };
    },
    'plan.report': async ({ plan, run }) => {
      const [latest] = (await listPlanRuns(store, plan)).filter(
        (each) => run === undefined || each.run === run,
      );
      if (latest === undefined)
        throw new SalvorError(
          'unknown-run',
          `plan ${plan} has no ${run === undefined ? 'run' : `run ${run}`} in zone ${zone}`,
        );
      if (latest.kind !== 'failover') return { run: describeRun(latest) };
      const eyes = hands.glancing();
      const looks = latest.measures.map(({ volume }) =>
        tellLoss(store, eyes, latest, volume).catch((error: unknown) =>
          log.debug({ plan, volume, error: messageOf(error) }, 'what a failover lost is not known yet'),
        ),
      );
      await Promise.all(looks);
      const again = (await listPlanRuns(store, plan)).find((each) => each.run === latest.run) ?? latest;
      return { run: describeRun(again) };
    },
  };
}

function assertZones(zones: readonly string[], zone: string, peers: readonly string[]): void {
  const known = [zone, ...peers];
  const problems = zones.flatMap((each, index) =>
    known.includes(each)
      ? []
      : [
          {
            path: `zones[${index}]`,
            expected: `a zone that is known here: ${known.join(', ')}`,
            found: each,
          },
        ],
  );
  if (!zones.includes(zone))
    problems.push({ path: 'zones', expected: `this zone, ${zone}, as one of them`, found: zones.join(', ') });
  if (problems.length > 0) throw new PlanError(problems);
}

async function assertMembers(
  hands: ZoneHands,
  { groups }: { readonly groups: NonNullable<PlanRecord['document']>['groups'] },
): Promise<void> {
  const volumes = groups.flatMap((group) => group.volumes);
  const instances = groups.flatMap((group) => group.instances.map(({ instance }) => instance));
  const faults = await planFaults(hands, { volumes, instances });
  if (faults.length === 0) return;
  const pathOf = (kind: 'volume' | 'instance', subject: string): string => {
    const at = groups.findIndex((group) =>
      kind === 'volume'
        ? group.volumes.includes(subject)
        : group.instances.some(({ instance }) => instance === subject),
    );
    return `groups[${at}].${kind}s`;
  };
  throw new PlanError(
    faults.map(({ kind, subject, reason }) => ({
      path: pathOf(kind, subject),
      expected: `${kind}s of zone ${hands.zone}: ${reason}`,
    })),
  );
}

/** Volumes of a consistency group are one, and can be cut. */
async function assertGroups(
  hands: ZoneHands,
  document: PlanDocument,
  plans: readonly PlanRecord[],
): Promise<void> {
  const members = document.groups.flatMap(({ consistent, volumes }) => (consistent === true ? volumes : []));
  const images = new Set<string>();
  for (const volume of members)
    if ((await volumeIn(hands, hands.zone, volume)).driver === 'rbd') images.add(volume);
  const faults = decideGroupFaults(document, plans, images);
  if (faults.length > 0) throw new PlanError(faults);
}

async function otherVersion(
  hands: ZoneHands,
  other: string,
  plan: string,
): Promise<{ otherVersion?: number; otherReason: string }> {
  try {
    return { otherVersion: (await hands.ask(other, 'plan.get', { plan })).plan.version, otherReason: '' };
  } catch (error) {
    const isNone = codeOf(error) === 'unknown-plan';
    return { otherReason: isNone ? `zone ${other} has no plan ${plan} yet` : messageOf(error) };
  }
}

/** @throws SalvorError `invalid-kind` */
function kindOf(word: string): PlanRunKind {
  const kind = planRunKinds.find((each) => each === word);
  if (kind === undefined)
    throw new SalvorError('invalid-kind', `expected one of ${planRunKinds.join(', ')}, found ${word}`);
  return kind;
}

/** @throws SalvorError with the code of what was refused */
function accepted(
  plan: string,
  { outcome, code, reason, operation }: PlanResult,
): { plan: string; operation: string; outcome: Outcome; reason: string } {
  if (outcome === 'refused' || outcome === 'conflict') throw new SalvorError(code, reason);
  return { plan, operation, outcome, reason };
}
