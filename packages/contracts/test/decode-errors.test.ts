import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DecodeError,
  type DecodeErrorCode,
  decode,
  decodeAs,
  encode,
  fingerprintOf,
} from '@salvor/contracts';
import fc from 'fast-check';
import { arbitraryRecord, publishedSchema } from './arbitrary-records.ts';

function assertDecodeError(bytes: Uint8Array, code: DecodeErrorCode, message?: RegExp): void {
  assert.throws(
    () => decode(bytes),
    (error) => {
      assert(error instanceof DecodeError, String(error));
      assert.equal(error.code, code, error.message);
      if (message !== undefined) assert.match(error.message, message);
      return true;
    },
  );
}

/** A message of a record with a body of any bytes. */
function withBody(
  record: 'EngineProbeReply' | 'VdiskMounted' | 'IncidentListRequest',
  ...body: number[]
): Buffer {
  return Buffer.concat([Buffer.from(`c301${fingerprintOf(record)}`, 'hex'), Buffer.from(body)]);
}

const mounted = encode('VdiskMounted', { vdisk: 'v1', server: 'nbd-1', epoch: 41, at: 1700000000000 });

test('JSON, text and nothing are not messages', () => {
  for (const bytes of [Buffer.from('{"vdisk":"v1"}'), Buffer.from('hello, this is text'), Buffer.alloc(0)]) {
    assertDecodeError(bytes, 'not-single-object');
  }
  assertDecodeError(mounted.subarray(0, 9), 'not-single-object');
});

test('an unknown fingerprint is named, so that it can be looked up', () => {
  assert.throws(
    () => decode(Buffer.from('c3010102030405060708', 'hex')),
    (error) =>
      error instanceof DecodeError &&
      error.code === 'unknown-schema' &&
      error.fingerprint === '0102030405060708',
  );
});

test('a message of another record than asked for is an error', () => {
  assert.throws(
    () => decodeAs('VdiskReleased', mounted),
    (error) =>
      error instanceof DecodeError && error.code === 'wrong-record' && /VdiskMounted/.test(error.message),
  );
});

test('a message cut anywhere is an error', () => {
  for (let end = 10; end < mounted.length; end++) {
    assertDecodeError(mounted.subarray(0, end), 'malformed-body');
  }
});

test('bytes after the end are an error', () => {
  assertDecodeError(Buffer.concat([mounted, Buffer.from([0])]), 'malformed-body', /1 bytes after the end/);
});

test('the error names the field that could not be read', () => {
  assertDecodeError(mounted.subarray(0, 14), 'malformed-body', /^VdiskMounted\.server: /);
});

test('a string that is not UTF-8 is an error', () => {
  assertDecodeError(withBody('VdiskMounted', 2, 0xff, 0, 0, 0), 'malformed-body', /vdisk: .*UTF-8/);
});

test('a boolean is 0 or 1', () => {
  assert.deepEqual(decode(withBody('IncidentListRequest', 1)).value, { all: true });
  assertDecodeError(withBody('IncidentListRequest', 2), 'malformed-body', /all: expected a boolean/);
});

test('an array that claims 2^31 items in a few bytes is refused at once', () => {
  // address, status, reason empty; then the count as a zigzag varint, and nothing.
  const count = [0x80, 0x80, 0x80, 0x80, 0x10];
  assertDecodeError(withBody('EngineProbeReply', 0, 0, 0, ...count), 'malformed-body', /evidence\.kind/);
});

test('a long that does not fit a number is an error', () => {
  const tooLong = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
  assertDecodeError(
    withBody('VdiskMounted', 0, 0, ...tooLong, 0),
    'malformed-body',
    /epoch: expected a long/,
  );
  assertDecodeError(withBody('VdiskMounted', 0, 0, ...Array(12).fill(0x80)), 'malformed-body', /epoch/);
});

test('a negative length is an error', () => {
  assertDecodeError(withBody('VdiskMounted', 1, 0, 0, 0), 'malformed-body', /vdisk/);
});

test('random bytes behind a good header decode or give a DecodeError, never anything else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (body) => {
      decodesOrRefuses(withBody('EngineProbeReply', ...body));
    }),
    { numRuns: 2000 },
  );
});

test('random bytes give a DecodeError', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => decodesOrRefuses(bytes)));
});

test('a message with some bytes changed decodes or gives a DecodeError, never anything else', () => {
  const incidents = arbitraryRecord(publishedSchema('IncidentListReply'));
  const changes = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), {
    minLength: 1,
    maxLength: 4,
  });
  fc.assert(
    fc.property(incidents, changes, (value, mutations) => {
      const bytes = encode('IncidentListReply', value as never);
      for (const [position, byte] of mutations) bytes[10 + (position % (bytes.length - 10))] = byte;
      decodesOrRefuses(bytes);
    }),
    { numRuns: 500 },
  );
});

/** What decodes can be encoded again: the check lets nothing through that our types cannot hold. */
function decodesOrRefuses(bytes: Uint8Array): void {
  try {
    const { name, value } = decode(bytes);
    encode(name as never, value as never);
  } catch (error) {
    assert(error instanceof DecodeError, String(error));
  }
}
