import assert from 'node:assert/strict';
import { test } from 'node:test';
import { repairKey } from '@salvor/config-store';
import { EngineLink, until } from '@salvor/testkit';
import { DataPlane } from './data-plane.ts';

test('a spare that loses everything after one vdisk was rebuilt on it is not made a member again by the next', async () => {
  await using plane = await DataPlane.start({ shards: 1, spares: 1 });
  for (const vdisk of ['v1', 'v2']) await plane.addVdisk(vdisk);
  const [lost, spare] = [plane.primaries[0] ?? assert.fail(), plane.spares[0] ?? assert.fail()];
  const { vdisk: first } = await plane.mount('v1');
  await first.device.write(0, Buffer.alloc(4096, 0x11));
  await lost.process.kill();
  await plane.reportFailure(lost.address);
  const { incident } = await plane.judge(lost.address, 'permanent');
  const record = repairKey(incident?.id ?? assert.fail('no incident'), 1, 'v1');
  await until(async () => (await plane.store.get(record)) !== null, {
    what: 'v1 is on the spare',
    timeoutMs: 20_000,
  });
  await first.unmount();

  using link = await EngineLink.open(spare.port);
  await link.send('FLUSHALL');
  const { vdisk: second, failures } = await plane.mount('v2', 'nbd-2');
  await plane.waitForStatus(lost.address, 'offline');
  assert.equal(await link.send('GET', 'salvor:identity'), null, 'nobody made it a member');
  assert.deepEqual(failures.at(0), { address: spare.address, fault: 'identity-lost' });
  assert.equal(second.device.shardStates()[0]?.mode, 'alone');
});
