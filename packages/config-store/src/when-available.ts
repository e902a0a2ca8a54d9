import { messageOf, pause } from '@salvor/service-kit';
import { StoreError } from './errors.ts';
import type { StoreLog } from './types.ts';

const RETRY_MS = 250;
/** While etcd does not answer, say so this often. */
const SAY_INTERVAL_MS = 5_000;

/**
 * Runs `attempt` until etcd answers it, for as long as that takes, and says in the log that it waits. For the start of a
 * service: an etcd that is away for minutes must not end it. Other errors are thrown.
 */
export async function whenAvailable<T>(attempt: () => Promise<T>, log: StoreLog): Promise<T> {
  const startedAt = performance.now();
  let saidAt = Number.NEGATIVE_INFINITY;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== 'store-unavailable') throw error;
      const now = performance.now();
      if (now - saidAt >= SAY_INTERVAL_MS) {
        saidAt = now;
        log.warn({ waitedMs: Math.round(now - startedAt), reason: messageOf(error) }, 'waiting for etcd');
      }
      await pause(RETRY_MS);
    }
  }
}
