import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Extent } from '../../src/nbd/block-device.ts';
import { allocationStatus, maxExtentsPerReply, maxStatusBytes } from '../../src/nbd/block-status.ts';
import { type ReplyForm, simpleReplies, structuredReplies } from '../../src/nbd/replies.ts';
import type { Request } from '../../src/nbd/requests.ts';
import { hex } from './raw-client.ts';

const [read, write, blockStatus] = [0, 1, 7];
const cookie = '1122334455667788';

function to(type: number, fields: Partial<Request> = {}): Request {
  const cookieHalves = { cookieHigh: 0x11223344, cookieLow: 0x55667788 };
  return { type, flags: 0, ...cookieHalves, offsetBytes: 0, lengthBytes: 0, ...fields };
}

/** The bytes that a form puts, and that it says it put. */
function put(form: ReplyForm, write: (into: Buffer) => number): Buffer {
  const into = Buffer.alloc(Math.max(form.maxHeadBytes, form.maxErrorBytes), 0xee);
  return into.subarray(0, write(into));
}

test('a simple reply is magic, error, cookie', () => {
  const error = put(simpleReplies, (into) => simpleReplies.putError(into, 0, to(read), 28, 'unsaid'));
  assert.deepEqual(error, hex(`67446698 0000001c ${cookie}`));
  const done = put(simpleReplies, (into) => simpleReplies.putDone(into, 0, to(write)));
  assert.deepEqual(done, hex(`67446698 00000000 ${cookie}`));
  const head = put(simpleReplies, (into) => simpleReplies.putDataHead(into, 0, to(read), 512));
  assert.deepEqual(head, hex(`67446698 00000000 ${cookie}`));
});

test('a structured read is one OFFSET_DATA chunk with DONE: offset, then data', () => {
  const request = to(read, { offsetBytes: 2 ** 40 + 4096, lengthBytes: 512 });
  const head = put(structuredReplies, (into) => structuredReplies.putDataHead(into, 0, request, 512));
  assert.deepEqual(head, hex(`668e33ef 0001 0001 ${cookie} 00000208 0000010000001000`));
});

test('a structured read of nothing stored is one OFFSET_HOLE chunk: offset, length', () => {
  const request = to(read, { offsetBytes: 2 ** 40 + 4096, lengthBytes: 512 });
  const hole = put(structuredReplies, (into) => structuredReplies.putHole?.(into, 0, request) ?? 0);
  assert.deepEqual(hole, hex(`668e33ef 0001 0002 ${cookie} 0000000c 0000010000001000 00000200`));
});

test('structured errors of READ and BLOCK_STATUS are chunks with a message; others stay simple', () => {
  for (const type of [read, blockStatus]) {
    const error = put(structuredReplies, (into) => structuredReplies.putError(into, 0, to(type), 22, 'no'));
    assert.deepEqual(error, hex(`668e33ef 0001 8001 ${cookie} 00000008 00000016 0002 6e6f`));
  }
  const simple = put(structuredReplies, (into) => structuredReplies.putError(into, 0, to(write), 28, 'no'));
  assert.deepEqual(simple, hex(`67446698 0000001c ${cookie}`));
});

test('a long message is cut between characters', () => {
  const error = put(structuredReplies, (into) =>
    structuredReplies.putError(into, 0, to(read), 5, `x${'ü'.repeat(4000)}`),
  );
  assert.ok(error.length <= structuredReplies.maxErrorBytes);
  assert.equal(error.readUInt32BE(16), error.length - 20);
  assert.equal(error.readUInt16BE(24), error.length - 26);
  assert.match(error.toString('utf8', 26), /^xü+$/);
});

test('a structured success without data is a NONE chunk for READ, simple for the others', () => {
  const none = put(structuredReplies, (into) => structuredReplies.putDone(into, 0, to(read)));
  assert.deepEqual(none, hex(`668e33ef 0001 0000 ${cookie} 00000000`));
  const simple = put(structuredReplies, (into) => structuredReplies.putDone(into, 0, to(write)));
  assert.deepEqual(simple, hex(`67446698 00000000 ${cookie}`));
});

test('BLOCK_STATUS is one chunk: context id, then length and flags of each extent', () => {
  const request = to(blockStatus, { lengthBytes: 16384 });
  const payload = allocationStatus(
    [
      { lengthBytes: 4096, allocated: true },
      { lengthBytes: 4096, allocated: true },
      { lengthBytes: 4096, allocated: false },
      { lengthBytes: 8192, allocated: true },
    ],
    request,
  );
  const extents = '00002000 00000000  00001000 00000003  00001000 00000000';
  assert.deepEqual(payload, hex(`00000001 ${extents}`), 'neighbours merged, the last cut to the range');
  const head = put(structuredReplies, (into) => structuredReplies.putDataHead(into, 0, request, 28));
  assert.deepEqual(head, hex(`668e33ef 0001 0005 ${cookie} 0000001c`));
});

test('with REQ_ONE the answer is the first extent only', () => {
  const extents = [true, true, false, true].map((allocated) => ({ lengthBytes: 4096, allocated }));
  const one = allocationStatus(extents, to(blockStatus, { flags: 8, lengthBytes: 16384 }));
  assert.deepEqual(one, hex('00000001 00002000 00000000'));
});

test('extents in an answer are bounded, cover a prefix, and alternate', () => {
  const anyExtents = fc.array(
    fc.record({ lengthBytes: fc.integer({ min: 1, max: 9000 }), allocated: fc.boolean() }),
    { minLength: 1, maxLength: 3 * maxExtentsPerReply, size: 'max' },
  );
  fc.assert(
    fc.property(anyExtents, fc.integer({ min: 1, max: 2 ** 32 - 1 }), (extents, lengthBytes) => {
      const payload = allocationStatus(extents, to(blockStatus, { lengthBytes }));
      assert.ok(payload.length >= 12 && payload.length <= maxStatusBytes);
      let at = 0;
      for (let entry = 4; entry < payload.length; entry += 8) {
        const flags = payload.readUInt32BE(entry + 4);
        assert.equal(flags === 0, isAllocated(extents, at));
        if (entry > 4) assert.notEqual(flags, payload.readUInt32BE(entry - 4));
        at += payload.readUInt32BE(entry);
      }
      assert.ok(at > 0 && at <= lengthBytes);
    }),
    { numRuns: 30 },
  );
});

test('a device that tells nothing of a range is at fault', () => {
  assert.throws(() => allocationStatus([], to(blockStatus, { lengthBytes: 1 })), /told nothing/);
});

function isAllocated(extents: readonly Extent[], at: number): boolean | undefined {
  let end = 0;
  return extents.find(({ lengthBytes }) => {
    end += lengthBytes;
    return at < end;
  })?.allocated;
}
