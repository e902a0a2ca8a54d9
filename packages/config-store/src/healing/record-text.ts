/** Salvor's records to and from the JSON text in etcd, with errors that name key, path, expected and found. */
import type { z } from 'zod';
import { type ConfigProblem, ConfigValueError } from '../errors.ts';
import { rememberingReader } from '../last-read.ts';
import type { StoreEntry } from '../types.ts';

const foundCharsMax = 80;

/**
 * Reads one record.
 *
 * @throws ConfigValueError naming the key and every member that is wrong.
 */
export function parseRecord<S extends z.ZodType>(schema: S, key: string, value: string): z.output<S> {
  const remembered = remembering.get(schema);
  return remembered === undefined ? readRecord(schema, key, value) : (remembered(value, key) as z.output<S>);
}

/**
 * Has {@link parseRecord} remember what it read by this schema last: of records that every process reads again and again
 * while fifty engines fail. What it returns of them is frozen, and shared by all who read the same value.
 *
 * @param most values remembered
 */
export function rememberRecords(schema: z.ZodType, most: number): void {
  remembering.set(
    schema,
    rememberingReader((value, key: string) => readRecord(schema, key, value), most),
  );
}

const remembering = new WeakMap<z.ZodType, (value: string, key: string) => unknown>();

function readRecord<S extends z.ZodType>(schema: S, key: string, value: string): z.output<S> {
  let json: unknown;
  try {
    json = JSON.parse(value);
  } catch {
    throw invalid(key, [{ path: '', expected: 'JSON', found: shown(value) }]);
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw invalid(
    key,
    parsed.error.issues.map((issue) => problemOf(issue, json)),
  );
}

/**
 * Writes one record; checked first, so that nothing this version could not read back reaches etcd.
 *
 * @throws ConfigValueError as parseRecord does.
 */
export function formatRecord<S extends z.ZodType>(schema: S, key: string, record: z.output<S>): string {
  const value = JSON.stringify(record);
  parseRecord(schema, key, value);
  return value;
}

/** The record among entries that were read; null when the key was absent (or not read). Throws as parseRecord. */
export function recordIn<S extends z.ZodType>(
  entries: ReadonlyMap<string, StoreEntry | null>,
  key: string,
  schema: S,
): z.output<S> | null {
  const entry = entries.get(key);
  return entry == null ? null : parseRecord(schema, key, entry.value);
}

function invalid(key: string, problems: readonly ConfigProblem[]): ConfigValueError {
  return new ConfigValueError(`the record ${key}`, problems);
}

function problemOf(issue: z.core.$ZodIssue, json: unknown): ConfigProblem {
  return { path: pathText(issue.path), expected: expectedBy(issue), found: shown(valueAt(json, issue.path)) };
}

function expectedBy(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.expected;
    case 'invalid_value':
      return issue.values.map((value) => JSON.stringify(value)).join(' or ');
    case 'too_small':
      return issue.origin === 'string' ? 'a non-empty string' : `at least ${issue.minimum}`;
    case 'too_big':
      return `at most ${issue.maximum}`;
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
  let value = json;
  for (const step of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<PropertyKey, unknown>)[step];
  }
  return value;
}

function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value);
  return text.length > foundCharsMax ? `${text.slice(0, foundCharsMax)}…` : text;
}
