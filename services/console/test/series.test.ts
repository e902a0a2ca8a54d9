import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Course, Kept, rateOf, Series } from '../src/situation/series.ts';

test('a rate is that of the last seconds, and none where nothing moves or too little is known', () => {
  assert.equal(rateOf([]), null);
  assert.equal(rateOf([[0, 5]]), null);
  assert.equal(
    rateOf([
      [0, 0],
      [10, 5],
    ]),
    null,
  );
  assert.equal(
    rateOf([
      [0, 5],
      [2_000, 5],
    ]),
    null,
  );
  assert.equal(
    rateOf([
      [0, 0],
      [2_000, 100],
    ]),
    50,
  );
  const course = new Course();
  for (let second = 0; second <= 100; second++)
    course.add(second * 1_000, second < 60 ? second : 60 + (second - 60) * 10, 1_000);
  const { perSecond, leftMs, done } = course.progress() ?? assert.fail('no progress');
  assert.deepEqual([perSecond, done, leftMs], [10, 460, 54_000]);
});

test('work that begins anew has no rate of before', () => {
  const course = new Course();
  course.add(0, 100, 200);
  course.add(5_000, 150, 200);
  course.add(6_000, 0, 300);
  assert.deepEqual(course.progress(), {
    done: 0,
    total: 300,
    perSecond: null,
    leftMs: null,
    samples: [[6_000, 0]],
  });
});

test('a course of any length has its beginning, its end, and not many samples', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 60_000 }), fc.nat(1_000)), {
        minLength: 1,
        maxLength: 800,
      }),
      (steps) => {
        const course = new Course();
        let at = 0;
        let done = 0;
        const first: [number, number] = [steps[0]?.[0] ?? 0, steps[0]?.[1] ?? 0];
        for (const [ms, more] of steps) {
          at += ms;
          done += more;
          course.add(at, done, null);
        }
        const { samples } = course.progress() ?? assert.fail('no progress');
        assert.ok(samples.length <= 121);
        assert.deepEqual(samples[0], first);
        assert.deepEqual(samples.at(-1), [at, done]);
        assert.ok(samples.every(([then], index) => index === 0 || then > (samples[index - 1]?.[0] ?? 0)));
      },
    ),
    { numRuns: 200 },
  );
});

test('a series keeps the newest, and keys that came long ago make room', () => {
  const series = new Series(5_000);
  for (let n = 0; n < 1_000; n++) series.add(n * 1_000, n);
  assert.equal(series.samples.length, 120);
  assert.deepEqual(series.samples.at(-1), [995_000, 995]);
  const kept = new Kept(() => ({}), 2);
  const first = kept.of('a');
  assert.equal(kept.of('a'), first);
  kept.of('b');
  kept.of('c');
  assert.equal(kept.find('a'), undefined);
});
