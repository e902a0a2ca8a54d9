import { z } from 'zod';

/** Attempts that the record of an engine keeps; no incident has more. */
export const restartAttemptsMax = 16;

const millis = z.number().int().min(0);

/** One attempt to restart an engine; without an outcome it is under way, or who made it died. Times are Unix milliseconds. */
export const restartAttemptSchema = z.looseObject({
  number: z.number().int().min(1),
  driver: z.string(),
  by: z.string(),
  at: millis,
  /** Why it was made, as a sentence. */
  reason: z.string(),
  endedAt: millis.optional(),
  outcome: z.enum(['done', 'failed']).optional(),
  /** What was done, or what went wrong. */
  detail: z.string().optional(),
});
export type RestartAttempt = z.infer<typeof restartAttemptSchema>;

/**
 * `/salvor/restarts/<cluster>/<shard>`: the attempts to restart the engine of a shard, of the latest incident that had any.
 * An attempt is written before it is made, so that it is made once.
 */
export const restartsSchema = z.looseObject({
  incident: z.string().min(1),
  address: z.string().min(1),
  attempts: z.array(restartAttemptSchema).max(restartAttemptsMax),
});
export type RestartsRecord = z.infer<typeof restartsSchema>;
