import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TlogConfig, TlogState } from '@salvor/config-store';
import fc from 'fast-check';
import { decideLog, LOST_RECORDS_MARGIN, type LogSources } from '../../src/tier1/decide-log.ts';
import type { ArchiveTrace, LostRange, SegmentTrace, TailTrace } from '../../src/tier1/tier1-sources.ts';

const RECORDS = 3;
const at = 1_700_000_000_000;
const config: TlogConfig = {
  ...{ container: 0, containers: 4, policy: 'block', enabledBy: 'op-1', at },
  begins: { number: 0, sequence: 0 },
};
const whole: TlogState = { status: 'whole', reason: 'it is', since: at, sequence: 1 };

/** Segment n of a log of which every segment has so many records. */
function segment(number: number, base = 1): SegmentTrace {
  const first = (number - 1) * RECORDS + 1;
  return { number, first, last: number * RECORDS, epoch: 7, base, lastAt: at + number };
}

/** Chunks that hold these numbers, in order. */
function archiveOf(numbers: readonly number[]): ArchiveTrace | null {
  const [from, to] = [numbers[0], numbers.at(-1)];
  if (from === undefined || to === undefined) return null;
  const newest = segment(to);
  return { container: 0, chunks: 1, bytes: 10, from, to, last: newest.last, newest, lost: gapsIn(numbers) };
}

function tailOf(numbers: readonly number[]): TailTrace | null {
  const [oldest, newest] = [numbers[0], numbers.at(-1)];
  if (oldest === undefined || newest === undefined) return null;
  return { container: 0, oldest: segment(oldest), newest: segment(newest), lost: gapsIn(numbers) };
}

function gapsIn(numbers: readonly number[]): LostRange[] {
  return numbers.slice(1).flatMap((number, i) => {
    const before = numbers[i] ?? 0;
    if (number === before + 1) return [];
    const [left, right] = [segment(before), segment(number)];
    return [{ from: before + 1, to: number - 1, after: left.last, before: right.first, why: 'a gap' }];
  });
}

function sourcesOf(more: Partial<LogSources>): LogSources {
  return {
    ...{ config, archive: null, tail: null, isStreamThere: true },
    state: { etcd: null, configuration: whole },
    archived: { etcd: null, configuration: null },
    ...more,
  };
}

/** Which segments each tier has of a log of `length`: as an archiver leaves them, and then with holes. */
const losses = fc
  .record({
    length: fc.integer({ min: 1, max: 30 }),
    archivedTo: fc.nat(30),
    trimmedTo: fc.nat(30),
    isStreamThere: fc.boolean(),
  })
  .chain(({ length, archivedTo, trimmedTo, isStreamThere }) => {
    const to = Math.min(archivedTo, length);
    const begin = Math.min(trimmedTo, to, length - 1) + 1;
    const numbers = (from: number, until: number): number[] =>
      Array.from({ length: Math.max(0, until - from + 1) }, (_, i) => from + i);
    const tail = isStreamThere ? numbers(begin, length) : [];
    return fc.record({
      length: fc.constant(length),
      archived: fc.subarray(numbers(1, to), { minLength: Math.min(to, Math.max(0, to - 3)) }),
      tail: fc.subarray(tail, { minLength: Math.min(tail.length, Math.max(0, tail.length - 2)) }),
      recorded: fc.constantFrom(0, to),
    });
  });

test('of a log with holes in both tiers exactly the segments that are in neither are lost, up to the last one known', () => {
  fc.assert(
    fc.property(losses, ({ archived, tail, recorded }) => {
      const known =
        recorded === 0 ? null : { number: recorded, sequence: recorded * RECORDS, chunks: 1, bytes: 1, at };
      const found = decideLog(
        sourcesOf({
          ...{ archive: archiveOf(archived), tail: tailOf(tail), isStreamThere: tail.length > 0 },
          archived: { etcd: known, configuration: null },
        }),
      );
      const last = Math.max(archived.at(-1) ?? 0, tail.at(-1) ?? 0, recorded);
      const there = new Set([...archived, ...tail]);
      const missing: number[] = [];
      // What is older than the oldest chunk was let go of by compaction.
      const oldest = archived[0] ?? 1;
      for (let number = oldest; number <= last; number++) if (!there.has(number)) missing.push(number);
      const told = found.lost.flatMap(({ from, to }) =>
        Array.from({ length: to - from + 1 }, (_, i) => from + i),
      );
      assert.deepEqual(told, missing);
      for (const { from, to, after, before } of found.lost) {
        assert.ok(to >= from && after === (from - 1) * RECORDS, `${after}`);
        assert.ok(before === null || before === to * RECORDS + 1);
      }
    }),
  );
});

test('numbers go on above every one that any source has seen, and a second look decides the same', () => {
  fc.assert(
    fc.property(losses, ({ archived, tail, recorded }) => {
      const known =
        recorded === 0 ? null : { number: recorded, sequence: recorded * RECORDS, chunks: 1, bytes: 1, at };
      const sources = sourcesOf({
        ...{ archive: archiveOf(archived), tail: tailOf(tail), isStreamThere: tail.length > 0 },
        archived: { etcd: null, configuration: known },
      });
      const first = decideLog(sources);
      const seen = Math.max(archived.at(-1) ?? 0, recorded);
      assert.equal(first.archived?.number ?? 0, seen);
      const isEndLost = (tail.at(-1) ?? 0) < seen || tail.length === 0;
      const sequence = Math.max(seen, tail.at(-1) ?? 0) * RECORDS + LOST_RECORDS_MARGIN;
      if (isEndLost) assert.equal(first.archived?.sequence, sequence);
      else assert.equal(first.archived?.sequence ?? 0, seen * RECORDS);
      const again = decideLog({
        ...sources,
        state: { ...sources.state, etcd: first.state },
        archived: { ...sources.archived, etcd: first.archived },
      });
      assert.deepEqual([again.state, again.archived, again.lost], [first.state, first.archived, first.lost]);
    }),
  );
});

test('a log stays whole only where nothing behind its base is missing, and JetStream has its end', () => {
  const status = (more: Partial<LogSources>): string => decideLog(sourcesOf(more)).state.status;
  const archive = archiveOf([1, 2, 3, 4]);
  assert.equal(status({ archive, tail: tailOf([4, 5, 6]) }), 'whole');
  assert.equal(status({ archive, tail: tailOf([6, 7]) }), 'broken');
  assert.equal(status({ archive, tail: null, isStreamThere: false }), 'broken');
  assert.equal(status({ archive, tail: null }), 'broken', 'the newest segment is never let go of');
  assert.equal(status({ archive, tail: tailOf([2, 3]) }), 'broken', 'a stream from an old backup');
  assert.equal(status({}), 'whole', 'it was never written');
  const based = {
    ...tailOf([6, 7]),
    newest: segment(7, 6 * RECORDS + 1),
    oldest: segment(6, 5 * RECORDS + 1),
  } as TailTrace;
  const state = { etcd: null, configuration: { ...whole, sequence: 6 * RECORDS + 1 } };
  assert.equal(status({ archive, tail: based, state }), 'whole', 'what is missing lies before its base');
  const forked = { ...tailOf([4, 5]), oldest: { ...segment(4), epoch: 5 } } as TailTrace;
  assert.equal(status({ archive, tail: forked }), 'broken', 'two histories');
});

test('what the configuration says of the state gives way to what the last segment builds on', () => {
  const tail = { ...tailOf([1, 2]), newest: segment(2, 4) } as TailTrace;
  assert.deepEqual(
    [decideLog(sourcesOf({ tail })).state.status, decideLog(sourcesOf({ tail })).state.sequence],
    ['whole', 4],
  );
  const unfinished = { ...tailOf([1, 2]), newest: segment(2, 0) } as TailTrace;
  assert.equal(decideLog(sourcesOf({ tail: unfinished })).state.status, 'broken');
  assert.equal(
    decideLog(sourcesOf({ tail, state: { etcd: null, configuration: null } })).state.status,
    'broken',
  );
});

test('where the end of a log is lost no sequence is given twice, also of a log never archived and of names beyond its end', () => {
  const gone = { tail: null, isStreamThere: false };
  const never = decideLog(sourcesOf(gone));
  assert.deepEqual([never.archived?.number, never.archived?.sequence], [0, LOST_RECORDS_MARGIN]);
  const named = decideLog(sourcesOf({ ...gone, archive: archiveOf([1, 2]), named: 70 }));
  assert.deepEqual([named.archived?.number, named.archived?.sequence], [2, 70 + LOST_RECORDS_MARGIN]);
  const older = decideLog(sourcesOf({ archive: archiveOf([1, 2, 3]), tail: tailOf([1, 2]) }));
  assert.equal(older.archived?.sequence, 3 * RECORDS + LOST_RECORDS_MARGIN);
  const whole = decideLog(sourcesOf({ archive: archiveOf([1, 2]), tail: tailOf([2, 3]), named: 2 }));
  assert.equal(whole.archived?.sequence, 2 * RECORDS);
});
