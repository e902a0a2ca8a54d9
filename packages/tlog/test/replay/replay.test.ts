import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  blocksOfShards,
  everyBlock,
  findPoint,
  LogGapError,
  type LogSource,
  type ReplayCheckpoint,
  type ReplayOptions,
  ReplayWindow,
  replay,
  replayBegins,
} from '../../src/index.ts';
import { BLOCK, BLOCKS, compacted, history, logOf, MemorySource, type State } from './memory-log.ts';
import { MemoryTarget } from './memory-target.ts';

const window = new ReplayWindow();
const share = fc.integer({ min: 0, max: 1_000_000 });

function options(source: LogSource, target: MemoryTarget, upTo: number): ReplayOptions {
  const signal = AbortSignal.timeout(30_000);
  return { vdisk: 'v1', source, target, wanted: everyBlock(BLOCKS), upTo, signal };
}

function place(fraction: number, count: number): number {
  return Math.floor((fraction / 1_000_001) * count);
}

/** Every block, so that a difference names it. */
function assertHolds(target: MemoryTarget, expected: State): void {
  const text = (state: State, block: number): string =>
    (state.get(block) ?? Buffer.alloc(BLOCK)).toString('hex');
  for (let block = 0; block < BLOCKS; block++)
    assert.equal(text(target.held, block), text(expected, block), `block ${block}`);
}

function only(state: State, has: (block: number) => boolean): State {
  return new Map([...state].filter(([block]) => has(block)));
}

test('replay to any sequence gives what the model holds, whatever the target held, each block written once', async () => {
  await fc.assert(
    fc.asyncProperty(history, share, share, fc.boolean(), async (changes, to, before, onlyDiffering) => {
      const { segments, states } = logOf(changes);
      const upTo = place(to, states.length);
      const held = states[place(before, states.length)] ?? new Map<number, Buffer>();
      const target = new MemoryTarget(held);
      const source = new MemorySource(segments);
      const result = await replay({ ...options(source, target, upTo), onlyDiffering }, window);
      const expected = states[upTo] ?? new Map<number, Buffer>();
      assertHolds(target, expected);
      assert.equal(new Set(target.written).size, target.written.length);
      assert.equal(result.blocksWritten + result.blocksEqual, expected.size);
      assert.ok(source.reads.length <= expected.size, 'no record is read but those that count');
      assert.equal(result.unproven.count, 0);
      if (onlyDiffering)
        for (const block of target.written)
          assert.notDeepEqual(
            held.get(block) ?? null,
            expected.get(block) ?? null,
            `block ${block} was the same`,
          );
    }),
  );
});

test('only the blocks of lost shards are read and written', async () => {
  await fc.assert(
    fc.asyncProperty(history, fc.uniqueArray(fc.integer({ min: 0, max: 3 })), async (changes, lost) => {
      const { segments, states } = logOf(changes);
      const newest = states.at(-1) ?? new Map();
      const isLost = (block: number): boolean => lost.includes(block % 4);
      const target = new MemoryTarget(only(newest, (block) => !isLost(block)));
      const wanted = blocksOfShards(BLOCKS, 4, new Set(lost));
      assert.equal(wanted.count, Array.from({ length: BLOCKS }, (_, i) => i).filter(isLost).length);
      await replay({ ...options(new MemorySource(segments), target, states.length - 1), wanted }, window);
      assertHolds(target, newest);
      assert.ok(target.written.every(isLost));
    }),
  );
});

test('a replay that is stopped anywhere goes on from its checkpoint, and writes nothing twice that the checkpoint has', async () => {
  await fc.assert(
    fc.asyncProperty(history, share, fc.nat(20), fc.boolean(), async (changes, to, stopAfter, isArchived) => {
      const { segments, states } = logOf(changes);
      const upTo = place(to, states.length);
      const expected = states[upTo] ?? new Map<number, Buffer>();
      const target = new MemoryTarget(states[0], 2);
      let stored: ReplayCheckpoint | null = null;
      let writes = 0;
      target.beforeWrite = async () => {
        if (writes++ === stopAfter) throw new Error('killed');
      };
      const checkpoint = async (state: ReplayCheckpoint): Promise<void> => {
        // As another process reads it.
        stored = JSON.parse(JSON.stringify(state));
      };
      const first = options(new MemorySource(segments), target, upTo);
      await replay({ ...first, checkpoint, checkpointEveryMs: 0 }, window).catch((error: Error) => {
        assert.equal(error.message, 'killed');
      });
      target.written.length = 0;
      // Meanwhile what is behind the point was compacted: the checkpoint may not fit any more.
      const half = segments.findIndex(({ index }) => index.first > upTo / 2);
      const later = isArchived && half > 1 ? compacted(segments, 0, half - 1) : segments;
      await replay({ ...options(new MemorySource(later), target, upTo), from: stored }, window).catch(
        (error) => {
          if (!isArchived) throw error;
          assert.equal(error.code, 'not-restorable');
        },
      );
      if (later !== segments) return;
      assertHolds(target, expected);
      const records = segments
        .flatMap(({ index }) => index.records)
        .filter(({ sequence }) => sequence <= upTo);
      const newest = new Map(records.map((record) => [record.block, record.sequence]));
      const { phase, below } = stored ?? replayBegins(upTo);
      const isDone = (block: number): boolean => phase !== 'restore' || (newest.get(block) ?? 0) >= below;
      assert.deepEqual(
        target.written.filter((block) => expected.has(block) && isDone(block)),
        [],
      );
    }),
  );
});

test('after compaction every state is as it was or refused, and those from its end on are as they were', async () => {
  await fc.assert(
    fc.asyncProperty(history, share, share, share, async (changes, to, a, b) => {
      const { segments, states } = logOf(changes);
      const [from, until] = [place(a, segments.length), place(b, segments.length)].sort((x, y) => x - y);
      const source = new MemorySource(compacted(segments, from ?? 0, until ?? 0));
      const exactFrom = segments[until ?? 0]?.index.last ?? 0;
      const begins = segments[from ?? 0]?.index.first ?? 0;
      const upTo = place(to, states.length);
      const target = new MemoryTarget();
      try {
        await replay(options(source, target, upTo), window);
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'not-restorable');
        assert.ok(upTo >= begins - 1 && upTo < exactFrom, String(error));
        return;
      }
      assertHolds(target, states[upTo] ?? new Map());
    }),
  );
});

test('segments that are missing stop a replay with what is missing, after all that is newer was restored; accepting the loss lists the rest', async () => {
  await fc.assert(
    fc.asyncProperty(history, share, share, async (changes, a, b) => {
      const { segments, states } = logOf(changes);
      const [from, until] = [place(a, segments.length), place(b, segments.length)].sort((x, y) => x - y);
      const lost = segments.slice(from, (until ?? 0) + 1).map(({ index }) => index);
      const kept = segments.filter(({ index }) => !lost.includes(index));
      const upTo = states.length - 1;
      const newest = states.at(-1) ?? new Map<number, Buffer>();
      const target = new MemoryTarget();
      const missing = lost.flatMap(({ records }) => records.map(({ sequence }) => sequence));
      // Which blocks a record behind the gap names; the base is that of the newest segment that is left.
      const newer = kept.filter(({ index }) => index.first > (missing.at(-1) ?? 0));
      const named = new Set(newer.flatMap(({ index }) => index.records.map((record) => record.block)));
      const base = kept.at(-1)?.index.base ?? 1;
      const matters = named.size < BLOCKS && missing.some((sequence) => sequence >= base);
      if ((kept.at(-1)?.index.last ?? -1) < upTo) {
        await assert.rejects(replay(options(new MemorySource(kept), target, upTo), window), {
          code: 'not-restorable',
        });
        return;
      }
      if (!matters) {
        await replay(options(new MemorySource(kept), target, upTo), window);
        assertHolds(target, newest);
        return;
      }
      await assert.rejects(replay(options(new MemorySource(kept), target, upTo), window), (error) => {
        assert.ok(error instanceof LogGapError, String(error));
        assert.equal(error.gap.fromSequence, Math.max(base, missing[0] ?? 0));
        assert.equal(error.gap.toSequence, missing.at(-1));
        assert.equal(error.unproven.count, BLOCKS - named.size);
        return true;
      });
      for (const block of named) assert.deepEqual(target.held.get(block), newest.get(block));
      const accepted = await replay(
        { ...options(new MemorySource(kept), target, upTo), acceptLoss: true },
        window,
      );
      const unproven = accepted.unproven.runs.flatMap(({ first, count }) =>
        Array.from({ length: count }, (_, i) => first + i),
      );
      assert.deepEqual(
        unproven,
        Array.from({ length: BLOCKS }, (_, i) => i).filter((block) => !named.has(block)),
      );
      // What no newer record names is as the newest record left says, none of the missing ones having named it.
      const touched = new Set(lost.flatMap(({ records }) => records.map((record) => record.block)));
      for (let block = 0; block < BLOCKS; block++)
        if (named.has(block) || !touched.has(block))
          assert.deepEqual(target.held.get(block), newest.get(block), `block ${block}`);
    }),
  );
});

test('records whose bytes cannot be read stop a replay; accepting the loss gives their blocks the newest content there is, and lists them', async () => {
  await fc.assert(
    fc.asyncProperty(history, fc.array(share, { minLength: 1, maxLength: 6 }), async (changes, places) => {
      const { segments, states } = logOf(changes);
      const upTo = states.length - 1;
      const records = segments.flatMap(({ index }) =>
        index.records.map((record) => ({ ...record, base: 1 })),
      );
      const damaged = new Set(places.map((at) => records[place(at, records.length)]?.sequence ?? 0));
      const newest = states.at(-1) ?? new Map<number, Buffer>();
      const base = segments.at(-1)?.index.base ?? 1;
      const target = new MemoryTarget();
      const counting = new Map<number, (typeof records)[number]>();
      const affected = new Set<number>();
      const expected = new Map(newest);
      for (const record of records) if (record.sequence >= base) counting.set(record.block, record);
      for (const { block, sequence, length } of counting.values()) {
        if (!damaged.has(sequence) || length === 0) continue;
        affected.add(block);
        const left = records.filter(
          (one) =>
            one.block === block && one.sequence >= base && !(damaged.has(one.sequence) && one.length > 0),
        );
        const newestLeft = left.at(-1);
        const content = newestLeft === undefined ? undefined : states[newestLeft.sequence]?.get(block);
        if (content === undefined) expected.delete(block);
        else expected.set(block, content);
      }
      const source = (): MemorySource => new MemorySource(segments, damaged);
      if (affected.size > 0)
        await assert.rejects(replay(options(source(), new MemoryTarget(), upTo), window), {
          code: 'bad-chunk',
        });
      const result = await replay({ ...options(source(), target, upTo), acceptLoss: true }, window);
      assertHolds(target, expected);
      assert.equal(result.unproven.count, affected.size);
    }),
  );
});

test('an engine that keeps something else is found when what was written is read back', async () => {
  const { segments, states } = logOf([
    { kind: 'set', block: 3, fill: 7, length: BLOCK },
    { kind: 'set', block: 9, fill: 8, length: BLOCK },
  ]);
  const target = new MemoryTarget();
  target.read = async (blocks) =>
    blocks.map((block) => (block === 9 ? null : (target.held.get(block) ?? null)));
  await assert.rejects(replay(options(new MemorySource(segments), target, states.length - 1), window), {
    code: 'differs',
    message: /1 blocks read back otherwise .* after sequence 2: 9;/,
  });
});

test('a point is found by sequence, by time and by the newest snapshot of a name', async () => {
  await fc.assert(
    fc.asyncProperty(history, share, async (changes, at) => {
      const { segments, states, snapshots } = logOf(changes);
      const source = new MemorySource(segments);
      const find = async (point: Parameters<typeof findPoint>[2]): Promise<number> =>
        (await findPoint('v1', source, point)).sequence;
      assert.equal(await find({ kind: 'newest' }), states.length - 1);
      const sequence = place(at, states.length);
      assert.equal(await find({ kind: 'sequence', sequence }), sequence);
      const segment = segments[place(at, segments.length)]?.index;
      assert.equal(await find({ kind: 'time', at: segment?.lastAt ?? 0 }), segment?.last);
      for (const [name, expected] of snapshots)
        assert.equal(await find({ kind: 'snapshot', name }), expected);
    }),
  );
});

test('what a log cannot tell is refused with the reason', async () => {
  const source = new MemorySource(logOf([{ kind: 'set', block: 1, fill: 1, length: BLOCK }]).segments);
  const refused = (point: Parameters<typeof findPoint>[2], message: RegExp): Promise<void> =>
    assert.rejects(findPoint('v1', source, point), { code: 'not-restorable', message });
  await refused({ kind: 'sequence', sequence: 2 }, /vdisk v1: its log ends with sequence 1, before 2/);
  await refused({ kind: 'snapshot', name: 'x' }, /no snapshot 'x'/);
  await refused({ kind: 'time', at: 5 }, /its log begins at 1970-01-01T00:00:01.000Z, after/);
  await assert.rejects(findPoint('v1', new MemorySource([]), { kind: 'newest' }), /its log has no segments/);
  await assert.rejects(replay(options(source, new MemoryTarget(), 2), window), {
    code: 'not-restorable',
    message: /the log ends with sequence 1, before 2/,
  });
});
