/** The words after `salvor`: which command they mean, and their values. Everything wrong is a usage error. */
import { parseArgs } from 'node:util';
import type { Command, OptionSpecs } from './command.ts';
import { usageError } from './failure.ts';

/** Options of every command. */
export const commonOptions: OptionSpecs = {
  server: { type: 'string', short: 's', value: 'url', help: 'NATS servers, comma-separated' },
  creds: { type: 'string', value: 'file', help: 'NATS credentials file' },
  timeout: { type: 'string', value: 'seconds', help: 'how long to wait for an answer (default 10)' },
  json: { type: 'boolean', help: 'print plain JSON' },
  help: { type: 'boolean', short: 'h', help: 'show help' },
};

const versionOption: OptionSpecs = { version: { type: 'boolean', help: 'print the version' } };

export interface Words {
  /** The first words that are no options: the command and its arguments. */
  readonly leading: readonly string[];
  readonly json: boolean;
  readonly help: boolean;
  readonly version: boolean;
}

/** A first look that cannot fail: options of commands are not known yet. */
export function glance(argv: readonly string[]): Words {
  const { tokens, values } = lenientParse(argv);
  return {
    leading: tokens.flatMap((token) => (token.kind === 'positional' ? [token.value] : [])),
    json: values.json === true,
    help: values.help === true,
    version: values.version === true,
  };
}

/** Reads the words for a command. Throws usage errors. */
export function readArguments(argv: readonly string[], command: Command): Arguments {
  const depth = command.name.split(' ').length;
  const names = lenientParse(argv)
    .tokens.filter((token) => token.kind === 'positional')
    .slice(0, depth)
    .map((token) => token.index);
  const args = argv.filter((_, index) => !names.includes(index));
  const { values, positionals } = strictParse(args, command);
  const expected = command.positionals ?? [];
  const missing = expected.find(({ optional }, index) => !optional && positionals[index] === undefined);
  if (missing !== undefined) {
    throw usageError(`${command.name}: expected <${missing.name}>, ${missing.help}${seeHelp(command)}`);
  }
  const absent = Object.entries(command.options ?? {}).filter(
    ([name, { required }]) => required === true && values[name] === undefined,
  );
  if (absent.length > 0) {
    const names = absent.map(([name]) => `--${name}`).join(' and ');
    throw usageError(`${command.name}: expected ${names}${seeHelp(command)}`);
  }
  const extra = positionals[expected.length];
  if (extra !== undefined)
    throw usageError(`${command.name}: unexpected argument '${extra}'${seeHelp(command)}`);
  const named = new Map(expected.map(({ name }, index) => [name, positionals[index]]));
  return new Arguments(command.name, named, values);
}

type Values = Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>>;

/** The values of one command line. The getters throw usage errors that name the option. */
export class Arguments {
  readonly #command: string;
  readonly #positionals: ReadonlyMap<string, string | undefined>;
  readonly #values: Values;

  constructor(command: string, positionals: ReadonlyMap<string, string | undefined>, values: Values) {
    this.#command = command;
    this.#positionals = positionals;
    this.#values = values;
  }

  /** A positional that must be there. */
  positional(name: string): string {
    const value = this.#positionals.get(name);
    if (value === undefined) throw usageError(`${this.#command}: expected <${name}>`);
    return value;
  }

  optionalPositional(name: string): string | undefined {
    return this.#positionals.get(name);
  }

  flag(name: string): boolean {
    return this.#values[name] === true;
  }

  text(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === 'string' ? value : undefined;
  }

  required(name: string): string {
    const value = this.text(name);
    if (value !== undefined) return value;
    throw usageError(`${this.#command}: expected --${name}`);
  }

  list(name: string): string[] {
    const value = this.#values[name];
    if (value === undefined) return [];
    return [value].flat().map(String);
  }

  integer(name: string, min: number, max: number): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw usageError(
      `${this.#command}: expected --${name} to be a whole number from ${min} to ${max}, found '${text}'`,
    );
  }

  /** A time such as `90s`, `30m`, `2h`, `1h30m` or `3d`, in seconds. */
  duration(name: string, maxSeconds: number): number {
    const text = this.required(name);
    const match = /^(?:(\d{1,4})d)?(?:(\d{1,5})h)?(?:(\d{1,6})m)?(?:(\d{1,8})s)?$/.exec(text);
    const [days = 0, hours = 0, minutes = 0, rest = 0] = (match ?? [])
      .slice(1)
      .map((part) => Number(part ?? 0));
    const seconds = days * 86_400 + hours * 3_600 + minutes * 60 + rest;
    if (seconds > 0 && seconds <= maxSeconds) return seconds;
    throw usageError(
      `${this.#command}: expected --${name} to be a time such as 90s, 30m, 2h or 1h30m, at most ${maxSeconds / 86_400}d, found '${text}'`,
    );
  }

  /** A number of seconds, as milliseconds. */
  secondsAsMs(name: string, defaultMs: number, maxSeconds: number): number {
    const text = this.text(name);
    if (text === undefined) return defaultMs;
    const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
    if (seconds > 0 && seconds <= maxSeconds) return seconds * 1_000;
    throw usageError(
      `${this.#command}: expected --${name} to be seconds, more than 0 and at most ${maxSeconds}, found '${text}'`,
    );
  }
}

function lenientParse(argv: readonly string[]) {
  return parseArgs({
    args: [...argv],
    options: parseOptions({ ...commonOptions, ...versionOption }),
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
}

function strictParse(args: string[], command: Command): { values: Values; positionals: string[] } {
  try {
    return parseArgs({
      args,
      options: parseOptions({ ...commonOptions, ...command.options }),
      allowPositionals: true,
      strict: true,
    });
  } catch (error) {
    const sentence = error instanceof Error ? error.message.split('. ')[0] : String(error);
    throw usageError(`${command.name}: ${sentence}${seeHelp(command)}`);
  }
}

function parseOptions(specs: OptionSpecs) {
  return Object.fromEntries(
    Object.entries(specs).map(([name, { type, short, multiple }]) => [
      name,
      { type, multiple: multiple ?? false, ...(short === undefined ? {} : { short }) },
    ]),
  );
}

function seeHelp(command: Command): string {
  return `; see 'salvor help ${command.name}'`;
}
