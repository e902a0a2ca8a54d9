import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { silentLogger } from '@salvor/service-kit';
import {
  EngineLink,
  killEngine,
  type RedisHandle,
  restartWithData,
  SeededRandom,
  testSeed,
  until,
} from '@salvor/testkit';
import { contentHash } from '../../src/deduped/content-hash.ts';
import { collectGarbage, type GarbageCollectionOptions, type GarbageCounts } from '../../src/index.ts';
import { placeBlock } from '../../src/sharding.ts';
import { DataPlane, mountSettings, primary } from '../data-plane.ts';
import { contentOn } from '../deduped/engine-contents.ts';
import { configure, TemplatePlane, template, templateCluster } from '../deduped/template-plane.ts';

const BLOCK_BYTES = 4096;
const SLOTS = 128;

let collections = 0;

function collect(
  plane: DataPlane,
  more: Partial<Omit<GarbageCollectionOptions, 'store' | 'collection'>> = {},
): Promise<GarbageCounts> {
  return collectGarbage({
    store: plane.store,
    cluster: primary,
    collection: `collection-${++collections}`,
    includeUnknown: false,
    server: 'collector',
    settings: mountSettings,
    log: silentLogger,
    signal: new AbortController().signal,
    report: async () => {},
    ...more,
  });
}

/** Content that nothing else has. */
function unique(seed: number): Buffer {
  const random = new SeededRandom(seed);
  const data = Buffer.alloc(BLOCK_BYTES);
  for (let at = 0; at < data.length; at += 4) data.writeUInt32LE(random.below(2 ** 32 - 1), at);
  return data;
}

async function holders(plane: DataPlane, data: Buffer): Promise<number> {
  const hash = contentHash(data).toString('hex');
  const all = await Promise.all([...plane.primaries, ...plane.slaves].map(contentOn));
  return all.filter((contents) => contents.has(hash)).length;
}

async function usedMemory(engines: readonly RedisHandle[]): Promise<number> {
  let bytes = 0;
  for (const { port } of engines) {
    using link = await EngineLink.open(port);
    bytes += Number(/used_memory:(\d+)/.exec(String(await link.send('INFO', 'memory')))?.[1]);
  }
  return bytes;
}

async function ask(engine: RedisHandle | undefined, ...args: (string | Buffer)[]): Promise<string> {
  using link = await EngineLink.open(engine?.port ?? 0);
  return String(await link.send(...args));
}

describe('the collection of garbage', () => {
  let plane: DataPlane;

  before(async () => {
    plane = await DataPlane.start();
  });

  after(async () => {
    await plane?.[Symbol.asyncDispose]();
  });

  it('frees the memory of what no block map names, on both members', async () => {
    await configure(plane, 'full');
    const { vdisk } = await plane.mount('full');
    const blocks = 1500;
    const data = Buffer.concat(Array.from({ length: blocks }, (_, i) => unique(10_000 + i)));
    await vdisk.device.write(0, data);
    const before = await usedMemory([...plane.primaries, ...plane.slaves]);
    await vdisk.device.zero(0, (blocks - 1) * BLOCK_BYTES);
    const counts = await collect(plane);
    assert.deepEqual(counts, { vdisks: 1, found: 2 * (blocks - 1), freed: 2 * (blocks - 1) });
    const freed = 2 * (blocks - 1) * BLOCK_BYTES;
    await until(async () => (await usedMemory([...plane.primaries, ...plane.slaves])) < before - freed, {
      what: 'the engines to have freed the memory',
      timeoutMs: 5_000,
    });
    const last = await vdisk.device.read((blocks - 1) * BLOCK_BYTES, BLOCK_BYTES);
    assert.ok(last.equals(unique(10_000 + blocks - 1)));
    for (const engine of [...plane.primaries, ...plane.slaves])
      assert.equal(await ask(engine, 'EXISTS', 'salvor:garbage', 'salvor:collection'), '0');
    await vdisk.unmount();
  });

  it('keeps what any vdisk names, mounted or not, and every key that is no content', async () => {
    await configure(plane, 'one');
    await configure(plane, 'two');
    const shared = unique(1);
    const one = await plane.mount('one');
    await one.vdisk.device.write(0, shared);
    const two = await plane.mount('two');
    await two.vdisk.device.write(700 * BLOCK_BYTES, shared);
    await two.vdisk.unmount();
    await one.vdisk.device.zero(0, BLOCK_BYTES);
    const foreign = Buffer.from('a key of thirty-two characters..');
    assert.equal(foreign.length, 32);
    await ask(plane.primaries[0], 'SET', foreign, 'kept');
    const epoch = await ask(plane.primaries[0], 'GET', 'salvor:epoch:two');
    assert.equal((await collect(plane)).freed, 0);
    assert.equal(await holders(plane, shared), 2);
    assert.equal(await ask(plane.primaries[0], 'GET', foreign), 'kept');
    assert.equal(
      await ask(plane.primaries[0], 'GET', 'salvor:epoch:two'),
      epoch,
      'nothing found, nobody disturbed',
    );

    const again = await plane.mount('two');
    await again.vdisk.device.zero(0, 701 * BLOCK_BYTES);
    await again.vdisk.unmount();
    assert.equal((await collect(plane)).freed, 2);
    assert.equal(await holders(plane, shared), 0);
    const raised = BigInt(await ask(plane.primaries[0], 'GET', 'salvor:epoch:two'));
    assert.ok(raised > BigInt(again.vdisk.epoch), 'whoever owned the unmounted vdisk is fenced');
    await one.vdisk.unmount();
  });

  it('loses nothing that is written, overwritten and written again meanwhile', async () => {
    await configure(plane, 'busy');
    const { vdisk } = await plane.mount('busy');
    const random = new SeededRandom(testSeed());
    const contents = Array.from({ length: 12 }, (_, i) => unique(500 + i));
    const expected = new Map<number, Buffer | null>();
    let isDone = false;
    let freed = 0;
    const writer = async (lane: number): Promise<void> => {
      while (!isDone) {
        const block = lane + 8 * random.below(40);
        // Few contents, named by nobody most of the time: each is collected and comes back.
        const content = random.below(3) === 0 ? (contents[random.below(contents.length)] ?? null) : null;
        if (content === null) await vdisk.device.zero(block * BLOCK_BYTES, BLOCK_BYTES);
        else await vdisk.device.write(block * BLOCK_BYTES, content);
        expected.set(block, content);
        if (content !== null && random.below(2) === 0) {
          await vdisk.device.zero(block * BLOCK_BYTES, BLOCK_BYTES);
          expected.set(block, null);
        }
      }
    };
    const writers = Promise.all(Array.from({ length: 4 }, (_, lane) => writer(lane)));
    for (let round = 0; round < 12; round++) freed += (await collect(plane)).freed;
    isDone = true;
    await writers;
    for (const [block, content] of expected) {
      const found = await vdisk.device.readStored(block * BLOCK_BYTES, BLOCK_BYTES);
      assert.ok(content === null ? found === null : found?.equals(content), `block ${block}`);
    }
    for (const block of expected.keys()) await vdisk.device.zero(block * BLOCK_BYTES, BLOCK_BYTES);
    freed += (await collect(plane)).freed;
    assert.ok(freed > 0, 'something was collected');
    await vdisk.unmount();
  });

  it('keeps garbage that is written again at any time before it is removed', async () => {
    await configure(plane, 'again');
    const { vdisk } = await plane.mount('again');
    const contents = Array.from({ length: 12 }, (_, i) => unique(800 + i));
    for (const content of contents) await vdisk.device.write(0, content);
    await vdisk.device.zero(0, BLOCK_BYTES);
    const written: Buffer[] = [];
    const counts = await collect(plane, {
      report: async () => {
        const content = contents[written.length];
        if (content === undefined) return;
        await vdisk.device.write((1 + written.length) * BLOCK_BYTES, content);
        written.push(content);
      },
    });
    assert.ok(written.length > 8, `${written.length} steps`);
    assert.ok(counts.freed > 0);
    for (const [i, content] of written.entries()) {
      assert.ok((await vdisk.device.read((1 + i) * BLOCK_BYTES, BLOCK_BYTES)).equals(content), `step ${i}`);
      assert.equal(await holders(plane, content), 2, `step ${i}`);
    }
    await vdisk.device.zero(0, 20 * BLOCK_BYTES);
    await vdisk.unmount();
    await collect(plane);
  });

  it('is refused while block maps are unknown to etcd, and keeps what they name when told to go on', async () => {
    const stray = unique(77);
    const hash = contentHash(stray);
    const home = plane.primaries[placeBlock(hash[0] ?? 0, 2, () => true)];
    await ask(home, 'SET', hash, stray);
    const sector = Buffer.alloc(4096);
    hash.copy(sector, 5 * 32);
    await ask(plane.primaries[1], 'HSET', 'lba:stranger', '1', sector);
    await assert.rejects(collect(plane), { code: 'unknown-vdisks', message: /stranger/ });
    assert.equal((await collect(plane, { includeUnknown: true })).freed, 0);
    assert.equal(await holders(plane, stray), 1);
    await ask(plane.primaries[1], 'DEL', 'lba:stranger');
    assert.equal((await collect(plane)).freed, 1);
  });

  it('runs once at a time on a cluster, and can be cancelled', async () => {
    const flags = { started: false, goOn: false };
    const abort = new AbortController();
    const first = collect(plane, {
      signal: abort.signal,
      report: async () => {
        flags.started = true;
        await until(() => flags.goOn, { what: 'the test to go on', timeoutMs: 20_000 });
      },
    });
    await until(() => flags.started, { what: 'the collection to start', timeoutMs: 5_000 });
    await assert.rejects(collect(plane), { code: 'collection-running' });
    await configure(plane, 'some');
    const { vdisk } = await plane.mount('some');
    await vdisk.device.write(0, unique(3));
    await vdisk.unmount();
    abort.abort();
    flags.goOn = true;
    await assert.rejects(first, { code: 'cancelled' });
    assert.equal((await collect(plane)).freed, 0);
  });

  it('is refused while the map of a template is still to be copied', async () => {
    await configure(plane, 'made', { from: { vdisk: 'some', cluster: primary } });
    await assert.rejects(collect(plane), { code: 'template-pending', message: /made/ });
    const { vdisk } = await plane.mount('made');
    assert.ok((await vdisk.device.read(0, BLOCK_BYTES)).equals(unique(3)));
    await vdisk.unmount();
    assert.equal((await collect(plane)).freed, 0);
  });

  it('keeps what a vdisk made from a template names on the cluster of the template', async () => {
    await using templates = await TemplatePlane.start(plane);
    assert.equal(templates.engines.length, 3);
    const golden = await plane.mount(template);
    await golden.vdisk.device.write(0, Buffer.concat([unique(8), unique(9)]));
    await configure(plane, 'user', { from: { vdisk: template, cluster: templateCluster } });
    const user = await plane.mount('user');
    assert.ok((await user.vdisk.device.read(0, BLOCK_BYTES)).equals(unique(8)));
    await golden.vdisk.device.zero(0, 2 * BLOCK_BYTES);
    assert.equal((await collect(plane, { cluster: templateCluster })).freed, 0);
    assert.ok((await user.vdisk.device.read(BLOCK_BYTES, BLOCK_BYTES)).equals(unique(9)));
    await user.vdisk.device.zero(0, 2 * BLOCK_BYTES);
    assert.equal((await collect(plane, { cluster: templateCluster })).freed, 2);
  });
});

describe('a write that is held up while garbage is collected', () => {
  it('keeps its content, however long it takes', async () => {
    await using plane = await DataPlane.start();
    await configure(plane, 'slow');
    const { vdisk } = await plane.mount('slow', 'nbd-1', { proposeAfterMs: 60_000, holdMaxMs: 60_000 });
    // Its content lies on shard 1, and its sector on shard 0.
    const content = Array.from({ length: 64 }, (_, i) => unique(i)).find((data) => {
      return (contentHash(data)[0] ?? 0) % 2 === 1;
    });
    if (content === undefined) assert.fail('no content for shard 1');
    const [stuck = assert.fail()] = plane.slaves;
    await killEngine(stuck);
    const written = vdisk.device.write(2 * SLOTS * BLOCK_BYTES, content);
    await until(async () => (await holders(plane, content)) === 2, {
      what: 'the content',
      timeoutMs: 5_000,
    }).catch(
      () => undefined, // asking a dead engine fails
    );
    await until(() => vdisk.device.shardStates()[0]?.mode === 'holding', {
      what: 'the hold',
      timeoutMs: 5_000,
    });
    await restartWithData(stuck);
    await until(async () => (await holders(plane, content)) === 2, { what: 'the content', timeoutMs: 5_000 });

    const asked: string[] = [];
    const collection = collect(plane, { report: async ({ message }) => void asked.push(message) });
    const refused = assert.rejects(collection, { code: 'cluster-not-healthy' });
    await until(() => asked.includes('waiting for writes under way'), {
      what: 'it to wait',
      timeoutMs: 5_000,
    });
    assert.equal(await ask(plane.primaries[1], 'SCARD', 'salvor:garbage'), '1', 'it was taken for garbage');
    assert.equal(await holders(plane, content), 2);
    await plane.reportFailure(stuck.address);
    await written;
    await plane.judge(stuck.address, 'temporary');
    await refused;
    assert.equal(await holders(plane, content), 2);
    assert.ok((await vdisk.device.read(2 * SLOTS * BLOCK_BYTES, BLOCK_BYTES)).equals(content));
  });

  it('is not hurt by notes that a member kept while it was away', async () => {
    await using plane = await DataPlane.start();
    await configure(plane, 'away');
    const { vdisk } = await plane.mount('away');
    await vdisk.device.write(0, unique(1));
    const [engine = assert.fail()] = plane.slaves;
    await ask(engine, 'SADD', 'salvor:garbage', contentHash(unique(1)));
    await killEngine(engine);
    await vdisk.device.write(0, unique(2));
    await restartWithData(engine);
    await plane.complete(await plane.judge(engine.address, 'temporary'), ['away']);
    assert.equal(await ask(engine, 'EXISTS', 'salvor:garbage'), '0');
  });
});
