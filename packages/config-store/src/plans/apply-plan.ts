/** Plans in etcd: each change is one compared transaction. */
import { createHash } from 'node:crypto';
import { untilNoConflict } from '../healing/compare-and-set.ts';
import { canonicalRequest, markOf, repeatOf, reusedReason } from '../healing/operation-mark.ts';
import { formatRecord, parseRecord, recordIn } from '../healing/record-text.ts';
import { operationSchema } from '../healing/records.ts';
import { operationKey, PLANS_PREFIX, planActiveKey, planKey, planRunKey, planRunsPrefix } from '../keys.ts';
import type { ConfigStore, Put, Transaction } from '../types.ts';
import { leftTests } from './left-tests.ts';
import type { PlanDocument } from './plan-document.ts';
import {
  type PlanRecord,
  type PlanRun,
  planActiveSchema,
  planRunSchema,
  planSchema,
} from './plan-records.ts';

/** Runs of one plan that are remembered. */
const RUNS_MAX = 32;

export interface PlanResult {
  readonly outcome: 'applied' | 'already' | 'refused' | 'conflict';
  readonly code:
    | 'decided'
    | 'same-operation'
    | 'operation-reused'
    | 'plan-exists'
    | 'unknown-plan'
    | 'plan-busy'
    | 'conflict';
  readonly reason: string;
  readonly operation: string;
  readonly record: PlanRecord | null;
}

export interface PlanChange {
  readonly plan: string;
  readonly zone: string;
  /** Null: it is deleted. */
  readonly document: PlanDocument | null;
  /** It must be new. */
  readonly isNew: boolean;
  readonly operation: string;
  readonly now?: () => number;
}

/** Writes the next version of a plan. Throws StoreError, ConfigValueError. */
export async function applyPlan(
  store: ConfigStore,
  { plan, zone, document, isNew, operation, now = Date.now }: PlanChange,
): Promise<PlanResult> {
  const kind = document === null ? 'plan.delete' : 'plan.apply';
  // The plan itself is on record once: both together may be more than etcd takes.
  const canonical = canonicalRequest(kind, { plan, document: document && digestOf(document), isNew });
  const keys = [planKey(plan), planActiveKey(plan), operationKey(operation)] as const;
  const result = await untilNoConflict(async (): Promise<PlanResult | 'conflict'> => {
    const { entries } = await store.getMany(keys);
    const mark = recordIn(entries, keys[2], operationSchema);
    const before = recordIn(entries, keys[0], planSchema);
    const same = { operation, record: before };
    if (mark !== null)
      return repeatOf(mark, canonical) === 'reused'
        ? { ...same, outcome: 'refused', code: 'operation-reused', reason: reusedReason(mark) }
        : { ...same, outcome: 'already', code: 'same-operation', reason: mark.reason };
    const found = before?.document ?? null;
    if (isNew && found !== null)
      return {
        ...same,
        outcome: 'refused',
        code: 'plan-exists',
        reason: `there is a plan ${plan} already; 'salvor plan apply' changes it`,
      };
    if (document === null && found === null)
      return {
        ...same,
        outcome: 'refused',
        code: 'unknown-plan',
        reason: `there is no plan ${plan} in zone ${zone}`,
      };
    const active = recordIn(entries, keys[1], planActiveSchema);
    if (active !== null)
      return {
        ...same,
        outcome: 'refused',
        code: 'plan-busy',
        reason: `plan ${plan} is under way (run ${active.run}): wait for its end`,
      };
    const isSame = found !== null && JSON.stringify(found) === JSON.stringify(document);
    const at = now();
    const version = (before?.version ?? 0) + 1;
    const zones = document === null ? [...(found?.zones ?? [])] : [];
    const record: PlanRecord =
      isSame && before !== null ? before : { plan, version, zone, document, zones, changedAt: at };
    const outcome = isSame ? 'already' : 'applied';
    const reason = isSame
      ? `plan ${plan} is what it was, version ${record.version}`
      : document === null
        ? `plan ${plan} is deleted`
        : `plan ${plan} has version ${version}`;
    const done = markOf({ operation, kind, request: canonical, outcome, reason, at, subject: plan });
    const puts: Put[] = isSame
      ? [done]
      : [done, { key: keys[0], value: formatRecord(planSchema, keys[0], record) }];
    const compare = keys.map((key) => ({ key, revision: entries.get(key)?.revision ?? ('absent' as const) }));
    const { ok } = await store.transact({ compare, puts, deletes: [] });
    return ok ? { operation, record, outcome, code: 'decided', reason } : 'conflict';
  });
  if (result !== 'conflict') return result;
  const reason = `plan ${plan} was changed by others at every attempt; try again`;
  return { outcome: 'conflict', code: 'conflict', reason, operation, record: null };
}

function digestOf(document: PlanDocument): string {
  return `sha256:${createHash('sha256').update(JSON.stringify(document)).digest('hex')}`;
}

/** Which of two versions holds. Two of the same number were written in both zones at once: then the name decides. */
export function isNewerPlan(
  a: Pick<PlanRecord, 'version' | 'zone'>,
  b: Pick<PlanRecord, 'version' | 'zone'> | null,
): boolean {
  return b === null || a.version > b.version || (a.version === b.version && a.zone > b.zone);
}

/**
 * Takes a version over that the other zone has; while a run of the plan is under way here, it waits: what is being run stays the
 * plan. @returns whether it was taken. Throws StoreError, ConfigValueError
 */
export async function takePlan(store: ConfigStore, told: PlanRecord): Promise<boolean> {
  const key = planKey(told.plan);
  const taken = await untilNoConflict(async () => {
    const entry = await store.get(key);
    const before = entry === null ? null : parseRecord(planSchema, key, entry.value);
    if (!isNewerPlan(told, before) || (await readActiveRun(store, told.plan)) !== null) return false;
    const value = formatRecord(planSchema, key, told);
    const { ok } = await store.transact({
      compare: [
        { key, revision: entry?.revision ?? 'absent' },
        { key: planActiveKey(told.plan), revision: 'absent' },
      ],
      puts: [{ key, value }],
    });
    return ok ? true : 'conflict';
  });
  return taken === true;
}

/** Deleted ones too. Null: there never was one. Throws StoreError, ConfigValueError. */
export async function readPlan(store: Pick<ConfigStore, 'get'>, plan: string): Promise<PlanRecord | null> {
  const key = planKey(plan);
  const entry = await store.get(key);
  return entry === null ? null : parseRecord(planSchema, key, entry.value);
}

/** All, by name, deleted ones too. Throws StoreError, ConfigValueError. */
export async function listPlans(store: Pick<ConfigStore, 'list'>): Promise<PlanRecord[]> {
  const { entries } = await store.list(PLANS_PREFIX);
  return entries.map(({ key, value }) => parseRecord(planSchema, key, value));
}

/** The latest first. Throws StoreError, ConfigValueError. */
export async function listPlanRuns(store: Pick<ConfigStore, 'list'>, plan: string): Promise<PlanRun[]> {
  const { entries } = await store.list(planRunsPrefix(plan));
  return entries
    .map(({ key, value }) => parseRecord(planRunSchema, key, value))
    .sort((a, b) => b.beganAt - a.beganAt);
}

export async function readPlanRun(
  store: Pick<ConfigStore, 'get'>,
  plan: string,
  run: string,
): Promise<PlanRun | null> {
  const key = planRunKey(plan, run);
  const entry = await store.get(key);
  return entry === null ? null : parseRecord(planRunSchema, key, entry.value);
}

/** The run that is under way in this zone; null: none. Throws StoreError, ConfigValueError. */
export async function readActiveRun(store: Pick<ConfigStore, 'get'>, plan: string): Promise<string | null> {
  const key = planActiveKey(plan);
  const entry = await store.get(key);
  return entry === null ? null : parseRecord(planActiveSchema, key, entry.value).run;
}

/** What is stored with the progress of its operation: the run, and that it is the one under way, or is no more. */
export function planRunEffects(
  run: PlanRun,
  { isFirst, forget }: { readonly isFirst: boolean; readonly forget: readonly string[] },
): Transaction {
  const keys = { run: planRunKey(run.plan, run.run), active: planActiveKey(run.plan) };
  const active = { key: keys.active, value: formatRecord(planActiveSchema, keys.active, { run: run.run }) };
  return {
    compare: isFirst ? [{ key: keys.active, revision: 'absent' }] : [],
    puts: [
      { key: keys.run, value: formatRecord(planRunSchema, keys.run, run) },
      ...(isFirst ? [active] : []),
    ],
    deletes: [
      ...(run.status === 'running' ? [] : [keys.active]),
      ...forget.map((old) => planRunKey(run.plan, old)),
    ],
  };
}

/** Runs that are forgotten once one more is on record; the latest first in `runs`. A test is not before it is cleaned up. */
export function runsToForget(runs: readonly PlanRun[]): string[] {
  const left = new Set(leftTests(runs));
  return runs
    .slice(RUNS_MAX - 1)
    .filter((run) => run.status !== 'running' && !left.has(run))
    .map(({ run }) => run);
}

/** Puts on record what became known of a run that has ended. @returns false when it is gone. Throws StoreError */
export async function amendPlanRun(
  store: ConfigStore,
  { plan, run }: Pick<PlanRun, 'plan' | 'run'>,
  amend: (run: PlanRun) => PlanRun,
): Promise<boolean> {
  const key = planRunKey(plan, run);
  const done = await untilNoConflict(async () => {
    const entry = await store.get(key);
    if (entry === null) return false;
    const value = formatRecord(planRunSchema, key, amend(parseRecord(planRunSchema, key, entry.value)));
    if (value === entry.value) return true;
    const { ok } = await store.transact({
      compare: [{ key, revision: entry.revision }],
      puts: [{ key, value }],
    });
    return ok ? true : 'conflict';
  });
  return done === true;
}
