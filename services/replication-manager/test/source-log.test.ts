import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LogStreamPort } from '@salvor/bus';
import { SourceLog } from '../src/source-log.ts';
import { segmentOf } from './segments.ts';

/** A stream with messages of several vdisks; those of ours are at every third place. */
function streamOf(
  messages: readonly Buffer[],
  firstSequence = 1,
): Pick<LogStreamPort, 'facts' | 'readWindow'> & { reads: number } {
  const places = messages.map((data, i) => ({ sequence: firstSequence + 3 * i, data }));
  const lastSequence = (places.at(-1)?.sequence ?? firstSequence - 1) + 2;
  return {
    reads: 0,
    facts: async (stream) => ({
      ...{ stream, replicas: 1, bytes: 0, maxBytes: 0, messages: 0, firstSequence, lastSequence },
      ...{ maxMessageBytes: 0, discard: 'new', duplicateWindowMs: 0, subjectMessages: messages.length },
    }),
    async readWindow({ from, maxBytes, atMost }) {
      this.reads++;
      const behind = places.filter(({ sequence }) => sequence >= from);
      const most = Math.min(atMost?.(behind.length) ?? behind.length, maxBytes === 1 ? 1 : 50);
      const found = behind.slice(0, most);
      const next = (found.at(-1)?.sequence ?? lastSequence) + 1;
      return { messages: found, next, end: found.length === behind.length };
    },
  };
}

const many = Array.from(
  { length: 400 },
  (_, i) => segmentOf(i + 1, i + 1, [{ block: i % 7, fill: 1 }]).bytes,
);

function logOf(messages: readonly Buffer[], after: number, knownNumber = 0, firstSequence = 1) {
  const streams = streamOf(messages, firstSequence);
  return { streams, log: new SourceLog({ streams, container: 0, vdisk: 'v1', after, knownNumber }) };
}

test('a log is read on from a record, found from its end, to its end', async () => {
  const { log, streams } = logOf(many, 310);
  const numbers: number[] = [];
  for (;;) {
    const { segments, isLevel } = await log.next();
    numbers.push(...segments.map(({ segment }) => segment.number));
    if (isLevel) break;
  }
  assert.equal(numbers.at(-1), 400);
  assert.ok((numbers[0] ?? 999) <= 311);
  assert.ok(streams.reads < 12, `${streams.reads} reads`);
  assert.deepEqual(await log.next(), { segments: [], isLevel: true });
});

test('a log that does not reach back, has a hole, or was begun anew is said to have lost the place', async () => {
  const trimmed = logOf(many.slice(100), 42, 0, 301).log;
  await assert.rejects(trimmed.next(), {
    code: 'lost-place',
    message: /record 101 at first, and not what follows record 42/,
  });
  const holed = logOf([...many.slice(0, 10), ...many.slice(11, 20)], 0).log;
  await assert.rejects(holed.next(), { code: 'lost-place', message: /lacks records 11 to 11/ });
  const anew = segmentOf(4, 4, [], { kind: 'baseBegin' }).bytes;
  await assert.rejects(logOf([...many.slice(0, 3), anew], 2).log.next(), {
    code: 'lost-place',
    message: /begun anew/,
  });
  const known = await logOf([...many.slice(0, 3), anew], 2, 4).log.next();
  assert.equal(known.segments.at(-1)?.segment.number, 4);
});

test('bytes that are no segment, or one of another vdisk, are not taken', async () => {
  const torn = many[5]?.subarray(0, 40) ?? Buffer.alloc(0);
  await assert.rejects(logOf([...many.slice(0, 5), torn], 0).log.next(), { code: 'bad-segment' });
  const flipped = Buffer.from(many[0] ?? Buffer.alloc(0));
  flipped[flipped.length - 1] = 77;
  await assert.rejects(logOf([flipped], 0).log.next(), { code: 'bad-segment', message: /checksum/ });
  const foreign = segmentOf(1, 1, [{ block: 0, fill: 1 }], { vdisk: 'v2' }).bytes;
  await assert.rejects(logOf([foreign], 0).log.next(), { code: 'lost-place', message: /found that of v2/ });
});
