/**
 * Reads the `.avsc` files and makes each record self-contained: files refer to shared types by name, the wire
 * and the schema registry want one whole schema, with each named type written out at its first use.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface SchemaField {
  readonly name: string;
  readonly type: SchemaJson;
  readonly default?: unknown;
  readonly doc?: string;
}

export interface NamedSchema {
  readonly type: 'record' | 'enum';
  readonly name: string;
  readonly namespace: string;
  readonly doc: string;
  readonly fields?: readonly SchemaField[];
  readonly symbols?: readonly string[];
}

export type SchemaJson =
  | string
  | NamedSchema
  | readonly SchemaJson[]
  | { readonly type: string; readonly items?: SchemaJson; readonly logicalType?: string };

/** One `.avsc` file. `path` is relative to the schemas folder, such as `events/vdisk.created.avsc`. */
export interface SchemaFile {
  readonly path: string;
  readonly schema: NamedSchema;
}

export const schemasFolder = join(import.meta.dirname, '..', 'schemas');

export function readSchemaFiles(folder: string = schemasFolder): SchemaFile[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.avsc'))
    .sort()
    .map((path) => parseSchemaFile(path, readFileSync(join(folder, path), 'utf8')));
}

export function parseSchemaFile(path: string, text: string): SchemaFile {
  try {
    return { path, schema: JSON.parse(text) as NamedSchema };
  } catch (error) {
    throw new Error(`${path}: expected JSON, found ${String(error)}`);
  }
}

/** Writes every named type out at its first use; later uses stay names, as Avro wants it. */
export function expandSchema(schema: NamedSchema, files: readonly SchemaFile[]): NamedSchema {
  const byName = new Map(files.map((file) => [file.schema.name, file.schema]));
  const written = new Set<string>();

  function expandNamed(named: NamedSchema): NamedSchema {
    written.add(named.name);
    if (named.fields === undefined) return named;
    return {
      ...named,
      fields: named.fields.map((field) => ({ ...field, type: expand(field.type, named.name) })),
    };
  }

  function expand(type: SchemaJson, user: string): SchemaJson {
    if (typeof type === 'string') {
      if (primitives.has(type) || written.has(type)) return type;
      const named = byName.get(type);
      if (named === undefined) {
        throw new Error(`${user}: no schema file defines the type ${type}`);
      }
      return expandNamed(named);
    }
    if (isUnion(type)) return type.map((branch) => expand(branch, user));
    if ('items' in type && type.items !== undefined) return { ...type, items: expand(type.items, user) };
    return type;
  }

  return expandNamed(schema);
}

export function isUnion(type: SchemaJson): type is readonly SchemaJson[] {
  return Array.isArray(type);
}

export const primitives: ReadonlySet<string> = new Set([
  'null',
  'boolean',
  'int',
  'long',
  'float',
  'double',
  'bytes',
  'string',
]);
