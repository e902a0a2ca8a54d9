/** Read, decide, store if nothing changed, else again: a bounded number of times, with jitter. */
import { setTimeout as delay } from 'node:timers/promises';

export interface RetryOptions {
  /** How often to decide before giving up. Default 16. */
  readonly attemptsMax?: number;
  /** Longest wait between two attempts. Default 40. */
  readonly delayMsMax?: number;
}

const firstDelayMs = 1;

/**
 * Runs `attempt` until it answers something else than `'conflict'`. The first retry is at once: a conflict
 * means that someone else was faster, not that anything is slow.
 */
export async function untilNoConflict<T>(
  attempt: () => Promise<T | 'conflict'>,
  { attemptsMax = 16, delayMsMax = 40 }: RetryOptions = {},
): Promise<T | 'conflict'> {
  for (let attempts = 1; attempts <= attemptsMax; attempts++) {
    const result = await attempt();
    if (result !== 'conflict') return result;
    if (attempts > 1) await delay(Math.random() * Math.min(firstDelayMs * 2 ** attempts, delayMsMax));
  }
  return 'conflict';
}
