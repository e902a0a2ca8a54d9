import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compactLog, exactPoint, retentionPoints, Tier2Source } from '../../src/index.ts';
import { archive, chunksIn, logOf, storeIn } from '../chunk/log-model.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

test('older states remain one a day, however often a log is compacted within a day', async (context) => {
  const { store } = await storeIn(context);
  const chunks = chunksIn(store);
  const retention = { everyStateMs: 2 * DAY, points: 5, pointEveryMs: DAY };
  // A segment every three hours; each block is written over all the time.
  const log = logOf(
    Array.from({ length: 12 * 8 }, (_, i) => ({ changes: [{ block: i % 3, fill: 1 + (i % 5) }] })),
  ).map((segment, i) => ({ ...segment, firstAt: (i + 1) * 3 * HOUR, lastAt: (i + 1) * 3 * HOUR }));
  let now = 0;
  let passes = 0;
  for (let at = 0; at < log.length; at += 2) {
    await archive(chunks, log.slice(at, at + 2));
    now = (at + 2) * 3 * HOUR;
    const kept = retentionPoints(retention, now);
    const done = await compactLog({
      ...{ chunks, after: 0, chunkBytes: 1 << 20, snapshots: [], ...kept },
      mayGoOn: async () => undefined,
    });
    if (done !== null) passes += 1;
  }
  assert.ok(passes > 10, `it was compacted ${passes} times`);
  const source = await Tier2Source.open(chunks);
  const { horizonAt, pointsAt } = retentionPoints(retention, now);
  assert.equal(pointsAt.length, 5);
  for (const wanted of pointsAt) {
    assert.ok(wanted <= horizonAt && wanted > horizonAt - 6 * DAY);
    const { at } = await exactPoint('v:1', source, { kind: 'time', at: wanted });
    assert.ok(wanted - at < DAY, `the state of ${wanted / DAY} is ${(wanted - at) / DAY} days older`);
  }
});

test('the times whose states are kept stand still while time goes on', () => {
  const retention = { everyStateMs: 1_000, points: 3, pointEveryMs: 100 };
  assert.deepEqual(retentionPoints(retention, 5_350).pointsAt, [4_300, 4_200, 4_100]);
  assert.deepEqual(retentionPoints(retention, 5_399).pointsAt, [4_300, 4_200, 4_100]);
  assert.deepEqual(retentionPoints(retention, 5_400), { horizonAt: 4_400, pointsAt: [4_400, 4_300, 4_200] });
  assert.deepEqual(retentionPoints({ ...retention, points: 0 }, 5_400).pointsAt, []);
});
