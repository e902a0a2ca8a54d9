import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMetrics } from '@salvor/service-kit';
import { HealingMeter } from '../src/healing-meter.ts';
import { stderrEvents } from '../src/stderr-events.ts';

function speak() {
  const lines: string[] = [];
  const passedOn: unknown[][] = [];
  const repaired: string[] = [];
  const events = stderrEvents({
    server: 'nbd-1',
    write: (line) => void lines.push(line),
    unavailable: (...told) => void passedOn.push(['unavailable', ...told]),
    available: (...told) => void passedOn.push(['available', ...told]),
    corrupt: (...told) => void passedOn.push(['corrupt', ...told]),
    lost: (...told) => void passedOn.push(['lost', ...told]),
    takeoverAsked: (...told) => void passedOn.push(['takeoverAsked', ...told]),
    repaired: (...told) => void repaired.push(...told),
    meter: new HealingMeter(createMetrics()),
  });
  return { events, lines, passedOn, repaired };
}

/** The one line that was written, read as a supervisor reads it. */
function only(lines: readonly string[]): Record<string, unknown> {
  const [line = '', ...more] = lines;
  assert.deepEqual(more, []);
  assert.match(line, /^[^\n]+\n$/, 'one object, one line');
  const { at, data, ...rest } = JSON.parse(line) as Record<string, unknown>;
  const when = at ?? (data as { at: unknown }).at;
  assert.ok(typeof when === 'number' && Math.abs(Date.now() - when) < 60_000);
  return { data, ...rest };
}

const outcome = {
  vdisk: '23',
  cluster: 'p1',
  shard: 0,
  address: '10.100.0.1:22005',
  incident: 'p1-0-abc',
  attempt: 2,
  dirtyBlocks: 12,
  copiedBlocks: 12,
  storedBlocks: 9,
  repairMs: 31.7,
  reason: 'it has every batch',
} as const;

describe('a line on stderr', () => {
  it('names a failed engine in data, and says where and why', () => {
    const { events, lines } = speak();
    events.engineFailed({
      ...{ vdisk: 'v1', cluster: 'p1', shard: 0, address: '10.100.0.1:22005', fault: 'timeout' },
      reason: 'no reply\nwithin "1500" ms',
    });
    assert.deepEqual(only(lines), {
      type: 'storageengine-failure',
      data: '10.100.0.1:22005',
      server: 'nbd-1',
      vdisk: 'v1',
      cluster: 'p1',
      reason: 'no reply\nwithin "1500" ms',
    });
  });

  for (const kind of ['repair-tmp-outage', 'repair-final-outage'] as const) {
    it(`of type ${kind}-complete names engine and vdisk in data, and counts`, () => {
      const { events, lines, repaired } = speak();
      events.repairCompleted({ ...outcome, kind });
      assert.deepEqual(repaired, ['23']);
      const { type, data } = only(lines);
      const { at: _, ...counted } = data as Record<string, unknown>;
      assert.equal(type, `${kind}-complete`);
      assert.deepEqual(counted, {
        address: '10.100.0.1:22005',
        vdiskid: '23',
        server: 'nbd-1',
        incident: 'p1-0-abc',
        attempt: 2,
        dirtyBlocks: 12,
        copiedBlocks: 12,
        storedBlocks: 9,
        repairMs: 32,
      });
    });
  }

  it('is not written for what concerns others', () => {
    const { events, lines, passedOn } = speak();
    const trouble = { vdisk: 'v1', cluster: 'p1', shard: 0, reason: 'both are down' };
    events.dataUnavailable(trouble);
    events.dataAvailable({ ...trouble, reason: 'one is back' });
    events.ownershipLost('v1', 'another owner');
    assert.deepEqual(lines, []);
    assert.deepEqual(passedOn, [
      ['unavailable', trouble],
      ['available', { ...trouble, reason: 'one is back' }],
      ['lost', 'v1', 'another owner'],
    ]);
  });
});
