import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { ArchiveClaim, enableTlog, type TlogPolicy } from '@salvor/config-store';
import { until } from '@salvor/testkit';
import { BLOCK, LoggedPlane, write } from './logged-plane.ts';

const MIB = 1024 * 1024;
let logged: LoggedPlane;
beforeEach(async () => {
  logged = await LoggedPlane.start({ shards: 1, hasSlave: false }, 3 * MIB);
});
afterEach(() => logged[Symbol.asyncDispose]());

async function setPolicy(vdisk: string, policy: TlogPolicy): Promise<void> {
  const place = { container: 0, containers: 1, begins: { number: 0, sequence: 0 } };
  const options = { operation: `policy-${policy}`, by: 'test', place };
  const { outcome, reason } = await enableTlog(logged.plane.store, { vdisk, policy }, options);
  assert.equal(outcome, 'applied', reason);
}

test('a log whose archiver finds segments lost has a new base by itself, while clients go on', async () => {
  await logged.plane.addVdisk('v');
  await logged.enable('v');
  const mounted = await logged.plane.mount('v');
  await write(mounted, 0, 1, 20);
  await logged.untilStatus('v', 'whole');
  await mounted.vdisk.device.flush();
  const lease = await logged.plane.store.grantLease(10);
  const claim = (await ArchiveClaim.take(logged.plane.store, lease, 'v', 'archiver')) ?? assert.fail();
  let isOver = false;
  const load = (async () => {
    for (let i = 0; !isOver; i++) {
      await write(mounted, i % 30, 1 + (i % 250));
      await mounted.vdisk.device.flush();
    }
  })();
  for (const from of [1, 2]) {
    const { sequence } = await logged.untilStatus('v', 'whole');
    const range = { from, to: from, after: 0, before: 9, at: Date.now() };
    assert.equal(await claim.missing(range, `segment ${from} of the log is in neither tier`), true);
    await until(
      async () => {
        const state = await logged.stateOf('v');
        return state.status === 'whole' && state.sequence > sequence;
      },
      { what: 'a new base', timeoutMs: 30_000 },
    );
  }
  isOver = true;
  await load;
  await mounted.vdisk.device.flush();
  await logged.assertRestorable('v');
  assert.equal(mounted.vdisk.log?.state.status, 'whole');
  await lease.revoke();
});

test('a vdisk in use takes another policy at once: writes that wait for room go on with overflow', async () => {
  await logged.plane.addVdisk('v');
  await logged.enable('v', 'block');
  const mounted = await logged.plane.mount('v', 'nbd-1', { holdMaxMs: 60_000, logOverflowAfterMs: 300 });
  await write(mounted, 0, 1);
  const before = await logged.untilStatus('v', 'whole');
  let written = 0;
  const load = (async () => {
    for (let block = 0; block < 4_096; block += 64) {
      await write(mounted, block % 1_024, 7, 64);
      written++;
    }
  })();
  await until(() => mounted.vdisk.log?.state.trouble != null, { what: 'a full Tier-1', timeoutMs: 30_000 });
  assert.equal((await logged.stateOf('v')).status, 'whole');
  assert.ok(written < 64, 'they wait');
  await setPolicy('v', 'overflow');
  await load;
  const { status, sequence } = await logged.stateOf('v');
  assert.ok(
    status !== 'whole' || sequence > before.sequence,
    `it was broken off: ${status} from ${sequence}`,
  );
  assert.equal((await mounted.vdisk.device.read(0, BLOCK))[0], 7);
});

test('a vdisk in use takes another policy at once: with block writes wait, and the log stays whole', async () => {
  await logged.plane.addVdisk('v');
  await logged.enable('v', 'overflow');
  const mounted = await logged.plane.mount('v', 'nbd-1', { holdMaxMs: 7_500, logOverflowAfterMs: 5_000 });
  await write(mounted, 0, 1);
  const { sequence } = await logged.untilStatus('v', 'whole');
  await setPolicy('v', 'block');
  const failure = await (async () => {
    for (let block = 0; ; block = (block + 64) % 1_024)
      try {
        await write(mounted, block, 9, 64);
      } catch (error) {
        return error;
      }
  })();
  assert.equal((failure as { code?: string }).code, 'log-unavailable');
  const { status, sequence: now } = await logged.stateOf('v');
  assert.deepEqual([status, now], ['whole', sequence]);
});
