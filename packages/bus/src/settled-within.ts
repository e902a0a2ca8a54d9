import { pause } from '@salvor/service-kit';

/** Waits for `work` to settle, but no longer than `ms`. @returns whether it settled in time; never rejects */
export async function settledWithin(work: Promise<unknown>, ms: number): Promise<boolean> {
  const ended = new AbortController();
  const settled = work.then(
    () => true,
    () => true,
  );
  const result = await Promise.race([settled, pause(ms, ended.signal).then(() => false)]);
  ended.abort();
  return result;
}
