/** What arrived and waits for a cut, over the restarts of whoever keeps it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LogMessage, LogStreamPort } from '@salvor/bus';
import { lastSequence } from '@salvor/tlog';
import { assertGapless } from '../src/gapless.ts';
import { ReceivedLog } from '../src/received-log.ts';
import { LostPlaceError, type SourceSegment } from '../src/source-log.ts';
import { segmentOf } from './segments.ts';

/** One stream, whose windows hold two messages. */
class Stream {
  messages: LogMessage[] = [];

  port(): LogStreamPort {
    const port: Pick<LogStreamPort, 'last' | 'publish' | 'purge' | 'readWindow'> = {
      last: async () => this.messages.at(-1) ?? null,
      publish: async ({ data }) => {
        const seq = (this.messages.at(-1)?.sequence ?? 0) + 1;
        this.messages.push({ sequence: seq, data: Buffer.from(data) });
        return { stream: 'TLOG_1', seq, duplicate: false };
      },
      purge: async (_stream, _subject, before) => {
        const count = this.messages.length;
        this.messages = this.messages.filter(({ sequence }) => sequence >= before);
        return count - this.messages.length;
      },
      readWindow: async ({ from }) => {
        const behind = this.messages.filter(({ sequence }) => sequence >= from);
        const messages = behind.slice(0, 2);
        return {
          messages,
          next: (messages.at(-1)?.sequence ?? from) + 1,
          end: messages.length === behind.length,
        };
      },
    };
    return port as LogStreamPort;
  }
}

const options = {
  ...{ container: 1, vdisk: 'v1' },
  generation: { number: 1, zone: 'north', incarnation: 'a' },
};
/** Two records each, of epochs of their own, so that none is joined with another. */
const segments = Array.from({ length: 7 }, (_, i) =>
  segmentOf(
    i + 1,
    2 * i + 1,
    [
      { block: i, fill: 1 },
      { block: i + 1, fill: 2 },
    ],
    { epoch: i + 1 },
  ),
);

async function recordsBehind(log: ReceivedLog, record: number): Promise<number[]> {
  const found: SourceSegment[] = [];
  for await (const window of log.behind(record)) found.push(...window);
  return found.flatMap(({ segment }) => segment.records.map(({ sequence }) => sequence));
}

test('what was stored before a restart and is not applied is not let go of', async () => {
  const stream = new Stream();
  const before = await ReceivedLog.open({ streams: stream.port(), ...options });
  await before.log.store(segments.slice(0, 5));
  for (const stored of [[], segments.slice(5)]) {
    const { log, last } = await ReceivedLog.open({ streams: stream.port(), ...options });
    assert.equal(last, lastSequence((segments[4] as SourceSegment).segment));
    await log.store(stored);
    await log.letGo(4);
    assert.deepEqual((await recordsBehind(log, 4))[0], 5);
    assert.equal((await recordsBehind(log, 4)).length, stored.length === 0 ? 6 : 10);
    // Behind the cut that is applied now; the newest stays, for it says how far the log is.
    if (stored.length > 0) {
      await log.letGo(10);
      assert.deepEqual(await recordsBehind(log, 0), [11, 12, 13, 14]);
    }
  }
});

test('how much waits is known after a restart', async () => {
  const stream = new Stream();
  const { log } = await ReceivedLog.open({ streams: stream.port(), ...options });
  await log.store(segments);
  const again = await ReceivedLog.open({ streams: stream.port(), ...options });
  assert.equal(await again.log.bytesBehind(6), await log.bytesBehind(6));
  assert.ok((await again.log.bytesBehind(6)) > 0);
  assert.equal(await again.log.bytesBehind(14), 0);
});

test('nothing is applied behind a gap', () => {
  assertGapless(segments, 0);
  assertGapless(segments.slice(2), 5);
  assert.throws(() => assertGapless(segments.slice(3), 4), LostPlaceError);
  const [first, , third] = segments as [SourceSegment, SourceSegment, SourceSegment];
  assert.throws(() => assertGapless([first, third], 0), /between record 2 and record 5/);
});
