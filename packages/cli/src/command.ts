/** What a command of `salvor` is. */
import type { CommandName } from '@salvor/contracts';
import type { Arguments } from './arguments.ts';
import type { Session } from './connection.ts';
import type { Paint } from './rendering/paint.ts';
import type { Terminal } from './terminal.ts';

export interface OptionSpec {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  /** The command line is wrong without it. */
  readonly required?: boolean;
  /** May be given several times. */
  readonly multiple?: boolean;
  /** Name of the value in help: `--cluster <id>`. */
  readonly value?: string;
  readonly help: string;
}

export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

export interface Positional {
  readonly name: string;
  readonly help: string;
  readonly optional?: boolean;
}

interface CommandBasics {
  /** `vdisk create` */
  readonly name: string;
  readonly positionals?: readonly Positional[];
  readonly options?: OptionSpecs;
  /** Full command lines. */
  readonly examples: readonly string[];
  run(call: Call): Promise<void>;
}

/** Sends one command of the catalogue, which describes it; or does something of its own. */
export type Command = CommandBasics &
  (
    | { readonly sends: CommandName; readonly description?: string }
    | { readonly sends?: never; readonly description: string }
  );

/** One run of a command. */
export interface Call {
  readonly args: Arguments;
  readonly terminal: Terminal;
  readonly paint: Paint;
  /** What the reply is as plain JSON with --json, else the text. Text is made only when it is shown. */
  print(json: unknown, text: () => string): void;
  /** Connects to the bus, runs, disconnects. */
  withBus<T>(use: (session: Session) => Promise<T>): Promise<T>;
}
