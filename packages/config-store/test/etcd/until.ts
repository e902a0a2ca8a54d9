import { setTimeout as delay } from 'node:timers/promises';

const INTERVAL_MS = 10;
/** Far above what is needed: only a hang should meet it, not a busy machine. */
export const PATIENCE_MS = 30_000;

/** Waits until `condition` holds; fails with `what` when it does not in time. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = PATIENCE_MS,
): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await delay(INTERVAL_MS);
  }
}
