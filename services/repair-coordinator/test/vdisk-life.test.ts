import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ownerKey, parseVdiskStatic, vdiskLifecycleKey, vdiskStaticKey } from '@salvor/config-store';
import { silentLogger } from '@salvor/service-kit';
import {
  EngineLink,
  killEngine,
  type RedisHandle,
  restartWithData,
  startRedis,
  tempDir,
  until,
} from '@salvor/testkit';
import { type MountedVdisk, mountVdisk } from '@salvor/vdisk';
import { CommandDesk } from './command-desk.ts';

const BLOCK = 4096;
const GIB = 1024 ** 3;

type Json = Record<string, unknown>;

interface Described {
  readonly status: string;
  readonly sizeGiB: number;
  readonly usedBlocks?: number;
  readonly realBytes?: number;
  readonly mountProblem?: string;
  readonly owner?: { server: string; since: number };
  readonly engines: {
    address: string;
    blocks?: number;
    dataBytes?: number;
    problem?: string;
    batch?: number;
  }[];
  readonly copies: { shard: number; state: string; blocks?: number; reason: string }[];
}

/** Engines 0 and 1 are `pa`, 2 and 3 its slave `sa`; 4, 5 and 6 are `pb` without a slave. */
describe('the life of a vdisk', () => {
  const dir = tempDir('life-engines');
  let desk: CommandDesk;
  let engines: RedisHandle[];
  let made = 0;

  before(async () => {
    const started = Array.from({ length: 7 }, (_, i) => startRedis({ dir: dir.join(`engine-${i}`) }));
    [desk, engines] = await Promise.all([CommandDesk.open(), Promise.all(started)]);
    const refs = (from: number, to: number) => engines.slice(from, to).map(({ address }) => ({ address }));
    const paired = { cluster: 'sa', role: 'slave', engines: refs(2, 4), spares: [], partner: 'pa' };
    await desk.done('cluster.create', paired);
    await desk.done('cluster.create', {
      ...{ cluster: 'pa', role: 'primary', engines: refs(0, 2), spares: [], partner: 'sa' },
    });
    await desk.done('cluster.create', { cluster: 'pb', role: 'primary', engines: refs(4, 7), spares: [] });
  });

  after(async () => {
    await desk?.[Symbol.asyncDispose]();
    await Promise.all((engines ?? []).map(({ process }) => process.kill()));
    dir.remove();
  });

  async function newVdisk(changes: object = {}): Promise<string> {
    const vdisk = `v${++made}`;
    const shape = { vdisk, type: 'db', sizeGiB: 2, blockSize: BLOCK, cluster: 'pa', slaveCluster: 'sa' };
    await desk.done('vdisk.create', { ...shape, ...changes });
    return vdisk;
  }

  function mount(vdisk: string): Promise<MountedVdisk> {
    return mountVdisk({
      ...{ store: desk.cluster.store, vdisk, log: silentLogger },
      owner: { server: 'nbd-9', instance: `run-${++made}` },
      settings: {
        leaseTtlSeconds: 10,
        connectTimeoutMs: 1_000,
        commandTimeoutMs: 1_000,
        proposeAfterMs: 100,
        holdMaxMs: 10_000,
      },
      events: {
        engineFailed: () => {},
        repairCompleted: () => {},
        blocksCorrupt: () => {},
        dataUnavailable: () => {},
        dataAvailable: () => {},
        takeoverAsked: () => {},
        ownershipLost: () => {},
      },
    });
  }

  /** Writes blocks, and gives the vdisk back. */
  async function fill(vdisk: string, blocks: readonly number[], seed = 1): Promise<void> {
    const mounted = await mount(vdisk);
    for (const block of blocks) await mounted.device.write(block * BLOCK, content(block, seed));
    await mounted.unmount();
  }

  const content = (block: number, seed: number): Buffer => Buffer.alloc(BLOCK, `${seed}/${block};`);

  async function assertContent(vdisk: string, blocks: readonly number[], seed = 1): Promise<void> {
    const mounted = await mount(vdisk);
    for (const block of blocks) {
      const found = await mounted.device.read(block * BLOCK, BLOCK);
      assert.ok(found.equals(content(block, seed)), `block ${block} of ${vdisk}: ${found.subarray(0, 12)}`);
    }
    await mounted.unmount();
  }

  async function describeVdisk(vdisk: string): Promise<Described> {
    return (await desk.done('vdisk.describe', { vdisk })).vdisk as unknown as Described;
  }

  async function keysOf(vdisk: string): Promise<string[]> {
    const found: string[] = [];
    for (const { port } of engines) {
      using link = await EngineLink.open(port);
      found.push(...((await link.send('KEYS', `*:${vdisk}`)) as string[]));
      found.push(...((await link.send('KEYS', `*:${vdisk}:*`)) as string[]));
    }
    return found;
  }

  const at = (index: number): RedisHandle => engines[index] ?? assert.fail();
  const some = (count: number): number[] => Array.from({ length: count }, (_, i) => i * 7);

  it('its description counts blocks and memory on every copy, and names its owner', async () => {
    const vdisk = await newVdisk();
    const mounted = await mount(vdisk);
    for (const block of [0, 1, 2, 3, 4]) await mounted.device.write(block * BLOCK, content(block, 1));
    const told = await describeVdisk(vdisk);
    assert.deepEqual([told.status, told.owner?.server, told.usedBlocks], ['in-use', 'nbd-9', 5]);
    assert.match(told.mountProblem ?? '', /nbd-9/);
    assert.deepEqual(
      told.engines.map(({ blocks }) => blocks),
      [3, 2, 3, 2],
    );
    assert.ok(told.engines.every(({ dataBytes = 0, blocks = 0 }) => dataBytes >= blocks * BLOCK));
    assert.ok((told.realBytes ?? 0) >= 10 * BLOCK);
    assert.deepEqual(
      told.copies.map(({ state }) => state),
      ['both', 'both'],
    );
    await mounted.unmount();
    assert.equal((await describeVdisk(vdisk)).status, 'available');
    const listed = (await desk.done('vdisk.list', { cluster: 'sa' })).vdisks as { vdisk: string }[];
    assert.ok(listed.some((one) => one.vdisk === vdisk));
    assert.deepEqual((await desk.done('vdisk.list', { cluster: 'pb' })).vdisks, []);
    await desk.refused('vdisk.list', { cluster: 'nowhere' }, 'unknown-cluster');
  });

  it('its description is there while an engine is away, and says what is missing', async () => {
    const vdisk = await newVdisk();
    await fill(vdisk, [0, 1, 2]);
    await killEngine(at(0));
    try {
      const told = await describeVdisk(vdisk);
      const away = told.engines.find(({ address }) => address === at(0).address);
      assert.match(away?.problem ?? '', /cannot be reached/);
      assert.deepEqual([away?.blocks, told.usedBlocks], [undefined, 3]);
      assert.deepEqual([told.copies[0]?.state, told.copies[1]?.state], ['slave-only', 'both']);
    } finally {
      await restartWithData(at(0));
    }
  });

  it('grows while it is in use, and shrinks only where nothing is lost', async () => {
    const vdisk = await newVdisk();
    const mounted = await mount(vdisk);
    const grow = { vdisk, sizeGiB: 4, operationId: `grow-${vdisk}` };
    assert.equal((await desk.done('vdisk.resize', grow)).outcome, 'applied');
    assert.equal((await desk.done('vdisk.resize', grow)).outcome, 'already');
    await until(() => mounted.geometry.sizeBytes === 4 * GIB, {
      what: 'the vdisk to grow',
      timeoutMs: 5_000,
    });
    await mounted.device.write(3 * GIB, content(1, 1));
    await mounted.device.write(3 * GIB + 5 * BLOCK, content(1, 1));

    await desk.refused('vdisk.resize', { vdisk, sizeGiB: 3 }, 'shrink-refused');
    await desk.refused('vdisk.resize', { vdisk, sizeGiB: 3, force: true }, 'vdisk-owned');
    await mounted.unmount();
    const told = await desk.refused('vdisk.resize', { vdisk, sizeGiB: 3, force: true }, 'shrink-refused');
    assert.match(
      told,
      new RegExp(`2 blocks are stored beyond 3 GiB, the last of them block ${(3 * GIB) / BLOCK + 5}`),
    );
    assert.equal(await desk.cluster.store.get(vdiskLifecycleKey(vdisk)), null, 'the lock is gone');

    const again = await mount(vdisk);
    assert.equal(again.geometry.sizeBytes, 4 * GIB);
    await again.device.zero(3 * GIB, 6 * BLOCK);
    await again.unmount();
    assert.equal((await desk.done('vdisk.resize', { vdisk, sizeGiB: 3, force: true })).outcome, 'applied');
    const fixed = await desk.cluster.store.get(vdiskStaticKey(vdisk));
    assert.equal(parseVdiskStatic(fixed?.value ?? '').size, 3);
    assert.equal(await desk.cluster.store.get(vdiskLifecycleKey(vdisk)), null, 'the lock is gone');
    for (const sizeGiB of [0, -1, 1_000_000])
      await desk.refused('vdisk.resize', { vdisk, sizeGiB }, 'invalid-size');
    await desk.refused('vdisk.resize', { vdisk: 'nobody', sizeGiB: 3 }, 'unknown-vdisk');
    assert.equal((await desk.done('vdisk.resize', { vdisk, sizeGiB: 3 })).outcome, 'already');
  });

  it('a shrink is not made blindly: a copy that cannot be looked at refuses it', async () => {
    const vdisk = await newVdisk();
    await killEngine(at(3));
    try {
      const { status, body } = await desk.ask('vdisk.resize', { vdisk, sizeGiB: 1, force: true });
      assert.deepEqual([status !== null, body.code], [true, 'engine-unreachable']);
    } finally {
      await restartWithData(at(3));
    }
    assert.equal((await describeVdisk(vdisk)).sizeGiB, 2);
  });

  it('two resizes at once end with one of the sizes, and both are answered', async () => {
    const vdisk = await newVdisk();
    const sizes = [5, 6, 7, 8];
    const answers = await Promise.all(sizes.map((sizeGiB) => desk.ask('vdisk.resize', { vdisk, sizeGiB })));
    assert.ok(answers.some(({ status }) => status === null));
    for (const { status, body } of answers)
      if (status !== null)
        assert.ok(['shrink-refused', 'conflict'].includes(String(body.code)), String(body.code));
    assert.ok(sizes.includes((await describeVdisk(vdisk)).sizeGiB));
  });

  for (const type of ['db', 'volume']) {
    it(`of type ${type} is cloned to a cluster of another shape, every block of it`, async () => {
      const vdisk = await newVdisk({ type });
      const blocks = some(600);
      await fill(vdisk, blocks);
      const clone = `${vdisk}-clone`;
      const request = { source: vdisk, vdisk: clone, cluster: 'pb', operationId: `op-${clone}` };
      assert.equal((await desk.done('vdisk.clone', request)).outcome, 'applied');
      assert.equal((await desk.done('vdisk.clone', request)).outcome, 'already');
      const ended = await desk.ended(`op-${clone}`);
      assert.deepEqual(
        [ended.status, ended.subject, ended.done],
        ['completed', clone, 1200],
        String(ended.message),
      );
      await assertContent(clone, blocks);
      await assertContent(vdisk, blocks);
      const told = await describeVdisk(clone);
      assert.deepEqual([told.usedBlocks, told.engines.length, told.status], [600, 3, 'available']);
      await fill(clone, [0], 2);
      await assertContent(vdisk, [0], 1);
    });
  }

  it('of type volume is cloned from the other copy where a block does not match its checksum', async () => {
    const vdisk = await newVdisk({ type: 'volume' });
    const blocks = [0, 1, 2];
    await fill(vdisk, blocks);
    for (const index of [0, 1]) {
      using link = await EngineLink.open(at(index).port);
      const [key] = (await link.send('KEYS', `salvor:chunk:${vdisk}:*`)) as string[];
      if (key !== undefined) await link.send('SETRANGE', key, BLOCK + 100, 'rot');
    }
    const operationId = `op-rot-${vdisk}`;
    await desk.done('vdisk.clone', { source: vdisk, vdisk: `${vdisk}-clone`, cluster: 'pb', operationId });
    const { status, message } = await desk.ended(operationId);
    assert.equal(status, 'completed', String(message));
    await assertContent(`${vdisk}-clone`, blocks);
  });

  it('is not cloned while somebody may write to it, and is not written while it is cloned', async () => {
    const vdisk = await newVdisk();
    const mounted = await mount(vdisk);
    const told = await desk.refused('vdisk.clone', { source: vdisk, vdisk: 'c1' }, 'vdisk-owned');
    assert.match(told, /nbd-9, which may write.*disconnect/);
    await mounted.unmount();
    await fill(vdisk, some(50));
    // Held up, so that there is a time in between: the clone waits for a copy of shard 0.
    await Promise.all([killEngine(at(0)), killEngine(at(2))]);
    const operation = `op-held-${vdisk}`;
    try {
      await desk.ask('vdisk.clone', { source: vdisk, vdisk: 'c2', cluster: 'pb', operationId: operation });
    } finally {
      await Promise.all([restartWithData(at(0)), restartWithData(at(2))]);
    }
    const ended = await desk.ended(operation);
    assert.equal(ended.status, 'completed', String(ended.message));
    await assertContent('c2', some(50));
    await desk.refused('vdisk.clone', { source: 'nobody', vdisk: 'c3' }, 'unknown-vdisk');
    await desk.refused('vdisk.clone', { source: vdisk, vdisk: 'c2' }, 'vdisk-exists');
    await desk.refused('vdisk.clone', { source: vdisk, vdisk }, 'vdisk-exists');
    await desk.refused('vdisk.clone', { source: vdisk, vdisk: 'no good' }, 'invalid-vdisk-id');
    await desk.refused('vdisk.clone', { source: vdisk, vdisk: 'c3', cluster: 'nowhere' }, 'unknown-cluster');
  });

  it('closes source and target of a clone until it ends, and frees all of it when it is cancelled', async () => {
    const vdisk = await newVdisk();
    await fill(vdisk, some(40));
    await Promise.all([killEngine(at(1)), killEngine(at(3))]);
    const operation = `op-cancelled-${vdisk}`;
    const clone = `${vdisk}-clone`;
    const { store } = desk.cluster;
    const begun = desk.ask('vdisk.clone', {
      source: vdisk,
      vdisk: clone,
      cluster: 'pb',
      operationId: operation,
    });
    await begun;
    await assert.rejects(mount(vdisk), { code: 'clone-source' });
    await assert.rejects(mount(clone), { code: 'being-cloned' });
    await desk.refused('vdisk.delete', { vdisk }, 'vdisk-busy');
    await desk.refused('vdisk.delete', { vdisk: clone }, 'vdisk-busy');
    await desk.refused('vdisk.resize', { vdisk, sizeGiB: 9 }, 'vdisk-busy');
    await until(
      async () => /waits and tries again.*shard 1/.test(String((await operationOf(operation)).message)),
      { what: 'the clone to say what it waits for', timeoutMs: 20_000 },
    );
    assert.equal((await desk.done('operation.cancel', { operation })).outcome, 'applied');
    assert.equal((await desk.ended(operation)).status, 'cancelled');
    await Promise.all([restartWithData(at(1)), restartWithData(at(3))]);
    assert.deepEqual(await keysOf(clone), []);
    assert.equal(await store.get(vdiskLifecycleKey(vdisk)), null);
    assert.equal(await store.get(vdiskLifecycleKey(clone)), null);
    await desk.refused('vdisk.describe', { vdisk: clone }, 'unknown-vdisk');
    await assertContent(vdisk, some(40));
  });

  async function operationOf(operation: string): Promise<Json> {
    return (await desk.done('operation.get', { operation })).operation as Json;
  }

  for (const type of ['db', 'volume']) {
    it(`of type ${type}: its deletion gives the memory of the engines back, and its id`, async () => {
      const vdisk = await newVdisk({ type });
      await fill(vdisk, some(2_000));
      const before = await Promise.all([0, 1, 2, 3].map((index) => usedMemory(index)));
      await desk.done('vdisk.delete', { vdisk, operationId: `op-${vdisk}` });
      const ended = await desk.ended(`op-${vdisk}`);
      assert.equal(ended.status, 'completed', String(ended.message));
      assert.deepEqual(await keysOf(vdisk), []);
      const after = await Promise.all([0, 1, 2, 3].map((index) => usedMemory(index)));
      for (const [i, bytes] of before.entries())
        assert.ok(
          bytes - (after[i] ?? 0) > 900 * BLOCK,
          `engine ${i} gave ${bytes - (after[i] ?? 0)} bytes back`,
        );
      await desk.done('vdisk.create', { vdisk, type: 'db', sizeGiB: 1, cluster: 'pa', slaveCluster: 'sa' });
      const told = await describeVdisk(vdisk);
      assert.equal(told.usedBlocks, 0);
    });
  }

  it('is deleted as soon as the engine is there that was away; until then its id is not free', async () => {
    const vdisk = await newVdisk();
    await fill(vdisk, some(20));
    await killEngine(at(2));
    const operation = `op-${vdisk}`;
    await desk.done('vdisk.delete', { vdisk, operationId: operation });
    await until(
      async () => String((await operationOf(operation)).message).includes(`waits for ${at(2).address}`),
      { what: 'the operation to name the engine', timeoutMs: 20_000 },
    );
    assert.equal((await operationOf(operation)).code, 'waits-for-engine');
    const again = { vdisk, type: 'db', sizeGiB: 1, cluster: 'pb' };
    await desk.refused('vdisk.create', again, 'vdisk-busy');
    await desk.refused('vdisk.delete', { vdisk }, 'unknown-vdisk');
    await desk.refused('operation.cancel', { operation }, 'cannot-cancel');
    await restartWithData(at(2));
    assert.equal((await desk.ended(operation)).status, 'completed');
    assert.deepEqual(await keysOf(vdisk), []);
    assert.equal((await desk.done('vdisk.create', again)).outcome, 'applied');
  });

  it('orphans are told and stay, until somebody says their name twice', async () => {
    const home = await newVdisk();
    await fill(home, [0, 1]);
    const orphan = 'lost:and:found';
    {
      using link = await EngineLink.open(at(4).port);
      for (const key of [`nondedup:${orphan}`, `salvor:writes:${orphan}`, `nondedup:${home}`])
        await link.send('HSET', key, '0', 'block');
      await link.send('SET', `salvor:chunk:${orphan}:3`, 'chunk');
      await link.send('SET', 'unrelated', 'key');
    }
    const { orphans } = (await desk.done('vdisk.orphans', { cluster: 'pb' })) as { orphans: Json[] };
    const told = orphans.map(({ vdisk, why, keyCount, address }) => [vdisk, why, keyCount, address]);
    assert.deepEqual(told, [
      [orphan, 'unknown-vdisk', 3, at(4).address],
      [home, 'other-cluster', 1, at(4).address],
    ]);
    assert.deepEqual((await desk.done('vdisk.orphans', { cluster: 'pa' })).orphans, []);
    await desk.refused('vdisk.orphans', { cluster: 'nowhere' }, 'unknown-cluster');

    const request = { cluster: 'pb', vdisk: orphan, confirm: orphan };
    await desk.refused('vdisk.delete-orphan', { ...request, confirm: 'yes' }, 'invalid-confirmation');
    await desk.refused(
      'vdisk.delete-orphan',
      { ...request, vdisk: home, confirm: home, cluster: 'pa' },
      'not-an-orphan',
    );
    for (const vdisk of [orphan, home]) {
      const operationId = `op-orphan-${vdisk}`;
      await desk.done('vdisk.delete-orphan', { ...request, vdisk, confirm: vdisk, operationId });
      assert.equal((await desk.ended(operationId)).status, 'completed');
    }
    assert.deepEqual((await desk.done('vdisk.orphans', { cluster: 'pb' })).orphans, []);
    await assertContent(home, [0, 1]);
    using link = await EngineLink.open(at(4).port);
    assert.equal(await link.send('GET', 'unrelated'), 'key');
  });

  it('what somebody holds is neither resized under force, nor deleted, nor cloned', async () => {
    const vdisk = await newVdisk();
    const { store } = desk.cluster;
    const lease = await store.grantLease(30);
    const owner = JSON.stringify({ server: 'nbd-1', instance: 'i', since: 1 });
    await store.transact({ compare: [], puts: [{ key: ownerKey(vdisk), value: owner, lease: lease.id }] });
    await desk.refused('vdisk.delete', { vdisk }, 'vdisk-owned');
    await desk.refused('vdisk.resize', { vdisk, sizeGiB: 1, force: true }, 'vdisk-owned');
    await desk.refused('vdisk.clone', { source: vdisk, vdisk: 'c9' }, 'vdisk-owned');
    await lease.revoke();
  });

  async function usedMemory(index: number): Promise<number> {
    using link = await EngineLink.open(at(index).port);
    const info = String(await link.send('INFO', 'memory'));
    return Number(/^used_memory:(\d+)/m.exec(info)?.[1] ?? assert.fail(info));
  }
});
