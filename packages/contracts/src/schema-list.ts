/** The schemas as they are published: for the schema registry, `salvor`, and people. */
import { canonicalJsonOf } from './avro-type.ts';
import { generatedSchemas } from './generated/schemas.ts';
import type { RecordName } from './generated/types.ts';
import { knownRecord } from './registry.ts';

export interface PublishedSchema {
  readonly name: RecordName;
  /** With the namespace: `salvor.v1.VdiskCreated`. */
  readonly fullName: string;
  /** 16 hex digits in wire order: the key in the schema registry. */
  readonly fingerprint: string;
  /** Parsing Canonical Form: enough to decode; the fingerprint is taken of it. */
  readonly canonicalJson: string;
  /** With docs and defaults, indented: for reading. */
  readonly documentedJson: string;
}

/** Every record of the contracts, by name. The JSON is made when it is asked for. */
export const schemaList: readonly PublishedSchema[] = recordNames().map((name) => ({
  name,
  fingerprint: generatedSchemas[name].fingerprint,
  get fullName() {
    return knownRecord(name).fullName;
  },
  get canonicalJson() {
    return canonicalJsonOf(knownRecord(name).type);
  },
  get documentedJson() {
    return JSON.stringify(generatedSchemas[name].schema, null, 2);
  },
}));

export function recordNames(): RecordName[] {
  return Object.keys(generatedSchemas) as RecordName[];
}

/** The fingerprint of one record: 16 hex digits in wire order, as in `ce-dataschema`. */
export function fingerprintOf(name: RecordName): string {
  return generatedSchemas[name].fingerprint;
}
