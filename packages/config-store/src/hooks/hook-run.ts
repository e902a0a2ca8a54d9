/** One run of one hook for one event: the intent, every attempt, and the end. The audit trail is made of these. */
import { createHash } from 'node:crypto';
import { z } from 'zod';

/** How many attempts a run keeps; the settings allow no more. */
export const hookAttemptsMax = 20;
/** How much of what a hook wrote or answered is kept. */
export const hookDetailCharsMax = 512;

const millis = z.number().int().min(0);
const text = z.string().min(1);

export const hookAttemptOutcomes = ['running', 'succeeded', 'failed', 'timed-out', 'interrupted'] as const;
export type HookAttemptOutcome = (typeof hookAttemptOutcomes)[number];

export const hookAttemptSchema = z.looseObject({
  /** From 1. */
  attempt: z.number().int().min(1),
  /** The coordinator that ran it. */
  by: text,
  startedAt: millis,
  /** Absent while it runs, and when whoever ran it died. */
  durationMs: z.number().int().min(0).optional(),
  /** `interrupted`: whoever ran it died or stopped; the hook itself may have done its work. */
  outcome: z.enum(hookAttemptOutcomes),
  exitCode: z.number().int().optional(),
  signal: z.string().optional(),
  httpStatus: z.number().int().optional(),
  /** The end of what it wrote, the answer's beginning, or why it could not be run. */
  detail: z.string().optional(),
});
export type HookAttempt = z.infer<typeof hookAttemptSchema>;

export const hookRunStatuses = ['pending', 'succeeded', 'failed'] as const;
export type HookRunStatus = (typeof hookRunStatuses)[number];

/** `/salvor/audit/<run>`. Times are Unix milliseconds. */
export const hookRunSchema = z.looseObject({
  run: text,
  hook: text,
  /** Where in the life of Salvor it is hung up, such as `cluster.unhealthy`. */
  point: text,
  /** What runs it: `exec` or `webhook`. */
  kind: text,
  /** Runs of one lane are carried out one after the other, in the order of their ids. */
  lane: text,
  /** The event that it is for; its id is the idempotency key of the hook. */
  event: z.looseObject({ id: text, type: text, subject: z.string(), at: millis, data: z.unknown() }),
  incident: text.optional(),
  instance: text.optional(),
  /** Who wanted it: a coordinator that saw the event, or whoever tested the hook. */
  by: text,
  createdAt: millis,
  status: z.enum(hookRunStatuses),
  /** What came of it, as a sentence. */
  reason: z.string(),
  endedAt: millis.optional(),
  attempts: z.array(hookAttemptSchema).max(hookAttemptsMax),
});
export type HookRunRecord = z.infer<typeof hookRunSchema>;

/** `/salvor/hooks/<hook>`: from when on events call for it. Nothing that happened before is run when a hook is added. */
export const hookSchema = z.looseObject({ hook: text, since: millis });

/** `/salvor/hooks-due/<run>`: what is still to be run, without its story. */
export const hookDueSchema = z.looseObject({ hook: text, lane: text });
export type HookDue = z.infer<typeof hookDueSchema>;

/** `/salvor/hook-lanes/<lane>`, under a lease. */
export const hookLaneSchema = z.looseObject({ worker: text, since: millis });

/** Digits of the time in a run's id: enough until the year 5188. */
const TIME_DIGITS = 9;
const HASH_DIGITS = 16;

/** The same for every coordinator, and in the order of the events: base-36 time, then a hash of hook and event. */
export function hookRunId(hook: string, event: { readonly id: string; readonly at: number }): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([hook, event.id]))
    .digest('hex');
  return `${Math.max(0, event.at).toString(36).padStart(TIME_DIGITS, '0')}-${hash.slice(0, HASH_DIGITS)}`;
}
