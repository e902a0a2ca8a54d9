import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { refusalOf } from '../../src/nbd/request-rules.ts';
import { type Payload, ProtocolViolation, parseRequest, RequestReader } from '../../src/nbd/requests.ts';
import { plainSession, type Session } from '../../src/nbd/session.ts';
import { SlabPool } from '../../src/nbd/slabs.ts';
import { hex, request } from './raw-client.ts';

const MiB = 1024 * 1024;

test('a request header is read as the specification lays it out', () => {
  const bytes = hex('25609513 0001 0001 1122334455667788 0000010000001000 00002000');
  assert.deepEqual(parseRequest(bytes, 0, 28), {
    flags: 1,
    type: 1,
    cookieHigh: 0x11223344,
    cookieLow: 0x55667788,
    offsetBytes: 2 ** 40 + 4096,
    lengthBytes: 8192,
  });
  assert.equal(parseRequest(bytes, 0, 27), undefined);
});

test('a wrong request magic is a violation', () => {
  assert.throws(() => parseRequest(Buffer.alloc(28), 0, 28), ProtocolViolation);
});

test('each rule of the specification refuses with its own error number', () => {
  const disk = { sizeBytes: MiB, blockSizeBytes: 4096, readOnly: false };
  const frozen = { sizeBytes: MiB, blockSizeBytes: 4096, readOnly: true };
  const [eperm, einval, enospc, eoverflow, enotsup] = [1, 22, 28, 75, 95];
  const cases: [string, Parameters<typeof request>[0], typeof disk, number][] = [
    ['a read at the end', { type: 0, offset: MiB - 1, length: 1 }, disk, 0],
    ['a read past the end', { type: 0, offset: MiB - 1, length: 2 }, disk, einval],
    ['a write past the end', { type: 1, offset: MiB, length: 1 }, disk, enospc],
    ['zeroes past the end', { type: 6, offset: MiB, length: 1 }, disk, enospc],
    ['a trim past the end', { type: 4, offset: MiB, length: 1 }, disk, einval],
    ['an offset of 2^64 - 1', { type: 0, offset: 2n ** 64n - 1n, length: 1 }, disk, einval],
    [
      'an offset that wraps with its length',
      { type: 1, offset: 2n ** 64n - 512n, length: 1024 },
      disk,
      enospc,
    ],
    ['an empty read at the end', { type: 0, offset: MiB, length: 0 }, disk, 0],
    ['a write to a read-only export', { type: 1, length: 1 }, frozen, eperm],
    ['a trim of a read-only export', { type: 4, length: 1 }, frozen, eperm],
    ['zeroes to a read-only export', { type: 6, length: 1 }, frozen, eperm],
    ['a flush of a read-only export', { type: 2 + 1 }, frozen, 0],
    ['a flush with a length', { type: 3, length: 512 }, disk, einval],
    ['an unknown command', { type: 8 }, disk, einval],
    ['CACHE', { type: 5, length: 4096 }, frozen, 0],
    ['CACHE past the end', { type: 5, offset: MiB, length: 1 }, disk, einval],
    ['BLOCK_STATUS without its negotiation', { type: 7, length: 512 }, disk, einval],
    ['FUA on a read', { type: 0, flags: 1, length: 1 }, disk, 0],
    ['NO_HOLE on zeroes', { type: 6, flags: 2, length: 1 }, disk, 0],
    ['NO_HOLE on a write', { type: 1, flags: 2, length: 1 }, disk, einval],
    ['DF without structured replies', { type: 0, flags: 4, length: 1 }, disk, einval],
    ['REQ_ONE on a read', { type: 0, flags: 8, length: 1 }, disk, einval],
    ['FAST_ZERO of whole blocks', { type: 6, flags: 18, offset: 4096, length: 8192 }, disk, 0],
    ['FAST_ZERO of part of a block', { type: 6, flags: 16, offset: 4096, length: 8191 }, disk, enotsup],
    ['FAST_ZERO from inside a block', { type: 6, flags: 16, offset: 1, length: 4095 }, disk, enotsup],
    [
      'FAST_ZERO up to an end inside a block',
      { type: 6, flags: 16, length: 5000 },
      { ...disk, sizeBytes: 5000 },
      0,
    ],
    ['FAST_ZERO on a trim', { type: 4, flags: 16, length: 4096 }, disk, einval],
    [
      'a read above the maximum',
      { type: 0, length: 32 * MiB + 1 },
      { ...disk, sizeBytes: 2 ** 40 },
      eoverflow,
    ],
    ['zeroes of nearly 4 GiB', { type: 6, length: 0xffffffff }, { ...disk, sizeBytes: 2 ** 40 }, 0],
    ['a trim of nearly 4 GiB', { type: 4, length: 0xffffffff }, { ...disk, sizeBytes: 2 ** 40 }, 0],
  ];
  for (const [what, fields, device, expected] of cases) {
    const parsed = parseRequest(request(fields), 0, 28);
    assert.ok(parsed);
    assert.equal(refusalOf(parsed, device, plainSession), expected, what);
  }
});

test('what was agreed on makes more requests legal', () => {
  const disk = { sizeBytes: 2 ** 40, blockSizeBytes: 4096, readOnly: true };
  const structured = { structuredReplies: true, allocation: false };
  const mapped = { structuredReplies: true, allocation: true };
  const cases: [string, Parameters<typeof request>[0], Session, number][] = [
    ['DF on a read', { type: 0, flags: 4, length: MiB }, structured, 0],
    ['BLOCK_STATUS without a context', { type: 7, length: 512 }, structured, 22],
    ['BLOCK_STATUS of nearly 4 GiB', { type: 7, length: 0xffffffff }, mapped, 0],
    ['BLOCK_STATUS for one extent', { type: 7, flags: 8, length: 512 }, mapped, 0],
    ['BLOCK_STATUS of nothing', { type: 7, length: 0 }, mapped, 22],
    ['BLOCK_STATUS past the end', { type: 7, offset: 2 ** 40 - 1, length: 2 }, mapped, 22],
    ['DF on BLOCK_STATUS', { type: 7, flags: 4, length: 512 }, mapped, 22],
  ];
  for (const [what, fields, session, expected] of cases) {
    const parsed = parseRequest(request(fields), 0, 28);
    assert.ok(parsed);
    assert.equal(refusalOf(parsed, disk, session), expected, what);
  }
});

test('a write above the maximum is a violation: its payload is not read past', () => {
  const parsed = parseRequest(request({ type: 1, length: 32 * MiB + 1 }), 0, 28);
  assert.ok(parsed);
  const disk = { sizeBytes: 2 ** 40, blockSizeBytes: 4096, readOnly: false };
  assert.throws(() => refusalOf(parsed, disk, plainSession), ProtocolViolation);
});

test('requests and payloads are found however the stream is cut, and payloads survive later traffic', () => {
  const sizes = fc.oneof(
    fc.integer({ min: 0, max: 9000 }),
    fc.constantFrom(65536, 300_000, 1 * MiB, 5 * MiB),
  );
  fc.assert(
    fc.property(
      fc.array(fc.record({ size: sizes, isWrite: fc.boolean(), isDropped: fc.boolean() }), { maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 700_000 }), { minLength: 1, maxLength: 10 }),
      (script, packets) => {
        const stream = Buffer.concat(
          script.map(({ size, isWrite }, i) =>
            isWrite
              ? request({ type: 1, cookie: i, payload: Buffer.alloc(size, i + 1) })
              : request({ type: 0, cookie: i, length: size }),
          ),
        );
        const reader = new RequestReader(new SlabPool());
        const payloads: [number, Payload][] = [];
        let seen = 0;
        feed(reader, stream, packets, () => {
          for (let head = reader.head(); head !== undefined; head = reader.head()) {
            assert.equal(head.cookieLow, seen);
            if (head.type === 0) reader.consume();
            else if (script[seen]?.isDropped) reader.discardPayload();
            else {
              reader.admit();
              const payload = reader.payload();
              if (payload === undefined) return;
              payloads.push([seen, payload]);
            }
            seen += 1;
          }
        });
        assert.equal(seen, script.length);
        for (const [i, payload] of payloads) {
          assert.equal(payload.data.length, script[i]?.size);
          assert.ok(payload.data.every((byte) => byte === i + 1));
          reader.release(payload);
        }
      },
    ),
    { numRuns: 40 },
  );
});

test('quiet connections share their receive memory, and never see the bytes of another', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 1, max: 9_000 })), {
        maxLength: 60,
      }),
      fc.boolean(),
      (packets, isQuiet) => {
        const pool = new SlabPool();
        const clients = [1, 2, 3].map((byte) => ({
          byte,
          stream: Buffer.concat(
            Array.from({ length: 40 }, (_, i) =>
              i % 3 === 0
                ? request({ type: 0, cookie: i, length: 4096 })
                : request({ type: 1, cookie: i, payload: Buffer.alloc(i * 97, byte) }),
            ),
          ),
          reader: new RequestReader(pool),
          payloads: [] as Payload[],
          seen: 0,
        }));
        const deliver = (client: (typeof clients)[number], most: number) => {
          const { reader } = client;
          const room = reader.room(isQuiet || client.payloads.length % 2 === 0);
          const bytes = client.stream.copy(room, 0, 0, Math.min(most, room.length));
          client.stream = client.stream.subarray(bytes);
          reader.filled(bytes);
          for (let head = reader.head(); head !== undefined; head = reader.head()) {
            assert.equal(head.cookieLow, client.seen);
            if (head.type === 0) reader.consume();
            else {
              reader.admit();
              const payload = reader.payload();
              if (payload === undefined) break;
              client.payloads.push(payload);
            }
            client.seen++;
          }
          reader.keep();
        };
        for (const [i, most] of packets) deliver(clients[i] as (typeof clients)[number], most);
        for (const client of clients) while (client.stream.length > 0) deliver(client, 70_000);
        for (const { byte, seen, payloads, reader } of clients) {
          assert.equal(seen, 40);
          for (const payload of payloads) {
            assert.ok(payload.data.every((found) => found === byte));
            reader.release(payload);
          }
          reader.close();
        }
      },
    ),
    { numRuns: 60 },
  );
});

test('a payload that was not admitted takes no memory', () => {
  const reader = new RequestReader(new SlabPool());
  reader.push(request({ type: 1, length: 32 * MiB }));
  assert.equal(reader.head()?.lengthBytes, 32 * MiB);
  assert.ok(reader.room().buffer.byteLength <= 256 * 1024);
  reader.admit();
  assert.ok(reader.room().buffer.byteLength > 32 * MiB);
});

test('small payloads that stay unfinished do not keep many large slabs alive', () => {
  const reader = new RequestReader(new SlabPool());
  const kept: Payload[] = [];
  const take = () => {
    reader.admit();
    const payload = reader.payload();
    assert.ok(payload);
    return payload;
  };
  for (let i = 0; i < 40; i++) {
    // Each round fills a large slab with a write that finishes, next to a small one that does not.
    reader.push(request({ type: 1, payload: Buffer.alloc(512, i) }).subarray(0, 28));
    reader.head();
    reader.admit();
    reader.push(Buffer.alloc(512, i));
    kept.push(take());
    const large = request({ type: 1, payload: Buffer.alloc(3 * MiB) });
    reader.push(large.subarray(0, 28));
    reader.head();
    reader.admit();
    reader.push(large.subarray(28));
    reader.push(request({ type: 1, payload: Buffer.alloc(512, i) }));
    reader.release(take());
    reader.head();
    kept.push(take());
  }
  const memory = new Set(kept.map(({ data }) => data.buffer));
  const bytes = [...memory].reduce((sum, buffer) => sum + buffer.byteLength, 0);
  assert.ok(bytes < 48 * MiB, `${bytes} bytes held by ${kept.length} small payloads`);
  assert.ok(kept.every(({ data }, i) => data.every((byte) => byte === Math.floor(i / 2))));
});

function feed(reader: RequestReader, stream: Buffer, packets: number[], parse: () => void): void {
  for (let at = 0, i = 0; at < stream.length; i++) {
    const room = reader.room();
    const copied = stream.copy(room, 0, at, at + Math.min(room.length, packets[i % packets.length] ?? 1));
    at += copied;
    reader.filled(copied);
    parse();
  }
}
