import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { everyBlock, ReplayWindow, replay } from '../../src/index.ts';
import { decidePace } from '../../src/replay/pace-decision.ts';
import { BLOCK, BLOCKS, type Change, logOf, MemorySource } from './memory-log.ts';
import { MemoryTarget } from './memory-target.ts';

const NEVER = new AbortController().signal;

/** Lets everything that can go on do so. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

test('those that wait for bytes get them in turns, never more than there are', async () => {
  const window = new ReplayWindow({ bytes: 10 });
  const [a, b] = [await window.join(1, NEVER), await window.join(1, NEVER)];
  const granted: string[] = [];
  const ask = (name: string, seat: typeof a): Promise<void> =>
    seat.take(5, NEVER).then(() => void granted.push(name));
  const asks = [ask('a', a), ask('a', a), ask('a', a), ask('b', b), ask('b', b)];
  await settled();
  assert.deepEqual(granted, ['a', 'a']);
  for (let i = 0; i < 3; i++) {
    a.give(5);
    await settled();
  }
  await Promise.all(asks);
  assert.deepEqual([...granted.slice(2)].sort(), ['a', 'b', 'b']);
  assert.notDeepEqual(granted.slice(2), ['a', 'b', 'b'].reverse());
  assert.equal(window.peakBytes, 10);
});

test('a step larger than the window passes alone', async () => {
  const window = new ReplayWindow({ bytes: 10 });
  const seat = await window.join(1, NEVER);
  await seat.take(50, NEVER);
  let isSecond = false;
  const second = seat.take(1, NEVER).then(() => {
    isSecond = true;
  });
  await settled();
  assert.equal(isSecond, false);
  seat.give(50);
  await second;
});

test('replays wait at the door while the bitmaps of others take all memory, and one that is aborted makes room', async () => {
  const window = new ReplayWindow({ bitmapBytes: 100, replays: 2 });
  const first = await window.join(80, NEVER);
  const abort = new AbortController();
  const large = window.join(90, abort.signal);
  const small = window.join(10, NEVER);
  let isIn = false;
  void small.then(() => {
    isIn = true;
  });
  await settled();
  assert.equal(isIn, false, 'nobody overtakes');
  abort.abort(new Error('given up'));
  await assert.rejects(large, /given up/);
  await small;
  const third = window.join(1, NEVER);
  let isThird = false;
  void third.then(() => {
    isThird = true;
  });
  await settled();
  assert.equal(isThird, false, 'two at a time');
  first.leave();
  await third;
});

test('64 replays at once end, within the window that they share', async () => {
  const changes: Change[] = Array.from({ length: 300 }, (_, i) =>
    i % 10 === 9
      ? { kind: 'cut' }
      : { kind: 'set', block: (i * 7) % BLOCKS, fill: 1 + (i % 200), length: BLOCK },
  );
  const { segments, states } = logOf(changes);
  const window = new ReplayWindow({ bytes: 3 * 4 * BLOCK });
  const targets = Array.from({ length: 64 }, () => new MemoryTarget());
  await Promise.all(
    targets.map((target, i) =>
      replay(
        {
          ...{ vdisk: `v${i}`, source: new MemorySource(segments), target, wanted: everyBlock(BLOCKS) },
          ...{ upTo: states.length - 1, signal: AbortSignal.timeout(30_000) },
        },
        window,
      ),
    ),
  );
  for (const target of targets)
    assert.deepEqual(
      new Map([...target.held].sort(byBlock)),
      new Map([...(states.at(-1) ?? [])].sort(byBlock)),
    );
  assert.ok(window.peakBytes <= 3 * 9 * BLOCK, `${window.peakBytes}`);
});

function byBlock([a]: readonly [number, Buffer], [b]: readonly [number, Buffer]): number {
  return a - b;
}

test('with a bandwidth never more passes in any time than it allows, from the first byte on', () => {
  const step = fc.record({ bytes: fc.integer({ min: 1, max: 5_000 }), laterMs: fc.nat(3_000) });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1 }), fc.integer({ min: 1, max: 10_000 }), (steps, rate) => {
      let now = 0;
      const passed = [{ at: 0, bytes: 0 }];
      for (const { bytes, laterMs } of steps) {
        now += laterMs;
        const at = decidePace({ last: passed.at(-1)?.at ?? 0, now }, bytes, rate);
        assert.ok(at > now);
        passed.push({ at, bytes });
      }
      for (const [from, first] of passed.entries()) {
        let sum = 0;
        for (const { at, bytes } of passed.slice(from + 1)) {
          sum += bytes;
          assert.ok(sum <= ((at - first.at) * rate) / 1_000 + 1e-6);
        }
      }
    }),
  );
});
