import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';

const clientTimeoutMs = 60_000;
const maxOutputBytes = 16 * 1024 * 1024;

/** What the program prints on stdout; rejects, with its stderr in the message, unless it exits with 0. */
export async function run(program: string, ...args: string[]): Promise<string> {
  const options = { timeout: clientTimeoutMs, maxBuffer: maxOutputBytes };
  const { stdout } = await promisify(execFile)(program, args, options);
  return stdout;
}

/** Runs a server until the end of the test; resolves once `isUp` does without rejecting. */
export async function runServer(
  t: TestContext,
  isUp: () => Promise<unknown>,
  program: string,
  ...args: string[]
): Promise<void> {
  const server = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const exited = once(server, 'exit');
  t.after(async () => {
    server.kill('SIGTERM');
    await exited;
  });
  const giveUpAt = Date.now() + clientTimeoutMs;
  for (;;) {
    try {
      await isUp();
      return;
    } catch (error) {
      if (Date.now() > giveUpAt || server.exitCode !== null) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}
