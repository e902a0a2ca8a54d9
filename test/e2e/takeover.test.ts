import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  formatServerVdisks,
  openStore,
  parseServerVdisks,
  serverVdisksKey,
  takeoverKey,
} from '@salvor/config-store';
import { codeOf } from '@salvor/service-kit';
import { NbdClient, type NbdServerHandle, until, VerifyingLoad } from '@salvor/testkit';
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
      SALVOR_LEASE_TTL_SECONDS: '5',
      SALVOR_RELEASE_WAIT_MS: '1500',
      // No engine fails here, however busy the machine is.
      SALVOR_ENGINE_CONNECT_TIMEOUT_MS: '10000',
      SALVOR_ENGINE_COMMAND_TIMEOUT_MS: '10000',
    },
  });
  for (let i = 1; i <= 6; i++) await healing.createVdisk(`v${i}`);
  [one, two] = [healing.stack.nbdServer(), healing.stack.nbdServer('nbd-2')];
});

after(async () => {
  await healing?.[Symbol.asyncDispose]();
});

interface TakeoverOptions {
  force?: boolean;
  operationId?: string;
  /** Default 30,000. */
  timeoutMs?: number;
}

const takeover = (vdisk: string, server: string, { timeoutMs = 30_000, ...more }: TakeoverOptions = {}) =>
  healing.bus.request('vdisk.takeover', { vdisk, server, ...more }, { instance: server, timeoutMs });
/** Asks whichever server answers, which passes it on. */
const takeoverByAny = (vdisk: string, server: string) =>
  healing.bus.request('vdisk.takeover', { vdisk, server }, { timeoutMs: 30_000 });

const refused = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error: unknown) => codeOf(error),
  );

async function ownerOf(vdisk: string): Promise<string | undefined> {
  const { vdisks } = await healing.bus.request('vdisk.list', {});
  return vdisks.find((known) => known.vdisk === vdisk)?.owner?.server;
}

/** A load that goes to the first server, and to the second one when that lets it go. */
async function startLoad(vdisk: string): Promise<VerifyingLoad> {
  await one.waitUntilReady(30_000);
  // Mounted before the load begins, which gives up where its first connection does not come about.
  await using first = await NbdClient.connect(one.unixUri(vdisk), { connectTimeoutMs: 20_000 });
  assert.equal((await first.read(0, 1))[0], 0);
  const load = new VerifyingLoad({
    targets: [one.unixUri(vdisk), two.unixUri(vdisk)],
    seed: 11,
    blockCount: 256,
    queueDepth: 8,
    readShare: 0.2,
    reconnectTimeoutMs: 60_000,
  });
  await load.start();
  await load.firstAck({ submittedAfter: 0, timeoutMs: 20_000 });
  return load;
}

/** Ends the load on the server that serves it by now; nothing acknowledged may be missing there. */
async function finish(load: VerifyingLoad, server: NbdServerHandle, vdisk: string): Promise<void> {
  await load.firstAck({ submittedAfter: performance.now(), timeoutMs: 60_000 });
  await load.stop();
  const verification = await load.verifyOverNbd(server.unixUri(vdisk));
  assert.deepEqual(verification.details, []);
}

test('a live owner hands a vdisk over under load: nothing acknowledged is lost, and the new server serves it', async () => {
  const load = await startLoad('v1');
  const idle = await NbdClient.connect(one.unixUri('v1'));
  const before = await healing.bus.request('vdisk.takeover', { vdisk: 'v1', server: 'nbd-1' });
  assert.equal(before.outcome, 'already');
  const reply = await takeover('v1', 'nbd-2', { operationId: 'op-move-1' });
  assert.deepEqual(
    [reply.server, reply.from, reply.outcome, reply.operation],
    ['nbd-2', 'nbd-1', 'applied', 'op-move-1'],
  );
  assert.equal(await ownerOf('v1'), 'nbd-2');
  await assert.rejects(idle.read(0, 4096), 'the old server serves nobody any more');
  await assert.rejects(NbdClient.connect(one.unixUri('v1')), /owned by server nbd-2/);
  await finish(load, two, 'v1');
  assert.equal((await takeover('v1', 'nbd-2', { operationId: 'op-move-1' })).reason, reply.reason);
  assert.equal(await refused(takeover('v1', 'nbd-1', { operationId: 'op-move-1' })), 'operation-reused');
});

test('what cannot be taken over is refused with the reason', async () => {
  assert.equal(await refused(takeover('nowhere', 'nbd-2')), 'unknown-vdisk');
  assert.equal(await refused(takeoverByAny('v2', 'nbd-9')), 'unknown-server');
  const store = openStore({ endpoints: healing.stack.etcdEndpoints });
  const put = { key: serverVdisksKey('nbd-8'), value: formatServerVdisks({ vdisks: ['v2'] }) };
  await store.transact({ compare: [], puts: [put] });
  assert.equal(await refused(takeoverByAny('v2', 'nbd-8')), 'server-not-live');
  store.close();
});

test('the vdisk moves from one list of exports to the other', async () => {
  const store = openStore({ endpoints: healing.stack.etcdEndpoints });
  const [from, to] = [serverVdisksKey('nbd-1'), serverVdisksKey('nbd-2')];
  await store.transact({
    compare: [],
    puts: [
      { key: from, value: formatServerVdisks({ vdisks: ['v2', 'v3'] }) },
      { key: to, value: formatServerVdisks({ vdisks: ['v1'] }) },
    ],
  });
  await using client = await NbdClient.connect(one.unixUri('v3'));
  await client.write(0, Buffer.alloc(4096, 3));
  await takeoverByAny('v3', 'nbd-2');
  const lists = await Promise.all([from, to].map((key) => store.get(key)));
  assert.deepEqual(
    lists.map((entry) => parseServerVdisks(entry?.value ?? '').vdisks),
    [['v2'], ['v1', 'v3']],
  );
  await store.transact({ compare: [], deletes: [from, to] });
  store.close();
});

test('an owner that is paused is replaced by force only, and writes nothing when it wakes up', async () => {
  const load = await startLoad('v4');
  one.pause();
  try {
    assert.equal(await refused(takeover('v4', 'nbd-2')), 'owner-not-responding');
    assert.equal((await takeover('v4', 'nbd-2', { force: true })).outcome, 'applied');
    await using client = await NbdClient.connect(two.unixUri('v4'));
    await client.write(1 << 20, Buffer.alloc(4096, 0xee));
  } finally {
    one.resume();
  }
  // Woken up: its clients are let go, and what it had in flight is refused by the engines.
  await finish(load, two, 'v4');
  await assert.rejects(NbdClient.connect(one.unixUri('v4')), /owned by server nbd-2/);
});

test('the owner is killed while it is asked to let go: the vdisk is taken by force, nothing is lost', async () => {
  const load = await startLoad('v5');
  one.pause();
  const taking = takeover('v5', 'nbd-2', { force: true });
  await until(() => asked('v5'), { what: 'the owner to be asked', timeoutMs: 10_000 });
  await one.kill('SIGKILL');
  assert.equal((await taking).from, 'nbd-1');
  await finish(load, two, 'v5');
  await one.waitUntilReady(30_000);
});

test('the server that takes a vdisk is killed on the way: the vdisk is served again, by whoever comes first', async () => {
  const load = await startLoad('v6');
  one.pause();
  try {
    const taking = refused(takeover('v6', 'nbd-2', { operationId: 'op-move-6', timeoutMs: 5_000 }));
    await until(() => asked('v6'), { what: 'the owner to be asked', timeoutMs: 10_000 });
    await two.kill('SIGKILL');
    one.resume();
    assert.notEqual(await taking, 'done');
  } finally {
    one.resume();
  }
  await two.waitUntilReady(30_000);
  const reply = await takeover('v6', 'nbd-2', { operationId: 'op-move-6', force: true });
  assert.equal(reply.server, 'nbd-2');
  await finish(load, two, 'v6');
});

async function asked(vdisk: string): Promise<boolean> {
  const store = openStore({ endpoints: healing.stack.etcdEndpoints });
  try {
    return (await store.get(takeoverKey(vdisk))) !== null;
  } finally {
    store.close();
  }
}
