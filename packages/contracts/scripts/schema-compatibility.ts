/** Full compatibility: what old writers wrote, new readers read, and the other way round. Pure. */
import { avroTypeOf } from '../src/avro-type.ts';
import { expandSchema, type NamedSchema, type SchemaFile } from './schema-files.ts';

/** One sentence for each record that one side could not read; empty when the change is fully compatible. */
export function incompatibilities(before: readonly SchemaFile[], after: readonly SchemaFile[]): string[] {
  return before
    .filter((file) => file.schema.type === 'record')
    .flatMap((file) => {
      const successor = after.find((candidate) => fullNameOf(candidate.schema) === fullNameOf(file.schema));
      if (successor === undefined) {
        return [`${file.path}: ${fullNameOf(file.schema)} is gone, and messages of it may still be stored`];
      }
      return bothWays(expandSchema(file.schema, before), expandSchema(successor.schema, after)).map(
        (problem) => `${successor.path}: ${problem}`,
      );
    });
}

function bothWays(old: NamedSchema, current: NamedSchema): string[] {
  return [
    unreadable(current, old, 'the new schema cannot read what old writers wrote'),
    unreadable(old, current, 'readers of the old schema cannot read what the new one writes'),
  ].filter((problem) => problem !== undefined);
}

function unreadable(reader: NamedSchema, writer: NamedSchema, what: string): string | undefined {
  try {
    avroTypeOf(reader).createResolver(avroTypeOf(writer));
    return undefined;
  } catch (error) {
    return `${what}: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function fullNameOf(schema: NamedSchema): string {
  return `${schema.namespace}.${schema.name}`;
}
