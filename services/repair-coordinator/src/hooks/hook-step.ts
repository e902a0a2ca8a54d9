/** What is to be done next about one run of a hook. */
import type { HookAttempt, HookRunRecord } from '@salvor/config-store';
import type { Hook } from './hook-file.ts';

/** The longest wait between two attempts. */
const WAIT_MS_MAX = 300_000;

export type HookStep =
  | { readonly kind: 'attempt'; readonly attempt: number }
  | { readonly kind: 'wait'; readonly untilMs: number }
  | { readonly kind: 'end'; readonly status: 'succeeded' | 'failed'; readonly reason: string };

/** `hook` is null when no hook of that name is configured (any more). */
export function decideHookStep(run: HookRunRecord, hook: Hook | null, now: number): HookStep {
  if (hook === null)
    return { kind: 'end', status: 'failed', reason: `no hook ${run.hook} is configured, so it is not run` };
  const last = run.attempts.at(-1);
  if (last === undefined) return { kind: 'attempt', attempt: 1 };
  const made = last.attempt;
  const how = attemptText(last);
  if (last.outcome === 'succeeded')
    return { kind: 'end', status: 'succeeded', reason: `${how} at attempt ${made} of ${hook.attempts}` };
  if (!isWorthAnother(last))
    return {
      kind: 'end',
      status: 'failed',
      reason: `${how} at attempt ${made}, and another one would not help`,
    };
  if (made >= hook.attempts)
    return { kind: 'end', status: 'failed', reason: `gave up after ${made} attempts: ${how}` };
  const untilMs =
    last.startedAt + (last.durationMs ?? 0) + Math.min(hook.backoffMs * 2 ** (made - 1), WAIT_MS_MAX);
  // What was interrupted was not refused: there is nothing to wait for. Nor is there after a clock went back.
  if (last.outcome === 'interrupted' || now >= untilMs || untilMs > now + WAIT_MS_MAX)
    return { kind: 'attempt', attempt: made + 1 };
  return { kind: 'wait', untilMs };
}

/** An answer that says that the request itself is wrong stays the same. */
function isWorthAnother({ httpStatus }: HookAttempt): boolean {
  if (httpStatus === undefined || httpStatus >= 500) return true;
  return [408, 425, 429].includes(httpStatus);
}

function attemptText({ outcome, exitCode, signal, httpStatus, durationMs, detail }: HookAttempt): string {
  const more = detail === undefined || detail === '' ? '' : ` (${detail})`;
  if (outcome === 'timed-out') return `no end after ${durationMs ?? 0} ms${more}`;
  if (outcome === 'interrupted') return `interrupted${more}`;
  if (httpStatus !== undefined) return `answered ${httpStatus}${outcome === 'succeeded' ? '' : more}`;
  if (signal !== undefined) return `ended by ${signal}${more}`;
  if (exitCode !== undefined) return `ended with code ${exitCode}${outcome === 'succeeded' ? '' : more}`;
  return outcome === 'succeeded' ? 'succeeded' : `failed${more}`;
}
