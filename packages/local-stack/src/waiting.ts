import { setTimeout as pause } from 'node:timers/promises';
import { deadline as within } from '@salvor/service-kit';
import { StackError } from './errors.ts';

export { within };

export interface UntilOptions {
  /** Words for the error: 'not ready within 5000 ms: <what>'. */
  what: string;
  timeoutMs: number;
  /** Default 20 ms. */
  intervalMs?: number;
  signal?: AbortSignal;
}

/**
 * Asks again and again until the answer is neither `false`, `null` nor `undefined`, and returns it.
 * A condition that throws counts as "not yet"; its last error becomes the cause of the deadline's error.
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  options: UntilOptions,
): Promise<Exclude<T, false | null | undefined>> {
  const endsAt = performance.now() + options.timeoutMs;
  let last: unknown;
  for (;;) {
    options.signal?.throwIfAborted();
    const left = endsAt - performance.now();
    try {
      const answer = await within(Promise.resolve(condition()), Math.max(left, 1), options.what);
      if (answer !== false && answer !== null && answer !== undefined) {
        return answer as Exclude<T, false | null | undefined>;
      }
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (performance.now() >= endsAt) {
      const why = last instanceof Error ? ` (last: ${last.message})` : '';
      const text = `waited ${options.timeoutMs} ms in vain for: ${options.what}${why}`;
      throw new StackError('deadline', text, { cause: last });
    }
    await pause(options.intervalMs ?? 20, undefined, options.signal ? { signal: options.signal } : {});
  }
}
