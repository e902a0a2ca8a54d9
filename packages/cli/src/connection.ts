/** One connection to the bus for one command. Loaded only by commands that need it: `decode` starts in a blink. */
import { type Bus, connectBus } from '@salvor/bus';
import {
  type CommandName,
  type CommandShapes,
  commands,
  fromPlainJson,
  type RecordInits,
  toPlainJson,
} from '@salvor/contracts';
import { silentLogger } from '@salvor/service-kit';
import type { Arguments } from './arguments.ts';
import { CliError, exitCodes, failureOf } from './failure.ts';
import { findLogin, type Login } from './login.ts';
import type { Terminal } from './terminal.ts';

const CONNECT_TIMEOUT_MS = 3_000;
const REQUEST_TIMEOUT_MS = 10_000;
const MAX_REQUEST_TIMEOUT_S = 3_600;
const CLOSE_DEADLINE_MS = 1_000;

/** What commands do with the bus. */
export interface Session {
  readonly bus: Bus;
  /** Fields as they were typed: the schema says what they must be. Throws ValidationError before anything is sent. */
  ask<C extends CommandName>(
    command: C,
    request: { readonly [K in keyof CommandShapes[C]['init']]?: unknown },
    options?: {
      instance?: string | undefined;
      /** Where a command may take longer than others; what was asked for on the command line is longer still. */
      timeoutMs?: number | undefined;
    },
  ): Promise<Answer<C>>;
}

export interface Answer<C extends CommandName> {
  readonly reply: CommandShapes[C]['reply'];
  /** The same for --json. */
  readonly json: unknown;
}

export async function withSession<T>(
  args: Arguments,
  terminal: Terminal,
  use: (session: Session) => Promise<T>,
): Promise<T> {
  const timeoutMs = args.secondsAsMs('timeout', REQUEST_TIMEOUT_MS, MAX_REQUEST_TIMEOUT_S);
  const { cwd, env } = terminal;
  const login = findLogin({ server: args.text('server'), creds: args.text('creds'), cwd, env });
  const bus = await connect(login, timeoutMs);
  try {
    return await use({
      bus,
      ask: async (command, request, { instance, timeoutMs: leastMs = 0 } = {}) => {
        // Through JSON, options that were not given are not there.
        const typed = fromPlainJson(commands[command].request, JSON.parse(JSON.stringify(request)));
        const reply = await bus.request(command, typed as CommandShapes[typeof command]['init'], {
          timeoutMs: Math.max(timeoutMs, leastMs),
          ...(instance === undefined ? {} : { instance }),
        });
        const init = reply as RecordInits[(typeof commands)[typeof command]['reply']];
        return { reply, json: toPlainJson(commands[command].reply, init) };
      },
    });
  } finally {
    await bus.close({ deadlineMs: CLOSE_DEADLINE_MS });
  }
}

async function connect({ from, ...login }: Login, timeoutMs: number): Promise<Bus> {
  try {
    return await connectBus({
      ...login,
      name: 'salvor-cli',
      log: silentLogger,
      connectTimeoutMs: Math.min(CONNECT_TIMEOUT_MS, timeoutMs),
    });
  } catch (error) {
    const { code, message } = failureOf(error);
    throw new CliError(
      exitCodes.unreachable,
      code,
      `${message} (server from ${from}); is the bus up? 'salvor up' starts a local one`,
      { cause: error },
    );
  }
}
