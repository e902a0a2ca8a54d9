import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Stack, type StackOptions, startStack } from '@salvor/local-stack';
import { type TempDir, tempDir } from './temp-dir.ts';

const LOG_TAIL_BYTES = 4_000;

/**
 * Runs a whole stack of its own in a folder of its own, and removes both; its engines lose nothing when they are killed. When the use of it fails, the ends of the
 * service logs are added to the error, since the folder is gone afterwards.
 */
export async function withStack<T>(
  options: Omit<StackOptions, 'dir'>,
  use: (stack: Stack, dir: TempDir) => Promise<T>,
): Promise<T> {
  await using dir = tempDir('stack');
  await using stack = await startStack({ appendfsync: 'no', ...options, dir: dir.join('stack') });
  try {
    return await use(stack, dir);
  } catch (error) {
    if (error instanceof Error) error.message += logTails(stack);
    throw error;
  }
}

function logTails(stack: Stack): string {
  const logs = [...stack.services.values()].map((service) => ({ name: service.name, file: service.logFile }));
  for (const { name } of stack.nbdServers) {
    // Servers that log-watcher runs write into its state folder.
    for (const stream of ['stdout', 'stderr']) {
      logs.push({
        name: `${name} (${stream})`,
        file: join(stack.options.dir, 'log-watcher', 'spool', `${name}.${stream}`),
      });
    }
  }
  return logs
    .filter(({ file }) => existsSync(file))
    .map(
      ({ name, file }) =>
        `\n--- end of the log of ${name}\n${readFileSync(file, 'utf8').slice(-LOG_TAIL_BYTES)}`,
    )
    .join('');
}
