/** A terminal made of strings. */
import { runCli, type Terminal } from '@salvor/cli';

export interface FakeRun {
  code: number;
  stdout: string;
  stderr: string;
}

export async function runInProcess(
  args: readonly string[],
  overrides: Partial<Terminal> = {},
): Promise<FakeRun> {
  const run: FakeRun = { code: -1, stdout: '', stderr: '' };
  const controller = new AbortController();
  run.code = await runCli(args, {
    env: { HOME: '/nonexistent' },
    cwd: '/nonexistent',
    isInteractive: false,
    out: (text) => {
      run.stdout += Buffer.from(text).toString('utf8');
    },
    err: (text) => {
      run.stderr += text;
    },
    readStdin: async () => Buffer.alloc(0),
    readLine: async () => '',
    interrupted: () => controller.signal,
    ...overrides,
  });
  return run;
}
