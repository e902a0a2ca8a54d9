import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { formatServerVdisks, serverVdisksKey } from '@salvor/config-store';
import { until } from '@salvor/testkit';
import { ServedVdisks } from './served-vdisks.ts';

let served: ServedVdisks;

before(async () => {
  served = await ServedVdisks.start();
  await served.addVdisks('v1', 'v2', 'v3', 'v4', 'v5', 'v6', 'v7');
});

after(async () => {
  await served?.[Symbol.asyncDispose]();
});

const waitUntilFree = (vdisk: string) =>
  until(async () => (await served.ownerOf(vdisk)) === null, {
    what: `${vdisk} to be free`,
    timeoutMs: 5_000,
  });

describe('the exports of a server', () => {
  it('are all vdisks, or those of its own list', async () => {
    const { exports } = served.server('nbd-1');
    assert.deepEqual(await exports.list(), ['v1', 'v2', 'v3', 'v4', 'v5', 'v6', 'v7']);
    const key = serverVdisksKey('nbd-listed');
    const value = formatServerVdisks({ vdisks: ['v2', 'v1'] });
    await served.store.transact({ compare: [], puts: [{ key, value }] });
    assert.deepEqual(await served.server('nbd-listed').exports.list(), ['v2', 'v1']);
  });

  it('are described without being mounted', async () => {
    const { exports, said } = served.server('nbd-1');
    const { sizeBytes, blockSizeBytes, readOnly } = await exports.describe('v1');
    assert.deepEqual([sizeBytes, blockSizeBytes, readOnly], [1024 ** 3, 65_536, false]);
    assert.deepEqual([said, await served.ownerOf('v1')], [[], null]);
  });

  it('that are unknown, or owned by another server, are refused with the reason', async () => {
    const [one, two] = [served.server('nbd-1'), served.server('nbd-2')];
    await assert.rejects(one.exports.describe('nowhere'), { name: 'ExportError', code: 'unknown' });
    await assert.rejects(one.exports.open('nowhere'), { name: 'ExportError', code: 'unknown' });
    const open = await one.exports.open('v1');
    await assert.rejects(two.exports.open('v1'), {
      name: 'ExportError',
      code: 'policy',
      message: /owned by server nbd-1/,
    });
    assert.equal(two.exports.isMounted('v1'), false);
    await open.close();
  });
});

describe('a mount', () => {
  it('is shared by all connections, and ends some time after the last', async () => {
    const { exports, said } = served.server('nbd-1');
    const [first, second] = await Promise.all([exports.open('v2'), exports.open('v2')]);
    await first.device.write(5, Buffer.from('shared'));
    assert.equal((await second.device.read(5, 6))?.toString(), 'shared');
    await first.device.flush();
    const [state] = exports.states();
    assert.deepEqual([state?.vdisk, state?.state, state?.users], ['v2', 'mounted', 2]);
    assert.deepEqual(
      state?.shards.map(({ mode }) => mode),
      ['mirrored'],
    );
    await first.close();
    await second.device.write(0, Buffer.from('on'));
    assert.equal(exports.states()[0]?.users, 1);
    await second.close();
    await waitUntilFree('v2');
    assert.deepEqual(said, [`mounted v2 ${state?.epoch}`, `released v2 ${state?.epoch}`]);
    assert.deepEqual(exports.states(), []);
  });

  it('lingers, so that a client that reconnects finds it', async () => {
    const { exports, said } = served.server('nbd-1', { lingerMs: 60_000 });
    await (await exports.open('v3')).close();
    const again = await exports.open('v3');
    await again.close();
    await again.close();
    assert.equal(exports.states()[0]?.users, 0, 'a connection is released once');
    assert.equal(said.length, 1);
    assert.equal(await served.ownerOf('v3'), 'nbd-1');
    await exports.close();
    assert.equal(await served.ownerOf('v3'), null);
  });

  it('that fails is forgotten, and tried anew by the next connection', async () => {
    const { exports: holder } = served.server('nbd-holder');
    const { exports } = served.server('nbd-1');
    const held = await holder.open('v4');
    await assert.rejects(exports.open('v4'));
    await held.close();
    await waitUntilFree('v4');
    const open = await exports.open('v4');
    await open.close();
  });

  it('whose ownership is lost fails its connections and is forgotten; the next one mounts anew', async () => {
    const { exports, said } = served.server('nbd-1');
    const open = await exports.open('v5');
    await open.device.write(0, Buffer.from('before'));
    const restarted = served.server('nbd-1');
    const next = await restarted.exports.open('v5');
    await assert.rejects(open.device.write(0, Buffer.from('ghost')), { nbdErrno: 108 });
    await until(() => !exports.isMounted('v5'), { what: 'the mount to be forgotten', timeoutMs: 5_000 });
    assert.deepEqual(
      said.map((line) => line.split(' ')[0]),
      ['mounted', 'lost', 'released'],
    );
    assert.equal((await next.device.read(0, 6))?.toString(), 'before');
    await open.close();
    assert.equal(await served.ownerOf('v5'), 'nbd-1');
    await next.close();
  });

  it('is released when the server closes, and no other is made then', async () => {
    const { exports, said } = served.server('nbd-1');
    await exports.open('v6');
    await exports.close();
    assert.equal(await served.ownerOf('v6'), null);
    await assert.rejects(exports.open('v6'), { name: 'ExportError', code: 'shutdown' });
    assert.deepEqual(
      said.map((line) => line.split(' ')[0]),
      ['mounted', 'released'],
    );
  });

  it('that is under way when the server closes does not keep the vdisk', async () => {
    const { exports } = served.server('nbd-1');
    const opening = exports.open('v7').then(
      (open) => open.close(),
      () => {},
    );
    await exports.close();
    await opening;
    await waitUntilFree('v7');
    assert.deepEqual(exports.states(), []);
  });
});
