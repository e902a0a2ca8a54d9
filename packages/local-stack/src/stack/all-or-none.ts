/**
 * Waits for all to succeed. At the first failure the rest is cancelled, and its end awaited, so that nothing is still
 * being started when the failure is handled. Rejects with the first failure.
 */
export async function allOrNone<T extends readonly unknown[]>(
  work: { [K in keyof T]: Promise<T[K]> },
  cancel: () => Promise<void>,
): Promise<T> {
  try {
    return (await Promise.all(work)) as unknown as T;
  } catch (error) {
    await cancel();
    await Promise.allSettled(work);
    throw error;
  }
}
