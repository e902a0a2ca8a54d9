import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
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
