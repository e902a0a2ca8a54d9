import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Frame, RespError, RespProtocolError, type RespValue } from '../src/resp.ts';
import { RespReader, ValueSink } from '../src/resp-reader.ts';

function parse(bytes: Buffer, cuts: readonly number[] = []): RespValue[] {
  const sink = new ValueSink();
  let completed = 0;
  const reader = new RespReader({ sink: () => sink, complete: () => completed++ });
  const points = [...new Set([0, ...cuts.filter((c) => c < bytes.length), bytes.length])].sort(
    (a, b) => a - b,
  );
  for (let i = 1; i < points.length; i++) reader.feed(bytes.subarray(points[i - 1], points[i]));
  return sink.values.slice(0, completed);
}

test('commands are encoded as arrays of bulk strings, payloads untouched', () => {
  const block = Buffer.alloc(600, 0xa5);
  const frame = new Frame().command('SET', 'k', 7).command('HSET', 'h', 12, block);
  const head = '*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\n7\r\n*4\r\n$4\r\nHSET\r\n$1\r\nh\r\n$2\r\n12\r\n$600\r\n';
  assert.deepEqual(
    Buffer.concat([...frame.end()]),
    Buffer.concat([Buffer.from(head), block, Buffer.from('\r\n')]),
  );
  assert.equal(frame.replies, 2);
});

test('text outside ASCII and short binary arguments keep their bytes', () => {
  const frame = new Frame().command('ECHO', 'ä€', Buffer.from([0, 255, 13, 10]));
  const expected = Buffer.concat([
    Buffer.from('*3\r\n$4\r\nECHO\r\n$5\r\nä€\r\n$4\r\n', 'utf8'),
    Buffer.from([0, 255, 13, 10]),
    Buffer.from('\r\n'),
  ]);
  assert.deepEqual(Buffer.concat([...frame.end()]), expected);
});

const reply: fc.Arbitrary<RespValue> = fc.letrec<{ value: RespValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    fc.integer(),
    fc.constant(null),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    fc.stringMatching(/^[ -~]{0,20}$/),
    fc.stringMatching(/^[ -~]{0,20}$/).map((text) => new RespError(text)),
    fc.array(tie('value'), { maxLength: 5 }),
  ),
})).value;

function encode(value: RespValue): Buffer {
  if (value === null) return Buffer.from('$-1\r\n');
  if (typeof value === 'number') return Buffer.from(`:${value}\r\n`);
  if (typeof value === 'string') return Buffer.from(`+${value}\r\n`);
  if (value instanceof RespError) return Buffer.from(`-${value.message}\r\n`);
  if (Buffer.isBuffer(value))
    return Buffer.concat([Buffer.from(`$${value.length}\r\n`), value, Buffer.from('\r\n')]);
  return Buffer.concat([Buffer.from(`*${value.length}\r\n`), ...value.map(encode)]);
}

test('replies are the same however the network cuts them', () => {
  fc.assert(
    fc.property(
      fc.array(reply, { maxLength: 6 }),
      fc.array(fc.nat(400), { maxLength: 12 }),
      (values, cuts) => {
        assert.deepEqual(parse(Buffer.concat(values.map(encode)), cuts), values);
      },
    ),
  );
});

test('garbage is a protocol error or an unfinished reply, never anything else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        parse(Buffer.from(bytes));
      } catch (error) {
        assert.ok(error instanceof RespProtocolError);
      }
    }),
    { numRuns: 2000 },
  );
});

for (const [what, text] of [
  ['a bulk length beyond the bound', '$99999999999\r\n'],
  ['a negative bulk length', '$-2\r\n'],
  ['a fractional length', '*1.5\r\n'],
  ['a line without CR', ':12\n'],
  ['an array too deep', '*1\r\n'.repeat(9)],
  ['an endless line', `+${'x'.repeat(70_000)}`],
  ['a bulk string without CRLF', '$1\r\nabc\r\n'],
] as const) {
  test(`${what} is refused`, () => {
    assert.throws(() => parse(Buffer.from(text)), RespProtocolError);
  });
}
