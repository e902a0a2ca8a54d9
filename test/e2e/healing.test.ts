import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  killEngine,
  NbdClient,
  restartEmpty,
  restartFromSnapshot,
  restartWithData,
  snapshotEngine,
  testSeed,
  until,
  VerifyingLoad,
} from '@salvor/testkit';
import { HealingStack } from './healing-stack.ts';

let healing: HealingStack;
let uri: string;
before(async () => {
  healing = await HealingStack.start();
  uri = await healing.createVdisk('v1');
});
after(async () => {
  await healing[Symbol.asyncDispose]();
});

/** Each load has blocks of its own: its model starts from zeros. */
let nextRegion = 0;
const REGION_BLOCKS = 2_048;

async function underLoad(work: (load: VerifyingLoad) => Promise<void>): Promise<void> {
  const load = new VerifyingLoad({
    targets: uri,
    seed: testSeed(),
    firstBlock: REGION_BLOCKS * nextRegion++,
    blockCount: REGION_BLOCKS,
    queueDepth: 8,
    requestsPerSecond: 1_000,
    readShare: 0.3,
  });
  await load.start();
  await work(load);
  const stats = await load.stop();
  const { blocksLost, details } = await load.verifyOverNbd();
  assert.deepEqual(
    { blocksLost, ioErrors: stats.ioErrors, connectionsLost: stats.connectionsLost, details },
    { blocksLost: 0, ioErrors: 0, connectionsLost: 0, details: [] },
  );
  assert.ok(stats.writesAcknowledged > 0);
}

async function wrote(load: VerifyingLoad, more: number): Promise<void> {
  const goal = load.stats.writesAcknowledged + more;
  await until(() => load.stats.writesAcknowledged >= goal, {
    what: `${more} more writes are acknowledged`,
    timeoutMs: 30_000,
  });
}

test('an engine dies and comes back with its data: its dirty blocks, and only they, are copied back', async () => {
  const engine = healing.stack.engine('primary', 0);
  await underLoad(async (load) => {
    await wrote(load, 500);
    await killEngine(engine);
    await healing.untilStatus(engine.address, 'offline');
    await wrote(load, 300);
    await restartWithData(engine);
    await healing.untilHealed();
    await wrote(load, 100);
  });
  assert.deepEqual(await healing.transitions(), [
    'p1/0 online -> offline',
    'p1/0 offline -> repair-tmp-outage',
    'p1/0 repair-tmp-outage -> online',
  ]);
  const { incidents } = await healing.bus.request('incident.list', { all: true });
  const [repair] = incidents[0]?.repairs ?? [];
  assert.ok(repair !== undefined && repair.dirtyBlocks > 0);
  assert.equal(repair.copiedBlocks, repair.dirtyBlocks);
});

test('an engine comes back without its last writes: it serves nothing stale, and gets those blocks back', async () => {
  const engine = healing.stack.engine('primary', 1);
  const saved = join(healing.stack.options.dir, 'saved-aof');
  const client = await NbdClient.connect(uri);
  const block = (index: number, fill: number): Promise<void> =>
    client.write(index * 4096, Buffer.alloc(4096, fill));
  // Blocks 4n + 1 are on shard 1.
  for (let n = 0; n < 40; n++) await block(20_001 + 4 * n, 0x11);
  await until(
    () => {
      snapshotEngine(engine, saved);
      return true;
    },
    { what: 'the engine is noted', timeoutMs: 5_000 },
  );
  for (let n = 10; n < 20; n++) await block(20_001 + 4 * n, 0x22);
  await restartFromSnapshot(engine, saved);
  const read = async (n: number): Promise<number> =>
    (await client.read((20_001 + 4 * n) * 4096, 4096))[0] ?? -1;
  for (let n = 10; n < 20; n++) assert.equal(await read(n), 0x22);
  const isKnown = async (): Promise<boolean> =>
    (await healing.bus.request('incident.list', { all: true })).incidents.some(
      ({ address }) => address === engine.address,
    );
  await until(isKnown, { what: 'the failure is an incident', timeoutMs: 30_000 });
  await healing.untilHealed();
  for (let n = 0; n < 40; n++) assert.equal(await read(n), n >= 10 && n < 20 ? 0x22 : 0x11);
  const { incidents } = await healing.bus.request('incident.list', { all: true });
  const [repair] = incidents.find(({ address }) => address === engine.address)?.repairs ?? [];
  assert.deepEqual([repair?.dirtyBlocks, repair?.copiedBlocks], [10, 10]);
  await client.disconnect();
});

test('an engine comes back empty: it is never taken for temporary, a spare takes its place', async () => {
  const engine = healing.stack.engine('primary', 2);
  const verdicts: string[] = [];
  const watch = healing.bus.watchEvents({
    types: ['engine.verdict-given'],
    handler: ({ payload }) => void verdicts.push(payload.verdict),
  });
  await underLoad(async (load) => {
    await wrote(load, 300);
    await restartEmpty(engine);
    await until(async () => (await healing.transitions()).includes('p1/2 repair-final-outage -> online'), {
      what: 'the spare serves',
      timeoutMs: 60_000,
    });
    await wrote(load, 100);
  });
  await watch.stop();
  assert.deepEqual(new Set(verdicts), new Set(['permanent']));
  const { cluster } = await healing.bus.request('cluster.get', { cluster: 'p1' });
  const entry = cluster.engines[2];
  assert.equal(entry?.address, healing.stack.engines.spares[0]?.address);
  assert.equal(entry?.generation, 2);
  assert.deepEqual(
    cluster.retired.map(({ address }) => address),
    [engine.address],
  );
});

test('a slave engine dies: the same machine heals it', async () => {
  const engine = healing.stack.engine('slave', 3);
  await underLoad(async (load) => {
    await wrote(load, 200);
    await killEngine(engine);
    await healing.untilStatus(engine.address, 'offline');
    await wrote(load, 200);
    await restartWithData(engine);
    await healing.untilHealed();
  });
  assert.deepEqual(
    (await healing.transitions()).filter((step) => step.startsWith('s1/3')),
    ['s1/3 online -> offline', 's1/3 offline -> repair-tmp-outage', 's1/3 repair-tmp-outage -> online'],
  );
});

test('vdisks are neither created nor deleted while a cluster is repairing', async () => {
  const engine = healing.stack.engine('primary', 3);
  await killEngine(engine);
  await healing.untilStatus(engine.address, 'offline');
  const refused = { code: 'cluster-not-healthy' };
  await assert.rejects(
    healing.bus.request('vdisk.create', {
      vdisk: 'v2',
      type: 'tmp',
      sizeGiB: 1,
      cluster: 'p1',
      slaveCluster: 's1',
    }),
    refused,
  );
  await restartWithData(engine);
  // Nobody uses v1 now: a server takes it to repair it.
  await healing.untilHealed();
  await healing.bus.request('vdisk.create', {
    vdisk: 'v2',
    type: 'tmp',
    sizeGiB: 1,
    cluster: 'p1',
    slaveCluster: 's1',
  });
});

test('an engine that nobody uses dies: it is found, and healed when it is back', async () => {
  const engine = healing.stack.engine('slave', 1);
  await until(
    async () => (await healing.bus.request('vdisk.describe', { vdisk: 'v1' })).vdisk.owner === undefined,
    {
      what: 'the vdisk is given back',
      timeoutMs: 20_000,
    },
  );
  await killEngine(engine);
  await healing.untilStatus(engine.address, 'offline');
  const { incidents } = await healing.bus.request('incident.list', { all: false });
  assert.deepEqual(
    incidents.flatMap(({ reporters }) => reporters.map(({ reporter }) => reporter)),
    ['health-analyzer'],
  );
  await restartWithData(engine);
  await healing.untilHealed();
});

test('an owner whose key is gone is cut off from its clients, and the next mount has a higher epoch', async () => {
  const client = await NbdClient.connect(uri);
  await client.write(4096 * 50_000, Buffer.alloc(4096, 0x61));
  const ownerOf = async () => (await healing.bus.request('vdisk.describe', { vdisk: 'v1' })).vdisk.owner;
  const before = (await ownerOf())?.epoch ?? 0;
  const endpoint = healing.stack.etcdEndpoints[0] ?? '';
  execFileSync('etcdctl', ['--endpoints', endpoint, 'del', '/salvor/vdisks/v1/owner']);
  await assert.rejects(async () => {
    for (;;) await client.read(4096 * 50_000, 4096);
  });
  const next = await NbdClient.connect(uri);
  assert.equal((await next.read(4096 * 50_000, 4096))[0], 0x61);
  assert.ok(((await ownerOf())?.epoch ?? 0) > before);
  await next.disconnect();
});

test('both members of a pair go down and come back: the one that served last heals the other', async () => {
  const [first, last] = [healing.stack.engine('primary', 1), healing.stack.engine('slave', 1)];
  const client = await NbdClient.connect(uri);
  const at = 4096 * 40_001;
  await client.write(at, Buffer.alloc(4096, 0x31));
  await killEngine(first);
  await client.write(at, Buffer.alloc(4096, 0x32));
  await killEngine(last);
  await healing.untilStatus(last.address, 'offline');
  await assert.rejects(client.write(at, Buffer.alloc(4096, 0x33)));
  assert.equal((await client.read(4096 * 40_000, 4096)).length, 4096, 'other shards go on');
  await restartWithData(first);
  await restartWithData(last);
  await healing.untilHealed();
  assert.equal((await client.read(at, 4096))[0], 0x32);
  await client.disconnect();
});

test('the engine that served last comes back without its last writes: it is held, once, until its data is back', async () => {
  const [first, last] = [healing.stack.engine('primary', 1), healing.stack.engine('slave', 1)];
  const [whole, short] = ['whole', 'short'].map((name) => join(healing.stack.options.dir, name));
  assert.ok(whole !== undefined && short !== undefined);
  const client = await NbdClient.connect(uri);
  const at = 4096 * 50_001;
  await client.write(at, Buffer.alloc(4096, 0x41));
  await killEngine(first);
  await client.write(at, Buffer.alloc(4096, 0x42));
  snapshotEngine(last, short);
  await client.write(at, Buffer.alloc(4096, 0x43));
  snapshotEngine(last, whole);
  await restartFromSnapshot(last, short);

  const latest = async () => {
    const { incidents } = await healing.bus.request('incident.list', { all: false });
    return incidents.find(({ address }) => address === last.address);
  };
  await until(async () => (await latest())?.hold?.kind === 'writes-lost', {
    what: 'it is held',
    timeoutMs: 60_000,
  });
  const held = (await latest()) ?? assert.fail();
  assert.match(held.hold?.reason ?? '', /is at batch \d+.*expected \d+, and there is no second copy/);
  await assert.rejects(client.read(at, 4096));
  await until(
    async () => {
      const { status } = await healing.bus.request('engine.probe', { address: last.address });
      return status === 'healthy';
    },
    { what: 'it looks well all the same', timeoutMs: 60_000 },
  );
  assert.equal((await latest())?.attempt, held.attempt, 'it is not tried again');

  await restartFromSnapshot(last, whole);
  const acknowledged = { incident: held.incident, by: 'alice', reason: 'its disk was put back' };
  await healing.bus.request('incident.acknowledge', acknowledged);
  await restartWithData(first);
  await healing.untilHealed();
  await until(async () => (await client.read(at, 4096))[0] === 0x43, {
    what: 'the last write is served',
    timeoutMs: 30_000,
  });
  await client.disconnect();
});

test('a boot vdisk is served while an engine dies and is repaired, and what it drops is collected', async () => {
  const request = { type: 'boot' as const, sizeGiB: 1, cluster: 'p1', slaveCluster: 's1' };
  await healing.bus.request('vdisk.create', { ...request, vdisk: 'b1' });
  const client = await NbdClient.connect(healing.server.unixUri('b1'));
  const block = (index: number, fill: number): Promise<void> => {
    const data = Buffer.alloc(4096, fill);
    data.writeUInt32LE(index, 0);
    return client.write(index * 4096, data);
  };
  const read = async (index: number): Promise<number[]> => {
    const data = await client.read(index * 4096, 4096);
    return [data.readUInt32LE(0), data[4095] ?? -1];
  };
  for (let n = 0; n < 200; n++) await block(n, 0x11);
  const engine = healing.stack.engine('primary', 1);
  await killEngine(engine);
  for (let n = 0; n < 100; n++) await block(n, 0x22);
  await healing.untilStatus(engine.address, 'offline');
  for (let n = 0; n < 200; n++) assert.deepEqual(await read(n), [n, n < 100 ? 0x22 : 0x11]);
  await restartWithData(engine);
  await healing.untilHealed();
  const partner = healing.stack.engine('slave', 1);
  await killEngine(partner);
  for (let n = 0; n < 200; n++) assert.deepEqual(await read(n), [n, n < 100 ? 0x22 : 0x11]);
  await restartWithData(partner);
  await healing.untilHealed();

  await healing.bus.request('vdisk.create', { ...request, vdisk: 'b2', templateVdisk: 'b1' });
  const made = await NbdClient.connect(healing.server.unixUri('b2'));
  assert.deepEqual(await made.read(150 * 4096, 4096), await client.read(150 * 4096, 4096));
  const { operation } = await healing.bus.request('cluster.collect-garbage', { cluster: 'p1' });
  const ended = async () => {
    const answer = await healing.bus.request('operation.get', { operation });
    return answer.operation.status === 'running' ? null : answer.operation;
  };
  await until(async () => (await ended()) !== null, { what: 'the collection to end', timeoutMs: 60_000 });
  const end = await ended();
  assert.equal(end?.status, 'completed', end?.message);
  // Blocks 0 to 99 were overwritten, and had a content each, on two engines.
  assert.match(end.message, /^200 contents that none of 2 boot vdisks names were freed/);
  for (let n = 0; n < 200; n++) assert.deepEqual(await read(n), [n, n < 100 ? 0x22 : 0x11]);
  await made.disconnect();
  await client.disconnect();
});

test('etcdctl and redis-cli show what is documented', async () => {
  const client = await NbdClient.connect(healing.server.uri('v1'));
  await client.write(4096 * 30_000, Buffer.alloc(4096, 0x7a));
  const etcd = (key: string): string =>
    execFileSync('etcdctl', [
      '--endpoints',
      healing.stack.etcdEndpoints[0] ?? '',
      'get',
      '--prefix',
      key,
    ]).toString();
  assert.match(etcd('v1:vdisk:conf:static'), /blockSize: 4096[\s\S]*type: db/);
  assert.match(etcd('v1:vdisk:conf:storage:nbd'), /storageClusterID: p1[\s\S]*slaveStorageClusterID: s1/);
  assert.match(etcd('p1:cluster:conf:storage'), /state: online\n\s*status: online/);
  assert.match(etcd('/salvor/clusters/p1'), /"status":"healthy"/);
  assert.match(etcd('/salvor/vdisks/v1/owner'), /"server":"nbd-1"/);
  assert.match(etcd('/salvor/incidents-closed/'), /"outcome":"repaired"/);
  assert.equal(etcd('/salvor/incidents/'), '');
  const engine = healing.stack.engine('primary', 0);
  const [host = '', port = ''] = engine.address.split(':');
  const redis = (...args: string[]): Buffer => execFileSync('redis-cli', ['-h', host, '-p', port, ...args]);
  assert.deepEqual(redis('hget', 'nondedup:v1', '30000').subarray(0, 4096), Buffer.alloc(4096, 0x7a));
  assert.deepEqual(JSON.parse(redis('get', 'salvor:identity').toString()), {
    cluster: 'p1',
    role: 'primary',
    shard: 0,
    generation: 1,
  });
  await client.disconnect();
});
