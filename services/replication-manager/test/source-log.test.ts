import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { LogStreamPort } from '@salvor/bus';
import { codeOf } from '@salvor/service-kit';
import { tempDir } from '@salvor/testkit';
import { ChunkBuilder, compactLog, openStoreAt, type Tier2Store, VdiskChunks } from '@salvor/tlog';
import { assertExact, SourceLog } from '../src/source-log.ts';
import { findSegment, logSegmentOf } from '../src/zone-log.ts';
import { type Change, segmentOf } from './segments.ts';

const dir = tempDir('source-log');
after(() => dir.remove());

/** A stream with messages of several vdisks; those of ours are at every third place. Its server may lose the end of it. */
class Stream {
  reads = 0;
  messages: readonly Buffer[];
  firstSequence: number;

  constructor(messages: readonly Buffer[], firstSequence = 1) {
    this.messages = messages;
    this.firstSequence = firstSequence;
  }

  get #places(): { sequence: number; data: Buffer }[] {
    return this.messages.map((data, i) => ({ sequence: this.firstSequence + 3 * i, data }));
  }

  get #lastSequence(): number {
    return (this.#places.at(-1)?.sequence ?? this.firstSequence - 1) + 2;
  }

  port(): LogStreamPort {
    const port: Pick<LogStreamPort, 'facts' | 'last' | 'readWindow'> = {
      facts: async (stream) => ({
        ...{ stream, replicas: 1, bytes: 0, maxBytes: 0, messages: 0, firstSequence: this.firstSequence },
        ...{
          lastSequence: this.#lastSequence,
          maxMessageBytes: 0,
          discard: 'new',
          duplicateWindowMs: 0,
          createdAt: '',
        },
        subjectMessages: this.messages.length,
      }),
      last: async () => this.#places.at(-1) ?? null,
      readWindow: async ({ from, maxBytes, atMost }) => {
        this.reads++;
        const behind = this.#places.filter(({ sequence }) => sequence >= from);
        const most = Math.min(atMost?.(behind.length) ?? behind.length, maxBytes === 1 ? 1 : 50);
        const found = behind.slice(0, most);
        const next = (found.at(-1)?.sequence ?? this.#lastSequence) + 1;
        return { messages: found, next, end: found.length === behind.length };
      },
    };
    return port as LogStreamPort;
  }
}

const many = logged(1, 400);

/** Segments of one record each. */
function logged(first: number, last: number, more: Parameters<typeof segmentOf>[3] = {}): Buffer[] {
  const numbers = Array.from({ length: last - first + 1 }, (_, i) => first + i);
  return numbers.map((number) => segmentOf(number, number, [change(number)], more).bytes);
}

function change(number: number): Change {
  return { block: number % 7, fill: 1 };
}

function logOf(
  stream: Stream,
  number: number,
  { archive = null, now = () => 0 }: { archive?: Tier2Store | null; now?: () => number } = {},
): SourceLog {
  const segment = logSegmentOf(segmentOf(number, number, [change(number)]).segment);
  return new SourceLog(
    { streams: stream.port(), container: 0, vdisk: 'v1', begins: 0, archive },
    segment,
    now,
  );
}

async function archiveWith(name: string, from: number, to: number): Promise<Tier2Store> {
  const store = await openStoreAt({ location: dir.join(name) });
  const builder = new ChunkBuilder('v1', from);
  for (let number = from; number <= to; number++) {
    const { segment, bytes } = segmentOf(number, number, [change(number)]);
    builder.add(segment, bytes);
  }
  await new VdiskChunks(store, 0, 'v1').write(builder.finish());
  return store;
}

async function numbersOf(log: SourceLog): Promise<number[]> {
  const numbers: number[] = [];
  for (;;) {
    const { segments, isLevel } = await log.next();
    numbers.push(...segments.map(({ segment }) => segment.number));
    if (isLevel) return numbers;
  }
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

test('a log is read on behind a segment, found from its end with few reads, to its end', async () => {
  const stream = new Stream(many);
  const log = logOf(stream, 310);
  assert.deepEqual(await numbersOf(log), range(311, 400));
  assert.ok(stream.reads < 16, `${stream.reads} reads`);
  assert.deepEqual(await log.next(), { segments: [], isLevel: true, bytesAhead: 0 });
});

test('every segment is found where it is, and no other is taken for it', async () => {
  for (const number of [1, 2, 17, 64, 65, 399, 400]) {
    const { segment } = segmentOf(number, number, [change(number)]);
    const wanted = logSegmentOf(segment);
    const where = { container: 0, vdisk: 'v1' };
    assert.deepEqual(await findSegment(new Stream(many).port(), where, wanted), {
      kind: 'here',
      place: 1 + 3 * (number - 1),
    });
    const other = await findSegment(new Stream(many).port(), where, { ...wanted, epoch: 2 });
    assert.equal(other.kind, 'lost');
    const trimmed = await findSegment(new Stream(many.slice(number), 7).port(), where, wanted);
    assert.equal(trimmed.kind, number === 400 ? 'lost' : 'trimmed');
  }
});

test('a segment that is let go of while it is looked for is not taken for one that is lost', async () => {
  const { segment } = segmentOf(310, 310, [change(310)]);
  const seen = new Set<string>();
  for (let reads = 1; reads < 16; reads++) {
    const stream = new Stream(many);
    const port = stream.port();
    let left = reads;
    const archived: LogStreamPort = {
      ...port,
      readWindow: async (window) => {
        if (--left === 0) {
          stream.messages = many.slice(349);
          stream.firstSequence = 1 + 3 * 349;
        }
        return port.readWindow(window);
      },
    };
    const { kind } = await findSegment(archived, { container: 0, vdisk: 'v1' }, logSegmentOf(segment));
    assert.notEqual(kind, 'lost', `let go of before read ${reads}`);
    seen.add(kind);
  }
  assert.deepEqual([...seen].sort(), ['here', 'trimmed']);
});

test('a log that has a hole, or was begun anew in whichever way, is said to have lost the place', async () => {
  const holed = logOf(new Stream([...many.slice(0, 10), ...many.slice(11, 20)]), 1);
  await assert.rejects(numbersOf(holed), { code: 'lost-place', message: /between segment 10/ });
  const anew = segmentOf(4, 4, [], { kind: 'baseBegin', base: 0 }).bytes;
  await assert.rejects(numbersOf(logOf(new Stream([...many.slice(0, 3), anew]), 2)), {
    code: 'lost-place',
    message: /begun anew/,
  });
  // A vdisk of that name was deleted and made anew: its log goes on behind the old numbers, and begins with nothing.
  const fresh = segmentOf(4, 4, [change(4)], { kind: 'begin', base: 4, epoch: 9 }).bytes;
  await assert.rejects(numbersOf(logOf(new Stream([...many.slice(0, 3), fresh]), 3)), {
    code: 'lost-place',
    message: /begun anew/,
  });
});

test('a log that lost its end and was written on under the same numbers is not followed, connected meanwhile or not', async () => {
  const rewound = [...many.slice(0, 290), ...logged(291, 400, { epoch: 2 })];
  await assert.rejects(numbersOf(logOf(new Stream(rewound), 310)), {
    code: 'lost-place',
    message: /another one than it was: of epoch 2/,
  });
  await assert.rejects(numbersOf(logOf(new Stream(many.slice(0, 290)), 310)), {
    code: 'lost-place',
    message: /ends with segment 290/,
  });
  for (const epoch of [1, 2]) {
    const stream = new Stream(many.slice(0, 310));
    let now = 0;
    const log = logOf(stream, 300, { now: () => now });
    assert.deepEqual(await numbersOf(log), range(301, 310));
    // Its server was away for some seconds; the same owner, or another one, goes on behind what is left.
    now += 5_000;
    const at = (number: number): Buffer =>
      segmentOf(number, number, [change(number)], { epoch, lastAt: 7 }).bytes;
    stream.messages = [...many.slice(0, 290), ...range(291, 330).map(at)];
    await assert.rejects(numbersOf(log), { code: 'lost-place', message: /another one than it was/ });
  }
});

test('what the stream lets go of while nobody reads is read on from the archive, and then from the stream again', async () => {
  const archive = await archiveWith('whole', 1, 350);
  const stream = new Stream(many.slice(349), 1_048);
  assert.deepEqual(await numbersOf(logOf(stream, 42, { archive })), range(43, 400));
});

test('an archiver that overtakes a reader which is connected costs it nothing', async () => {
  const archive = await archiveWith('overtaken', 1, 350);
  const stream = new Stream(many.slice(0, 310));
  const log = logOf(stream, 300, { archive });
  assert.deepEqual(await numbersOf(log), range(301, 310));
  stream.messages = many.slice(349);
  stream.firstSequence = 1 + 3 * 349;
  assert.deepEqual(await numbersOf(log), range(311, 400));
});

test('where the archive is not reached the place is not given up, and where it holds something else it is', async () => {
  const stream = new Stream(many.slice(349), 1_048);
  await assert.rejects(logOf(stream, 42).next(), { code: 'archive-unreachable', message: /tlogStore/ });
  const archive = await archiveWith('late', 100, 350);
  await assert.rejects(logOf(stream, 42, { archive }).next(), {
    code: 'lost-place',
    message: /neither JetStream nor its archive/,
  });
  const other = logSegmentOf(segmentOf(120, 120, [change(120)], { epoch: 4 }).segment);
  const zone = { streams: stream.port(), container: 0, vdisk: 'v1', begins: 0, archive };
  await assert.rejects(new SourceLog(zone, other).next(), {
    code: 'lost-place',
    message: /its archive has another segment 120/,
  });
});

test('what was compacted tells no state before its end, and is not followed up to one', async () => {
  const store = await openStoreAt({ location: dir.join('compacted') });
  const chunks = new VdiskChunks(store, 0, 'v1');
  // Each overwrites block 0, and is too large to be joined with another one.
  const written = (number: number) =>
    segmentOf(number, 300 * number - 299, [
      { block: 0, fill: number },
      ...range(1, 299).map((block) => ({ block: 300 * number + block, fill: number })),
    ]);
  for (const numbers of [range(1, 5), [6]]) {
    const builder = new ChunkBuilder('v1', numbers[0] ?? 0);
    for (const number of numbers) builder.add(written(number).segment, written(number).bytes);
    await chunks.write(builder.finish());
  }
  const limits = { chunkBytes: 1 << 20, mayGoOn: async () => undefined };
  const done = await compactLog({
    ...{ chunks, after: 0, horizonAt: 55, pointsAt: [], snapshots: [{ name: '', sequence: 300 }], ...limits },
  });
  assert.notEqual(done, null);
  const stream = new Stream([written(7).bytes], 20);
  const zone = { streams: stream.port(), container: 0, vdisk: 'v1', begins: 0, archive: store };
  const log = new SourceLog(zone, logSegmentOf(written(1).segment), () => 0);
  await log.next();
  const { segments } = await log.next();
  const isExact = (upTo: number): boolean => {
    try {
      assertExact(segments.slice(0, upTo));
      return true;
    } catch (error) {
      assert.equal(codeOf(error), 'lost-place');
      return false;
    }
  };
  const exact = segments.map(({ segment }, i) => [segment.number, isExact(i + 1)]);
  assert.deepEqual(exact, [
    ...[2, 3, 4].map((number) => [number, false]),
    ...[5, 6, 7].map((number) => [number, true]),
  ]);
  await log.close();
});

test('bytes that are no segment, or one of another vdisk, are not taken', async () => {
  const torn = many[5]?.subarray(0, 40) ?? Buffer.alloc(0);
  await assert.rejects(numbersOf(logOf(new Stream([...many.slice(0, 5), torn, ...many.slice(6, 9)]), 1)), {
    code: 'bad-segment',
  });
  const flipped = Buffer.from(many[1] ?? Buffer.alloc(0));
  flipped[flipped.length - 1] = 77;
  await assert.rejects(numbersOf(logOf(new Stream([...many.slice(0, 1), flipped]), 1)), {
    code: 'bad-segment',
    message: /checksum/,
  });
  const foreign = segmentOf(2, 2, [{ block: 0, fill: 1 }], { vdisk: 'v2' }).bytes;
  await assert.rejects(numbersOf(logOf(new Stream([...many.slice(0, 1), foreign]), 1)), {
    code: 'lost-place',
    message: /found that of v2/,
  });
});
