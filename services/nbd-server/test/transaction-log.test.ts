import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { disableTlog } from '@salvor/config-store';
import { EngineLink, until } from '@salvor/testkit';
import { BLOCK, LoggedPlane, write } from './logged-plane.ts';

let logged: LoggedPlane;
before(async () => {
  logged = await LoggedPlane.start();
});
after(() => logged[Symbol.asyncDispose]());

test('what was flushed can be brought back from the log alone, whatever its shape', async () => {
  await logged.plane.addVdisk('shapes');
  await logged.enable('shapes');
  const mounted = await logged.plane.mount('shapes');
  const { device } = mounted.vdisk;
  await write(mounted, 0, 1, 64);
  await device.write(3 * BLOCK + 100, Buffer.alloc(5_000, 2));
  await device.zero(10 * BLOCK, 4 * BLOCK + 7);
  await write(mounted, 12, 3);
  await write(mounted, 13, 0);
  await device.write(1_000 * BLOCK - 1, Buffer.from([1, 2]));
  await logged.untilStatus('shapes', 'whole');
  await device.flush();
  await logged.assertRestorable('shapes');
  assert.equal(mounted.vdisk.log?.state.bytes, 0);
});

test('an owner that dies leaves no gap: the next one adds what the engines have beyond the log', async () => {
  await logged.plane.addVdisk('dies');
  await logged.enable('dies');
  const first = await logged.plane.mount('dies', 'nbd-1');
  await write(first, 0, 1, 40);
  await logged.untilStatus('dies', 'whole');
  await first.vdisk.device.flush();
  // From here on Tier-1 is silent: what is answered is on the engines alone.
  logged.nats.process.pause();
  for (let block = 20; block < 60; block++) await write(first, block, 2);
  await first.vdisk.device.zero(5 * BLOCK, 3 * BLOCK);
  const second = await logged.plane.mount('dies', 'nbd-1');
  logged.nats.process.resume();
  await write(second, 100, 3);
  await second.vdisk.device.flush();
  await logged.assertRestorable('dies');
  assert.equal((await logged.stateOf('dies')).status, 'whole');
  assert.equal(second.vdisk.log?.state.base, 1, 'no new base was needed');
  assert.equal(first.vdisk.alive, false);
});

test('an owner that another one follows cannot write the log any more, and stops', async () => {
  await logged.plane.addVdisk('fenced');
  await logged.enable('fenced');
  const first = await logged.plane.mount('fenced', 'nbd-1');
  await write(first, 0, 1);
  await logged.untilStatus('fenced', 'whole');
  const second = await logged.plane.mount('fenced', 'nbd-1');
  await write(second, 0, 2);
  await second.vdisk.device.flush();
  await assert.rejects(async () => {
    await write(first, 0, 3);
    await first.vdisk.device.flush();
  });
  const epochs = (await logged.segments('fenced')).map(({ index }) => index.epoch);
  assert.deepEqual(
    epochs,
    epochs.toSorted((a, b) => a - b),
  );
  assert.equal((await logged.restored('fenced')).get(0)?.[0], 2);
});

test('a vdisk that gains a log while it is used gets a copy of what it had, and loses it again', async () => {
  await logged.plane.addVdisk('gains');
  const mounted = await logged.plane.mount('gains');
  await write(mounted, 0, 1, 300);
  await mounted.vdisk.device.flush();
  assert.equal(mounted.vdisk.log, null);
  let isOver = false;
  const load = (async () => {
    for (let i = 0; !isOver; i++) await write(mounted, (i * 7) % 400, 1 + (i % 200));
  })();
  await logged.enable('gains');
  await logged.untilStatus('gains', 'whole');
  isOver = true;
  await load;
  await mounted.vdisk.device.flush();
  await logged.assertRestorable('gains');
  const gone = await disableTlog(logged.plane.store, 'gains', { operation: 'off', by: 'test' });
  assert.equal(gone.outcome, 'applied', gone.reason);
  await until(() => mounted.vdisk.log === null, { what: 'the log to be gone', timeoutMs: 10_000 });
  const before = (await logged.segments('gains')).length;
  await write(mounted, 0, 9);
  await mounted.vdisk.device.flush();
  assert.equal((await logged.segments('gains')).length, before);
});

test('engines that have less than the log are not served: old data is not shown as new', async () => {
  await logged.plane.addVdisk('ahead');
  await logged.enable('ahead');
  const first = await logged.plane.mount('ahead');
  for (let block = 0; block < 20; block++) await write(first, block, 1);
  await logged.untilStatus('ahead', 'whole');
  await first.vdisk.device.flush();
  await first.vdisk.unmount();
  // Both members of shard 0 come back as they were some batches ago.
  for (const engine of [logged.plane.primaries[0], logged.plane.slaves[0]]) {
    using link = await EngineLink.open(engine?.port ?? 0);
    await link.sendRaw('HINCRBY', 'salvor:writes:ahead', 'seq', '-3');
  }
  const second = await logged.plane.mount('ahead');
  await until(() => second.vdisk.device.shardStates()[0]?.mode === 'unavailable', {
    what: 'shard 0 to be refused',
    timeoutMs: 10_000,
  });
  assert.match(second.vdisk.device.shardStates()[0]?.reason ?? '', /salvor dr replay/);
  await assert.rejects(second.vdisk.device.read(0, BLOCK), { code: 'data-unavailable' });
  await assert.rejects(write(second, 0, 5), { code: 'data-unavailable' });
  assert.equal((await second.vdisk.device.read(BLOCK, BLOCK))[0], 1);
  await write(second, 1, 6);
  await second.vdisk.device.flush();
});

test('what one member took alone is in the log of the next owner', async () => {
  await logged.plane.addVdisk('alone');
  await logged.enable('alone');
  const first = await logged.plane.mount('alone', 'nbd-1');
  await write(first, 0, 1, 30);
  await logged.untilStatus('alone', 'whole');
  await first.vdisk.device.flush();
  const engine = logged.plane.slaves[1] ?? assert.fail();
  await engine.process.kill();
  await logged.plane.reportFailure(engine.address);
  await logged.plane.waitForStatus(engine.address, 'offline');
  await write(first, 10, 2, 10);
  logged.nats.process.pause();
  for (let block = 15; block < 50; block++) await write(first, block, 3);
  const second = await logged.plane.mount('alone', 'nbd-1');
  logged.nats.process.resume();
  await second.vdisk.device.flush();
  await logged.assertRestorable('alone');
  assert.equal(second.vdisk.log?.state.base, 1, 'no new base was needed');
});
