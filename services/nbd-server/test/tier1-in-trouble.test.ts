import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { until } from '@salvor/testkit';
import { BLOCK, LoggedPlane, write } from './logged-plane.ts';

const MIB = 1024 * 1024;
let logged: LoggedPlane;
beforeEach(async () => {
  logged = await LoggedPlane.start({ shards: 1, hasSlave: false }, 3 * MIB);
});
afterEach(() => logged[Symbol.asyncDispose]());

test('every flush that was answered is in the log when nats-server is killed under load and comes back', async () => {
  await logged.plane.addVdisk('v');
  await logged.enable('v');
  const mounted = await logged.plane.mount('v');
  await write(mounted, 0, 1);
  await logged.untilStatus('v', 'whole');
  const flushed = new Map<number, number>();
  let isOver = false;
  const load = (async () => {
    for (let i = 0; !isOver; i++) {
      const [block, fill] = [i % 50, 1 + (i % 250)];
      await write(mounted, block, fill);
      await mounted.vdisk.device.flush();
      flushed.set(block, fill);
    }
  })();
  await until(() => flushed.size === 50, { what: 'some flushes', timeoutMs: 10_000 });
  await logged.nats.process.kill();
  await logged.nats.process.start();
  const before = flushed.get(0);
  await until(() => flushed.get(0) !== before, { what: 'flushes to go on', timeoutMs: 20_000 });
  isOver = true;
  await load;
  const restored = await logged.restored('v');
  for (const [block, fill] of flushed) assert.equal(restored.get(block)?.[0], fill, `block ${block}`);
  await logged.assertRestorable('v');
  assert.equal(mounted.vdisk.alive, true);
});

test('with policy block writes wait while Tier-1 is full, fail after a bound, and go on when there is room', async () => {
  await logged.plane.addVdisk('v');
  await logged.enable('v', 'block');
  const mounted = await logged.plane.mount('v', 'nbd-1', { holdMaxMs: 1_500 });
  await write(mounted, 0, 1);
  await logged.untilStatus('v', 'whole');
  const failure = await fill(mounted);
  assert.equal((failure as { code?: string }).code, 'log-unavailable');
  assert.match(String(failure), /no room left/);
  assert.ok((mounted.vdisk.log?.state.bytes ?? 0) <= 12 * MIB, 'what waits is bounded');
  await assert.rejects(mounted.vdisk.device.flush(), { code: 'log-unavailable', nbdErrno: 5 });
  assert.equal((await mounted.vdisk.device.read(0, BLOCK))[0], 9);
  // Archived, as it were: room for all of it.
  await logged.bus.applyManifest({ containers: 1, containerBytes: 64 * MIB });
  await until(
    () =>
      mounted.vdisk.device.flush().then(
        () => true,
        () => false,
      ),
    { what: 'a flush', timeoutMs: 20_000 },
  );
  await logged.assertRestorable('v');
  assert.equal((await logged.stateOf('v')).status, 'whole');
});

test('with policy overflow writes go on without the log, which says so first, and has a new base when there is room', async () => {
  await logged.plane.addVdisk('v');
  await logged.enable('v', 'overflow');
  const mounted = await logged.plane.mount('v', 'nbd-1', { holdMaxMs: 20_000, logOverflowAfterMs: 500 });
  await write(mounted, 0, 1);
  await logged.untilStatus('v', 'whole');
  for (let block = 0; block < 1_024; block += 64) await write(mounted, block, 7, 64);
  const broken = await logged.untilStatus('v', 'broken');
  assert.match(broken.reason, /no room left/);
  await mounted.vdisk.device.flush();
  await write(mounted, 1, 8);
  await logged.bus.applyManifest({ containers: 1, containerBytes: 96 * MIB });
  const whole = await logged.untilStatus('v', 'whole');
  assert.ok(whole.sequence > 1, 'a new base');
  await mounted.vdisk.device.flush();
  await logged.assertRestorable('v');
});

test('a log that Tier-1 lost begins anew with a base, and no flush is answered before that is on record', async () => {
  await logged.plane.addVdisk('v');
  await logged.enable('v');
  const mounted = await logged.plane.mount('v');
  await write(mounted, 0, 1, 20);
  await logged.untilStatus('v', 'whole');
  await mounted.vdisk.device.flush();
  const { lastSequence } = await logged.bus.logStreams.facts('TLOG_0');
  await logged.bus.logStreams.purge('TLOG_0', 'salvor.tlog.v1.0.v', lastSequence + 1);
  await write(mounted, 5, 2);
  await mounted.vdisk.device.flush();
  await logged.untilStatus('v', 'whole');
  await until(() => mounted.vdisk.log?.state.status === 'whole', { what: 'a base', timeoutMs: 10_000 });
  await mounted.vdisk.device.flush();
  await logged.assertRestorable('v');
});

test('writes wait for a Tier-1 that is not there when the vdisk is mounted; reads do not', async () => {
  await logged.plane.addVdisk('v');
  await logged.enable('v');
  const first = await logged.plane.mount('v', 'nbd-1');
  await write(first, 0, 1);
  await logged.untilStatus('v', 'whole');
  await first.vdisk.unmount();
  logged.nats.process.pause();
  const second = await logged.plane.mount('v', 'nbd-1', { holdMaxMs: 500 });
  assert.equal((await second.vdisk.device.read(0, BLOCK))[0], 1);
  await assert.rejects(write(second, 0, 2), { code: 'log-unavailable' });
  await assert.rejects(second.vdisk.device.flush(), { code: 'log-unavailable' });
  logged.nats.process.resume();
  await until(
    () =>
      write(second, 0, 3).then(
        () => true,
        () => false,
      ),
    { what: 'a write', timeoutMs: 20_000 },
  );
  await second.vdisk.device.flush();
  await logged.assertRestorable('v');
});

/** Writes until one fails. */
async function fill(mounted: Parameters<typeof write>[0]): Promise<unknown> {
  for (let block = 0; ; block = (block + 64) % 1_024) {
    try {
      await write(mounted, block, 9, 64);
    } catch (error) {
      return error;
    }
  }
}
