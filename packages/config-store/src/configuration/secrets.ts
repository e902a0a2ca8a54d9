/** Values of keys without the secrets in them, and with those that etcd has. */
import { REDACTED, redactMember } from '@salvor/service-kit';
import { parseDocument } from 'yaml';
import { SALVOR_PREFIX } from '../keys.ts';

type Path = readonly (string | number)[];

interface Leaf {
  readonly path: Path;
  readonly text: string;
}

/** `[redacted]` stands where a secret was. */
export function withoutSecrets(key: string, value: string): string {
  const changes = leavesOf(dataOf(key, value)).flatMap(({ path, text }) => {
    const shown = redactMember(nameOf(path), text);
    return shown === text ? [] : [{ path, text: shown }];
  });
  return changed(key, value, changes);
}

/**
 * Puts the secrets of `current` where `[redacted]` stands.
 *
 * @param current what etcd has; null: nothing
 * @returns paths of secrets that `current` does not have in `missing`
 */
export function withSecretsOf(
  key: string,
  value: string,
  current: string | null,
): { value: string; missing: string[] } {
  const wanted = leavesOf(dataOf(key, value)).filter(({ text }) => text.includes(REDACTED));
  if (wanted.length === 0) return { value, missing: [] };
  const known = current === null ? [] : leavesOf(dataOf(key, current));
  const missing: string[] = [];
  const found = wanted.flatMap(({ path, text }) => {
    const same = known.find((leaf) => leaf.path.join('\0') === path.join('\0'));
    if (same !== undefined && redactMember(nameOf(path), same.text) === text)
      return [{ path, text: same.text }];
    missing.push(path.join('.'));
    return [];
  });
  return { value: changed(key, value, found), missing };
}

/** The name that a leaf is known by: in a list, that of the list. */
function nameOf(path: Path): string {
  return String(path.findLast((step) => typeof step === 'string') ?? '');
}

/** Undefined for what cannot be read: its reader says what is wrong with it. */
function dataOf(key: string, value: string): unknown {
  try {
    return isJson(key)
      ? JSON.parse(value)
      : parseDocument(value, { schema: 'failsafe', logLevel: 'silent' }).toJS();
  } catch {
    return undefined;
  }
}

function changed(key: string, value: string, changes: readonly Leaf[]): string {
  if (changes.length === 0) return value;
  if (!isJson(key)) {
    const document = parseDocument(value, { schema: 'failsafe', logLevel: 'silent' });
    for (const { path, text } of changes) document.setIn(path, text);
    return document.toString();
  }
  const data: unknown = JSON.parse(value);
  for (const { path, text } of changes) setIn(data, path, text);
  return JSON.stringify(data);
}

function leavesOf(data: unknown, path: Path = []): Leaf[] {
  if (typeof data === 'string') return [{ path, text: data }];
  if (typeof data !== 'object' || data === null) return [];
  const members: [string | number, unknown][] = Array.isArray(data)
    ? [...data.entries()]
    : Object.entries(data);
  return members.flatMap(([name, member]) => leavesOf(member, [...path, name]));
}

function setIn(data: unknown, path: Path, text: string): void {
  const parent = path.slice(0, -1).reduce<unknown>((value, step) => Reflect.get(Object(value), step), data);
  Reflect.set(Object(parent), path.at(-1) ?? '', text);
}

function isJson(key: string): boolean {
  return key.startsWith(SALVOR_PREFIX);
}
