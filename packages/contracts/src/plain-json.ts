/**
 * Plain JSON, as people type it: unions unwrapped, bytes as base64, longs as numbers or decimal strings, fields
 * with a default left out. Avro's own JSON form (`{"string": "x"}` for a union) is taken as well. The walk does not
 * stop at the first wrong field: whoever sent the JSON learns all of them at once.
 */
import type { types as avroTypes } from 'avsc';
import type { AvroType } from './avro-type.ts';
import { describeFound, type FieldProblem, MAX_FIELD_PROBLEMS, ValidationError } from './errors.ts';
import type { RecordInits, RecordName, RecordTypes } from './generated/types.ts';
import { joinPath, LONG_MAX, LONG_MIN } from './long-range.ts';
import { acceptsNull, branchNameOf, isRecordType, isUnionType, plainValueOf } from './plain-value.ts';
import { knownRecord } from './registry.ts';
import type { Decoded } from './single-object.ts';
import { invalidValueError } from './value-problems.ts';

/** Reads a record from parsed plain JSON. Throws ValidationError (`invalid-json`) with every wrong field. */
export function fromPlainJson<N extends RecordName>(name: N, json: unknown): RecordTypes[N] {
  const walk = new JsonWalk();
  const value = walk.read(knownRecord(name).type, json, '');
  if (walk.problems.length > 0) throw new ValidationError('invalid-json', name, walk.problems);
  return value as RecordTypes[N];
}

/**
 * Renders a record, or a message from `decode`, as a value for JSON.stringify: bytes become base64, absent
 * optional fields stay absent, defaults are filled in. Throws ValidationError (`invalid-value`).
 */
export function toPlainJson(decoded: Decoded): unknown;
export function toPlainJson<N extends RecordName>(name: N, value: RecordInits[N]): unknown;
export function toPlainJson(decodedOrName: Decoded | RecordName, value?: unknown): unknown {
  if (typeof decodedOrName !== 'string') return renderJson(decodedOrName.value);
  const record = knownRecord(decodedOrName);
  let complete: unknown;
  try {
    complete = record.type.clone(value);
  } catch (error) {
    throw invalidValueError(record, value, error);
  }
  return renderJson(plainValueOf(record.type)(complete));
}

function renderJson(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return value.toString('base64');
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  if (Array.isArray(value)) return value.map(renderJson);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, renderJson(member)]));
}

const INT_MIN = -(2 ** 31);
const INT_MAX = 2 ** 31 - 1;
const MAX_DEPTH = 64;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const NUMBER_WORDS: ReadonlySet<string> = new Set(['NaN', 'Infinity', '-Infinity']);

class JsonWalk {
  readonly problems: FieldProblem[] = [];
  #depth = 0;

  /** Gives the value as `decode` would; undefined, and a problem, when it is wrong. */
  read(type: AvroType, json: unknown, path: string): unknown {
    if (isUnionType(type)) return this.#union(type, json, path);
    if (isRecordType(type)) return this.#record(type, json, path);
    switch (type.typeName) {
      case 'null':
        return json === null ? null : this.#problem(path, 'null', json);
      case 'boolean':
        return typeof json === 'boolean' ? json : this.#problem(path, 'true or false', json);
      case 'string':
        return typeof json === 'string' ? json : this.#problem(path, 'a string', json);
      case 'int':
        return this.#integer(json, path, 'an int', INT_MIN, INT_MAX);
      case 'long':
        return this.#integer(json, path, 'a long (number or string)', LONG_MIN, LONG_MAX);
      case 'float':
      case 'double':
        return this.#double(json, path);
      case 'bytes':
        return this.#bytes(json, path, undefined);
      case 'fixed':
        return this.#bytes(json, path, (type as avroTypes.FixedType).size);
      case 'enum':
        return this.#symbol(type as avroTypes.EnumType, json, path);
      case 'array':
        return this.#array((type as avroTypes.ArrayType).itemsType, json, path);
      case 'map':
        return this.#map((type as avroTypes.MapType).valuesType, json, path);
      default:
        return this.#problem(path, type.typeName, json);
    }
  }

  #problem(path: string, expected: string, json: unknown): undefined {
    if (this.problems.length < MAX_FIELD_PROBLEMS) {
      this.problems.push({ path: path === '' ? '$' : path, expected, found: describeFound(json) });
    }
    return undefined;
  }

  #record(type: avroTypes.RecordType, json: unknown, path: string): unknown {
    if (!isJsonObject(json)) return this.#problem(path, `an object (${shortName(type)})`, json);
    if (this.#depth >= MAX_DEPTH) return this.#problem(path, `at most ${MAX_DEPTH} nested records`, json);
    this.#depth++;
    const names = type.fields.map((field) => field.name);
    for (const key of Object.keys(json)) {
      if (!names.includes(key)) {
        const known = names.length === 0 ? 'none at all' : names.join(', ');
        this.#problem(joinPath(path, key), `one of the fields of ${shortName(type)}: ${known}`, json[key]);
      }
    }
    const record: Record<string, unknown> = {};
    for (const field of type.fields) {
      const member = Object.hasOwn(json, field.name)
        ? this.read(field.type, json[field.name], joinPath(path, field.name))
        : this.#missing(field, joinPath(path, field.name));
      if (member === null && acceptsNull(field.type)) continue;
      record[field.name] = member;
    }
    this.#depth--;
    return record;
  }

  #missing(field: avroTypes.Field, path: string): unknown {
    const value: unknown = field.defaultValue();
    if (value === undefined) return this.#problem(path, `${describeType(field.type)}, required`, undefined);
    return plainValueOf(field.type)(value);
  }

  #union(type: avroTypes.UnwrappedUnionType, json: unknown, path: string): unknown {
    if (json === null && acceptsNull(type)) return null;
    const branches = type.types.filter((branch) => branch.typeName !== 'null');
    const wrapped = wrappedBranch(branches, json);
    if (wrapped !== undefined) return this.read(wrapped.branch, wrapped.inner, path);
    const [only] = branches;
    if (only !== undefined && branches.length === 1) return this.read(only, json, path);
    for (const branch of branches) {
      const attempt = new JsonWalk();
      attempt.#depth = this.#depth;
      const value = attempt.read(branch, json, path);
      if (attempt.problems.length === 0) return value;
    }
    return this.#problem(path, branches.map(describeType).join(' or '), json);
  }

  #integer(json: unknown, path: string, what: string, min: number, max: number): unknown {
    const isText = what.includes('string') && typeof json === 'string' && /^-?\d{1,16}$/.test(json);
    const value = isText ? Number(json) : json;
    const fits = typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max;
    // Adding 0 makes -0 the 0 that the wire would make of it.
    return fits ? value + 0 : this.#problem(path, `${what} from ${min} to ${max}`, json);
  }

  #double(json: unknown, path: string): unknown {
    if (typeof json === 'number') return json;
    if (typeof json === 'string' && NUMBER_WORDS.has(json)) return Number(json);
    return this.#problem(path, 'a number', json);
  }

  #bytes(json: unknown, path: string, size: number | undefined): unknown {
    const what = size === undefined ? 'bytes as base64' : `${size} bytes as base64`;
    if (typeof json !== 'string' || !BASE64.test(json)) return this.#problem(path, what, json);
    const bytes = Buffer.from(json, 'base64');
    return size === undefined || bytes.length === size ? bytes : this.#problem(path, what, json);
  }

  /** Avro symbols cannot have a hyphen: `false-alarm` is taken for `false_alarm`. */
  #symbol(type: avroTypes.EnumType, json: unknown, path: string): unknown {
    if (typeof json === 'string') {
      if (type.symbols.includes(json)) return json;
      const underscored = json.replaceAll('-', '_');
      if (type.symbols.includes(underscored)) return underscored;
    }
    return this.#problem(path, `one of ${type.symbols.join(', ')}`, json);
  }

  #array(items: AvroType, json: unknown, path: string): unknown {
    if (!Array.isArray(json)) return this.#problem(path, 'an array', json);
    return json.map((item, index) => this.read(items, item, joinPath(path, `[${index}]`)));
  }

  #map(values: AvroType, json: unknown, path: string): unknown {
    if (!isJsonObject(json)) return this.#problem(path, 'an object', json);
    return Object.fromEntries(
      Object.entries(json).map(([key, entry]) => [key, this.read(values, entry, joinPath(path, key))]),
    );
  }
}

function wrappedBranch(
  branches: readonly AvroType[],
  json: unknown,
): { branch: AvroType; inner: unknown } | undefined {
  if (!isJsonObject(json)) return undefined;
  const [key, ...others] = Object.keys(json);
  if (key === undefined || others.length > 0) return undefined;
  const branch = branches.find(
    (candidate) => branchNameOf(candidate) === key || shortName(candidate) === key,
  );
  return branch === undefined ? undefined : { branch, inner: json[key] };
}

function isJsonObject(json: unknown): json is Record<string, unknown> {
  return typeof json === 'object' && json !== null && !Array.isArray(json) && !Buffer.isBuffer(json);
}

function shortName(type: AvroType): string {
  const name = branchNameOf(type);
  return name.slice(name.lastIndexOf('.') + 1);
}

function describeType(type: AvroType): string {
  return isUnionType(type) ? type.types.map(shortName).join(' or ') : shortName(type);
}
