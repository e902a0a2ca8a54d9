import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ownerKey, repairKey } from '@salvor/config-store';
import { silentLogger } from '@salvor/service-kit';
import { EngineLink, killEngine, restartWithData, until } from '@salvor/testkit';
import { RepairTurns } from '@salvor/vdisk';
import { IdleRepairs } from '../src/idle-repairs.ts';
import { ServedVdisks, type Server, servedSettings } from './served-vdisks.ts';

function startRepairs(
  served: ServedVdisks,
  name: string,
  changes: Parameters<ServedVdisks['server']>[1] = {},
): Server & Disposable {
  const server = served.server(name, changes);
  const repairs = new IdleRepairs({
    ...{ store: served.store, server: name, exports: server.exports, log: silentLogger },
  });
  repairs.start();
  return { ...server, [Symbol.dispose]: () => repairs.stop() };
}

/** Writes to vdisks while the primary is down, leaves them without a client, and brings the primary back. */
async function loseWrites(served: ServedVdisks, vdisks: readonly string[]): Promise<void> {
  const { exports } = served.server('nbd-writer');
  const opened = await Promise.all(vdisks.map((vdisk) => exports.open(vdisk)));
  for (const { device } of opened) await device.write(0, Buffer.from('before'));
  await killEngine(served.primary);
  for (const { device } of opened) await device.write(0, Buffer.from('missed'));
  await exports.close();
  await restartWithData(served.primary);
}

async function firstBytes(served: ServedVdisks, vdisk: string): Promise<string> {
  using link = await EngineLink.open(served.primary.port);
  return String(await link.send('HGET', `nondedup:${vdisk}`, '0')).slice(0, 6);
}

async function waitForRepairs(
  served: ServedVdisks,
  incident: { id: string; attempt: number },
  vdisks: readonly string[],
): Promise<void> {
  for (const vdisk of vdisks) {
    const key = repairKey(incident.id, incident.attempt, vdisk);
    await until(async () => (await served.store.get(key)) !== null, {
      what: `${vdisk} to be repaired`,
      timeoutMs: 20_000,
    });
  }
}

describe('vdisks without a client', () => {
  it('are repaired by the servers that are there, once each, and given back', async () => {
    await using served = await ServedVdisks.start();
    const vdisks = ['v1', 'v2', 'v3', 'v4', 'v5', 'v6'];
    await served.addVdisks(...vdisks);
    await loseWrites(served, vdisks);
    const { incident } = await served.judgeTemporary(served.primary.address);
    using one = startRepairs(served, 'nbd-1');
    using two = startRepairs(served, 'nbd-2');
    await waitForRepairs(served, incident ?? assert.fail(), vdisks);
    for (const vdisk of vdisks) assert.equal(await firstBytes(served, vdisk), 'missed');
    await until(
      async () =>
        (await Promise.all(vdisks.map((vdisk) => served.ownerOf(vdisk)))).every((owner) => owner === null),
      { what: 'every vdisk to be given back', timeoutMs: 10_000 },
    );
    const repaired = [...one.lines, ...two.lines].map((line) => {
      const { type, data } = JSON.parse(line) as { type: string; data: { vdiskid: string } };
      assert.equal(type, 'repair-tmp-outage-complete');
      return data.vdiskid;
    });
    assert.deepEqual(repaired.sort(), vdisks);
  });

  it('that somebody else owns are left to the owner', async () => {
    await using served = await ServedVdisks.start();
    await served.addVdisks('v1', 'v2');
    await loseWrites(served, ['v1', 'v2']);
    const owner = served.server('nbd-owner');
    const open = await owner.exports.open('v1');
    using idle = startRepairs(served, 'nbd-1');
    const { incident } = await served.judgeTemporary(served.primary.address);
    await waitForRepairs(served, incident ?? assert.fail(), ['v1', 'v2']);
    assert.equal(await served.ownerOf('v1'), 'nbd-owner');
    assert.equal(owner.lines.length, 1);
    assert.ok(
      idle.said.every((line) => !line.includes('v1')),
      idle.said.join(),
    );
    assert.equal((await open.device.read(0, 6))?.toString(), 'missed');
    await open.close();
  });

  it('are kept for a client that comes while they are repaired', async () => {
    await using served = await ServedVdisks.start();
    await served.addVdisks('v1');
    await loseWrites(served, ['v1']);
    using server = startRepairs(served, 'nbd-1');
    const { incident } = await served.judgeTemporary(served.primary.address);
    await until(() => server.exports.isMounted('v1'), { what: 'v1 to be taken', timeoutMs: 10_000 });
    const open = await server.exports.open('v1');
    await waitForRepairs(served, incident ?? assert.fail(), ['v1']);
    const { id, attempt } = incident ?? assert.fail();
    const set = new Set(['v1']);
    await served.apply({
      kind: 'repairs-complete',
      incident: id,
      attempt,
      repaired: set,
      vdisks: set,
      by: 'test',
    });
    await until(() => server.exports.states()[0]?.users === 1, {
      what: 'the repair to let go',
      timeoutMs: 10_000,
    });
    assert.equal(server.said.length, 1, 'one mount, not released');
    assert.equal((await open.device.read(0, 6))?.toString(), 'missed');
    await open.close();
  });

  it('are taken again when the ownership ends before the repair is on record', async () => {
    await using served = await ServedVdisks.start();
    await served.addVdisks('v1');
    await loseWrites(served, ['v1']);
    // Nobody's turn comes, so nothing is on record, until the test lets go of the only one.
    const repairTurns = new RepairTurns(1);
    const endTurn = await repairTurns.take();
    using server = startRepairs(served, 'nbd-1', { settings: { ...servedSettings, repairTurns } });
    const { incident } = await served.judgeTemporary(served.primary.address);
    const mounts = (): number => server.said.filter((line) => line.startsWith('mounted v1')).length;
    await until(() => mounts() === 1, { what: 'v1 to be taken', timeoutMs: 20_000 });
    await served.store.transact({ compare: [], deletes: [ownerKey('v1')] });
    await until(() => server.said.includes('lost v1'), { what: 'v1 to be lost', timeoutMs: 10_000 });
    await until(() => mounts() === 2, { what: 'v1 to be taken again', timeoutMs: 20_000 });
    endTurn();
    await waitForRepairs(served, incident ?? assert.fail(), ['v1']);
    assert.equal(await firstBytes(served, 'v1'), 'missed');
  });
});
