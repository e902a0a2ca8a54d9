import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  decode,
  encode,
  fromPlainJson,
  MAX_FIELD_PROBLEMS,
  type RecordName,
  recordNames,
  toPlainJson,
  ValidationError,
} from '@salvor/contracts';
import fc from 'fast-check';

/** The problems of JSON, as `path: expected`. */
function problemsOf(name: RecordName, json: unknown): string[] {
  try {
    fromPlainJson(name, json);
    return [];
  } catch (error) {
    assert(error instanceof ValidationError, String(error));
    assert.equal(error.code, 'invalid-json');
    return error.details.map(({ path, expected }) => `${path}: ${expected}`);
  }
}

test('every wrong field is reported at once, with its path', () => {
  const json = {
    cluster: 7,
    role: 'tertiary',
    engines: [{ address: '10.0.0.1:1' }, { db: 'zero' }, 'x'],
    spare: [],
  };
  assert.deepEqual(problemsOf('ClusterCreateRequest', json), [
    'spare: one of the fields of ClusterCreateRequest: cluster, role, engines, spares, partner, operationId',
    'cluster: a string',
    'role: one of primary, slave',
    'engines[1].address: string, required',
    'engines[1].db: an int from -2147483648 to 2147483647',
    'engines[2]: an object (EngineAddress)',
  ]);
});

test('the message of the error is the list of problems, with what was found', () => {
  assert.throws(() => fromPlainJson('VdiskDeleteRequest', { vdisk: null }), {
    message: 'VdiskDeleteRequest: vdisk: expected a string, found null',
  });
});

test('JSON that is no object at all is one problem', () => {
  for (const json of [null, [], 'x', 1, undefined]) {
    assert.deepEqual(problemsOf('VdiskDeleteRequest', json), ['$: an object (VdiskDeleteRequest)']);
  }
});

test('a record without fields takes an empty object only', () => {
  assert.deepEqual(fromPlainJson('ClusterListRequest', {}), {});
  assert.deepEqual(problemsOf('ClusterListRequest', { all: true }), [
    'all: one of the fields of ClusterListRequest: none at all',
  ]);
});

test('defaults are filled in; null and absence are the same for an optional field', () => {
  const expected = { vdisk: 'v', type: 'db', sizeGiB: 1, blockSize: 4096, cluster: 'c', readOnly: false };
  const json = { vdisk: 'v', type: 'db', sizeGiB: 1, cluster: 'c' };
  assert.deepEqual(fromPlainJson('VdiskCreateRequest', json), expected);
  assert.deepEqual(fromPlainJson('VdiskCreateRequest', { ...json, slaveCluster: null }), expected);
});

test('the wrapped form of Avro JSON is taken too', () => {
  assert.deepEqual(fromPlainJson('EngineListRequest', { cluster: { string: 'c' } }), { cluster: 'c' });
  const owner = { server: 's', epoch: 4 };
  const shape = { vdisk: 'v', type: 'db', sizeGiB: 1, blockSize: 512, cluster: 'c' };
  const summary = { ...shape, readOnly: false, status: '' };
  for (const wrapped of [{ 'salvor.v1.VdiskOwner': owner }, { VdiskOwner: owner }, owner]) {
    assert.deepEqual(fromPlainJson('VdiskSummary', { ...summary, owner: wrapped }), { ...summary, owner });
  }
  assert.deepEqual(problemsOf('EngineListRequest', { cluster: { string: 5 } }), ['cluster: a string']);
  assert.deepEqual(problemsOf('EngineListRequest', { cluster: { int: 5 } }), ['cluster: a string']);
});

const rejected = { source: 's', reason: 'r', line: '', at: 0 };

test('a long is a number or a decimal string, and must fit', () => {
  assert.equal(fromPlainJson('LogLineRejected', { ...rejected, at: '1700000000000' }).at, 1700000000000);
  assert.equal(fromPlainJson('LogLineRejected', { ...rejected, at: '-5' }).at, -5);
  for (const at of [
    2 ** 53,
    '9007199254740993',
    -(2 ** 53),
    1.5,
    '1.5',
    '',
    '0x10',
    'now',
    true,
    null,
    '1e3',
  ]) {
    assert.deepEqual(
      problemsOf('LogLineRejected', { ...rejected, at }),
      ['at: a long (number or string) from -4503599627370496 to 9007199254740990'],
      String(at),
    );
  }
});

test('an int must fit 32 bits and is no string', () => {
  for (const db of [2 ** 31, -(2 ** 31) - 1, 0.5, '1', Number.NaN]) {
    assert.equal(problemsOf('EngineProbeRequest', { address: 'a', db }).length, 1, String(db));
  }
});

test('bytes are base64, and nothing near it', () => {
  const line = fromPlainJson('LogLineRejected', { ...rejected, line: 'aGk=' }).line;
  assert.equal(line.toString(), 'hi');
  for (const bad of ['aGk', 'a', 'aG k=', 'aGk=\n', 'a-_=', '====', 5, [104]]) {
    assert.deepEqual(problemsOf('LogLineRejected', { ...rejected, line: bad }), ['line: bytes as base64']);
  }
});

test('false-alarm is taken for the symbol false_alarm', () => {
  const request = { address: 'a:1', verdict: 'false-alarm', reason: 'r' };
  assert.equal(fromPlainJson('EngineSetVerdictRequest', request).verdict, 'false_alarm');
  assert.deepEqual(problemsOf('EngineSetVerdictRequest', { ...request, verdict: 'maybe' }), [
    'verdict: one of temporary, permanent, false_alarm',
  ]);
});

test('names of Object.prototype are neither fields nor symbols', () => {
  const json: unknown = JSON.parse('{"vdisk":"v","__proto__":{"operationId":"x"},"constructor":1}');
  assert.deepEqual(
    problemsOf('VdiskDeleteRequest', json).map((problem) => problem.split(':')[0]),
    ['__proto__', 'constructor'],
  );
  assert.equal(
    problemsOf('EngineSetVerdictRequest', { address: 'a', verdict: 'toString', reason: '' }).length,
    1,
  );
});

test('the list of problems is bounded', () => {
  const engines = Array.from({ length: 1000 }, () => ({}));
  const problems = problemsOf('ClusterCreateRequest', { cluster: 'c', role: 'primary', engines });
  assert.equal(problems.length, MAX_FIELD_PROBLEMS);
});

test('any JSON is taken or refused with problems, and what is taken can be encoded', () => {
  fc.assert(
    fc.property(fc.constantFrom(...recordNames()), fc.jsonValue(), (name, json) => {
      if (problemsOf(name, json).length === 0) encode(name, fromPlainJson(name, json) as never);
    }),
    { numRuns: 1000 },
  );
});

test('rendering makes bytes base64 and fills defaults', () => {
  const event = { source: 's', reason: 'r', line: Buffer.from('hi'), at: 1 };
  const json = { source: 's', reason: 'r', line: 'aGk=', at: 1 };
  assert.deepEqual(toPlainJson('LogLineRejected', event), json);
  assert.deepEqual(toPlainJson(decode(encode('LogLineRejected', event))), json);
  assert.deepEqual(toPlainJson('EngineProbeRequest', { address: 'a' }), { address: 'a', db: 0 });
});

test('rendering a value that does not fit names the wrong fields', () => {
  assert.throws(
    () => toPlainJson('VdiskDeleteRequest', { vdisk: 1 } as never),
    (error) => error instanceof ValidationError && error.details[0]?.path === 'vdisk',
  );
});
