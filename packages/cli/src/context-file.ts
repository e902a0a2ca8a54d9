/** The small file that tells commands which bus to talk to: `salvor up` writes one, operators may keep one at home. */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { usageError } from './failure.ts';

const contextSchema = z.looseObject({
  /** One or more, comma-separated: `nats://127.0.0.1:4222`. */
  natsUrl: z.string().min(1),
  /** etcd endpoints, comma-separated `host:port`: for people and tools, commands go over the bus. */
  etcd: z.string().optional(),
  /** Path of a credentials file, relative to this file. */
  natsCreds: z.string().optional(),
  /** Path of the CA certificate NATS servers must present, relative to this file. */
  natsTlsCa: z.string().optional(),
  /** Paths of the certificate shown to NATS servers that ask for one, and of its key, relative to this file. */
  natsTlsCert: z.string().optional(),
  natsTlsKey: z.string().optional(),
});

const PATHS = ['natsCreds', 'natsTlsCa', 'natsTlsCert', 'natsTlsKey'] as const;

export type Context = z.infer<typeof contextSchema>;

export const STACK_CONTEXT_FILE = 'salvor.json';
export const DEFAULT_STACK_DIR = '.salvor';

/** Where a context is looked for, in order: the stack of this folder, then the user's own. */
export function contextPaths(cwd: string, env: Readonly<Record<string, string | undefined>>): string[] {
  const config = env.XDG_CONFIG_HOME ?? (env.HOME === undefined ? undefined : join(env.HOME, '.config'));
  const own = config === undefined ? [] : [join(config, 'salvor', 'context.json')];
  return [join(cwd, DEFAULT_STACK_DIR, STACK_CONTEXT_FILE), ...own];
}

/** The context in a file, with paths made absolute; undefined when there is no file. Throws usage errors. */
export function readContext(path: string): Context | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw usageError(`the context file ${path} cannot be read: ${(error as Error).message}`);
  }
  const parsed = contextSchema.safeParse(parseJson(text));
  if (!parsed.success) {
    throw usageError(
      `the context file ${path} is wrong: expected JSON such as {"natsUrl": "nats://127.0.0.1:4222"}; correct or remove it`,
    );
  }
  const paths = PATHS.flatMap((name) => {
    const value = parsed.data[name];
    return value === undefined ? [] : [[name, besides(path, value)]];
  });
  return { ...parsed.data, ...Object.fromEntries(paths) };
}

/** Written at once or not at all: another command may be reading it. */
export function writeContext(path: string, context: Context): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.new`, `${JSON.stringify(context, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

export function removeContext(path: string): void {
  rmSync(path, { force: true });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function besides(path: string, other: string): string {
  return isAbsolute(other) ? other : join(dirname(path), other);
}
