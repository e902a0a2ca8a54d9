/** The hooks of an installation: a YAML or JSON file, read at the start and again on SIGHUP. */
import { readFileSync } from 'node:fs';
import { hookAttemptsMax } from '@salvor/config-store';
import { isId } from '@salvor/contracts';
import { type ErrorDetail, messageOf, SalvorError } from '@salvor/service-kit';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { type HookPoint, hookPointNames } from './hook-points.ts';

/** Hooks that one file may have. */
const HOOKS_MAX = 256;
const TIMEOUT_MS = 10_000;
const TIMEOUT_MS_MAX = 600_000;
const ATTEMPTS = 5;
const BACKOFF_MS = 1_000;
const BACKOFF_MS_MAX = 300_000;
const QUOTED_CHARS_MAX = 80;
/** Named environment variables are the hook's own business, but not these: Salvor sets them. */
const RESERVED_VARIABLE = /^SALVOR_/;

interface HookBasics {
  readonly name: string;
  readonly on: readonly HookPoint[];
  /** Fields of the event that must have these values. */
  readonly where: Readonly<Record<string, string | number | boolean>>;
  /** Bound of one attempt. */
  readonly timeoutMs: number;
  /** Attempts at most. */
  readonly attempts: number;
  /** Wait before the second attempt; twice as long before each further one. */
  readonly backoffMs: number;
}

export interface ExecHook extends HookBasics {
  readonly kind: 'exec';
  /** The program and its arguments; no shell looks at them. */
  readonly argv: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
}

export interface WebHook extends HookBasics {
  readonly kind: 'webhook';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Signs each request; null = unsigned. */
  readonly secret: string | null;
}

export type Hook = ExecHook | WebHook;

/** The file cannot be used; `details` name every wrong place. */
export class HookFileError extends SalvorError {
  constructor(path: string, problems: readonly (ErrorDetail & { readonly found: string })[]) {
    const sentences = problems.map(
      ({ path: where, found, expected }) =>
        `${where === '' ? 'the file' : where} is ${found}, expected ${expected}`,
    );
    super('bad-hooks-file', `the hooks file ${path} cannot be used: ${sentences.join('; ')}`, problems);
  }
}

const name = z.string().refine(isId, 'a name of 1 to 64 of A-Z a-z 0-9 _ : -');
const scalar = z.union([z.string(), z.number(), z.boolean()], 'a string, number or boolean');

const webhookSchema = z
  .strictObject({
    url: z.string().refine(isHttpUrl, 'an http or https URL'),
    headers: z.record(z.string().regex(/^[A-Za-z0-9-]+$/, 'a header name'), z.string()).default({}),
    secretFile: z.string().min(1).optional(),
    secretEnv: z.string().min(1).optional(),
  })
  .refine(
    ({ secretFile, secretEnv }) => secretFile === undefined || secretEnv === undefined,
    'secretFile or secretEnv, not both',
  );

const hookSchema = z
  .strictObject({
    name,
    on: z
      .array(
        z.enum(hookPointNames as readonly [HookPoint, ...HookPoint[]], {
          error: () => `one of ${hookPointNames.join(', ')}`,
        }),
      )
      .min(1, 'at least one point'),
    where: z.record(z.string(), scalar).default({}),
    exec: z.array(z.string()).min(1, 'a program and its arguments').optional(),
    env: z
      .record(
        z
          .string()
          .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of a variable')
          .refine(
            (variable) => !RESERVED_VARIABLE.test(variable),
            'a variable that does not begin with SALVOR_',
          ),
        z.string(),
      )
      .optional(),
    webhook: webhookSchema.optional(),
    timeoutMs: z.int().min(10).max(TIMEOUT_MS_MAX).default(TIMEOUT_MS),
    attempts: z.int().min(1).max(hookAttemptsMax).default(ATTEMPTS),
    backoffMs: z.int().min(1).max(BACKOFF_MS_MAX).default(BACKOFF_MS),
  })
  .refine(
    ({ exec, webhook }) => (exec === undefined) !== (webhook === undefined),
    'either exec or webhook, and not both',
  )
  .refine(({ exec, env }) => exec !== undefined || env === undefined, 'env only beside exec');

const fileSchema = z.strictObject({ hooks: z.array(hookSchema).max(HOOKS_MAX) });

/**
 * Reads the file and the secrets that it names.
 *
 * @throws HookFileError that names every wrong place
 */
export function readHookFile(path: string, env: Readonly<Record<string, string | undefined>>): Hook[] {
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch (error) {
    throw new HookFileError(path, [
      { path: '', found: messageOf(error), expected: 'a file that can be read' },
    ]);
  }
  return parseHooks(content, path, env);
}

/** The same from its text. YAML, of which JSON is a part. */
export function parseHooks(
  content: string,
  path: string,
  env: Readonly<Record<string, string | undefined>>,
): Hook[] {
  const document = parseDocument(content, { uniqueKeys: true });
  if (document.errors.length > 0) {
    const problems = document.errors.map(({ message }) => ({
      path: '',
      found: (message.split('\n')[0] ?? '').replace(/:$/, ''),
      expected: 'YAML or JSON',
    }));
    throw new HookFileError(path, problems);
  }
  const json: unknown = document.toJS();
  const parsed = fileSchema.safeParse(json);
  if (!parsed.success) {
    const problems = parsed.error.issues.flatMap((issue) => problemsOf(issue, json));
    throw new HookFileError(path, problems);
  }
  assertNamesDiffer(path, parsed.data.hooks);
  return parsed.data.hooks.map((hook, index) => toHook(path, hook, index, env));
}

function toHook(
  path: string,
  { exec, env: variables = {}, webhook, ...basics }: z.output<typeof hookSchema>,
  index: number,
  env: Readonly<Record<string, string | undefined>>,
): Hook {
  if (exec !== undefined) {
    const [program = '', ...args] = exec;
    return { ...basics, kind: 'exec', argv: [program, ...args], env: variables };
  }
  if (webhook === undefined) throw new Error(`hook ${basics.name} is neither a program nor a webhook`);
  const { url, headers, secretFile, secretEnv } = webhook;
  const where = `hooks[${index}].webhook`;
  const secret =
    secretFile !== undefined
      ? secretFrom(path, `${where}.secretFile`, () => readFileSync(secretFile, 'utf8').trim())
      : secretEnv !== undefined
        ? secretFrom(path, `${where}.secretEnv`, () => env[secretEnv]?.trim() ?? '')
        : null;
  return { ...basics, kind: 'webhook', url, headers, secret };
}

function secretFrom(path: string, where: string, read: () => string): string {
  const expected = 'a secret that can be read and is not empty';
  let secret: string;
  try {
    secret = read();
  } catch (error) {
    throw new HookFileError(path, [{ path: where, found: messageOf(error), expected }]);
  }
  if (secret === '') throw new HookFileError(path, [{ path: where, found: 'empty or not set', expected }]);
  return secret;
}

function assertNamesDiffer(path: string, hooks: readonly { name: string }[]): void {
  const problems = hooks.flatMap((hook, index) =>
    hooks.findIndex((other) => other.name === hook.name) === index
      ? []
      : [
          {
            path: `hooks[${index}].name`,
            found: quoted(hook.name),
            expected: 'a name that no other hook has',
          },
        ],
  );
  if (problems.length > 0) throw new HookFileError(path, problems);
}

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && ['http:', 'https:'].includes(new URL(text).protocol);
}

function problemsOf(issue: z.core.$ZodIssue, json: unknown): (ErrorDetail & { readonly found: string })[] {
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({
      path: pathText([...issue.path, key]),
      found: 'set',
      expected: 'no such member',
    }));
  const found = quoted(valueAt(json, issue.path));
  return [{ path: pathText(issue.path), found, expected: expectedBy(issue) }];
}

function expectedBy(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.expected === 'object' || issue.expected === 'array'
        ? `an ${issue.expected}`
        : `a ${issue.expected}`;
    case 'too_small':
      return issue.origin === 'array' || issue.origin === 'string'
        ? issue.message
        : `at least ${issue.minimum}`;
    case 'too_big':
      return `at most ${issue.maximum}`;
    case 'invalid_key':
      return issue.issues.map(({ message }) => message).join(', ');
    default:
      return issue.message;
  }
}

function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`;
    return text === '' ? String(step) : `${text}.${String(step)}`;
  }, '');
}

function valueAt(json: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, step) =>
      typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[step] : undefined,
    json,
  );
}

function quoted(value: unknown): string {
  if (value === undefined) return 'not set';
  const text = JSON.stringify(value);
  return text.length > QUOTED_CHARS_MAX ? `${text.slice(0, QUOTED_CHARS_MAX)}…` : text;
}
