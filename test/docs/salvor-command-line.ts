/** Whether a command line of `salvor` is one, asked of the command line itself, without a bus to talk to. */
import { runCli, type Terminal } from '@salvor/cli';

export interface Answer {
  readonly exitCode: number;
  readonly out: string;
  readonly err: string;
}

export async function askSalvor(argv: readonly string[]): Promise<Answer> {
  const output = { out: '', err: '' };
  const terminal: Terminal = {
    env: {},
    cwd: '/nonexistent',
    isInteractive: false,
    out: (text) => {
      output.out += typeof text === 'string' ? text : Buffer.from(text).toString('utf8');
    },
    err: (text) => {
      output.err += text;
    },
    readStdin: async () => Buffer.alloc(0),
    readLine: async () => '',
    interrupted: () => AbortSignal.abort(),
  };
  const exitCode = await runCli(argv, terminal);
  return { exitCode, ...output };
}

/** What is wrong with the words after `salvor`; null when nothing is. */
export async function problemOf(argv: readonly string[]): Promise<string | null> {
  // Would start a whole stack: only its help is asked.
  if (argv[0] === 'up') return problemOfUp(argv.slice(1));
  const { exitCode, err } = await askSalvor(argv);
  const isWithoutBus = exitCode === 3 && /no server|--server|--etcd/i.test(err);
  // Directories and files of examples are not there.
  const isWithoutTree =
    (exitCode === 1 || exitCode === 2) &&
    /to be a readable directory.*ENOENT|the directory of Tier-2, found none|the configuration cannot be read: ENOENT/.test(
      err,
    );
  return exitCode === 0 || isWithoutBus || isWithoutTree ? null : `exit code ${exitCode}: ${err.trim()}`;
}

async function problemOfUp(words: readonly string[]): Promise<string | null> {
  const { exitCode, out, err } = await askSalvor(['help', 'up']);
  if (exitCode !== 0) return err.trim();
  const unknown = words.filter((word) => word.startsWith('--') && !out.includes(word));
  return unknown.length === 0 ? null : `salvor up has no ${unknown.join(', ')}`;
}
