import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Bus, connectBus } from '@salvor/bus';
import { createLogger } from '@salvor/service-kit';
import { type NatsHandle, startNats, type TempDir, tempDir } from '@salvor/testkit';
import { LogWriter, logSubject, type SegmentIndex, TailSource } from '../src/index.ts';

const BLOCK = 4096;
const CONTAINER = 1;

describe('a log in JetStream', () => {
  let dir: TempDir;
  let nats: NatsHandle;
  let bus: Bus;

  before(async () => {
    dir = tempDir();
    nats = await startNats({ dir: dir.path });
    bus = await connectBus({
      servers: [nats.url],
      name: 'tail',
      log: createLogger({ service: 'tail', level: 'error' }),
    });
    await bus.applyManifest();
  });
  after(async () => {
    await bus.close({ deadlineMs: 1_000 });
    await nats.process.stop();
    dir.remove();
  });

  const writerOf = (vdisk: string, epoch: number) =>
    new LogWriter({
      ...{ streams: bus.logStreams, container: CONTAINER, vdisk, epoch, blockSize: BLOCK, shards: 2 },
      failed: () => undefined,
    });
  const tailOf = (vdisk: string, windowBytes?: number) =>
    new TailSource({
      ...{ streams: bus.logStreams, container: CONTAINER, vdisk },
      ...(windowBytes === undefined ? {} : { windowBytes }),
    });

  /** Blocks `from` to `to` with their index as content, in batches of 8. */
  async function write(writer: LogWriter, from: number, to: number): Promise<void> {
    for (let block = from; block <= to; block += 8) {
      const blocks = Array.from({ length: Math.min(8, to - block + 1) }, (_, i) => block + i);
      await writer.append(new Map(blocks.map((each) => [each, contentOf(each)])));
      writer.advance(0, block);
    }
    await writer.flush();
  }

  async function restored(
    source: TailSource,
    segments: readonly SegmentIndex[],
  ): Promise<Map<number, Buffer>> {
    const found = new Map<number, Buffer>();
    for (const segment of segments) {
      const data = await source.read(segment, segment.records);
      for (const [i, { block }] of segment.records.entries()) found.set(block, Buffer.from(data[i] ?? ''));
    }
    return found;
  }

  it('is read back from both ends in windows of bounded bytes, between the logs of others', async () => {
    const [mine, other] = [writerOf('mine', 5), writerOf('other', 6)];
    await Promise.all([mine.begin(null, () => ({ base: 1 })), other.begin(null, () => ({ base: 1 }))]);
    for (let part = 0; part < 20; part++)
      await Promise.all([write(mine, part * 100, part * 100 + 99), write(other, 0, 400)]);
    mine.close();
    other.close();
    for (const windowBytes of [1, 1 << 20, 64 << 20]) {
      const source = tailOf('mine', windowBytes);
      const forwards = await collected(source.oldestFirst());
      const backwards = await collected(source.newestFirst());
      assert.deepEqual(
        backwards.map(({ number }) => number),
        forwards.map(({ number }) => number).reverse(),
      );
      assert.deepEqual(
        forwards.map(({ number }) => number),
        Array.from({ length: forwards.length }, (_, i) => i + 1),
      );
      const found = await restored(source, forwards);
      assert.equal(found.size, 2_000);
      for (const [block, data] of found) assert.ok(data.equals(contentOf(block)), `block ${block}`);
      await source.close();
      await assert.rejects(collected(source.oldestFirst()), { code: 'unavailable' });
    }
  });

  it('is read from a sequence on, and up to one', async () => {
    const writer = writerOf('parts', 5);
    await writer.begin(null, () => ({ base: 1 }));
    for (let part = 0; part < 5; part++) await write(writer, part * 10, part * 10 + 9);
    const source = tailOf('parts');
    const upTo = await collected(source.newestFirst(20));
    assert.deepEqual([upTo[0]?.first, upTo[0]?.last], [11, 20]);
    const from = await collected(source.oldestFirst(21));
    assert.deepEqual([from[0]?.first, from[0]?.last], [21, 30]);
    assert.deepEqual(await collected(tailOf('nobody').newestFirst()), []);
    assert.deepEqual(await collected(tailOf('nobody').oldestFirst()), []);
    writer.close();
  });

  it('leaves out what is no segment, and what was let go of, and says so when it is asked for', async () => {
    const writer = writerOf('holes', 5);
    await writer.begin(null, () => ({ base: 1 }));
    await write(writer, 0, 200);
    const source = tailOf('holes');
    const all = await collected(source.oldestFirst());
    const subject = logSubject(CONTAINER, 'holes');
    const last = await bus.logStreams.last('TLOG_1', subject);
    await bus.logStreams.publish({ subject, id: 'junk', data: Buffer.from('no segment') });
    assert.deepEqual(
      (await collected(source.newestFirst())).map(({ number }) => number),
      all.map(({ number }) => number).reverse(),
    );
    await bus.logStreams.purge('TLOG_1', subject, last?.sequence ?? 0);
    const left = await collected(tailOf('holes').newestFirst());
    assert.deepEqual(
      left.map(({ number }) => number),
      [all.at(-1)?.number],
    );
    const [first] = all;
    assert.ok(first);
    await assert.rejects(source.read(first, first.records), { code: 'gap' });
    writer.close();
  });

  it('is taken up by the next owner where the one before ended, who is fenced', async () => {
    const old = writerOf('owned', 5);
    await old.begin(null, () => ({ base: 1 }));
    await write(old, 0, 20);
    const next = writerOf('owned', 9);
    let told: unknown;
    await next.begin(null, (tail) => {
      told = tail;
      return { base: tail?.base ?? 0 };
    });
    assert.deepEqual(told, {
      ...{ number: (told as { number: number }).number, epoch: 5, base: 1, sequence: 21 },
      positions: new Map([[0, 16]]),
    });
    await assert.rejects(write(old, 30, 31), { code: 'fenced' });
    await write(next, 40, 41);
    await assert.rejects(
      writerOf('owned', 7).begin(null, () => ({ base: 1 })),
      { code: 'fenced' },
    );
    const segments = await collected(tailOf('owned').oldestFirst());
    assert.deepEqual(
      segments.flatMap(({ records }) => records.map(({ sequence }) => sequence)),
      Array.from({ length: 23 }, (_, i) => i + 1),
    );
    next.close();
    old.close();
  });
});

async function collected(segments: AsyncIterable<SegmentIndex>): Promise<SegmentIndex[]> {
  const all: SegmentIndex[] = [];
  for await (const segment of segments) all.push(segment);
  return all;
}

function contentOf(block: number): Buffer {
  return Buffer.alloc(BLOCK, `block ${block};`);
}
