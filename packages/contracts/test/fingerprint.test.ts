import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encode, fingerprintOf, schemaList } from '@salvor/contracts';
import { avroTypeOf, canonicalJsonOf, fingerprintOfType } from '../src/avro-type.ts';
import { crc64Avro } from '../src/crc64-avro.ts';

function asInteger(text: string): string {
  return crc64Avro(Buffer.from(text)).readBigUInt64LE().toString(16);
}

test('CRC-64-AVRO gives the values of the Avro specification', () => {
  assert.equal(asInteger('"int"'), '7275d51a3f395c8f');
  assert.equal(asInteger('"null"'), '63dd24e7cc258f8a');
  assert.equal(asInteger(''), 'c15d213aa4d7a795');
});

test('CRC-64-AVRO agrees with the bit-by-bit definition on every byte value', () => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
  const empty = 0xc15d213aa4d7a795n;
  let expected = empty;
  for (const byte of bytes) {
    expected ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) expected = (expected >> 1n) ^ ((expected & 1n) === 1n ? empty : 0n);
  }
  assert.equal(crc64Avro(bytes).readBigUInt64LE(), expected);
});

test('a fingerprint is the wire order of the integer, so a hex dump of a message shows it', () => {
  assert.equal(fingerprintOfType(avroTypeOf('int')), '8f5c393f1ad57572');
  const message = encode('VdiskDeleteRequest', { vdisk: 'v1' });
  assert.equal(message.toString('hex', 0, 10), `c301${fingerprintOf('VdiskDeleteRequest')}`);
});

test('docs, defaults and logical types do not change the canonical form', () => {
  const plain = { type: 'record', name: 'a.R', fields: [{ name: 'at', type: 'long' }] };
  const rich = {
    type: 'record',
    name: 'R',
    namespace: 'a',
    doc: 'Something.',
    fields: [
      { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' }, default: 0, doc: 'When.' },
    ],
  };
  assert.equal(canonicalJsonOf(avroTypeOf(rich)), canonicalJsonOf(avroTypeOf(plain)));
  assert.equal(
    canonicalJsonOf(avroTypeOf(plain)),
    '{"name":"a.R","type":"record","fields":[{"name":"at","type":"long"}]}',
  );
});

test('the published form of every schema has the fingerprint it is published under', () => {
  for (const { fullName, name, fingerprint, canonicalJson, documentedJson } of schemaList) {
    assert.equal(fullName, `salvor.v1.${name}`);
    assert.equal(crc64Avro(Buffer.from(canonicalJson)).toString('hex'), fingerprint, name);
    assert.equal(fingerprintOfType(avroTypeOf(JSON.parse(canonicalJson))), fingerprint, name);
    assert.equal(fingerprintOfType(avroTypeOf(JSON.parse(documentedJson))), fingerprint, name);
  }
});

test('no two records share a fingerprint', () => {
  assert.equal(new Set(schemaList.map((schema) => schema.fingerprint)).size, schemaList.length);
});
