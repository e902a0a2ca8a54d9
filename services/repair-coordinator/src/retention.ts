import {
  ALERTS_PREFIX,
  AUDIT_PREFIX,
  AVAILABLE_AGAIN_PREFIX,
  alertSchema,
  availableAgainSchema,
  CLOSED_INCIDENTS_PREFIX,
  type ConfigStore,
  ConfigValueError,
  closedIncidentSchema,
  hookRunSchema,
  OPERATIONS_PREFIX,
  operationSchema,
  parseRecord,
  REPAIR_PROGRESS_PREFIX,
  REPAIRS_PREFIX,
  repairProgressSchema,
} from '@salvor/config-store';
import type { z } from 'zod';
import { HOOK_CATCH_UP_MS } from './hooks/hook-runs.ts';

const DAY_MS = 86_400_000;
/** How long the story of an incident can be read after its end. */
export const INCIDENTS_KEPT_MS: number = 90 * DAY_MS;
/** How long an operation id is known, so that a repeat is answered and not carried out. */
export const OPERATIONS_KEPT_MS: number = 7 * DAY_MS;
/** How long it can be read which hooks were run. Longer than an event may be told again. */
export const HOOK_RUNS_KEPT_MS: number = 7 * DAY_MS;
/** The latest so many, however short ago the others ended. */
export const HOOK_RUNS_KEPT_MAX = 10_000;
/** How long an alert can be read after it was cleared. */
export const ALERTS_KEPT_MS: number = 7 * DAY_MS;
/** How long it can be read since when there are live copies again. */
export const AVAILABLE_AGAIN_KEPT_MS: number = 7 * DAY_MS;
/** A server that has not spoken of its repairs for so long died in the middle of them. */
const REPAIR_PROGRESS_KEPT_MS = DAY_MS;
/** Deletes per transaction. */
const DELETES_MAX = 100;

/** Removes records that have served their time; what cannot be read stays. Returns how many. */
export async function dropOldRecords(store: ConfigStore, now: number): Promise<number> {
  const old: string[] = [];
  for (const { key, value } of (await store.list(CLOSED_INCIDENTS_PREFIX)).entries) {
    const { id, closedAt } = readable(closedIncidentSchema, key, value) ?? { id: '', closedAt: now };
    if (now - closedAt <= INCIDENTS_KEPT_MS) continue;
    // The incident last: what is left by a crash in between is found again through it.
    old.push(...(await store.list(`${REPAIRS_PREFIX}${id}/`)).entries.map((entry) => entry.key), key);
  }
  for (const { key, value } of (await store.list(OPERATIONS_PREFIX)).entries) {
    const { at, work } = readable(operationSchema, key, value) ?? { at: now };
    // What is under way is needed by whoever carries it out, however long that takes.
    if (work?.status === 'running') continue;
    if (now - (work?.endedAt ?? at) > OPERATIONS_KEPT_MS) old.push(key);
  }
  for (const { key, value } of (await store.list(ALERTS_PREFIX)).entries) {
    if (now - (readable(alertSchema, key, value)?.clearedAt ?? now) > ALERTS_KEPT_MS) old.push(key);
  }
  for (const { key, value } of (await store.list(AVAILABLE_AGAIN_PREFIX)).entries) {
    if (now - (readable(availableAgainSchema, key, value)?.at ?? now) > AVAILABLE_AGAIN_KEPT_MS)
      old.push(key);
  }
  for (const { key, value } of (await store.list(REPAIR_PROGRESS_PREFIX)).entries) {
    if (now - (readable(repairProgressSchema, key, value)?.at ?? now) > REPAIR_PROGRESS_KEPT_MS)
      old.push(key);
  }
  old.push(...(await oldHookRuns(store, now)));
  for (let from = 0; from < old.length; from += DELETES_MAX) {
    await store.transact({ compare: [], deletes: old.slice(from, from + DELETES_MAX) });
  }
  return old.length;
}

/** In the order of their ids, which is that of their events. */
async function oldHookRuns(store: ConfigStore, now: number): Promise<string[]> {
  const { entries } = await store.list(AUDIT_PREFIX);
  const tooMany = entries.length - HOOK_RUNS_KEPT_MAX;
  return entries.flatMap(({ key, value }, index) => {
    const run = readable(hookRunSchema, key, value);
    if (run === null || run.endedAt === undefined) return [];
    return now - run.endedAt > HOOK_RUNS_KEPT_MS || (index < tooMany && isForgotten(run.event.at, now))
      ? [key]
      : [];
  });
}

/** An event that still runs hooks must find the run it had. */
function isForgotten(at: number, now: number): boolean {
  return now - at > HOOK_CATCH_UP_MS;
}

/** Null for a record of a version that this one does not know, or that somebody broke. */
function readable<S extends z.ZodType>(schema: S, key: string, value: string): z.output<S> | null {
  try {
    return parseRecord(schema, key, value);
  } catch (error) {
    if (error instanceof ConfigValueError) return null;
    throw error;
  }
}
