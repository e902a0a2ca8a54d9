import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { generatedSource, recordNameOf } from '../scripts/generated-source.ts';
import { type NamedSchema, readSchemaFiles, type SchemaFile } from '../scripts/schema-files.ts';

const generatedFolder = join(import.meta.dirname, '..', 'src', 'generated');

function eventFile(schema: Partial<NamedSchema>): SchemaFile {
  const defaults = {
    type: 'record',
    name: 'RoomOpened',
    namespace: 'salvor.v1',
    doc: 'A room is open.',
  } as const;
  return { path: 'events/room.opened.avsc', schema: { ...defaults, fields: [], ...schema } };
}

test('the committed types and schemas are those of the schema files', () => {
  for (const [name, text] of Object.entries(generatedSource(readSchemaFiles()))) {
    assert.equal(
      readFileSync(join(generatedFolder, name), 'utf8'),
      text,
      `${name} is stale: run the generator`,
    );
  }
});

test('a file name gives the record name', () => {
  assert.equal(recordNameOf('engine.failure-reported'), 'EngineFailureReported');
  assert.equal(recordNameOf('vdisk.create.request'), 'VdiskCreateRequest');
});

test('optional fields, defaults and arrays have their TypeScript form', () => {
  const types = generatedSource([
    eventFile({
      fields: [
        { name: 'note', type: ['null', 'string'], default: null, doc: 'A note.' },
        { name: 'doors', type: 'int', default: 1, doc: 'How many.' },
        { name: 'keys', type: { type: 'array', items: 'string' }, doc: 'Keys.' },
      ],
    }),
  ])['types.ts'];
  assert.match(types ?? '', /note\?: string \| undefined;\n {2}\/\*\* How many\. \*\/\n {2}doors: number;/);
  assert.match(
    types ?? '',
    /interface RoomOpenedInit \{\n.*\n {2}doors\?: number \| undefined;\n {2}keys: readonly string\[\];/,
  );
});

test('schemas that have no TypeScript form, no doc or another name are refused', () => {
  const wrong: [Partial<NamedSchema>, RegExp][] = [
    [{ name: 'Other' }, /expected the name RoomOpened/],
    [{ doc: '' }, /has no doc/],
    [{ fields: [{ name: 'a', type: 'int' }] }, /a has no doc/],
    [{ fields: [{ name: 'a', type: ['int', 'string'], doc: 'A.' }] }, /expected a union/],
    [{ fields: [{ name: 'a', type: 'Missing', doc: 'A.' }] }, /no schema file defines the type Missing/],
  ];
  for (const [schema, message] of wrong) assert.throws(() => generatedSource([eventFile(schema)]), message);
});
