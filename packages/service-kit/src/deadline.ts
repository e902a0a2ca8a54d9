import { SalvorError } from './errors.ts';

/** A wait ended before what it waited for. */
export class DeadlineError extends SalvorError {
  constructor(what: string, timeoutMs: number) {
    super('deadline', `${what} did not happen within ${timeoutMs} ms`);
  }
}

/** Settles like `promise`, or rejects with {@link DeadlineError} after `timeoutMs`. The promise itself goes on. */
export async function deadline<T>(promise: Promise<T>, timeoutMs: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new DeadlineError(what, timeoutMs)), timeoutMs);
  });
  try {
    return await Promise.race([promise, expired]);
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves after `ms`, or at once when the signal aborts. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done, { once: true });
  });
}
