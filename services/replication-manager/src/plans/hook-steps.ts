/** Steps of a plan that a hook carries out, recorded in etcd of this zone; coordinators run it. As in `volume-steps.ts`. */
import {
  type ConfigStore,
  type HookRunRecord,
  hookKey,
  hookRunId,
  hookRunKey,
  hookRunSchema,
  intendHookRun,
  type PlanRun,
  parseRecord,
} from '@salvor/config-store';
import { events } from '@salvor/contracts';
import { SalvorError } from '@salvor/service-kit';
import type { StepSeen } from './plan-decision.ts';
import { done, failed, waits } from './volume-steps.ts';
import { orderOf, type ZoneHands } from './zone-hands.ts';

/** Keeps the instance of that id in the other zone from running. */
export async function fenced(
  hands: ZoneHands,
  store: ConfigStore,
  run: PlanRun,
  instance: string,
): Promise<StepSeen> {
  const { source, target } = run;
  const { fenceHook } = (await hands.ask(target, 'instance.get', { instance })).instance;
  if (fenceHook === undefined) return done(`instance ${instance} has no fence hook`);
  const data = { instance, zone: source, reason: `plan ${run.plan} fails over to zone ${target}` };
  return hookRan(store, run, { hook: fenceHook, point: 'instance.fence', subject: instance, data });
}

/** Replays a script or file of the operator's. */
export async function recordReplayed(store: ConfigStore, run: PlanRun, name: string): Promise<StepSeen> {
  const record = run.document.records.find((each) => each.name === name);
  if (record === undefined) return failed(`plan ${run.plan} has no record ${name}`);
  const { hook, content } = record;
  const data = { record: name, zone: run.target, content };
  return hookRan(store, run, { hook, point: 'plan.record', subject: name, data });
}

/** @throws SalvorError `unknown-hook` */
export async function assertHook(store: Pick<ConfigStore, 'get'>, hook: string): Promise<void> {
  if ((await store.get(hookKey(hook))) === null)
    throw new SalvorError(
      'unknown-hook',
      `no coordinator of this zone has a hook ${hook} (SALVOR_HOOKS_FILE)`,
    );
}

async function hookRan(
  store: ConfigStore,
  plan: PlanRun,
  {
    hook,
    point,
    subject,
    data,
  }: {
    readonly hook: string;
    readonly point: string;
    readonly subject: string;
    readonly data: Readonly<Record<string, unknown>>;
  },
): Promise<StepSeen> {
  const event = {
    ...{ id: orderOf(plan, point, subject), type: events['plan.step-changed'].cloudEventType, subject },
    ...{
      at: plan.beganAt,
      data: { plan: plan.plan, run: plan.run, kind: plan.kind, at: plan.beganAt, ...data },
    },
  };
  const run = hookRunId(hook, event);
  const entry = await store.get(hookRunKey(run));
  if (entry === null) {
    await assertHook(store, hook);
    await intendHookRun(store, newRun({ run, hook, point, event, lane: `plan:${plan.plan}` }));
    return waits(`hook ${hook} is to run (${run})`);
  }
  const { status, reason } = parseRecord(hookRunSchema, entry.key, entry.value);
  if (status === 'pending') return waits(`hook ${hook}: ${reason}`);
  return status === 'succeeded'
    ? done(`hook ${hook}: ${reason}`)
    : failed(`hook ${hook} failed (${run}): ${reason}`);
}

function newRun(about: Pick<HookRunRecord, 'run' | 'hook' | 'point' | 'event' | 'lane'>): HookRunRecord {
  const now = Date.now();
  return {
    ...about,
    ...{ kind: 'plan', by: 'replication-manager', createdAt: now, status: 'pending' },
    ...{ reason: 'it is to run', attempts: [] },
  };
}
