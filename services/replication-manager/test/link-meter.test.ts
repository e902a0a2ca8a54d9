import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type LinkClock, LinkMeter } from '../src/link-meter.ts';

const MIB = 1024 * 1024;
const signal = new AbortController().signal;

/** Stands still but while somebody sleeps. */
class Clock implements LinkClock {
  at = 1_000;
  now(): number {
    return this.at;
  }
  async sleep(ms: number): Promise<void> {
    this.at += Math.max(0, ms);
  }
}

test('whatever comes over, and whenever, no window of time has more than the limit and what came over at once', async () => {
  const step = fc.record({ bytes: fc.nat(2 * MIB), idleMs: fc.constantFrom(0, 0, 0, 5, 700) });
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 60 }),
      fc.integer({ min: 1, max: 64 }),
      async (steps, bandwidthMib) => {
        const clock = new Clock();
        const meter = new LinkMeter(clock);
        meter.set({ bandwidthMib, compression: 'none' });
        const came: { at: number; bytes: number }[] = [];
        for (const { bytes, idleMs } of steps) {
          clock.at += idleMs;
          came.push({ at: clock.at, bytes });
          await meter.take(bytes, signal);
        }
        assert.equal(
          meter.carried,
          steps.reduce((sum, { bytes }) => sum + bytes, 0),
        );
        for (const [from, first] of came.entries()) {
          let sum = 0;
          for (const { at, bytes } of came.slice(from)) {
            const allowed = ((at - first.at) * bandwidthMib * MIB) / 1_000;
            assert.ok(
              sum <= allowed + 1,
              `${sum} bytes in ${at - first.at} ms at ${bandwidthMib} MiB a second`,
            );
            sum += bytes;
          }
        }
      },
    ),
  );
});

test('without a limit nobody waits; one that is set later holds from then on, and is let go of again', async () => {
  const clock = new Clock();
  const meter = new LinkMeter(clock);
  await meter.take(100 * MIB, signal);
  assert.equal(clock.at, 1_000);
  meter.set({ bandwidthMib: 4, compression: 'none' });
  await meter.take(MIB, signal);
  assert.equal(clock.at, 1_250);
  meter.set({ bandwidthMib: 0, compression: 'none' });
  await meter.take(100 * MIB, signal);
  assert.equal(clock.at, 1_250);
});

test('what is asked for at once is a part of a second of the limit, within bounds', () => {
  const meter = new LinkMeter(new Clock());
  const stepAt = (bandwidthMib: number): number => {
    meter.set({ bandwidthMib, compression: 'none' });
    return meter.stepBytes;
  };
  assert.deepEqual([stepAt(0), stepAt(1), stepAt(1_000)], [8 * MIB, MIB / 4, 8 * MIB]);
});

test('who waits for the link is let go when there is nothing to wait for any more', async () => {
  const meter = new LinkMeter();
  meter.set({ bandwidthMib: 1, compression: 'none' });
  const ended = new AbortController();
  const waits = meter.take(10_000 * MIB, ended.signal);
  ended.abort();
  await waits.catch(() => undefined);
  assert.equal(meter.carried, 10_000 * MIB);
});
