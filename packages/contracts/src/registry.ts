/** The schemas this process can read: its own, and those of other writers it was told about. */
import { type AvroType, avroTypeOf, fingerprintOfType } from './avro-type.ts';
import { bodyCheckOf } from './body-check.ts';
import { type FieldProblem, SchemaError } from './errors.ts';
import { generatedSchemas } from './generated/schemas.ts';
import type { RecordName } from './generated/types.ts';
import { badLongFinderOf } from './long-range.ts';
import { plainValueOf } from './plain-value.ts';

/** One of our own records, compiled at its first use. */
export interface KnownRecord {
  readonly name: RecordName;
  readonly fullName: string;
  readonly fingerprint: string;
  readonly type: AvroType;
  /** Names a long that avsc would write wrongly; absent when the record has no longs. */
  readonly findBadLong: ((value: unknown) => FieldProblem | undefined) | undefined;
  /** `C3 01` and the fingerprint: the first 10 bytes of every message. */
  readonly header: Buffer;
}

/** How to read the bytes of one writer. */
export interface WriterSchema {
  /** Our record name; for a schema that is none of ours its full name. */
  readonly name: string;
  readonly fingerprint: string;
  /** Checks the body, reads it and gives a plain value. */
  readonly read: (body: Buffer) => unknown;
}

export interface RegisteredSchema {
  /** Our record name when the messages will read as that record, else the schema's full name. */
  readonly name: string;
  readonly fingerprint: string;
}

export const SINGLE_OBJECT_MARKER: Buffer = Buffer.from([0xc3, 0x01]);

/** Foreign schemas come from the bus; their number must not grow without end. */
export const MAX_REGISTERED_SCHEMAS = 4096;
export const MAX_SCHEMA_BYTES: number = 256 * 1024;

const known = new Map<string, KnownRecord>();
const writers = new Map<string, WriterSchema>();
const ownNames = new Map<string, RecordName>(
  (Object.keys(generatedSchemas) as RecordName[]).map((name) => [generatedSchemas[name].fingerprint, name]),
);
let registeredCount = 0;

export function knownRecord(name: RecordName): KnownRecord {
  const found = known.get(name);
  if (found !== undefined) return found;
  if (!Object.hasOwn(generatedSchemas, name)) {
    throw new SchemaError('invalid-schema', `expected the name of a record of the contracts, found ${name}`);
  }
  const { fingerprint, schema } = generatedSchemas[name];
  const type = avroTypeOf(schema);
  const record: KnownRecord = {
    name,
    fullName: type.name ?? name,
    fingerprint,
    type,
    findBadLong: badLongFinderOf(type),
    header: Buffer.concat([SINGLE_OBJECT_MARKER, Buffer.from(fingerprint, 'hex')]),
  };
  known.set(name, record);
  return record;
}

/** Whether a record of ours has a field of this name. */
export function hasField(name: RecordName, field: string): boolean {
  return (generatedSchemas[name].schema as { fields: readonly { name: string }[] }).fields.some(
    (each) => each.name === field,
  );
}

/** The schema with this fingerprint, if it is one of ours or was registered. */
export function writerSchema(fingerprint: string): WriterSchema | undefined {
  const found = writers.get(fingerprint);
  if (found !== undefined) return found;
  const name = ownNames.get(fingerprint);
  if (name === undefined) return undefined;
  const { type } = knownRecord(name);
  const writer = { name, fingerprint, read: readerOf(type, type) };
  writers.set(fingerprint, writer);
  return writer;
}

/**
 * Makes messages of another writer readable, from the schema's JSON (canonical or not), as the schema registry
 * has it. A schema with the name of one of our records, older or newer, is from then on read as our current
 * record; others are read as they are. Registering a schema again changes nothing. Throws SchemaError.
 */
export function registerWriterSchema(json: string): RegisteredSchema {
  const type = parseSchema(json);
  const fingerprint = fingerprintOfType(type);
  const existing = writerSchema(fingerprint);
  if (existing !== undefined) return { name: existing.name, fingerprint };
  if (registeredCount >= MAX_REGISTERED_SCHEMAS) {
    throw new SchemaError(
      'too-many-schemas',
      `expected at most ${MAX_REGISTERED_SCHEMAS} registered schemas; restart with a registry that has fewer`,
    );
  }
  const writer = compileWriter(type, fingerprint);
  writers.set(fingerprint, writer);
  registeredCount++;
  return { name: writer.name, fingerprint };
}

function parseSchema(json: string): AvroType {
  if (json.length > MAX_SCHEMA_BYTES) {
    throw new SchemaError(
      'invalid-schema',
      `expected a schema of at most ${MAX_SCHEMA_BYTES} bytes, found ${json.length}`,
    );
  }
  try {
    return avroTypeOf(JSON.parse(json));
  } catch (error) {
    throw new SchemaError('invalid-schema', `expected an Avro schema as JSON: ${messageOf(error)}`, error);
  }
}

function compileWriter(type: AvroType, fingerprint: string): WriterSchema {
  const fullName = type.name ?? type.typeName;
  const own = ownRecordCalled(fullName);
  if (own === undefined) return { name: fullName, fingerprint, read: readerOf(type, type) };
  try {
    return { name: own.name, fingerprint, read: readerOf(own.type, type) };
  } catch (error) {
    throw new SchemaError(
      'incompatible-schema',
      `${fullName} ${fingerprint} cannot be read as ${own.fingerprint}: ${messageOf(error)}`,
      error,
    );
  }
}

function ownRecordCalled(fullName: string): KnownRecord | undefined {
  const name = fullName.slice(fullName.lastIndexOf('.') + 1);
  if (!Object.hasOwn(generatedSchemas, name)) return undefined;
  const record = knownRecord(name as RecordName);
  return record.fullName === fullName ? record : undefined;
}

function readerOf(reader: AvroType, writer: AvroType): (body: Buffer) => unknown {
  const check = bodyCheckOf(writer);
  const convert = plainValueOf(reader);
  const resolver = reader === writer ? undefined : reader.createResolver(writer);
  return (body) => {
    check(body);
    return convert(reader.fromBuffer(body, resolver));
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
