/** The only door to avsc's schema parser, with the settings every schema of ours is read with. */
import avro from 'avsc';
import { crc64Avro } from './crc64-avro.ts';

export type AvroType = avro.Type;

/** Builds a type from a schema's JSON. Logical types stay the number or string they are on the wire. */
export function avroTypeOf(schema: unknown): AvroType {
  return avro.Type.forSchema(schema as avro.Schema, { omitRecordMethods: true });
}

/** Parsing Canonical Form: no docs, no defaults, full names. What the fingerprint is taken of. */
export function canonicalJsonOf(type: AvroType): string {
  return JSON.stringify(type.schema());
}

/** CRC-64-AVRO of the canonical form: 16 hex digits in wire order, so a hex dump of a message shows it. */
export function fingerprintOfType(type: AvroType): string {
  return crc64Avro(Buffer.from(canonicalJsonOf(type))).toString('hex');
}
