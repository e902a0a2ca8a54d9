import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, it } from 'node:test';
import {
  type ConfigStore,
  formatRecord,
  ownerKey,
  vdiskLifecycleKey,
  vdiskLifecycleSchema,
} from '@salvor/config-store';
import { codeOf } from '@salvor/service-kit';
import { CuttableLine, EngineLink, until } from '@salvor/testkit';
import { OwnedElsewhereError } from '../src/index.ts';
import { DataPlane, type DataPlaneOptions, type Mounted } from './data-plane.ts';

const settings = { leaseTtlSeconds: 2, holdMaxMs: 2_500 };
const block = (fill: number): Buffer => Buffer.alloc(4096, fill);

/** An owner whose line to etcd can be cut, while everybody else sees etcd. */
class CutOff implements AsyncDisposable {
  readonly plane: DataPlane;
  readonly line: CuttableLine;
  readonly store: ConfigStore;
  readonly owner: Mounted;

  private constructor(plane: DataPlane, line: CuttableLine, store: ConfigStore, owner: Mounted) {
    this.plane = plane;
    this.line = line;
    this.store = store;
    this.owner = owner;
  }

  static async start(options: DataPlaneOptions = {}): Promise<CutOff> {
    const plane = await DataPlane.start(options);
    await plane.addVdisk('v1');
    const line = await CuttableLine.to(plane.etcd.port);
    const store = plane.openStore(line.address);
    return new CutOff(plane, line, store, await plane.mount('v1', 'nbd-1', settings, 'clients', store));
  }

  get device() {
    return this.owner.vdisk.device;
  }

  /** Cuts the line and waits until etcd has let the ownership go. */
  async cutBeyondLease(): Promise<void> {
    this.line.cut();
    await until(async () => (await this.plane.ownerOf('v1')) === null, {
      what: 'the lease to expire',
      timeoutMs: 15_000,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.line.mend();
    await this.plane[Symbol.asyncDispose]();
    await this.line[Symbol.asyncDispose]();
  }
}

const refusal = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'served',
    (error: unknown) => codeOf(error),
  );

describe('an owner that lost etcd', () => {
  it('goes on for as long as both members of its pairs confirm that nobody took over, and notices nothing afterwards', async () => {
    await using cut = await CutOff.start();
    const { plane, device, owner } = cut;
    await device.write(0, Buffer.concat([block(1), block(1)]));
    await cut.cutBeyondLease();
    await device.write(0, Buffer.concat([block(2), block(2)]));
    await device.zero(4096, 100);
    assert.deepEqual(await device.read(0, 4096), block(2));
    assert.equal((await device.read(4096, 1))[0], 0);
    assert.equal((await device.extents(0, 8192)).length > 0, true);
    await device.flush();
    cut.line.mend();
    await until(async () => (await plane.ownerOf('v1')) === 'nbd-1', {
      what: 'the vdisk to be taken again',
      timeoutMs: 15_000,
    });
    await device.write(0, block(3));
    assert.deepEqual(await device.read(0, 4096), block(3));
    assert.deepEqual([owner.lost, owner.failures, owner.vdisk.alive], [[], [], true]);
    await assert.rejects(plane.mount('v1', 'nbd-2'), OwnedElsewhereError);
    await owner.vdisk.unmount();
    assert.equal(await plane.ownerOf('v1'), null, 'what was taken again is given back');
  });

  it('does not take it again when something was begun with the vdisk that excludes clients, although no engine says so yet', async () => {
    await using cut = await CutOff.start();
    const { plane, device, owner } = cut;
    await device.write(0, block(1));
    await cut.cutBeyondLease();
    const key = vdiskLifecycleKey('v1');
    const closed = { state: 'secondary' as const, operations: ['volume-vol1'], at: 1 };
    const value = formatRecord(vdiskLifecycleSchema, key, closed);
    await plane.store.transact({ compare: [], puts: [{ key, value }] });
    cut.line.mend();
    await until(() => !owner.vdisk.alive, { what: 'the owner to give up', timeoutMs: 15_000 });
    assert.match(owner.lost[0] ?? '', /not taken again: .*secondary/);
    assert.equal(await refusal(device.write(0, block(2))), 'ownership-lost');
    assert.equal(await plane.ownerOf('v1'), null);
  });

  it('answers nothing any more once another server has taken the vdisk', async () => {
    await using cut = await CutOff.start();
    const { plane, device, owner } = cut;
    await device.write(0, block(1));
    await cut.cutBeyondLease();
    assert.deepEqual(await device.read(0, 4096), block(1));
    const next = await plane.mount('v1', 'nbd-2');
    await next.vdisk.device.write(0, block(2));
    for (const request of [device.read(0, 4096), device.write(0, block(9)), device.flush()])
      assert.equal(await refusal(request), 'ownership-lost');
    assert.equal(owner.lost.length, 1);
    assert.deepEqual(owner.failures, [], 'no engine is blamed for it');
    cut.line.mend();
    assert.deepEqual(await next.vdisk.device.read(0, 4096), block(2));
    assert.equal(await plane.ownerOf('v1'), 'nbd-2');
  });

  it('answers nothing for a shard with a failure, reads neither, and goes on with the others', async () => {
    await using cut = await CutOff.start();
    const { plane, device } = cut;
    const [engine = assert.fail()] = plane.primaries;
    await device.write(0, Buffer.concat([block(1), block(1)]));
    await engine.process.kill();
    await device.write(0, block(2));
    assert.equal(device.shardStates()[0]?.mode, 'alone');
    await cut.cutBeyondLease();
    assert.equal(await refusal(device.read(0, 4096)), 'ownership-in-doubt');
    assert.equal(await refusal(device.write(0, block(3))), 'ownership-in-doubt');
    assert.equal(await refusal(device.flush()), 'ownership-in-doubt');
    await device.write(4096, block(4));
    assert.deepEqual(await device.read(4096, 4096), block(4));
    cut.line.mend();
    // With a failed member nothing proves that nobody else had it: the vdisk is let go, and mounted anew.
    await until(() => !cut.owner.vdisk.alive, { what: 'the vdisk to be let go', timeoutMs: 15_000 });
    const next = await plane.mount('v1', 'nbd-1');
    assert.deepEqual(await next.vdisk.device.read(4096, 4096), block(4));
    assert.deepEqual(await next.vdisk.device.read(0, 4096), block(2));
  });

  it('does not use a link that was opened meanwhile, blames no engine, and lets the vdisk go when etcd is back', async () => {
    await using cut = await CutOff.start({ shards: 1 });
    const { plane, device, owner } = cut;
    const [engine = assert.fail()] = plane.slaves;
    await device.write(0, block(1));
    await cut.cutBeyondLease();
    using link = await EngineLink.open(engine.port);
    await link.sendRaw('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    assert.equal(await refusal(device.write(0, block(2))), 'ownership-in-doubt');
    assert.equal(await refusal(device.read(0, 4096)), 'ownership-in-doubt');
    assert.deepEqual(owner.failures, []);
    cut.line.mend();
    await until(() => !owner.vdisk.alive, { what: 'the vdisk to be let go', timeoutMs: 15_000 });
    const next = await plane.mount('v1', 'nbd-1');
    const found = (await next.vdisk.device.read(0, 4096))[0];
    assert.ok(found === 1 || found === 2, 'the refused write is there or not, nothing else');
    await next.vdisk.device.write(4096, block(5));
    assert.deepEqual(next.failures, []);
  });

  it('with one copy goes on while its engine confirms that nobody took over', async () => {
    await using cut = await CutOff.start({ shards: 1, hasSlave: false });
    const { plane, device } = cut;
    await device.write(0, block(1));
    await cut.cutBeyondLease();
    await device.write(0, block(2));
    await device.flush();
    assert.deepEqual(await device.read(0, 4096), block(2));
    const next = await plane.mount('v1', 'nbd-2');
    assert.deepEqual(await next.vdisk.device.read(0, 4096), block(2));
    assert.equal(await refusal(device.read(0, 4096)), 'ownership-lost');
  });

  it('goes on with the same lease when etcd itself was down, and kept it', async () => {
    await using plane = await DataPlane.start({ shards: 1 });
    await plane.addVdisk('v1');
    const { vdisk: mounted, lost } = await plane.mount('v1', 'nbd-1', settings);
    const key = ownerKey('v1');
    const before = await plane.store.get(key);
    await plane.etcd.process.kill();
    const goneAt = performance.now();
    await until(
      async () => {
        await mounted.device.write(0, block(7));
        assert.deepEqual(await mounted.device.read(0, 4096), block(7));
        return performance.now() - goneAt > 3 * settings.leaseTtlSeconds * 1_000;
      },
      { what: 'three times the lease to pass', timeoutMs: 30_000 },
    );
    await plane.etcd.process.start();
    await until(async () => (await plane.store.get(key).catch(() => null)) !== null, {
      what: 'etcd to answer',
      timeoutMs: 15_000,
    });
    await mounted.device.write(0, block(8));
    assert.deepEqual([lost, mounted.alive], [[], true]);
    assert.equal((await plane.store.get(key))?.createRevision, before?.createRevision);
  });
});

describe('an operator who takes the ownership away', () => {
  it('by deleting the owner key ends it at once', async () => {
    await using plane = await DataPlane.start({ shards: 1 });
    await plane.addVdisk('v1');
    const { vdisk: mounted, lost } = await plane.mount('v1');
    await plane.store.transact({ compare: [], deletes: [ownerKey('v1')] });
    await until(() => !mounted.alive, { what: 'the owner to hear of it', timeoutMs: 5_000 });
    assert.deepEqual(lost, ['the owner key is gone']);
    assert.equal(await refusal(mounted.device.write(0, block(1))), 'ownership-lost');
    await (await plane.mount('v1', 'nbd-2')).vdisk.device.write(0, block(1));
  });

  it('by revoking its lease ends it at once, and it is not taken again', async () => {
    await using plane = await DataPlane.start({ shards: 1 });
    await plane.addVdisk('v1');
    const { vdisk: mounted, lost } = await plane.mount('v1');
    const lease = (await plane.store.get(ownerKey('v1')))?.lease ?? assert.fail('no lease');
    execFileSync(
      'etcdctl',
      ['--endpoints', plane.etcd.endpoint, 'lease', 'revoke', BigInt(lease).toString(16)],
      {
        env: { ...process.env, ETCDCTL_API: '3' },
      },
    );
    await until(() => !mounted.alive, { what: 'the owner to hear of it', timeoutMs: 5_000 });
    assert.equal(lost.length, 1);
    assert.equal(await plane.ownerOf('v1'), null);
  });
});
