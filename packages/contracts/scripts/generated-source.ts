/** Turns schema files into the TypeScript of src/generated. Pure: text in, text out. */
import { avroTypeOf, fingerprintOfType } from '../src/avro-type.ts';
import { expandSchema, isUnion, type SchemaField, type SchemaFile, type SchemaJson } from './schema-files.ts';

const HEADER = '// Generated from packages/contracts/schemas by scripts/generate.ts. Do not edit.\n';

const FOLDERS: readonly string[] = ['events', 'commands', 'shared', 'tlog'];

/** File name in src/generated -> content. */
export function generatedSource(files: readonly SchemaFile[]): Record<string, string> {
  for (const file of files) refuseUnexpectedNames(file);
  return { 'types.ts': typesSource(files), 'schemas.ts': schemasSource(files) };
}

/** `engine.failure-reported` -> `EngineFailureReported` */
export function recordNameOf(dotted: string): string {
  return dotted
    .split(/[.-]/)
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
    .join('');
}

function refuseUnexpectedNames(file: SchemaFile): void {
  const [folder, base] = file.path.replace(/\.avsc$/, '').split('/');
  const expected = recordNameOf(base ?? '');
  if (file.schema.name !== expected) {
    throw new Error(`${file.path}: expected the name ${expected}, found ${file.schema.name}`);
  }
  if (!FOLDERS.includes(folder ?? '')) {
    throw new Error(`${file.path}: expected a folder of ${FOLDERS.join(', ')}`);
  }
  for (const documented of [file.schema, ...(file.schema.fields ?? [])]) {
    if (!documented.doc) throw new Error(`${file.path}: ${documented.name} has no doc`);
  }
}

function namesIn(files: readonly SchemaFile[], folder: string, suffix: string): string[] {
  return files
    .filter((file) => file.path.startsWith(`${folder}/`) && file.path.endsWith(suffix))
    .map((file) => file.path.slice(folder.length + 1, -suffix.length));
}

function typesSource(files: readonly SchemaFile[]): string {
  const records = files.filter((file) => file.schema.type === 'record').map((file) => file.schema.name);
  const events = namesIn(files, 'events', '.avsc');
  const commands = namesIn(files, 'commands', '.request.avsc');
  return [
    HEADER,
    ...files.map((file) => declarationOf(file, files)),
    '/** What `decode` gives for each record: every field with a default is there. */',
    interfaceOf(
      'RecordTypes',
      records.map((name) => `readonly ${name}: ${name};`),
    ),
    '/** What `encode` takes for each record: fields with a default may be left out. */',
    interfaceOf(
      'RecordInits',
      records.map((name) => `readonly ${name}: ${name}Init;`),
    ),
    '/** The record that carries each event. */',
    interfaceOf(
      'EventRecords',
      events.map((type) => `readonly '${type}': '${recordNameOf(type)}';`),
    ),
    '/** The records of each command. */',
    interfaceOf(
      'CommandRecords',
      commands.map((command) => {
        const name = recordNameOf(command);
        return `readonly '${command}': { readonly request: '${name}Request'; readonly reply: '${name}Reply' };`;
      }),
    ),
    'export type RecordName = keyof RecordTypes;\nexport type EventType = keyof EventRecords;\nexport type CommandName = keyof CommandRecords;\n',
  ].join('\n');
}

function interfaceOf(name: string, members: readonly string[]): string {
  const body = members.map((member) => `  ${member}\n`).join('');
  return `export interface ${name} {\n${body}}\n`;
}

function declarationOf(file: SchemaFile, files: readonly SchemaFile[]): string {
  const { schema } = file;
  const doc = `/** ${schema.doc} */\n`;
  if (schema.type === 'enum') {
    const symbols = (schema.symbols ?? []).map((symbol) => `'${symbol}'`);
    return `${doc}export type ${schema.name} = ${symbols.join(' | ')};\n`;
  }
  const isRecord = (name: string): boolean =>
    files.some((other) => other.schema.name === name && other.schema.type === 'record');
  const fields = schema.fields ?? [];
  if (fields.length === 0) {
    return `${doc}export type ${schema.name} = Record<string, never>;\nexport type ${schema.name}Init = ${schema.name};\n`;
  }
  const read = fields.map((field) => memberOf(field, (type) => tsType(type)));
  const init = fields.map((field) => initMemberOf(field, isRecord));
  const same = read.every((member, index) => member.endsWith(`*/\n  ${init[index]}`));
  const initDeclaration = same
    ? `export type ${schema.name}Init = ${schema.name};\n`
    : interfaceOf(`${schema.name}Init`, init);
  return `${doc}${interfaceOf(schema.name, read)}${initDeclaration}`;
}

function memberOf(field: SchemaField, render: (type: SchemaJson) => string): string {
  const optional = optionalBranch(field.type);
  const doc = `/** ${field.doc} */\n  `;
  return optional === undefined
    ? `${doc}${field.name}: ${render(field.type)};`
    : `${doc}${field.name}?: ${render(optional)} | undefined;`;
}

function initMemberOf(field: SchemaField, isRecord: (name: string) => boolean): string {
  const optional = optionalBranch(field.type);
  const type = initType(optional ?? field.type, isRecord);
  return optional === undefined && field.default === undefined
    ? `${field.name}: ${type};`
    : `${field.name}?: ${type} | undefined;`;
}

/** The X of `["null", X]`, the only union our own schemas may have: others have no plain TypeScript form. */
function optionalBranch(type: SchemaJson): SchemaJson | undefined {
  if (!isUnion(type)) return undefined;
  const [first, second] = type;
  if (type.length !== 2 || first !== 'null' || second === undefined) {
    throw new Error(`expected a union ["null", X], found ${JSON.stringify(type)}`);
  }
  return second;
}

const TS_PRIMITIVES: Readonly<Record<string, string>> = {
  string: 'string',
  boolean: 'boolean',
  int: 'number',
  long: 'number',
  double: 'number',
  bytes: 'Buffer',
};

function tsType(type: SchemaJson): string {
  if (typeof type === 'string') return TS_PRIMITIVES[type] ?? type;
  if (!isUnion(type) && 'items' in type && type.items !== undefined) return `${tsType(type.items)}[]`;
  if (!isUnion(type) && TS_PRIMITIVES[type.type] !== undefined) return tsType(type.type);
  throw new Error(`no TypeScript form for ${JSON.stringify(type)}`);
}

function initType(type: SchemaJson, isRecord: (name: string) => boolean): string {
  if (typeof type === 'string' && isRecord(type)) return `${type}Init`;
  if (typeof type === 'object' && !isUnion(type) && 'items' in type && type.items !== undefined) {
    return `readonly ${initType(type.items, isRecord)}[]`;
  }
  return tsType(type);
}

function schemasSource(files: readonly SchemaFile[]): string {
  const entries = files
    .filter((file) => file.schema.type === 'record')
    .map((file) => {
      const schema = expandSchema(file.schema, files);
      const fingerprint = fingerprintOfType(avroTypeOf(schema));
      return `  ${schema.name}: {\n    fingerprint: '${fingerprint}',\n    schema: ${JSON.stringify(schema)},\n  },\n`;
    });
  const events = namesIn(files, 'events', '.avsc').map((type) => `  '${type}': '${recordNameOf(type)}',\n`);
  const commands = namesIn(files, 'commands', '.request.avsc').map((command) => {
    const name = recordNameOf(command);
    return `  '${command}': { request: '${name}Request', reply: '${name}Reply' },\n`;
  });
  return [
    HEADER,
    "import type { CommandRecords, EventRecords, RecordName } from './types.ts';\n",
    '/** A record as it is on the wire. `fingerprint`: CRC-64-AVRO, 16 hex digits in wire order. */',
    'export interface GeneratedSchema {\n  readonly fingerprint: string;\n  readonly schema: object;\n}\n',
    `export const generatedSchemas: Readonly<Record<RecordName, GeneratedSchema>> = {\n${entries.join('')}};\n`,
    `export const eventRecords: EventRecords = {\n${events.join('')}};\n`,
    `export const commandRecords: CommandRecords = {\n${commands.join('')}};\n`,
  ].join('\n');
}
