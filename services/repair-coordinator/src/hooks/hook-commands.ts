import type { CommandHandlers } from '@salvor/bus';
import {
  AUDIT_PREFIX,
  type ConfigStore,
  ConfigValueError,
  type HookRunRecord,
  hookRunKey,
  hookRunSchema,
  intendHookRun,
  parseRecord,
  type StoreEntry,
} from '@salvor/config-store';
import { type AuditEntryInit, eventRecord, events, fromPlainJson, toPlainJson } from '@salvor/contracts';
import { SalvorError } from '@salvor/service-kit';
import { accepted } from '../command-replies.ts';
import type { HookBook } from './hook-book.ts';
import type { Hook } from './hook-file.ts';
import { exampleOf, type HookPoint } from './hook-points.ts';
import { hookRunOf } from './hook-runs.ts';

export interface HookCommandsOptions {
  readonly store: ConfigStore;
  readonly book: HookBook;
  /** Runs of a hook that have not ended. */
  readonly pendingOf: (hook: string) => number;
}

/** The commands about hooks and their audit trail. */
export function hookCommandHandlers({ store, book, pendingOf }: HookCommandsOptions): CommandHandlers {
  return {
    'hook.list': async () => {
      const runs = await readRuns(store);
      return {
        ...(book.path === null ? {} : { file: book.path }),
        hooks: book.hooks.map((hook) => {
          const since = book.since.get(hook.name);
          const last = runs.find((run) => run.hook === hook.name);
          return {
            hook: hook.name,
            points: [...hook.on],
            kind: hook.kind,
            target: targetOf(hook),
            timeoutMs: hook.timeoutMs,
            attempts: hook.attempts,
            pending: pendingOf(hook.name),
            ...(since === undefined ? {} : { since }),
            ...(last === undefined ? {} : { lastRun: auditEntry(last) }),
          };
        }),
      };
    },
    'hook.test': async ({ hook: name, point: wanted }, { operationId: operation }) => {
      const hook = book.hook(name);
      if (hook === null) throw new SalvorError('unknown-hook', `no hook ${name} is configured${known(book)}`);
      const point = pointOf(hook, wanted);
      const run = testRun(hook, point, operation);
      // The same operation again is the same event, so the same run: its time must not make it another one.
      const before = (await readRuns(store)).find(({ event }) => event.id === run.event.id);
      if (before !== undefined && (before.hook !== name || before.point !== point))
        throw new SalvorError(
          'operation-reused',
          `operation ${operation} was used for another test; give each request its own id`,
        );
      if (before === undefined) await intendHookRun(store, run);
      const reason = `hook ${name} is to run with an example of ${point}`;
      const outcome = before === undefined ? 'applied' : 'already';
      const told = { outcome, code: 'begun', reason, operation } as const;
      return accepted(told, { run: before?.run ?? run.run, hook: name });
    },
    'audit.list': async ({ incident, hook, instance, run, limit }) => {
      if (limit < 1)
        throw new SalvorError('invalid-limit', `limit is a number of runs, at least 1, found ${limit}`);
      const runs = run === undefined ? await readRuns(store) : await readRun(store, run);
      return {
        entries: runs
          .filter(
            (one) =>
              (incident === undefined || one.incident === incident) &&
              (hook === undefined || one.hook === hook) &&
              (instance === undefined || one.instance === instance),
          )
          .slice(0, limit)
          .map(auditEntry),
      };
    },
  };
}

/** The latest first. What cannot be read is left out. */
async function readRuns(store: ConfigStore): Promise<HookRunRecord[]> {
  const { entries } = await store.list(AUDIT_PREFIX);
  return entries.flatMap(readable).reverse();
}

async function readRun(store: ConfigStore, run: string): Promise<HookRunRecord[]> {
  const entry = await store.get(hookRunKey(run));
  if (entry === null) throw new SalvorError('unknown-run', `there is no hook run ${run}`);
  return readable(entry);
}

function readable({ key, value }: StoreEntry): HookRunRecord[] {
  try {
    return [parseRecord(hookRunSchema, key, value)];
  } catch (error) {
    if (error instanceof ConfigValueError) return [];
    throw error;
  }
}

function auditEntry(record: HookRunRecord): AuditEntryInit {
  const { run, hook, point, kind, event, incident, instance, by, status, reason, createdAt, endedAt } =
    record;
  return {
    ...{ run, hook, point, kind, eventId: event.id, eventType: event.type, subject: event.subject },
    ...(incident === undefined ? {} : { incident }),
    ...(instance === undefined ? {} : { instance }),
    ...{ by, status, reason, createdAt },
    ...(endedAt === undefined ? {} : { endedAt }),
    attempts: record.attempts.map((attempt) => ({
      ...{ attempt: attempt.attempt, by: attempt.by, startedAt: attempt.startedAt, outcome: attempt.outcome },
      ...(attempt.durationMs === undefined ? {} : { durationMs: attempt.durationMs }),
      ...(attempt.exitCode === undefined ? {} : { exitCode: attempt.exitCode }),
      ...(attempt.signal === undefined ? {} : { signal: attempt.signal }),
      ...(attempt.httpStatus === undefined ? {} : { httpStatus: attempt.httpStatus }),
      ...(attempt.detail === undefined ? {} : { detail: attempt.detail }),
    })),
  };
}

/** Credentials and tokens are in user info and query: neither is shown. */
function targetOf(hook: Hook): string {
  if (hook.kind === 'exec') return hook.argv[0];
  const { origin, pathname } = new URL(hook.url);
  return `${origin}${pathname}`;
}

function known(book: HookBook): string {
  if (book.path === null) return ': this coordinator has no hooks file (SALVOR_HOOKS_FILE)';
  return `; there are ${book.hooks.map(({ name }) => name).join(', ') || 'none'}`;
}

function pointOf({ name, on }: Hook, wanted: string | undefined): HookPoint {
  const point = wanted === undefined ? on[0] : on.find((one) => one === wanted);
  if (point !== undefined) return point;
  throw new SalvorError(
    'unknown-point',
    `hook ${name} is not hung up at ${wanted ?? 'any point'}; it is at ${on.join(', ')}`,
  );
}

function testRun(hook: Hook, point: HookPoint, operation: string): HookRunRecord {
  const now = Date.now();
  const { type, fields } = exampleOf(point);
  const { cloudEventType, example } = events[type];
  const record = eventRecord(type);
  const data = toPlainJson(record, fromPlainJson(record, { ...example, ...fields, at: now }) as never);
  const occurrence = {
    id: `test-${operation}`,
    type: cloudEventType,
    subject: 'test',
    at: now,
    data: { ...(data as Record<string, unknown>), test: true },
    points: [point],
  };
  const { incident: _, instance: __, ...run } = hookRunOf(occurrence, hook, point, { now, by: 'hook.test' });
  return run;
}
