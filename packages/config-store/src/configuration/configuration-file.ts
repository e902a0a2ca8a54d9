/** The configuration as one file of YAML, to be read and changed by people, and kept under version control. */
import { createHash } from 'node:crypto';
import { SalvorError } from '@salvor/service-kit';
import { Document, parseDocument, Scalar, visit } from 'yaml';
import { z } from 'zod';
import type { ConfigProblem } from '../errors.ts';
import { entryProblems } from './entry-check.ts';

export const CONFIGURATION_FORMAT = 1;
/** Some KiB a vdisk. */
const MAX_FILE_BYTES: number = 64 * 1024 * 1024;
const DIGEST_CHARS = 16;

export interface ConfigurationFile {
  readonly exportedAt: Date;
  /** Of etcd, when it was exported; decimal. */
  readonly revision: string;
  /** By key. */
  readonly entries: ReadonlyMap<string, FileEntry>;
}

export interface FileEntry {
  /** As in etcd, without secrets. */
  readonly value: string;
  /** Of the value that was exported, before anybody changed the file. */
  readonly digest: string;
}

export class ConfigurationFileError extends SalvorError {
  declare readonly details: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    const [first] = problems;
    const more = problems.length > 1 ? `, and ${problems.length - 1} more` : '';
    const where = first === undefined || first.path === '' ? '' : `${first.path}: `;
    super(
      'invalid-configuration',
      `the file is no configuration: ${where}expected ${first?.expected}, found ${first?.found}${more}`,
      problems,
    );
  }
}

const fileSchema = z.strictObject({
  salvor: z.literal('configuration'),
  format: z.literal(CONFIGURATION_FORMAT),
  exportedAt: z.iso.datetime(),
  revision: z.string().regex(/^\d{1,19}$/, 'a revision of etcd'),
  entries: z.record(
    z.string().min(1),
    z.strictObject({
      exported: z.string().regex(/^[0-9a-f]{16}$/, '16 hex digits'),
      value: z.union([z.string(), z.record(z.string(), z.unknown())], 'text, or the members of a record'),
    }),
  ),
  complete: z.literal(true),
});

export function digestOf(value: string): string {
  return createHash('sha256').update(value).digest('hex').slice(0, DIGEST_CHARS);
}

/** Records become members that can be read; the text of others stays as it is. */
export function formatConfiguration({ exportedAt, revision, entries }: ConfigurationFile): string {
  const document = new Document(
    {
      ...{
        salvor: 'configuration',
        format: CONFIGURATION_FORMAT,
        exportedAt: exportedAt.toISOString(),
        revision,
      },
      entries: Object.fromEntries(
        [...entries].map(([key, { value, digest }]) => [
          key,
          { exported: digest, value: membersOf(value) ?? value },
        ]),
      ),
      complete: true,
    },
    { aliasDuplicateObjects: false, version: '1.2' },
  );
  document.commentBefore =
    ' The configuration of a Salvor. Secrets are not in it; what servers hold for the moment is not either.';
  visit(document, {
    Scalar(_, node) {
      if (typeof node.value === 'string' && node.value.includes('\n')) node.type = Scalar.BLOCK_LITERAL;
    },
  });
  return document.toString({ lineWidth: 0 });
}

/**
 * Reads a file and checks each entry by the schema of its key.
 *
 * @throws ConfigurationFileError naming every place that is wrong
 */
export function parseConfiguration(text: string): ConfigurationFile {
  if (Buffer.byteLength(text) > MAX_FILE_BYTES)
    throw new ConfigurationFileError([
      { path: '', expected: `at most ${MAX_FILE_BYTES} bytes`, found: `${Buffer.byteLength(text)}` },
    ]);
  const parsed = fileSchema.safeParse(plainOf(text));
  if (!parsed.success)
    throw new ConfigurationFileError(
      parsed.error.issues.map((issue) => ({
        path: issue.path.join('.'),
        expected: issue.message,
        found: 'something else',
      })),
    );
  const { exportedAt, revision } = parsed.data;
  const entries = new Map<string, FileEntry>();
  for (const [key, { exported, value }] of Object.entries(parsed.data.entries))
    entries.set(key, { digest: exported, value: typeof value === 'string' ? value : JSON.stringify(value) });
  const problems = [...entries].flatMap(([key, { value }]) =>
    entryProblems(key, value).map((problem) => ({
      ...problem,
      path: problem.path === '' ? key : `${key}: ${problem.path}`,
    })),
  );
  if (problems.length > 0) throw new ConfigurationFileError(problems);
  return { exportedAt: new Date(exportedAt), revision, entries };
}

function plainOf(text: string): unknown {
  const document = parseDocument(text, { version: '1.2', logLevel: 'silent' });
  const [broken] = document.errors;
  if (broken !== undefined)
    throw new ConfigurationFileError([
      { path: '', expected: 'YAML', found: broken.message.split('\n')[0] ?? '' },
    ]);
  try {
    return document.toJS({ maxAliasCount: 0 });
  } catch (error) {
    throw new ConfigurationFileError([
      {
        path: '',
        expected: 'YAML without aliases',
        found: error instanceof Error ? error.message : String(error),
      },
    ]);
  }
}

/** The members of a record, where they are the whole of it: written as JSON again they are the same text. */
function membersOf(value: string): Record<string, unknown> | null {
  try {
    const data: unknown = JSON.parse(value);
    if (typeof data !== 'object' || data === null || Array.isArray(data)) return null;
    const back: unknown = parseDocument(
      new Document(data, { aliasDuplicateObjects: false }).toString(),
    ).toJS();
    return JSON.stringify(back) === value ? (data as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
