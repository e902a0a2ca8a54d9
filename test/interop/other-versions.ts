/** Records as the version before this one and the version after it would write and read them. */
import { encode, fromPlainJson, type RecordInits, type RecordName, schemaList } from '@salvor/contracts';
import avro from 'avsc';
import { crc64Avro } from '../../packages/contracts/src/crc64-avro.ts';

export type Version = 'older' | 'newer';

interface Field {
  readonly name: string;
  readonly type: unknown;
  readonly default?: unknown;
}

const HEADER_BYTES = 10;
const ADDED = { name: 'fromNewerVersion', type: ['null', 'string'], default: null };

/** A record in another version: with one more optional field in each record of it, or without any that has a default. */
export class OtherVersion {
  readonly record: RecordName;
  readonly version: Version;
  /** That it knows. */
  readonly fields: readonly string[];
  readonly fingerprint: string;
  /** Canonical: as it is published. */
  readonly json: string;
  readonly #own: avro.Type;
  readonly #other: avro.Type;

  constructor(record: RecordName, version: Version) {
    const documented: unknown = JSON.parse(
      schemaList.find(({ name }) => name === record)?.documentedJson ?? '',
    );
    this.record = record;
    this.version = version;
    this.#own = typeOf(documented);
    this.#other = typeOf(changed(documented, version));
    this.fields = (this.#other as avro.types.RecordType).fields.map(({ name }) => name);
    this.json = JSON.stringify(this.#other.schema());
    this.fingerprint = crc64Avro(Buffer.from(this.json)).toString('hex');
  }

  /** What it writes for an example of ours. */
  write(example: unknown): Buffer {
    const ours = encode(this.record, fromPlainJson(this.record, example) as RecordInits[RecordName]);
    const value = this.#other.fromBuffer(
      ours.subarray(HEADER_BYTES),
      this.#other.createResolver(this.#own),
    ) as object;
    if ('fromNewerVersion' in value) value.fromNewerVersion = 'unknown to readers of today';
    const header = Buffer.concat([Buffer.from([0xc3, 0x01]), Buffer.from(this.fingerprint, 'hex')]);
    return Buffer.concat([header, this.#other.toBuffer(value)]);
  }

  /** Reads what this version wrote. */
  read(bytes: Buffer): unknown {
    return this.#other.fromBuffer(bytes.subarray(HEADER_BYTES), this.#other.createResolver(this.#own));
  }
}

function typeOf(schema: unknown): avro.Type {
  return avro.Type.forSchema(schema as avro.Schema, { omitRecordMethods: true });
}

function changed(schema: unknown, version: Version): unknown {
  if (Array.isArray(schema)) return schema.map((branch) => changed(branch, version));
  if (typeof schema !== 'object' || schema === null) return schema;
  const members = Object.entries(schema).map(([name, member]) => {
    if (name === 'fields') return [name, changedFields(member as Field[], version)];
    return [name, ['type', 'items', 'values'].includes(name) ? changed(member, version) : member];
  });
  return Object.fromEntries(members);
}

function changedFields(fields: readonly Field[], version: Version): unknown[] {
  const kept = version === 'newer' ? fields : fields.filter((field) => !('default' in field));
  const all = kept.map((field) => ({ ...field, type: changed(field.type, version) }));
  return version === 'newer' ? [...all, ADDED] : all;
}
