import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { appendableAt, readEventFraming } from '../src/events/event-framing.ts';
import { boundariesIn } from '../src/events/event-index-search.ts';
import { SegmentBytes } from '../src/tree/segment-bytes.ts';
import { TreeFiles } from '../src/tree/tree-files.ts';
import { newFolder, removeFolders } from './trees.ts';
import { event } from './writers/planned-tree.ts';

const root = newFolder();
let files = 0;

/** Bytes as a segment, without some of them. */
async function segment(
  bytes: Buffer,
  hole: { from: number; to: number } = { from: 0, to: 0 },
): Promise<SegmentBytes> {
  const path = `f${files++}`;
  writeFileSync(join(root, path), bytes);
  const parts = [
    { from: 0, to: hole.from },
    { from: hole.to, to: bytes.length },
  ];
  return new SegmentBytes(
    await TreeFiles.open(root),
    parts.flatMap(({ from, to }) =>
      to > from ? [{ at: from, length: to - from, path, fileOffset: from }] : [],
    ),
  );
}

function index(offsets: readonly number[]): Buffer {
  const records = offsets.map((offset, n) => {
    const record = Buffer.alloc(24);
    record.writeBigInt64BE(BigInt(offset), 0);
    record.writeBigInt64BE(BigInt(n + 1), 8);
    return record;
  });
  return Buffer.concat(records);
}

const texts = fc.array(fc.string({ minLength: 1, maxLength: 30 }), { minLength: 4, maxLength: 20 });

describe('where the whole events of a segment are', () => {
  after(removeFolders);

  it('is everywhere in a segment that nothing happened to', async () => {
    await fc.assert(
      fc.asyncProperty(texts, async (all) => {
        const bytes = Buffer.concat(all.map(event));
        const content = await segment(bytes);
        const framing = await readEventFraming({
          bytes: content,
          from: 0,
          to: bytes.length,
          boundary: boundariesIn(undefined),
        });
        assert.deepEqual(framing.runs, [{ from: 0, to: bytes.length, events: all.length }]);
        assert.equal(appendableAt(framing, bytes.length), bytes.length);
      }),
      { numRuns: 30 },
    );
  });

  it('begins at an event that the index names, when the segment was truncated or has a hole', async () => {
    await fc.assert(
      fc.asyncProperty(texts, fc.nat(), fc.nat(), async (all, first, second) => {
        const bytes = Buffer.concat(all.map(event));
        const ends = all.map((_, n) => Buffer.concat(all.slice(0, n + 1).map(event)).length);
        const [from = 0, to = 0] = [first % bytes.length, second % bytes.length].sort((a, b) => a - b);
        fc.pre(from < to);
        const content = await segment(bytes, { from, to });
        const boundary = boundariesIn(await segment(index(ends)));
        const { runs } = await readEventFraming({ bytes: content, from: 0, to: bytes.length, boundary });
        const starts = new Set([0, ...ends]);
        for (const run of runs) {
          assert.ok(starts.has(run.from) && starts.has(run.to), `${run.from} to ${run.to}`);
          assert.ok(run.to <= from || run.from >= to);
        }
        const whole = all.filter(
          (_, n) => (ends[n] ?? 0) <= from || (n === 0 ? 0 : (ends[n - 1] ?? 0)) >= to,
        );
        assert.equal(
          runs.reduce((sum, { events }) => sum + events, 0),
          whole.length,
        );
      }),
      { numRuns: 60 },
    );
  });

  it('is deduced without an index from events that follow each other', async () => {
    const all = Array.from({ length: 12 }, (_, n) => event(`event number ${n}`));
    const bytes = Buffer.concat(all);
    const content = await segment(bytes);
    const framing = await readEventFraming({
      bytes: content,
      from: 30,
      to: bytes.length,
      boundary: boundariesIn(undefined),
    });
    assert.deepEqual(framing.runs, [{ from: 44, to: bytes.length, events: 10 }]);
    assert.deepEqual(
      framing.skipped.map(({ from, to }) => ({ from, to })),
      [{ from: 30, to: 44 }],
    );
  });

  it('ends before an event that is cut off, where the segment can be appended to', async () => {
    const bytes = Buffer.concat([event('one'), event('two'), event('cut off')]).subarray(0, 30);
    const content = await segment(bytes);
    const framing = await readEventFraming({
      bytes: content,
      from: 0,
      to: 30,
      boundary: boundariesIn(undefined),
    });
    assert.deepEqual(framing.runs, [{ from: 0, to: 22, events: 2 }]);
    assert.equal(appendableAt(framing, 30), 22);
  });

  it('is nowhere in a segment that holds something else', async () => {
    const content = await segment(Buffer.alloc(5_000, 'no events at all '));
    const framing = await readEventFraming({
      bytes: content,
      from: 0,
      to: 5_000,
      boundary: boundariesIn(undefined),
    });
    assert.deepEqual(framing, { kind: 'bytes', runs: [], skipped: [] });
  });
});
