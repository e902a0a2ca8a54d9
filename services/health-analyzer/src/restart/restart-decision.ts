import type { RestartAttempt } from '@salvor/config-store';
import type { ProbeFinding } from '@salvor/vdisk';

export interface RestartPolicy {
  /** An engine that was unusable for so long may be restarted. */
  readonly afterMs: number;
  /** Attempts in one incident. */
  readonly attemptsMax: number;
  /** From the begin of the first attempt to the second; doubled for each further one. */
  readonly backoffMs: number;
}

export interface RestartView {
  readonly address: string;
  readonly offlineSince: number;
  /** The latest findings of the outage, oldest first. */
  readonly findings: readonly ProbeFinding[];
  /** In this incident, oldest first, whoever made them. */
  readonly attempts: readonly RestartAttempt[];
  /** Why nothing is to be done about the engine now: an operator said so. */
  readonly withheld: string | null;
}

export type RestartDecision =
  | { readonly kind: 'restart'; readonly number: number; readonly reason: string }
  | { readonly kind: 'wait'; readonly reason: string };

/** What a restart may help against. An engine that answers, whatever it says, is not killed. */
const RESTARTABLE: ReadonlySet<ProbeFinding['kind']> = new Set(['unreachable', 'hung']);
/** Findings in a row: one may have been bad luck. */
const FINDINGS_NEEDED = 2;

/**
 * Decides whether an engine is restarted now. Attempts are few and ever further apart: an engine that does not come back by
 * itself needs somebody who looks at it.
 */
export function decideRestart(view: RestartView, policy: RestartPolicy, now: number): RestartDecision {
  const { address, attempts, findings, withheld } = view;
  const wait = (reason: string): RestartDecision => ({ kind: 'wait', reason });
  if (withheld !== null) return wait(withheld);
  const latest = findings.slice(-FINDINGS_NEEDED);
  if (latest.length < FINDINGS_NEEDED || !latest.every(({ kind }) => RESTARTABLE.has(kind)))
    return wait(`${address} answers, or was not looked at often enough`);
  const downMs = now - view.offlineSince;
  if (downMs < policy.afterMs) return wait(`${address} is given ${policy.afterMs} ms to come back by itself`);
  const last = attempts.at(-1);
  if (attempts.length >= policy.attemptsMax)
    return wait(`${address} was restarted ${attempts.length} times in this incident; somebody has to look`);
  if (last !== undefined) {
    const dueAt = last.at + policy.backoffMs * 2 ** (attempts.length - 1);
    if (now < dueAt) return wait(`the next attempt to restart ${address} is due at ${dueAt}`);
  }
  const number = attempts.length + 1;
  const reason = `${address} has been unusable for ${downMs} ms: attempt ${number} of ${policy.attemptsMax} to restart it`;
  return { kind: 'restart', number, reason };
}
