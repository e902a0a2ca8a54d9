import { readFileSync } from 'node:fs';
import { type Stack, type StackOptions, startStack } from '@salvor/local-stack';
import { type TempDir, tempDir } from './temp-dir.ts';

const LOG_TAIL_BYTES = 4_000;

/**
 * Runs a whole stack of its own in a folder of its own, and removes both. When the use of it fails, the ends of the
 * service logs are added to the error, since the folder is gone afterwards.
 */
export async function withStack<T>(
  options: Omit<StackOptions, 'dir'>,
  use: (stack: Stack, dir: TempDir) => Promise<T>,
): Promise<T> {
  await using dir = tempDir('stack');
  await using stack = await startStack({ ...options, dir: dir.join('stack') });
  try {
    return await use(stack, dir);
  } catch (error) {
    if (error instanceof Error) error.message += logTails(stack);
    throw error;
  }
}

function logTails(stack: Stack): string {
  return [...stack.services.values()]
    .map((service) => {
      const log = readFileSync(service.logFile, 'utf8').slice(-LOG_TAIL_BYTES);
      return `\n--- end of the log of ${service.name}\n${log}`;
    })
    .join('');
}
