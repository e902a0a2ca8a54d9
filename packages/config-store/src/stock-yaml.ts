/**
 * Reads YAML the way 0-Disk's reader (a Go struct decoder) does: the target decides what a scalar means, unknown members
 * are kept aside, a null is the zero value, the last of two equal members wins, and only the first document counts.
 */
import {
  Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Node,
  parseAllDocuments,
  Scalar,
  visit,
  type YAMLMap,
} from 'yaml';
import { type ConfigProblem, ConfigValueError } from './errors.ts';

/** One place in a value being read. Readers answer a fallback after noting a problem, so that all are reported. */
export interface Place {
  readonly path: string;
  readonly node: Node | null;
  readonly reading: Reading;
}

interface Reading {
  readonly problems: ConfigProblem[];
  readonly resolve: (node: unknown) => Node | null;
}

const MAX_FOUND_LENGTH = 60;
const MAX_ALIASES = 100;

/** Reads one value; throws {@link ConfigValueError} naming every wrong place. `what` names the value in the error. */
export function readStockYaml<T>(what: string, text: string, read: (root: Members) => T): T {
  const problems: ConfigProblem[] = [];
  const documents = parseAllDocuments(text, { schema: 'failsafe', uniqueKeys: false, logLevel: 'silent' });
  const document = Array.isArray(documents) ? documents[0] : undefined;
  const syntax = document?.errors[0];
  if (syntax !== undefined) {
    throw new ConfigValueError(what, [{ path: '', found: `broken (${syntax.message})`, expected: 'YAML' }]);
  }
  let aliases = 0;
  const resolve = (node: unknown): Node | null => {
    if (!isAlias(node)) return (node as Node | null | undefined) ?? null;
    aliases += 1;
    if (aliases === MAX_ALIASES) {
      problems.push({ path: '', found: 'full of aliases', expected: `fewer than ${MAX_ALIASES}` });
    }
    if (aliases >= MAX_ALIASES || document === undefined) return null;
    return node.resolve(document) ?? null;
  };
  const root: Place = { path: '', node: resolve(document?.contents), reading: { problems, resolve } };
  if (isNull(root.node)) {
    throw new ConfigValueError(what, [{ path: '', found: 'empty', expected: 'a map of members' }]);
  }
  const value = read(members(root));
  if (problems.length > 0) throw new ConfigValueError(what, problems);
  return value;
}

/** Notes that a place is wrong. */
export function problem(place: Place, expected: string): void {
  place.reading.problems.push({ path: place.path, found: show(place.node), expected });
}

/** The members of a map, looked up by name; what nobody asked for is `rest()`. */
export interface Members {
  readonly place: Place;
  member(name: string): Place;
  rest(): Record<string, unknown> | undefined;
}

export function members(place: Place): Members {
  const found = new Map<string, Node | null>();
  if (isMap(place.node)) collect(place.node, place.reading, found);
  else if (!isNull(place.node)) problem(place, 'a map of members');
  const asked = new Set<string>();
  return {
    place,
    member(name) {
      asked.add(name);
      const path = place.path === '' ? name : `${place.path}.${name}`;
      return { path, node: found.get(name) ?? null, reading: place.reading };
    },
    rest() {
      const others = [...found].filter(([name]) => !asked.has(name));
      if (others.length === 0) return undefined;
      return Object.fromEntries(others.map(([name, node]) => [name, plain(node, place.reading)]));
    },
  };
}

export function items(place: Place): Place[] {
  if (!isSeq(place.node)) {
    problem(place, 'a non-empty list');
    return [];
  }
  if (place.node.items.length === 0) problem(place, 'a non-empty list');
  return place.node.items.map((item, index) => ({
    path: `${place.path}[${index}]`,
    node: place.reading.resolve(item),
    reading: place.reading,
  }));
}

export function isAbsent(place: Place): boolean {
  return isNull(place.node);
}

/** Any scalar is taken as written (`23` is the id "23"); null and absent are "". */
export function text(place: Place): string {
  if (isNull(place.node)) return '';
  if (isScalar(place.node)) return String(place.node.value);
  problem(place, 'a string');
  return '';
}

export function requiredText(place: Place, expected: string): string {
  const value = text(place);
  if (value === '' && (isNull(place.node) || isScalar(place.node))) problem(place, expected);
  return value;
}

/** A whole number; a fraction is cut off as the stock reader does. Null and absent are 0. */
export function integer(place: Place, least: number, expected: string): number {
  const value = scalarValue(place.node);
  if (value === null) {
    if (least > 0) problem(place, expected);
    return 0;
  }
  const whole = typeof value === 'number' ? Math.trunc(value) : Number.NaN;
  if (!Number.isSafeInteger(whole) || whole < least) problem(place, expected);
  return whole === 0 ? 0 : whole;
}

export function bool(place: Place): boolean {
  const value = scalarValue(place.node);
  if (value === null) return false;
  if (typeof value !== 'boolean') problem(place, 'true or false');
  return value === true;
}

/** The value as plain data, for members that Salvor reads leniently because the stock reader ignores them. */
export function plainValue(place: Place): unknown {
  return plain(place.node, place.reading);
}

/**
 * Writes plain data so that these readers, and any reader of YAML 1.1, take it for the same data: all but harmless words
 * and addresses are quoted, and what is a line break to only some readers is escaped.
 */
export function writeStockYaml(value: Readonly<Record<string, unknown>>): string {
  const document = new Document(value, { aliasDuplicateObjects: false });
  visit(document, {
    Scalar(_, node) {
      if (typeof node.value === 'string' && !isHarmless(node.value)) node.type = Scalar.QUOTE_DOUBLE;
    },
  });
  return document
    .toString({ lineWidth: 0, blockQuote: false })
    .replace(UNSURE_CHARACTER, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

const WORD = /^[A-Za-z][\w./-]*(:[\w./-]+)*$/;
const IPV4_ADDRESS = /^\d{1,3}(\.\d{1,3}){3}(:\d+)?$/;
const UNSURE_CHARACTER = /[\u007f-\u009f\u2028\u2029\ufeff]/g;

function isHarmless(text: string): boolean {
  return IPV4_ADDRESS.test(text) || (WORD.test(text) && plainScalar(text) === text);
}

function collect(map: YAMLMap, reading: Reading, into: Map<string, Node | null>): void {
  for (const pair of map.items) {
    const name = reading.resolve(pair.key);
    if (!isScalar(name)) continue;
    const value = reading.resolve(pair.value);
    if (name.value === '<<' && name.type === Scalar.PLAIN) merge(value, reading, into);
  }
  for (const pair of map.items) {
    const name = reading.resolve(pair.key);
    if (isScalar(name) && !(name.value === '<<' && name.type === Scalar.PLAIN)) {
      into.set(String(name.value), reading.resolve(pair.value));
    }
  }
}

function merge(value: Node | null, reading: Reading, into: Map<string, Node | null>): void {
  if (isMap(value)) collect(value, reading, into);
  else if (isSeq(value)) {
    for (const item of [...value.items].reverse()) merge(reading.resolve(item), reading, into);
  }
}

function isNull(node: Node | null): boolean {
  return node === null || (isScalar(node) && scalarValue(node) === null);
}

/** What an untyped target gets: unknown members keep their meaning when they are written again. */
function plain(node: Node | null, reading: Reading): unknown {
  if (isMap(node)) {
    const found = new Map<string, Node | null>();
    collect(node, reading, found);
    return Object.fromEntries([...found].map(([name, value]) => [name, plain(value, reading)]));
  }
  if (isSeq(node)) return node.items.map((item) => plain(reading.resolve(item), reading));
  return scalarValue(node);
}

const truths = new Set(['y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON']);
const falsehoods = new Set(['n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF']);
const nulls = new Set(['', '~', 'null', 'Null', 'NULL']);

function scalarValue(node: Node | null): string | number | bigint | boolean | null {
  if (node === null) return null;
  if (!isScalar(node)) return Number.NaN;
  const source = String(node.value ?? '');
  return node.type !== Scalar.PLAIN || node.tag === 'tag:yaml.org,2002:str' ? source : plainScalar(source);
}

/** What an unquoted scalar is to a reader that has no other wish. */
function plainScalar(source: string): string | number | bigint | boolean | null {
  if (nulls.has(source)) return null;
  if (truths.has(source)) return true;
  if (falsehoods.has(source)) return false;
  return numberValue(source) ?? source;
}

function numberValue(source: string): number | bigint | null {
  if (!/^[-+.\d]/.test(source)) return null;
  const digits = source.replaceAll('_', '');
  const sign = digits.startsWith('-') ? -1n : 1n;
  const unsigned = digits.replace(/^[-+]/, '');
  let whole: bigint | null = null;
  if (/^(0|[1-9]\d*)$/.test(unsigned) || /^0(x[\da-f]+|b[01]+)$/i.test(unsigned)) whole = BigInt(unsigned);
  else if (/^0[0-7]+$/.test(unsigned)) whole = BigInt(`0o${unsigned.slice(1)}`);
  if (whole !== null) {
    const value = sign * whole;
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }
  return /^[-+]?(\.\d+|\d+(\.\d*)?)(e[-+]?\d+)?$/i.test(digits) ? Number(digits) : null;
}

function show(node: Node | null): string {
  if (node === null) return 'absent';
  if (isMap(node)) return 'a map';
  if (isSeq(node)) return node.items.length === 0 ? 'an empty list' : 'a list';
  const value = scalarValue(node);
  const shown = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return shown.length > MAX_FOUND_LENGTH ? `${shown.slice(0, MAX_FOUND_LENGTH)}...` : shown;
}
