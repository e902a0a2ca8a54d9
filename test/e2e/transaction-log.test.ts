import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { NbdClient, until } from '@salvor/testkit';
import { TailSource } from '../../packages/tlog/src/index.ts';
import { HealingStack } from './healing-stack.ts';

const BLOCK = 4096;
const BLOCKS = 64;
let healing: HealingStack;

before(async () => {
  healing = await HealingStack.start({
    ...{ primaries: 2, slaves: 2, spares: 0 },
    nbdServerEnv: {
      // No engine fails here, however busy the machine is.
      SALVOR_ENGINE_CONNECT_TIMEOUT_MS: '10000',
      SALVOR_ENGINE_COMMAND_TIMEOUT_MS: '10000',
    },
  });
});
after(async () => {
  await healing?.[Symbol.asyncDispose]();
});

/** The newest content of every block in the log, by its first byte; what was deleted is 0. */
async function inLog(vdisk: string): Promise<Map<number, number>> {
  const { logs } = await healing.bus.request('tlog.status', { vdisk });
  const source = new TailSource({
    ...{ streams: healing.bus.logStreams, container: logs[0]?.container ?? 0, vdisk },
  });
  const found = new Map<number, number>();
  let next = 1;
  for await (const segment of source.oldestFirst()) {
    assert.equal(segment.first, next, 'sequences have no gap');
    next = segment.last + 1;
    const data = await source.read(segment, segment.records);
    for (const [i, { block }] of segment.records.entries()) found.set(block, data[i]?.[0] ?? 0);
  }
  await source.close();
  return found;
}

async function connected(vdisk: string): Promise<NbdClient> {
  let client: NbdClient | null = null;
  const connects = async (): Promise<boolean> => {
    client = await NbdClient.connect(healing.server.unixUri(vdisk)).catch(() => null);
    return client !== null;
  };
  await until(connects, { what: `a connection to ${vdisk}`, timeoutMs: 30_000 });
  return client ?? assert.fail();
}

test('every flush that was answered is in the log, although the NBD server is killed under load again and again', async () => {
  await healing.bus.request('vdisk.create', {
    ...{ vdisk: 'v1', type: 'db', sizeGiB: 1, cluster: 'p1', slaveCluster: 's1', tlog: 'block' },
  });
  const flushed = new Map<number, number>();
  let fill = 0;
  for (let round = 0; round < 3; round++) {
    const client = await connected('v1');
    let written = 0;
    const load = (async () => {
      for (;;) {
        fill = (fill % 250) + 1;
        const block = fill % BLOCKS;
        const useFua = fill % 3 === 0;
        await client.write(block * BLOCK, Buffer.alloc(BLOCK, fill), { fua: useFua });
        if (!useFua) await client.flush();
        flushed.set(block, fill);
        written++;
      }
    })().catch((error: unknown) => error);
    await until(() => written > 40, { what: 'some flushes', timeoutMs: 30_000 });
    // The block whose write is under way may have either content.
    await healing.server.kill();
    assert.ok((await load) instanceof Error);
    flushed.delete(fill % BLOCKS);
  }
  const client = await connected('v1');
  await client.flush();
  const log = await inLog('v1');
  for (const [block, value] of flushed) assert.equal(log.get(block), value, `block ${block}`);
  for (const [block, value] of flushed) assert.equal((await client.read(block * BLOCK, BLOCK))[0], value);
  await client.disconnect();
});

test('the status says how far the log goes, who writes it, and what a loss of power can cost', async () => {
  const client = await connected('v1');
  await client.write(0, Buffer.alloc(BLOCK, 1), { fua: true });
  const { logs } = await healing.bus.request('tlog.status', {});
  const [log] = logs;
  assert.ok(log);
  assert.deepEqual(
    [log.vdisk, log.policy, log.status, log.replicas, log.server],
    ['v1', 'block', 'whole', 1, 'nbd-1'],
  );
  assert.equal(log.fsync, 'every 2 minutes');
  assert.match(log.powerLoss, /one server can lose the last 2 minutes/);
  assert.equal(log.mounted?.base, 1);
  assert.equal(log.mounted?.pendingBytes, 0);
  assert.ok(log.segments > 0 && log.newest >= log.segments);
  await client.disconnect();
});

test('a vdisk gains a log by a command while it is used, and another vdisk of its name begins a log of its own', async () => {
  await healing.createVdisk('v2');
  const client = await connected('v2');
  await client.write(0, Buffer.alloc(8 * BLOCK, 7));
  const enabled = await healing.bus.request('tlog.enable', { vdisk: 'v2' });
  assert.equal(enabled.outcome, 'applied');
  assert.equal((await healing.bus.request('tlog.enable', { vdisk: 'v2' })).outcome, 'already');
  const isWhole = async (): Promise<boolean> =>
    (await healing.bus.request('tlog.status', { vdisk: 'v2' })).logs[0]?.status === 'whole';
  await until(isWhole, { what: 'the log of v2 to be whole', timeoutMs: 30_000 });
  assert.equal((await inLog('v2')).get(7), 7);
  const container = (await healing.bus.request('tlog.status', { vdisk: 'v2' })).logs[0]?.container;
  await client.disconnect();
  await until(
    async () => (await healing.bus.request('tlog.status', { vdisk: 'v2' })).logs[0]?.server === undefined,
    { what: 'v2 to be given back', timeoutMs: 30_000 },
  );
  await healing.bus.request('vdisk.delete', { vdisk: 'v2' });
  await assert.rejects(healing.bus.request('tlog.status', { vdisk: 'v2' }), { code: 'no-log' });
  const subject = `salvor.tlog.v1.${container}.v2`;
  assert.equal((await healing.bus.logStreams.facts(`TLOG_${container}`, subject)).subjectMessages, 1);
  const recreated = async (): Promise<boolean> =>
    healing.bus
      .request('vdisk.create', {
        ...{ vdisk: 'v2', type: 'db', sizeGiB: 1, cluster: 'p1', slaveCluster: 's1', tlog: 'overflow' },
      })
      .then(
        () => true,
        () => false,
      );
  await until(recreated, { what: 'the id to be free', timeoutMs: 30_000 });
  const again = await connected('v2');
  await again.write(3 * BLOCK, Buffer.alloc(BLOCK, 9), { fua: true });
  const { logs } = await healing.bus.request('tlog.status', { vdisk: 'v2' });
  const base = logs[0]?.mounted?.base ?? 0;
  assert.ok(base > 8, `what is restored begins behind the earlier log: ${base}`);
  assert.equal(logs[0]?.status, 'whole');
  assert.deepEqual(
    [...(await again.read(0, BLOCK))].every((byte) => byte === 0),
    true,
  );
  await again.disconnect();
});
