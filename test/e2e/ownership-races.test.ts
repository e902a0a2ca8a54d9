import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { NbdClient, type NbdServerHandle, until } from '@salvor/testkit';
import { HealingStack } from './healing-stack.ts';

let healing: HealingStack;
let one: NbdServerHandle;
let two: NbdServerHandle;

before(async () => {
  healing = await HealingStack.start({
    primaries: 2,
    slaves: 2,
    spares: 0,
    nbdServers: 2,
    nbdServerEnv: {
      SALVOR_LEASE_TTL_SECONDS: '4',
      // No engine fails here, however busy the machine is.
      SALVOR_ENGINE_CONNECT_TIMEOUT_MS: '10000',
      SALVOR_ENGINE_COMMAND_TIMEOUT_MS: '10000',
    },
  });
  [one, two] = [healing.stack.nbdServer('nbd-1'), healing.stack.nbdServer('nbd-2')];
});

after(async () => {
  await healing?.[Symbol.asyncDispose]();
});

const connect = (server: NbdServerHandle, vdisk: string): Promise<NbdClient> =>
  NbdClient.connect(server.unixUri(vdisk), { connectTimeoutMs: 20_000 });

test('two servers that mount a vdisk at once: one serves it, the other says who does', async () => {
  for (const vdisk of ['r1', 'r2', 'r3', 'r4']) {
    await healing.createVdisk(vdisk);
    const tries = await Promise.allSettled([connect(one, vdisk), connect(two, vdisk)]);
    const won = tries.flatMap((tried) => (tried.status === 'fulfilled' ? [tried.value] : []));
    const lost = tries.flatMap((tried) => (tried.status === 'rejected' ? [String(tried.reason)] : []));
    assert.deepEqual([won.length, lost.length], [1, 1], lost.join(' and '));
    assert.match(lost[0] ?? '', /owned by server nbd-[12]/);
    await won[0]?.write(0, Buffer.alloc(4096, 1));
    await won[0]?.disconnect();
  }
});

test('a server that is stopped beyond its lease answers nothing when it wakes up and another one has the vdisk', async () => {
  await healing.createVdisk('r5');
  const old = await connect(one, 'r5');
  await old.write(0, Buffer.alloc(4096, 1));
  one.pause();
  const [write, read] = [old.write(0, Buffer.alloc(4096, 9)), old.read(0, 4096)];
  const refused = Promise.all([assert.rejects(write), assert.rejects(read)]);
  let next: NbdClient | null = null;
  try {
    await until(
      async () => {
        next = await connect(two, 'r5').catch(() => null);
        return next !== null;
      },
      { what: 'the lease to expire', timeoutMs: 30_000 },
    );
  } finally {
    await (next as NbdClient | null)?.write(0, Buffer.alloc(4096, 2));
    one.resume();
  }
  await refused;
  const client = next ?? assert.fail();
  assert.deepEqual(await (client as NbdClient).read(0, 4096), Buffer.alloc(4096, 2));
  await assert.rejects(connect(one, 'r5'), /owned by server nbd-2/);
  await (client as NbdClient).disconnect();
});

test('a server that is stopped beyond its lease goes on with its clients when nobody took the vdisk meanwhile', async () => {
  await healing.createVdisk('r6');
  const client = await connect(one, 'r6');
  await client.write(0, Buffer.alloc(4096, 1));
  one.pause();
  try {
    await until(async () => (await ownerOf('r6')) === undefined, {
      what: 'the lease to expire',
      timeoutMs: 30_000,
    });
  } finally {
    one.resume();
  }
  await client.write(4096, Buffer.alloc(4096, 2));
  assert.deepEqual(await client.read(0, 4096), Buffer.alloc(4096, 1));
  await until(async () => (await ownerOf('r6')) === 'nbd-1', { what: 'it owns it again', timeoutMs: 15_000 });
  await client.flush();
  await client.disconnect();
});

async function ownerOf(vdisk: string): Promise<string | undefined> {
  const { vdisks } = await healing.bus.request('vdisk.list', {});
  return vdisks.find((known) => known.vdisk === vdisk)?.owner?.server;
}
