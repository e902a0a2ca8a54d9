import { pause } from '@salvor/service-kit';

/**
 * Waits for `work` to settle, but no longer than `ms`, nor after `signal` aborts.
 * @returns whether it settled in time; never rejects
 */
export async function settledWithin(
  work: Promise<unknown>,
  ms: number,
  signal?: AbortSignal,
): Promise<boolean> {
  const ended = new AbortController();
  const end = () => ended.abort();
  if (signal?.aborted) end();
  signal?.addEventListener('abort', end);
  const settled = work.then(
    () => true,
    () => true,
  );
  const result = await Promise.race([settled, pause(ms, ended.signal).then(() => false)]);
  ended.abort();
  signal?.removeEventListener('abort', end);
  return result;
}
