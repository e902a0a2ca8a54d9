import { type ChildProcess, spawn } from 'node:child_process';
import { filledIn, type RestartDriver, RestartError, type RestartTarget } from './restart-driver.ts';

/** One command for all engines, or one for each address; `*` stands for those that are not named. */
export type RestartCommands = readonly string[] | Readonly<Record<string, readonly string[]>>;

/** What is kept of what a command says. */
const OUTPUT_CHARS_MAX = 300;

/**
 * Runs a command: the program and its arguments, without a shell. It restarted the engine when it ends with 0. What it
 * leaves running is its own affair; what has not ended in time is killed with its process group.
 */
export class ExecDriver implements RestartDriver {
  readonly name = 'exec';
  readonly #commands: RestartCommands;

  constructor(commands: RestartCommands) {
    this.#commands = commands;
  }

  async restart(target: RestartTarget, signal: AbortSignal): Promise<string> {
    const [program, ...args] = this.#commandFor(target).map((part) => filledIn(part, target));
    if (program === undefined) {
      const message = `no command is configured for ${target.address}; add it, or '*', to SALVOR_RESTART_COMMAND`;
      throw new RestartError('restart-refused', message);
    }
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      env: foreignEnvironment(),
    });
    const said = outputOf(child);
    const shown = `'${[program, ...args].join(' ')}'`;
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        killGroup(child);
        reject(new RestartError('restart-timeout', `${shown} was killed: it did not end in time${said()}`));
      };
      signal.addEventListener('abort', abort, { once: true });
      child.once('error', (error) => {
        signal.removeEventListener('abort', abort);
        reject(new RestartError('restart-failed', `${shown} could not be started: ${error.message}`));
      });
      // Not 'close': an engine that it leaves running may hold its output open.
      child.once('exit', (code, killedBy) => {
        signal.removeEventListener('abort', abort);
        child.stdout?.destroy();
        child.stderr?.destroy();
        if (code === 0) return resolve(`${shown} ended with 0`);
        const how = killedBy === null ? `with ${code}` : `by ${killedBy}`;
        reject(new RestartError('restart-failed', `${shown} ended ${how}, expected 0${said()}`));
      });
      if (signal.aborted) abort();
    });
  }

  #commandFor({ address }: RestartTarget): readonly string[] {
    const commands = this.#commands;
    if (Array.isArray(commands)) return commands;
    const byAddress = commands as Readonly<Record<string, readonly string[]>>;
    return byAddress[address] ?? byAddress['*'] ?? [];
  }
}

/** Without Salvor's own settings: passwords of engines and NATS are no business of the command. */
function foreignEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('SALVOR_')));
}

function outputOf(child: ChildProcess): () => string {
  let text = '';
  const add = (bytes: Buffer): void => {
    text = (text + bytes.toString('utf8')).slice(-OUTPUT_CHARS_MAX);
  };
  child.stdout?.on('data', add);
  child.stderr?.on('data', add);
  return () => (text.trim() === '' ? '' : `; it said: ${text.trim().replace(/\s+/g, ' ')}`);
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
