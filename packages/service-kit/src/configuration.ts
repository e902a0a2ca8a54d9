import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { z } from 'zod';
import { messageOf, SalvorError } from './errors.ts';

/** One setting: its schema reads text (flags, environment) and JSON (file) alike. */
export interface Setting<T = unknown> {
  readonly schema: z.ZodType<T>;
  readonly help: string;
  /** A value that works, shown in errors and help. */
  readonly example: string;
  /** Never shown in errors, and not taken from a flag: flags can be seen by every user of the machine. */
  readonly secret?: boolean;
}

export type Settings = Readonly<Record<string, Setting>>;
export type Configuration<S extends Settings> = {
  readonly [K in keyof S]: S[K] extends Setting<infer T> ? T : never;
};

/** The configuration cannot be used; `details` name every variable that is wrong. */
export class ConfigurationError extends SalvorError {}

/** `natsServers` is the flag `--nats-servers` and the variable `SALVOR_NATS_SERVERS`. */
export function flagName(setting: string): string {
  return setting.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

export function variableName(setting: string): string {
  return `SALVOR_${flagName(setting).replaceAll('-', '_').toUpperCase()}`;
}

export interface ConfigurationSources {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * Reads settings from flags, then the environment, then the file named by `--config` or `SALVOR_CONFIG` (JSON with the
 * setting names). `SALVOR_X_FILE` or `--x-file` names a file that holds the value: for secrets and long values. An empty
 * variable counts as not set, as compose files leave them.
 *
 * @throws ConfigurationError that names each variable, what is wrong with its value, and an example
 */
export function readConfiguration<S extends Settings>(
  settings: S,
  { argv, env }: ConfigurationSources,
): Configuration<S> {
  const flags = readFlags(settings, argv);
  const file = readFile(flags.config ?? env.SALVOR_CONFIG);
  const values: Record<string, unknown> = {};
  const problems: { path: string; expected: string; sentence: string }[] = [];
  for (const [name, { schema, example, secret }] of Object.entries(settings)) {
    const found =
      flags[flagName(name)] ??
      contentOf(flags[`${flagName(name)}-file`], `--${flagName(name)}-file`) ??
      fromEnvironment(env, variableName(name)) ??
      file[name];
    const parsed = schema.safeParse(found);
    if (parsed.success) {
      values[name] = parsed.data;
      continue;
    }
    const why = parsed.error.issues.map(({ message }) => message).join('; ');
    const variable = variableName(name);
    const shown =
      found === undefined
        ? 'is not set'
        : secret
          ? 'has a value that is not shown'
          : `is ${JSON.stringify(found)}`;
    problems.push({
      path: variable,
      expected: why,
      sentence: `${variable} ${shown}: ${why} (for example ${variable}=${example})`,
    });
  }
  for (const name of Object.keys(file)) {
    if (name in settings) continue;
    problems.push({
      path: name,
      expected: `one of ${Object.keys(settings).join(', ')}`,
      sentence: `the file sets '${name}', which is no setting`,
    });
  }
  if (problems.length > 0) {
    const message = `the configuration cannot be used: ${problems.map(({ sentence }) => sentence).join('. ')}`;
    throw new ConfigurationError(
      'bad-configuration',
      message,
      problems.map(({ path, expected }) => ({ path, expected })),
    );
  }
  return values as Configuration<S>;
}

/** What `--help` prints. */
export function describeSettings(settings: Settings): string {
  const lines = Object.entries(settings).map(
    ([name, { help, example, secret }]) =>
      `  ${secret ? `--${flagName(name)}-file` : `--${flagName(name)}`}  (${variableName(name)})\n      ${help}, for example ${example}`,
  );
  return `${lines.join('\n')}\n  --x-file  (SALVOR_X_FILE)\n      a file that holds the value of setting x\n  --config  (SALVOR_CONFIG)\n      a JSON file with these settings, for example ./service.json\n`;
}

function readFlags(settings: Settings, argv: readonly string[]): Record<string, string | undefined> {
  const names = Object.entries(settings).flatMap(([name, { secret }]) =>
    secret ? [`${flagName(name)}-file`] : [flagName(name), `${flagName(name)}-file`],
  );
  names.push('config');
  const options = Object.fromEntries(names.map((name) => [name, { type: 'string' as const }]));
  try {
    const { values } = parseArgs({ args: [...argv], options, strict: true, allowPositionals: false });
    return Object.fromEntries(
      Object.entries(values).map(([name, value]) => [name, typeof value === 'string' ? value : undefined]),
    );
  } catch (error) {
    throw new ConfigurationError(
      'bad-configuration',
      `${messageOf(error)} (there are --${names.filter((name) => !isFileTwin(name, names)).join(', --')})`,
    );
  }
}

/** Whether the flag only names a file for another flag: not worth a place in a list of flags. */
function isFileTwin(name: string, names: readonly string[]): boolean {
  return name.endsWith('-file') && names.includes(name.slice(0, -'-file'.length));
}

function fromEnvironment(env: ConfigurationSources['env'], variable: string): string | undefined {
  const value = env[variable];
  if (value !== undefined && value !== '') return value;
  const path = env[`${variable}_FILE`];
  return path === '' ? undefined : contentOf(path, `${variable}_FILE`);
}

function contentOf(path: string | undefined, namedBy: string): string | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new ConfigurationError(
      'bad-configuration',
      `${namedBy} names a file that cannot be read: ${messageOf(error)}`,
    );
  }
}

function readFile(path: string | undefined): Record<string, unknown> {
  if (path === undefined) return {};
  try {
    const content: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof content === 'object' && content !== null && !Array.isArray(content)) return { ...content };
    throw new Error('expected a JSON object');
  } catch (error) {
    throw new ConfigurationError(
      'bad-configuration',
      `the configuration file ${path} cannot be used: ${messageOf(error)}`,
    );
  }
}
