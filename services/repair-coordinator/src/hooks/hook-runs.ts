/** Which hooks an event calls for. */
import { type HookRunRecord, hookRunId } from '@salvor/config-store';
import type { Hook } from './hook-file.ts';
import type { HookPoint } from './hook-points.ts';

/** An event with the points that it is. `data` is plain JSON. */
export interface Occurrence {
  /** The same whoever tells of it, and however often. */
  readonly id: string;
  /** CloudEvents type. */
  readonly type: string;
  readonly subject: string;
  /** Unix milliseconds. */
  readonly at: number;
  readonly data: Readonly<Record<string, unknown>>;
  readonly points: readonly HookPoint[];
}

/** What happened so long ago, or earlier, runs no hook any more, whoever comes to know of it. */
export const HOOK_CATCH_UP_MS = 86_400_000;

/**
 * The runs that an event calls for. Every coordinator that knows the same hooks decides the same; who records a run first
 * has recorded it for all.
 */
export function decideHookRuns(
  occurrence: Occurrence,
  hooks: readonly Hook[],
  /** By name: from when on events count. A hook that is not here is not known yet, and runs for nothing. */
  since: ReadonlyMap<string, number>,
  { now, by }: { readonly now: number; readonly by: string },
): HookRunRecord[] {
  const { at, points, data } = occurrence;
  if (at <= now - HOOK_CATCH_UP_MS) return [];
  return hooks.flatMap((hook) => {
    const point = points.find((one) => hook.on.includes(one));
    const from = since.get(hook.name);
    if (point === undefined || from === undefined || at < from || !matches(hook.where, data)) return [];
    return [hookRunOf(occurrence, hook, point, { now, by })];
  });
}

export function hookRunOf(
  { id, type, subject, at, data }: Occurrence,
  { name: hook, kind }: Pick<Hook, 'name' | 'kind'>,
  point: string,
  { now, by }: { readonly now: number; readonly by: string },
): HookRunRecord {
  return {
    run: hookRunId(hook, { id, at }),
    ...{ hook, point, kind },
    lane: `${hook}:${subject}`,
    event: { id, type, subject, at, data },
    ...(typeof data.incident === 'string' ? { incident: data.incident } : {}),
    ...(typeof data.instance === 'string' ? { instance: data.instance } : {}),
    by,
    createdAt: now,
    status: 'pending',
    reason: 'it is to run',
    attempts: [],
  };
}

function matches(where: Hook['where'], data: Occurrence['data']): boolean {
  return Object.entries(where).every(([field, value]) => data[field] === value);
}
