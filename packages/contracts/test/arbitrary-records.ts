/** Random values of any record, made from its schema: what the property tests run on. */

import { type PublishedSchema, schemaList } from '@salvor/contracts';
import fc from 'fast-check';

const LONG_MIN = -(2 ** 52);
const LONG_MAX = 2 ** 53 - 2;

type Schema = string | readonly Schema[] | { readonly type: string; readonly [member: string]: unknown };
interface Field {
  readonly name: string;
  readonly type: Schema;
}

/** Values as `decode` gives them: no member for an absent optional field. */
export function arbitraryRecord(published: PublishedSchema): fc.Arbitrary<unknown> {
  return arbitraryOf(JSON.parse(published.documentedJson) as Schema, new Map());
}

export function publishedSchema(name: string): PublishedSchema {
  const found = schemaList.find((schema) => schema.name === name);
  if (found === undefined) throw new Error(`no schema ${name}`);
  return found;
}

const primitives: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  null: fc.constant(undefined),
  string: fc.string({ unit: 'binary', maxLength: 20 }),
  boolean: fc.boolean(),
  int: fc.integer(),
  long: fc.oneof(
    fc.integer(),
    fc.maxSafeInteger().map((value) => Math.min(LONG_MAX, Math.max(LONG_MIN, value))),
    fc.constantFrom(LONG_MIN, LONG_MAX, 2 ** 31, -(2 ** 31) - 1, 0),
  ),
  bytes: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
};

function arbitraryOf(schema: Schema, named: Map<string, fc.Arbitrary<unknown>>): fc.Arbitrary<unknown> {
  if (typeof schema === 'string') {
    const arbitrary = primitives[schema] ?? named.get(schema);
    if (arbitrary === undefined) throw new Error(`no arbitrary for ${schema}`);
    return arbitrary;
  }
  if (isBranches(schema)) return fc.oneof(...schema.map((branch) => arbitraryOf(branch, named)));
  if (schema.type === 'array') return fc.array(arbitraryOf(schema.items as Schema, named), { maxLength: 4 });
  if (schema.type === 'enum') {
    const symbols = fc.constantFrom(...(schema.symbols as string[]));
    named.set(String(schema.name), symbols);
    return symbols;
  }
  if (schema.type === 'record') {
    const record = recordOf(schema.fields as Field[], named);
    named.set(String(schema.name), record);
    return record;
  }
  return arbitraryOf(schema.type, named);
}

function recordOf(
  fields: readonly Field[],
  named: Map<string, fc.Arbitrary<unknown>>,
): fc.Arbitrary<unknown> {
  const members = fields.map((field) => [field.name, arbitraryOf(field.type, named)] as const);
  return fc
    .record(Object.fromEntries(members), { noNullPrototype: true })
    .map((record) => Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)));
}

function isBranches(schema: Schema): schema is readonly Schema[] {
  return Array.isArray(schema);
}
