import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  clusterStorageKey,
  formatClusterStorage,
  formatVdiskNbd,
  formatVdiskStatic,
  ownerKey,
  vdiskNbdKey,
  vdiskStaticKey,
} from '@salvor/config-store';
import { SeededRandom, testSeed } from '@salvor/testkit';
import { OwnedElsewhereError } from '../src/index.ts';
import { placeBlock } from '../src/sharding.ts';
import { blocksOn, DataPlane, type Mounted } from './data-plane.ts';

const SHARDS = 3;
const BLOCK_BYTES = 4096;
const GIB = 1024 ** 3;
const WINDOW_BYTES = 40 * BLOCK_BYTES;
const ROUNDS = 60;

let plane: DataPlane;

before(async () => {
  plane = await DataPlane.start({ shards: SHARDS });
});

after(async () => {
  await plane?.[Symbol.asyncDispose]();
});

/** A part of the device and what it must hold. */
class Window {
  readonly #mounted: Mounted;
  readonly #at: number;
  readonly #expected: Buffer = Buffer.alloc(WINDOW_BYTES);
  readonly #random: SeededRandom;

  constructor(mounted: Mounted, at: number, random: SeededRandom) {
    this.#mounted = mounted;
    this.#at = at;
    this.#random = random;
  }

  /** A write or zero of any place and length; the model changes in the order in which they are given. */
  change(): Promise<void> {
    const { device } = this.#mounted.vdisk;
    const { from, length } = this.#range();
    if (this.#random.below(4) === 0) {
      this.#expected.fill(0, from, from + length);
      return device.zero(this.#at + from, length);
    }
    const data = Buffer.alloc(length, 1 + this.#random.below(255));
    data.copy(this.#expected, from);
    return device.write(this.#at + from, data);
  }

  async check(): Promise<void> {
    const { from, length } = this.#range();
    const found = await this.#mounted.vdisk.device.read(this.#at + from, length);
    assert.ok(
      found.equals(this.#expected.subarray(from, from + length)),
      `${length} bytes at ${this.#at + from}`,
    );
  }

  async checkAll(): Promise<void> {
    assert.ok((await this.#mounted.vdisk.device.read(this.#at, WINDOW_BYTES)).equals(this.#expected));
  }

  /** The blocks that are not zero. */
  blocks(): Map<number, Buffer> {
    const blocks = new Map<number, Buffer>();
    for (let at = 0; at < WINDOW_BYTES; at += BLOCK_BYTES) {
      const content = this.#expected.subarray(at, at + BLOCK_BYTES);
      if (content.some((byte) => byte !== 0)) blocks.set((this.#at + at) / BLOCK_BYTES, content);
    }
    return blocks;
  }

  #range(): { from: number; length: number } {
    const isAligned = this.#random.below(3) === 0;
    const unit = isAligned ? BLOCK_BYTES : 1;
    const from = this.#random.below(WINDOW_BYTES / unit) * unit;
    const most = Math.min(WINDOW_BYTES - from, 6 * BLOCK_BYTES);
    return { from, length: Math.max(unit, this.#random.below(most / unit) * unit) };
  }
}

describe('a mounted vdisk', () => {
  it('answers like a plain device, at its beginning, across 2^29 and at its end', async () => {
    const seed = testSeed();
    const random = new SeededRandom(seed);
    await plane.addVdisk('io');
    const mounted = await plane.mount('io');
    const windows = [0, GIB / 2 - WINDOW_BYTES / 2, GIB - WINDOW_BYTES].map(
      (at) => new Window(mounted, at, random),
    );
    try {
      for (let round = 0; round < ROUNDS; round++) {
        const window = windows[random.below(windows.length)] ?? assert.fail();
        await Promise.all(Array.from({ length: 1 + random.below(6) }, () => window.change()));
        await window.check();
      }
      for (const window of windows) await window.checkAll();
      await mounted.vdisk.device.flush();
      await checkLayout('io', windows);
    } catch (error) {
      throw new Error(`SALVOR_TEST_SEED=${seed}`, { cause: error });
    }
    await mounted.vdisk.unmount();
    const again = await plane.mount('io', 'nbd-2');
    assert.ok(BigInt(again.vdisk.epoch) > BigInt(mounted.vdisk.epoch));
    for (const [block, content] of windows.flatMap((window) => [...window.blocks()])) {
      assert.ok((await again.vdisk.device.read(block * BLOCK_BYTES, BLOCK_BYTES)).equals(content));
    }
    await again.vdisk.unmount();
  });

  /** Every block is where placement says, on both clusters, and zeros are nowhere. */
  async function checkLayout(vdisk: string, windows: readonly Window[]): Promise<void> {
    const expected = new Map(windows.flatMap((window) => [...window.blocks()]));
    for (const engines of [plane.primaries, plane.slaves]) {
      for (const [shard, engine] of engines.entries()) {
        const here = [...expected].filter(([block]) => placeBlock(block, SHARDS, () => true) === shard);
        const found = await blocksOn(engine, vdisk);
        assert.deepEqual(
          [...found.keys()],
          here.map(([block]) => block),
        );
        for (const [block, content] of here) assert.ok(found.get(block)?.equals(content), `block ${block}`);
      }
    }
  }

  it('takes a zero of the whole device in steps, and frees what it held', async () => {
    await plane.addVdisk('zeroed', { blockSize: 65_536 });
    const { vdisk } = await plane.mount('zeroed');
    for (const at of [0, 65_536 * 5 + 17, GIB - 10]) await vdisk.device.write(at, Buffer.alloc(10, 7));
    await vdisk.device.zero(0, GIB);
    assert.ok((await vdisk.device.read(GIB - 10, 10)).equals(Buffer.alloc(10)));
    for (const engine of [...plane.primaries, ...plane.slaves]) {
      assert.equal((await blocksOn(engine, 'zeroed')).size, 0);
    }
    await vdisk.unmount();
  });

  it('refuses what leaves the device, and writes when it is read-only', async () => {
    await plane.addVdisk('bounds');
    await plane.addVdisk('fixed', { readOnly: true });
    const { device } = (await plane.mount('bounds')).vdisk;
    await assert.rejects(device.read(GIB - 1, 2), { code: 'out-of-range', nbdErrno: 22 });
    await assert.rejects(device.write(GIB - 1, Buffer.alloc(2)), { code: 'out-of-range', nbdErrno: 28 });
    await assert.rejects(device.zero(-1, 1), { code: 'out-of-range' });
    await device.write(GIB, Buffer.alloc(0));
    const fixed = (await plane.mount('fixed')).vdisk.device;
    await assert.rejects(fixed.write(0, Buffer.alloc(1)), { code: 'read-only', nbdErrno: 1 });
    await assert.rejects(fixed.zero(0, 1), { code: 'read-only' });
    assert.ok((await fixed.read(0, 512)).equals(Buffer.alloc(512)));
  });

  it('belongs to one server: others are refused, and the owner key goes with the mount', async () => {
    await plane.addVdisk('single');
    const mounted = await plane.mount('single', 'nbd-1');
    await assert.rejects(plane.mount('single', 'nbd-2'), OwnedElsewhereError);
    await mounted.vdisk.device.write(0, Buffer.from('still mine'));
    await mounted.vdisk.unmount();
    assert.equal(await plane.store.get(ownerKey('single')), null);
    await assert.rejects(mounted.vdisk.device.write(0, Buffer.alloc(1)), { code: 'ownership-lost' });
    assert.deepEqual(mounted.lost, [], 'an orderly end is no loss');
  });

  it('is waited for by clients while an operation that has ended gives it back, not while another server has it', async () => {
    await plane.addVdisk('restored');
    const purpose = { operation: 'rollback-1' };
    const operation = await plane.mount('restored', 'replay-rollback-1', {}, purpose);
    const clients = plane.mount('restored', 'nbd-1');
    await assert.rejects(
      plane.mount('restored', 'clone-2', {}, { operation: 'clone-2' }),
      OwnedElsewhereError,
    );
    assert.equal(operation.vdisk.alive, true);
    await operation.vdisk.device.write(0, Buffer.from('restored'));
    await operation.vdisk.unmount();
    const mounted = await clients;
    assert.deepEqual(operation.lost, []);
    assert.equal((await mounted.vdisk.device.read(0, 8)).toString(), 'restored');
    await mounted.vdisk.unmount();
  });

  it('that another run of its server takes over stops at once and says so', async () => {
    await plane.addVdisk('taken');
    const first = await plane.mount('taken', 'nbd-1');
    await first.vdisk.device.write(0, Buffer.from('first'));
    const second = await plane.mount('taken', 'nbd-1');
    await assert.rejects(first.vdisk.device.write(0, Buffer.from('ghost')), { code: 'ownership-lost' });
    await assert.rejects(first.vdisk.device.read(0, 5), { code: 'ownership-lost' });
    assert.equal(first.lost.length, 1);
    assert.equal(first.vdisk.alive, false);
    assert.equal((await second.vdisk.device.read(0, 5)).toString(), 'first');
    await second.vdisk.device.write(0, Buffer.from('later'));
    await second.vdisk.unmount();
  });
});

describe('a vdisk that cannot be served', () => {
  const refusals: readonly [what: string, vdisk: string, code: string, message: RegExp][] = [
    ['that is unknown', 'nowhere', 'unknown-vdisk', /there is no vdisk nowhere/],
    ['on a cluster that does not exist', 'lost', 'bad-configuration', /no storage cluster p404/],
    [
      'whose slave cluster is too short',
      'short',
      'bad-configuration',
      /slave cluster short1 has fewer servers/,
    ],
  ];

  before(async () => {
    const shape = { blockSize: 4096, size: 1, type: 'db', readOnly: false, templateVdiskID: '' } as const;
    const store = {
      storageClusterID: 'p1',
      templateStorageClusterID: '',
      slaveStorageClusterID: '',
      tlogServerClusterID: '',
    };
    const puts = [
      { key: vdiskStaticKey('lost'), value: formatVdiskStatic(shape) },
      { key: vdiskNbdKey('lost'), value: formatVdiskNbd({ ...store, storageClusterID: 'p404' }) },
      { key: vdiskStaticKey('short'), value: formatVdiskStatic(shape) },
      { key: vdiskNbdKey('short'), value: formatVdiskNbd({ ...store, slaveStorageClusterID: 'short1' }) },
      {
        key: clusterStorageKey('short1'),
        value: formatClusterStorage({
          servers: [{ address: '127.0.0.1:1', db: 0, state: 'online', status: 'online', generation: 1 }],
        }),
      },
    ];
    await plane.store.transact({ compare: [], puts });
  });

  for (const [what, vdisk, code, message] of refusals) {
    it(`${what} is refused, and nobody owns it`, async () => {
      await assert.rejects(plane.mount(vdisk), { code, message });
      assert.equal(await plane.store.get(ownerKey(vdisk)), null);
    });
  }
});
