import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Bandwidth } from '../src/copy/bandwidth.ts';
import { ClientActivity } from '../src/copy/client-activity.ts';

const MIB = 1 << 20;

test('what is granted never exceeds the bandwidth by more than a burst and one step', () => {
  const step = fc.record({ bytes: fc.integer({ min: 1, max: MIB }), idleMs: fc.nat(500) });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100 }), fc.array(step), (rate, steps) => {
      let now = 0;
      const bandwidth = new Bandwidth(rate, () => now);
      let moved = 0;
      for (const { bytes, idleMs } of steps) {
        now += idleMs;
        now += bandwidth.grant(bytes);
        assert.ok(moved <= ((now + 100) * rate * MIB) / 1_000 + 1);
        moved += bytes;
      }
    }),
  );
});

test('without a limit nobody waits', () => {
  const bandwidth = new Bandwidth(0, () => 0);
  for (let i = 0; i < 100; i++) assert.equal(bandwidth.grant(MIB), 0);
});

test('clients count as at work until they have asked for nothing for a while', () => {
  const activity = new ClientActivity();
  assert.equal(activity.isBusy(0), false);
  activity.note();
  assert.equal(activity.isBusy(10), true);
  assert.equal(activity.isBusy(59), true);
  assert.equal(activity.isBusy(60), false);
  activity.note();
  assert.equal(activity.isBusy(1_000), true);
});
