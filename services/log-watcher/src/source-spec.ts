import { readFileSync } from 'node:fs';
import { isId } from '@salvor/contracts';
import { messageOf } from '@salvor/service-kit';
import { z } from 'zod';

/** A server to run and watch. Its environment is that of this service and `env`. */
export interface SpawnSpec {
  readonly kind: 'spawn';
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
  readonly restart: boolean;
}

export interface FileSpec {
  readonly kind: 'file';
  readonly name: string;
  readonly path: string;
  /** Where to begin in a file that was never read before. */
  readonly from: 'start' | 'end';
}

export interface StdinSpec {
  readonly kind: 'stdin';
  readonly name: string;
}

export type SourceSpec = SpawnSpec | FileSpec | StdinSpec;

export const MAX_SOURCES = 64;

const name = z.string('expected the id of the server').refine(isId, 'expected 1 to 64 of A-Z a-z 0-9 _ : -');
const words = z.string('expected text').min(1, 'expected text');

const sourceSpec = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({
      kind: z.literal('spawn'),
      name,
      command: z.tuple([words], z.string('expected text'), 'expected ["program", "argument", …]'),
      env: z.record(z.string(), z.string('expected text'), 'expected {"VARIABLE": "value"}').default({}),
      restart: z.boolean('expected true or false').default(true),
    }),
    z.strictObject({
      kind: z.literal('file'),
      name,
      path: words,
      from: z.enum(['start', 'end'], 'expected start or end').default('start'),
    }),
    z.strictObject({ kind: z.literal('stdin'), name }),
  ],
  'expected an object whose kind is spawn, file or stdin',
);

const sourceSpecs = z
  .array(sourceSpec, 'expected a JSON array of sources')
  .min(1, 'expected at least one source')
  .max(MAX_SOURCES, `expected at most ${MAX_SOURCES} sources`)
  .refine(
    (specs) => new Set(specs.map((spec) => spec.name)).size === specs.length,
    'expected a name of its own for each source',
  )
  .refine((specs) => specs.filter(({ kind }) => kind === 'stdin').length <= 1, 'expected stdin at most once');

/** Reads sources from JSON text, from the file that a text beginning with / or . names, or from parsed JSON. */
export const sourceList: z.ZodType<SourceSpec[]> = z.unknown().transform((value, context): SourceSpec[] => {
  const refuse = (message: string): never => {
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  };
  const json = typeof value === 'string' ? parseText(value) : { value };
  if ('problem' in json) return refuse(json.problem);
  const parsed = sourceSpecs.safeParse(json.value);
  if (parsed.success) return parsed.data;
  return refuse(
    parsed.error.issues
      .map(({ path, message }) => `${[`sources`, ...path].join('.')}: ${message}`)
      .join('; '),
  );
});

function parseText(text: string): { value: unknown } | { problem: string } {
  const isPath = /^[/.]/.test(text);
  try {
    return { value: JSON.parse(isPath ? readFileSync(text, 'utf8') : text) };
  } catch (error) {
    const where = isPath
      ? `in the file ${text}`
      : 'or the path of a file that holds it, beginning with / or .';
    return { problem: `expected a JSON array of sources ${where}: ${messageOf(error)}` };
  }
}
