/**
 * Which longs we write and read. avsc computes the zigzag form in doubles: below -2^52 the form needs 54 bits and
 * another number would be written, with no error. The upper limit is avsc's own.
 */
import type { types as avroTypes } from 'avsc';
import type { AvroType } from './avro-type.ts';
import type { FieldProblem } from './errors.ts';
import { isRecordType, isUnionType } from './plain-value.ts';

export const LONG_MIN = -(2 ** 52);
export const LONG_MAX = 2 ** 53 - 2;

type Find = (value: unknown) => FieldProblem | undefined;

/** Finds a long below LONG_MIN in a value; undefined when the type has no longs. Our records are not recursive. */
export function badLongFinderOf(type: AvroType): Find | undefined {
  if (type.typeName === 'long') return findBadLong;
  if (isRecordType(type)) return inRecord(type);
  if (isUnionType(type)) return firstOf(type.types.map(badLongFinderOf));
  if (type.typeName === 'array') return inArray((type as avroTypes.ArrayType).itemsType);
  return undefined;
}

function findBadLong(value: unknown): FieldProblem | undefined {
  if (typeof value !== 'number' || !(value < LONG_MIN)) return undefined;
  return { path: '', expected: `a long from ${LONG_MIN} to ${LONG_MAX}`, found: String(value) };
}

function inRecord(type: avroTypes.RecordType): Find | undefined {
  const fields = type.fields.flatMap(({ name, type: fieldType }) => {
    const find = badLongFinderOf(fieldType);
    return find === undefined ? [] : [{ name, find }];
  });
  if (fields.length === 0) return undefined;
  return (value) => {
    if (typeof value !== 'object' || value === null) return undefined;
    for (const { name, find } of fields) {
      const problem = find((value as Record<string, unknown>)[name]);
      if (problem !== undefined) return { ...problem, path: joinPath(name, problem.path) };
    }
    return undefined;
  };
}

function inArray(itemsType: AvroType): Find | undefined {
  const find = badLongFinderOf(itemsType);
  if (find === undefined) return undefined;
  return (value) => {
    if (!Array.isArray(value)) return undefined;
    for (const [index, item] of value.entries()) {
      const problem = find(item);
      if (problem !== undefined) return { ...problem, path: joinPath(`[${index}]`, problem.path) };
    }
    return undefined;
  };
}

function firstOf(finders: readonly (Find | undefined)[]): Find | undefined {
  return finders.find((finder) => finder !== undefined);
}

/** `engines` + `[0]` -> `engines[0]`, `[0]` + `at` -> `[0].at` */
export function joinPath(outer: string, inner: string): string {
  if (outer === '' || inner === '') return outer + inner;
  return inner.startsWith('[') ? outer + inner : `${outer}.${inner}`;
}
