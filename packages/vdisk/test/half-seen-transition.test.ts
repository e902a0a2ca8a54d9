import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import {
  type ConfigStore,
  clusterIncidentsPrefix,
  clusterStorageKey,
  repairKey,
  type StoreEntry,
} from '@salvor/config-store';
import { blocksOn, DataPlane, primary, slave } from './data-plane.ts';
import { PairHarness, stored, TestEngine, until } from './pair-harness.ts';

const engines: TestEngine[] = [];
after(async () => {
  for (const engine of engines) await engine.stop();
});

async function startEngines(): Promise<[TestEngine, TestEngine]> {
  const started = await Promise.all([TestEngine.start(), TestEngine.start()]);
  engines.push(...started);
  return started;
}

test('a batch that one member took alone is not acknowledged when the other one was put online meanwhile', async () => {
  const [a, b] = await startEngines();
  const h = await new PairHarness(a, b).mount();
  await h.write(1, 0x11);
  h.record(a.address, 'offline');
  const slave = h.pair.member('slave');
  const transact = slave.transact.bind(slave);
  let isFirst = true;
  slave.transact = async (frame, head) => {
    await transact(frame, head);
    if (!isFirst) return;
    isFirst = false;
    // As a tool may do that knows nothing of repairs. The link is checked while nothing that counts is missing there.
    h.record(a.address, 'online');
    await h.read(9);
  };
  await h.write(1, 0x22);
  assert.equal(await h.read(1), 0x22);
  assert.deepEqual(h.failures, [{ address: a.address, fault: 'tail-lost' }]);
  assert.deepEqual(h.proposals, [a.address]);
  h.repairTemporary(a.address);
  await until(() => h.repairs.length === 1, 'the repair is complete');
  assert.deepEqual(await stored(a), await stored(b));
  h.pair.close(new Error('done'));
});

/** The store as a mount sees it whose watch has not told of the cluster yet, when etcd brings an engine online meanwhile. */
function lateStore(plane: DataPlane, repair: string, bringOnline: () => Promise<unknown>) {
  const key = clusterStorageKey(primary);
  const incidents = clusterIncidentsPrefix(primary);
  let shown: StoreEntry | null = null;
  let tell: () => void = () => {};
  let isClosed = (): boolean => true;
  const store: ConfigStore = {
    ...plane.store,
    watch: async (selection, onChange) => {
      const watch = await plane.store.watch(selection, onChange);
      shown = watch.entries().get(key) ?? assert.fail('the cluster is listed');
      isClosed = () => ![...watch.entries().keys()].some((known) => known.startsWith(incidents));
      tell = () => onChange({ kind: 'change', revision: '0', changes: [] });
      return {
        entries: () => (shown === null ? watch.entries() : new Map([...watch.entries(), [key, shown]])),
        confirmedAtMs: () => watch.confirmedAtMs(),
        close: () => watch.close(),
      };
    },
    // What is on record of the open incidents is read after the listing, and before the first pair is there.
    get: async (asked) => {
      const found = await plane.store.get(asked);
      if (asked !== repair) return found;
      await bringOnline();
      await until(isClosed, 'the watch tells that the incident is closed');
      return found;
    },
  };
  const catchUp = (): void => {
    shown = null;
    tell();
  };
  return { store, catchUp };
}

test('an engine that comes online while a vdisk is being mounted is written to, however the watch tells of it', async () => {
  await using plane = await DataPlane.start({ shards: 1 });
  await plane.addVdisk('v1');
  const { vdisk: first, repairs } = await plane.mount('v1');
  const engine = plane.primaries[0] ?? assert.fail();
  await first.device.write(0, Buffer.alloc(4096, 1));
  await plane.reportFailure(engine.address);
  await until(() => first.device.shardStates()[0]?.mode === 'alone', 'the slave serves alone');
  await first.device.write(4096, Buffer.alloc(4096, 2));
  const judged = await plane.judge(engine.address, 'temporary');
  await until(() => repairs.length === 1, 'the repair is complete');
  const repair = repairKey(judged.incident?.id ?? assert.fail(), 1, 'v1');
  await until(async () => (await plane.store.get(repair)) !== null, 'it is on record');
  await first.unmount();

  const { store, catchUp } = lateStore(plane, repair, () => plane.complete(judged, ['v1']));
  const { vdisk } = await plane.mount('v1', 'nbd-2', {}, 'clients', store);
  assert.equal(await plane.statusOf(engine.address), 'online');
  assert.equal(vdisk.device.shardStates()[0]?.mode, 'mirrored');
  await vdisk.device.write(8192, Buffer.alloc(4096, 3));
  catchUp();
  assert.equal(vdisk.device.shardStates()[0]?.mode, 'mirrored');
  assert.deepEqual(await blocksOn(engine, 'v1'), await blocksOn(plane.slaves[0] ?? assert.fail(), 'v1'));
});

/** The store as a mount sees it whose watch tells of the slave cluster's incidents late. */
function lateIncidents(plane: DataPlane) {
  const prefix = clusterIncidentsPrefix(slave);
  let shown: ReadonlyMap<string, StoreEntry> | null = null;
  let tell: () => void = () => {};
  const store: ConfigStore = {
    ...plane.store,
    watch: async (selection, onChange) => {
      const watch = await plane.store.watch(selection, onChange);
      shown = new Map([...watch.entries()].filter(([key]) => key.startsWith(prefix)));
      tell = () => onChange({ kind: 'change', revision: '0', changes: [] });
      return {
        entries: () => new Map([...watch.entries(), ...(shown ?? [])]),
        confirmedAtMs: () => watch.confirmedAtMs(),
        close: () => watch.close(),
      };
    },
  };
  const catchUp = (): void => {
    shown = null;
    tell();
  };
  return { store, catchUp };
}

test('a member is not taken for the last one while of its partner only half of the new failure is seen', async () => {
  await using plane = await DataPlane.start({ shards: 1 });
  await plane.addVdisk('v1');
  const [first, last] = [plane.primaries[0] ?? assert.fail(), plane.slaves[0] ?? assert.fail()];
  const { vdisk: before, repairs } = await plane.mount('v1');
  const write = (fill: number) => before.device.write(0, Buffer.alloc(4096, fill));
  const serves = (mode: string) =>
    until(() => before.device.shardStates()[0]?.mode === mode, `the pair is ${mode}`);
  // Each has failed once, and was repaired since: they stay under repair for the other vdisks of the cluster.
  for (const engine of [first, last]) {
    await plane.reportFailure(engine.address);
    await serves('alone');
    await write(1);
    const done = repairs.length;
    const { incident } = await plane.judge(engine.address, 'temporary');
    await until(() => repairs.length > done, 'it is repaired');
    const repair = repairKey(incident?.id ?? assert.fail(), 1, 'v1');
    await until(async () => (await plane.store.get(repair)) !== null, 'that is on record');
  }
  await plane.reportFailure(first.address);
  await serves('alone');
  await write(2);
  await before.unmount();

  await plane.judge(first.address, 'temporary');
  const { store, catchUp } = lateIncidents(plane);
  await last.process.kill('SIGKILL');
  const { vdisk } = await plane.mount('v1', 'nbd-2', {}, 'clients', store);
  await plane.waitForStatus(last.address, 'offline');
  const read = () => vdisk.device.read(0, 1);
  await until(() => vdisk.device.shardStates()[0]?.mode === 'unavailable', 'the half is seen');
  await assert.rejects(read(), { code: 'data-unavailable' });
  catchUp();
  await last.process.start();
  await plane.judge(last.address, 'temporary');
  await until(() => vdisk.device.shardStates()[0]?.mode !== 'unavailable', 'the last one vouches for itself');
  assert.equal((await read())[0], 2);
});
