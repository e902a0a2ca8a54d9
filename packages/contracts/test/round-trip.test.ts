import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  decode,
  decodeAs,
  encode,
  fromPlainJson,
  schemaList,
  toPlainJson,
  ValidationError,
} from '@salvor/contracts';
import fc from 'fast-check';
import { arbitraryRecord } from './arbitrary-records.ts';

const RUNS = { numRuns: 40 };

for (const schema of schemaList) {
  test(`${schema.name} survives Avro and plain JSON unchanged`, () => {
    fc.assert(
      fc.property(arbitraryRecord(schema), (value) => {
        const bytes = encode(schema.name, value as never);
        assert.deepEqual(decode(bytes), { name: schema.name, fingerprint: schema.fingerprint, value });
        const json: unknown = JSON.parse(JSON.stringify(toPlainJson(schema.name, value as never)));
        assert.deepEqual(json, JSON.parse(JSON.stringify(toPlainJson(decode(bytes)))));
        assert.deepEqual(fromPlainJson(schema.name, json), value);
      }),
      RUNS,
    );
  });
}

test('defaults are filled in, and absent optional fields stay absent', () => {
  const bytes = encode('VdiskCreateRequest', { vdisk: 'v1', type: 'db', sizeGiB: 1, cluster: 'c' });
  assert.deepEqual(decodeAs('VdiskCreateRequest', bytes), {
    vdisk: 'v1',
    type: 'db',
    sizeGiB: 1,
    blockSize: 4096,
    cluster: 'c',
    readOnly: false,
  });
});

test('undefined for an optional field is the same as leaving it out', () => {
  const bytes = encode('VdiskDeleteRequest', { vdisk: 'v1', operationId: undefined });
  assert.deepEqual(bytes, encode('VdiskDeleteRequest', { vdisk: 'v1' }));
});

test('a message larger than the scratch buffer is whole, and the next small one too', () => {
  const line = Buffer.alloc(3_000_000, 7);
  const event = { source: 's', reason: 'r', line, at: 1 };
  assert.deepEqual(decodeAs('LogLineRejected', encode('LogLineRejected', event)), event);
  const small = { ...event, line: Buffer.from('x') };
  assert.deepEqual(decodeAs('LogLineRejected', encode('LogLineRejected', small)), small);
});

test('an encoded message is not touched by the next one', () => {
  const first = encode('VdiskDeleteRequest', { vdisk: 'first' });
  const copy = Buffer.from(first);
  encode('VdiskDeleteRequest', { vdisk: 'second' });
  assert.deepEqual(first, copy);
});

test('decoded bytes do not share memory with the message', () => {
  const message = encode('LogLineRejected', { source: 's', reason: 'r', line: Buffer.from('abc'), at: 1 });
  const { line } = decodeAs('LogLineRejected', message);
  message.fill(0);
  assert.equal(line.toString(), 'abc');
});

test('a message in a plain Uint8Array, inside a larger buffer, decodes', () => {
  const message = encode('VdiskDeleteRequest', { vdisk: 'v1' });
  const larger = new Uint8Array(message.length + 8);
  larger.set(message, 4);
  assert.deepEqual(decodeAs('VdiskDeleteRequest', larger.subarray(4, 4 + message.length)), { vdisk: 'v1' });
});

test('encode names every wrong field of a value', () => {
  const wrong = { vdisk: 7, server: 'nbd-1', epoch: 1.5, at: Number.NaN };
  assert.throws(
    () => encode('VdiskMounted', wrong as never),
    (error) => {
      assert(error instanceof ValidationError);
      assert.equal(error.code, 'invalid-value');
      assert.deepEqual(
        error.details.map(({ path, expected }) => ({ path, expected })),
        [
          { path: 'vdisk', expected: 'string' },
          { path: 'epoch', expected: 'long' },
          { path: 'at', expected: 'long' },
        ],
      );
      return true;
    },
  );
});

test('encode names a wrong field inside an array', () => {
  const engines = [{ address: 'a:1' }, { address: 2 }];
  assert.throws(
    () => encode('ClusterCreateRequest', { cluster: 'c', role: 'primary', engines } as never),
    (error) => error instanceof ValidationError && error.details[0]?.path === 'engines[1].address',
  );
});

test('encode refuses a long whose zigzag form a double cannot hold, where avsc would write another number', () => {
  const at = -(2 ** 52) - 1;
  assert.throws(
    () => encode('VdiskMounted', { vdisk: 'v1', server: 's', epoch: 1, at }),
    (error) => error instanceof ValidationError && error.details[0]?.path === 'at',
  );
  const evidence = [{ kind: 'k', detail: 'd', at }];
  assert.throws(
    () => encode('EngineProbeReply', { address: 'a', status: 's', reason: 'r', evidence, at: 1 }),
    (error) => error instanceof ValidationError && error.details[0]?.path === 'evidence[0].at',
  );
});
