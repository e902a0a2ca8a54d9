import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DecodeError,
  decode,
  decodeAs,
  encode,
  fingerprintOf,
  registerWriterSchema,
  SchemaError,
  schemaList,
  toPlainJson,
} from '@salvor/contracts';
import { avroTypeOf, fingerprintOfType } from '../src/avro-type.ts';

/** What a writer with this schema sends. */
function written(schema: object, value: unknown): Buffer {
  const type = avroTypeOf(schema);
  return Buffer.concat([
    Buffer.from([0xc3, 0x01]),
    Buffer.from(fingerprintOfType(type), 'hex'),
    type.toBuffer(value),
  ]);
}

function vdiskMounted(...extra: object[]): object {
  const fields = [
    { name: 'vdisk', type: 'string' },
    { name: 'server', type: 'string' },
    { name: 'epoch', type: 'long' },
    { name: 'at', type: 'long' },
  ];
  return { type: 'record', name: 'VdiskMounted', namespace: 'salvor.v1', fields: [...fields, ...extra] };
}

const mounted = { vdisk: 'v1', server: 'nbd-1', epoch: 41, at: 5 };

test('a newer writer with one more field reads as the current record once its schema is known', () => {
  const schema = vdiskMounted({ name: 'zone', type: 'string', default: '' });
  const message = written(schema, { ...mounted, zone: 'north' });
  assert.throws(() => decode(message), { code: 'unknown-schema' });
  const { name, fingerprint } = registerWriterSchema(JSON.stringify(schema));
  assert.equal(name, 'VdiskMounted');
  assert.deepEqual(decode(message), { name, fingerprint, value: mounted });
  assert.deepEqual(decodeAs('VdiskMounted', message), mounted);
});

test('an older writer without the optional and defaulted fields reads with them absent or filled', () => {
  const schema = {
    type: 'record',
    name: 'salvor.v1.EngineProbeRequest',
    fields: [{ name: 'address', type: 'string' }],
  };
  registerWriterSchema(JSON.stringify(schema));
  assert.deepEqual(decodeAs('EngineProbeRequest', written(schema, { address: 'a:1' })), {
    address: 'a:1',
    db: 0,
  });
});

test('a writer of an older int where the record has a long now is read', () => {
  const schema = {
    ...vdiskMounted(),
    fields: [
      { name: 'vdisk', type: 'string' },
      { name: 'server', type: 'string' },
      { name: 'epoch', type: 'int' },
      { name: 'at', type: 'long' },
    ],
  };
  registerWriterSchema(JSON.stringify(schema));
  assert.deepEqual(decodeAs('VdiskMounted', written(schema, mounted)), mounted);
});

test('the bytes of another writer are checked as strictly as our own', () => {
  const schema = vdiskMounted({ name: 'tags', type: { type: 'array', items: 'string' }, default: [] });
  registerWriterSchema(JSON.stringify(schema));
  const message = written(schema, { ...mounted, tags: ['a'] });
  for (let end = 10; end < message.length; end++) {
    assert.throws(() => decode(message.subarray(0, end)), { code: 'malformed-body' });
  }
});

test('a schema with the name of one of our records that it cannot be read as is refused', () => {
  const schema = {
    type: 'record',
    name: 'salvor.v1.VdiskMounted',
    fields: [{ name: 'vdisk', type: 'string' }],
  };
  assert.throws(
    () => registerWriterSchema(JSON.stringify(schema)),
    (error) =>
      error instanceof SchemaError && error.code === 'incompatible-schema' && /server/.test(error.message),
  );
});

test('the published form of our own schemas can be registered, and changes nothing', () => {
  for (const { name, fingerprint, canonicalJson } of schemaList) {
    assert.deepEqual(registerWriterSchema(canonicalJson), { name, fingerprint });
  }
  assert.deepEqual(decodeAs('VdiskMounted', encode('VdiskMounted', mounted)), mounted);
  assert.equal(
    fingerprintOf('VdiskMounted'),
    registerWriterSchema(JSON.stringify(vdiskMounted())).fingerprint,
  );
});

test('a record of another project is read as it is, with every kind of Avro type', () => {
  const schema = {
    type: 'record',
    name: 'Tree',
    namespace: 'elsewhere',
    fields: [
      { name: 'label', type: ['string', 'long', 'bytes'] },
      { name: 'weights', type: { type: 'map', values: 'double' } },
      { name: 'digest', type: { type: 'fixed', name: 'Digest', size: 2 } },
      { name: 'numbers', type: { type: 'array', items: ['int', 'double'] } },
      { name: 'children', type: { type: 'array', items: 'Tree' } },
      { name: 'parent', type: ['null', 'Tree'], default: null },
    ],
  };
  const leaf = { label: 7, weights: {}, digest: Buffer.from('ab'), numbers: [], children: [] };
  const tree = {
    label: Buffer.from('hi'),
    weights: { a: 0.5, b: Number.POSITIVE_INFINITY },
    digest: Buffer.from('cd'),
    numbers: [{ int: 1 }, { double: 2.5 }],
    children: [leaf],
    parent: { ...leaf, label: 'root' },
  };
  const { name } = registerWriterSchema(JSON.stringify(schema));
  assert.equal(name, 'elsewhere.Tree');
  const decoded = decode(written(schema, tree));
  assert.deepEqual(toPlainJson(decoded), {
    label: 'aGk=',
    weights: { a: 0.5, b: 'Infinity' },
    digest: 'Y2Q=',
    numbers: [1, 2.5],
    children: [{ label: 7, weights: {}, digest: 'YWI=', numbers: [], children: [] }],
    parent: { label: 'root', weights: {}, digest: 'YWI=', numbers: [], children: [] },
  });
});

test('a message nested without end is refused before the stack is gone', () => {
  const schema = {
    type: 'record',
    name: 'elsewhere.Chain',
    fields: [{ name: 'next', type: ['null', 'elsewhere.Chain'], default: null }],
  };
  const { fingerprint } = registerWriterSchema(JSON.stringify(schema));
  const links = Buffer.alloc(1_000_000, 2);
  assert.throws(
    () => decode(Buffer.concat([Buffer.from(`c301${fingerprint}`, 'hex'), links])),
    (error) =>
      error instanceof DecodeError && error.code === 'malformed-body' && /nested deeper/.test(error.message),
  );
});

test('items that take no bytes cannot be claimed by the million', () => {
  const schema = {
    type: 'record',
    name: 'elsewhere.Nothings',
    fields: [{ name: 'items', type: { type: 'array', items: 'null' } }],
  };
  const { fingerprint } = registerWriterSchema(JSON.stringify(schema));
  const message = Buffer.from(`c301${fingerprint}808080801000`, 'hex');
  assert.throws(() => decode(message), { code: 'malformed-body' });
});

test('what is no schema is refused', () => {
  for (const text of [
    '',
    'x',
    '{}',
    '{"type":"record"}',
    '{"type":"enum","name":"E","symbols":["a-b"]}',
    'null',
  ]) {
    assert.throws(
      () => registerWriterSchema(text),
      (error) => error instanceof SchemaError && error.code === 'invalid-schema',
      text,
    );
  }
  const deep = `${'{"type":"array","items":'.repeat(9000)}"int"${'}'.repeat(9000)}`;
  assert.throws(() => registerWriterSchema(deep), SchemaError);
  assert.throws(() => registerWriterSchema(`"${'x'.repeat(300_000)}"`), SchemaError);
});
