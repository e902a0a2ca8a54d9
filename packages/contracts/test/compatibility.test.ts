import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { incompatibilities } from '../scripts/schema-compatibility.ts';
import {
  type NamedSchema,
  readSchemaFiles,
  type SchemaField,
  type SchemaFile,
  schemasFolder,
} from '../scripts/schema-files.ts';

const files = readSchemaFiles();

/** The schema files with another version of one record. */
function withRecord(name: string, change: (schema: NamedSchema) => NamedSchema): SchemaFile[] {
  return files.map((file) => (file.schema.name === name ? { ...file, schema: change(file.schema) } : file));
}

function withField(field: SchemaField): SchemaFile[] {
  return withRecord('VdiskMounted', (schema) => ({ ...schema, fields: [...(schema.fields ?? []), field] }));
}

test('the schemas are compatible with themselves', () => {
  assert.deepEqual(incompatibilities(files, files), []);
});

test('a field with a default may be added and taken away', () => {
  const longer = withField({ name: 'zone', type: ['null', 'string'], default: null, doc: 'Zone.' });
  assert.deepEqual(incompatibilities(files, longer), []);
  assert.deepEqual(incompatibilities(longer, files), []);
});

test('a new record is compatible', () => {
  const added = files.filter((file) => file.schema.name !== 'VdiskMounted');
  assert.deepEqual(incompatibilities(added, files), []);
});

test('a field without a default is caught: it cannot be read from old messages', () => {
  const [problem, ...others] = incompatibilities(
    files,
    withField({ name: 'zone', type: 'string', doc: 'Zone.' }),
  );
  assert.match(
    problem ?? '',
    /^events\/vdisk\.mounted\.avsc: the new schema cannot read what old writers wrote/,
  );
  assert.deepEqual(others, []);
});

test('a field that is taken away is caught: old readers need it', () => {
  const shorter = withRecord('VdiskMounted', (schema) => ({
    ...schema,
    fields: schema.fields?.slice(1) ?? [],
  }));
  const [problem, ...others] = incompatibilities(files, shorter);
  assert.match(problem ?? '', /readers of the old schema cannot read what the new one writes/);
  assert.deepEqual(others, []);
});

test('another type, a new symbol and a lost record are caught', () => {
  const retyped = withRecord('VdiskMounted', (schema) => ({
    ...schema,
    fields: (schema.fields ?? []).map((field) =>
      field.name === 'epoch' ? { ...field, type: 'string' } : field,
    ),
  }));
  assert.equal(incompatibilities(files, retyped).length, 2);
  const symbol = withRecord('Verdict', (schema) => ({
    ...schema,
    symbols: [...(schema.symbols ?? []), 'unknown'],
  }));
  assert.ok(incompatibilities(files, symbol).some((problem) => problem.includes('engine.verdict-given')));
  const lost = files.filter((file) => file.schema.name !== 'VdiskMounted');
  assert.match(incompatibilities(files, lost)[0] ?? '', /salvor\.v1\.VdiskMounted is gone/);
});

const scratch = mkdtempSync(join(tmpdir(), 'salvor-schemas-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

function check(...parameters: string[]): { status: number | null; output: string } {
  const script = join(import.meta.dirname, '..', 'scripts', 'compatibility.ts');
  const run = spawnSync(process.execPath, ['--import', 'tsx', script, '--schemas', scratch, ...parameters], {
    encoding: 'utf8',
    cwd: join(import.meta.dirname, '..'),
    timeout: 60_000,
  });
  return { status: run.status, output: run.stdout + run.stderr };
}

function git(...parameters: string[]): void {
  const identity = ['-c', 'user.name=test', '-c', 'user.email=test@example.invalid'];
  execFileSync('git', ['-C', scratch, ...identity, ...parameters], { stdio: 'ignore' });
}

test('the check compares the working tree with a commit and fails on an incompatible change', () => {
  cpSync(schemasFolder, scratch, { recursive: true });
  const first = check();
  assert.equal(first.status, 0, first.output);
  assert.match(first.output, /no schemas at HEAD/);

  git('init', '--quiet');
  git('add', '.');
  git('commit', '--quiet', '--message', 'schemas');
  const same = check();
  assert.equal(same.status, 0, same.output);
  assert.match(same.output, /read each other/);

  const path = join(scratch, 'events', 'vdisk.mounted.avsc');
  const schema = JSON.parse(readFileSync(path, 'utf8')) as NamedSchema;
  const fields = [...(schema.fields ?? []), { name: 'zone', type: 'string', doc: 'Zone.' }];
  writeFileSync(path, JSON.stringify({ ...schema, fields }));
  const changed = check();
  assert.equal(changed.status, 1, changed.output);
  assert.match(changed.output, /events\/vdisk\.mounted\.avsc/);
  assert.equal(check('--against', 'nowhere').status, 1);
});
