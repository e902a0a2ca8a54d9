/**
 * When bytes may pass, where `last` is when the ones before them did. Milliseconds of one clock. They are waited for beforehand,
 * so that a process that is started again and again passes no more than others. Pure.
 */
export function decidePace(
  { last, now }: { readonly last: number; readonly now: number },
  bytes: number,
  bytesPerSecond: number,
): number {
  return Math.max(now, last) + (bytes * 1_000) / bytesPerSecond;
}
