import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openStore } from '@salvor/config-store';
import {
  EngineLink,
  killEngine,
  NbdClient,
  restartWithData,
  SeededRandom,
  testSeed,
  until,
  VerifyingLoad,
} from '@salvor/testkit';
import { HealingStack } from './healing-stack.ts';

const BLOCK = 4096;
const GIB = 1024 ** 3;
/** Enough to be in the middle of for a while. */
const CLONED_BLOCKS = 6_400;

let healing: HealingStack;
before(async () => {
  // Released at once: what is cloned or deleted must not be owned.
  healing = await HealingStack.start({ primaries: 2, spares: 0, nbdServerEnv: { SALVOR_LINGER_MS: '100' } });
});
after(async () => {
  await healing[Symbol.asyncDispose]();
});

async function operationOf(operation: string) {
  return (await healing.bus.request('operation.get', { operation }, { timeoutMs: 2_000 })).operation;
}

async function ended(operation: string): Promise<{ status: string; message: string }> {
  let last = await operationOf(operation);
  await until(
    async () => {
      last = await operationOf(operation);
      return last.status !== 'running';
    },
    { what: `the end of ${operation}`, timeoutMs: 90_000, intervalMs: 50 },
  );
  return last;
}

async function untilReleased(vdisk: string): Promise<void> {
  await until(
    async () => (await healing.bus.request('vdisk.describe', { vdisk })).vdisk.owner === undefined,
    { what: `${vdisk} to be released`, timeoutMs: 20_000 },
  );
}

async function killCoordinator(): Promise<void> {
  await healing.stack.service('repair-coordinator').kill('SIGKILL');
}

/** Writes blocks whose content tells their number, and gives the vdisk back. */
async function fill(vdisk: string, blocks: number): Promise<void> {
  const client = await NbdClient.connect(healing.server.unixUri(vdisk));
  const batch = 64;
  for (let from = 0; from < blocks; from += batch)
    await client.write(
      from * BLOCK,
      Buffer.concat(Array.from({ length: batch }, (_, i) => content(from + i))),
    );
  await client.disconnect();
  await untilReleased(vdisk);
}

const content = (block: number): Buffer => Buffer.alloc(BLOCK, `block ${block};`);

async function keysOf(vdisk: string): Promise<string[]> {
  const found: string[] = [];
  for (const { port } of [...healing.stack.engines.primary, ...healing.stack.engines.slave]) {
    using link = await EngineLink.open(port);
    found.push(...((await link.send('KEYS', `*:${vdisk}`)) as string[]));
  }
  return found;
}

test('a vdisk grows under load; what is written to its new range survives an engine, and is repaired', async () => {
  const uri = await healing.createVdisk('grown');
  const old = await NbdClient.connect(uri);
  const load = new VerifyingLoad({
    targets: uri,
    seed: testSeed(),
    blockCount: 512,
    queueDepth: 4,
    requestsPerSecond: 500,
  });
  await load.start();
  await healing.bus.request('vdisk.resize', { vdisk: 'grown', sizeGiB: 3 });
  let grown = await NbdClient.connect(uri);
  await until(
    async () => {
      if (grown.info.sizeBytes === 3 * GIB) return true;
      await grown.disconnect();
      grown = await NbdClient.connect(uri);
      return false;
    },
    { what: 'a new connection to see the new size', timeoutMs: 10_000 },
  );
  assert.equal(old.info.sizeBytes, GIB);
  await assert.rejects(old.write(2 * GIB, content(0)), 'an old connection keeps its size');
  const blocks = Array.from({ length: 64 }, (_, i) => (2 * GIB) / BLOCK + i);
  for (const block of blocks) await grown.write(block * BLOCK, content(block));

  const engine = healing.stack.engine('primary', 0);
  await killEngine(engine);
  for (const block of blocks) await grown.write(block * BLOCK, content(block + 1));
  await restartWithData(engine);
  await healing.untilStatus(engine.address, 'online');
  await healing.untilHealed();
  const stats = await load.stop();
  const { blocksLost } = await load.verifyOverNbd();
  assert.deepEqual([blocksLost, stats.ioErrors, stats.connectionsLost], [0, 0, 0]);
  using primary = await EngineLink.open(engine.port);
  using slave = await EngineLink.open(healing.stack.engine('slave', 0).port);
  for (const block of blocks) {
    if (block % 2 !== 0) continue;
    for (const link of [primary, slave])
      assert.deepEqual(
        await link.sendRaw('HGET', 'nondedup:grown', block),
        content(block + 1),
        `block ${block}`,
      );
  }
  await old.disconnect();
  await grown.disconnect();
});

test('a clone goes on where it was when the coordinator is killed, and is whole', async () => {
  await healing.createVdisk('source');
  await fill('source', CLONED_BLOCKS);
  const operation = 'op-killed-clone';
  await healing.bus.request('vdisk.clone', { source: 'source', vdisk: 'copy', operationId: operation });
  await until(async () => (await operationOf(operation)).done !== undefined, {
    what: 'the clone to be under way',
    timeoutMs: 20_000,
    intervalMs: 1,
  });
  await killCoordinator();
  const key = `/salvor/operations/${operation}`;
  const store = openStore({ endpoints: healing.stack.etcdEndpoints });
  const record = JSON.parse((await store.get(key))?.value ?? '{}') as {
    work: { status: string; done: number };
  };
  store.close();
  assert.equal(record.work.status, 'running', 'it was killed in the middle');
  await assert.rejects(NbdClient.connect(healing.server.unixUri('copy')), /being|clon|not complete/);
  await assert.rejects(NbdClient.connect(healing.server.unixUri('source')), /being cloned/);
  await healing.stack.service('repair-coordinator').start();
  const { status, message } = await ended(operation);
  assert.deepEqual(
    [status, message],
    ['completed', `vdisk copy is a clone of vdisk source: ${CLONED_BLOCKS} blocks copied and compared`],
  );
  for (const vdisk of ['copy', 'source']) {
    const client = await NbdClient.connect(healing.server.unixUri(vdisk));
    const random = new SeededRandom(testSeed());
    for (let i = 0; i < 200; i++) {
      const block = random.below(CLONED_BLOCKS);
      assert.deepEqual(await client.read(block * BLOCK, BLOCK), content(block), `block ${block} of ${vdisk}`);
    }
    await client.disconnect();
    await untilReleased(vdisk);
  }
});

test('a deletion goes on when the coordinator is killed and an engine was away; then the id is free', async () => {
  await healing.createVdisk('gone');
  await fill('gone', 256);
  const engine = healing.stack.engine('slave', 1);
  await killEngine(engine);
  const operation = 'op-killed-delete';
  await healing.bus.request('vdisk.delete', { vdisk: 'gone', operationId: operation });
  await until(async () => (await operationOf(operation)).message.includes(engine.address), {
    what: 'the operation to name the engine it waits for',
    timeoutMs: 20_000,
  });
  await killCoordinator();
  await assert.rejects(NbdClient.connect(healing.server.unixUri('gone')), /freeing|deleted|unknown/i);
  await restartWithData(engine);
  await healing.stack.service('repair-coordinator').start();
  const { status, message } = await ended(operation);
  assert.equal(status, 'completed', message);
  assert.deepEqual(await keysOf('gone'), []);
  await healing.untilHealed();
  const again = { vdisk: 'gone', type: 'db', sizeGiB: 1, cluster: 'p1', slaveCluster: 's1' } as const;
  assert.equal((await healing.bus.request('vdisk.create', again)).outcome, 'applied');
});
