import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  healingEverywhereKey,
  INCIDENTS_PREFIX,
  incidentSchema,
  installationKey,
  isConfiguration,
  parseRecord,
  readOperation,
  tier1RecoveryKey,
  vdiskStaticKey,
} from '@salvor/config-store';
import { until } from '@salvor/testkit';
import { openDirectoryStore, putConfiguration } from '@salvor/tlog';
import { EngineReader, engineTraces } from '@salvor/vdisk';
import { DataPlane } from '../../../../packages/vdisk/test/data-plane.ts';
import { groupOf } from '../../src/tier1/key-groups.ts';
import { Tier1 } from '../tier1.ts';

const VDISK = 'plain';
const SLAVE_CLUSTER = 's1';
const OLD = Buffer.alloc(4096, 1);
const CURRENT = Buffer.alloc(4096, 2);

describe('the configuration in Tier-2 has an engine online that failed behind it', () => {
  let plane: DataPlane;
  let tier1: Tier1;
  let root: string;
  before(async () => {
    plane = await DataPlane.start({ shards: 1 });
    tier1 = await Tier1.start(plane.etcd);
    await tier1.serve();
    root = `${tier1.dir.path}/tier2`;
    await plane.addVdisk(VDISK);
    const { vdisk } = await plane.mount(VDISK);
    await vdisk.device.write(0, OLD);
    await keepConfiguration();
    // Its failure is recorded, and its partner takes a write alone; then etcd is lost.
    await plane.reportFailure(stale().address);
    await vdisk.device.write(0, CURRENT);
    using reader = await EngineReader.open(
      { address: current().address, db: 0, login: undefined, timeoutMs: 2_000 },
      null,
    );
    const { owners } = await engineTraces(reader, [VDISK], 1_000);
    assert.deepEqual(owners, [VDISK], 'whoever brings Tier-1 back sees that it has an owner');
    await vdisk.unmount();
  });
  after(async () => {
    await tier1[Symbol.asyncDispose]();
    await plane[Symbol.asyncDispose]();
  });

  it('is not served where its partner does not answer: the recovery is refused, and made all the same it has it offline', async () => {
    await loseEtcd();
    await current().process.kill('SIGKILL');
    const refused = await tier1.end(await tier1.begin({ root, layout: 'salvor' }));
    assert.match(refused.work?.message ?? '', /expected every engine that is online by the plan to answer/);
    const taken = await tier1.end(await tier1.begin({ root, layout: 'salvor', acceptUnreachable: true }));
    assert.equal(taken.work?.status, 'completed', taken.work?.message);
    assert.equal(await plane.statusOf(stale().address), 'offline');
    await assertNotServed();
  });

  it('is not served alone once its partner said at the recovery that it took writes alone, which are there when that one is', async () => {
    await current().process.start();
    await loseEtcd();
    const done = await tier1.end(await tier1.begin({ root, layout: 'salvor' }));
    assert.equal(done.work?.status, 'completed', done.work?.message);
    assert.deepEqual(
      [await plane.statusOf(stale().address), await plane.statusOf(current().address)],
      ['offline', 'online'],
    );
    await current().process.kill('SIGKILL');
    await assertNotServed();
    await current().process.start();
    const { vdisk } = await plane.mount(VDISK);
    assert.deepEqual(await vdisk.device.read(0, CURRENT.length), CURRENT);
    // The normal repair brings it back from its partner, and both have the current block.
    await plane.store.transact({ compare: [], deletes: [healingEverywhereKey] });
    const judged = await plane.judge(stale().address, 'temporary');
    await plane.complete(judged, [VDISK]);
    await plane.waitForStatus(stale().address, 'online');
    await vdisk.unmount();
    await current().process.kill('SIGKILL');
    const again = await plane.mount(VDISK);
    assert.deepEqual(await again.vdisk.device.read(0, CURRENT.length), CURRENT);
  });

  it('is not forgotten by a recovery that was killed between the two clusters of the pair', async () => {
    await stale().process.kill('SIGKILL');
    await loseEtcd();
    const asked = { root, layout: 'salvor', acceptUnreachable: true };
    const first = await tier1.end(await tier1.begin(asked));
    assert.equal(first.work?.status, 'completed', first.work?.message);
    const held = await heldEngines();
    assert.deepEqual(held, [stale().address, current().address].sort());
    // What a process leaves that died in between: the second cluster is not there yet, and the mark is.
    const { entries } = await plane.store.list('');
    const ofSlave = entries.filter(({ key }) => groupOf(key)?.name === SLAVE_CLUSTER);
    assert.equal(ofSlave.length, 3);
    const mark = JSON.stringify({ operation: first.operation, root, at: first.at });
    await plane.store.transact({
      compare: [],
      deletes: ofSlave.map(({ key }) => key),
      puts: [{ key: tier1RecoveryKey, value: mark }],
    });
    const second = await tier1.end(await tier1.begin(asked));
    assert.equal(second.work?.status, 'completed', second.work?.message);
    assert.deepEqual(await heldEngines(), held);
    for (const { address } of [stale(), current()]) assert.equal(await plane.statusOf(address), 'offline');
    assert.equal(await plane.store.get(tier1RecoveryKey), null);
  });

  /** Of those with an incident that waits for an operator. */
  async function heldEngines(): Promise<string[]> {
    const { entries } = await plane.store.list(INCIDENTS_PREFIX);
    const incidents = entries.map(({ key, value }) => parseRecord(incidentSchema, key, value));
    return incidents.flatMap(({ address, hold }) => (hold === undefined ? [] : [address])).sort();
  }

  const stale = () => plane.primaries[0] ?? assert.fail('no engine');
  const current = () => plane.slaves[0] ?? assert.fail('no engine');

  async function assertNotServed(): Promise<void> {
    const { vdisk } = await plane.mount(VDISK, 'nbd-1', { holdMaxMs: 500 });
    await assert.rejects(vdisk.device.read(0, OLD.length));
    await vdisk.unmount();
  }

  async function keepConfiguration(): Promise<void> {
    const { revision, entries } = await plane.store.list('');
    const kept = entries
      .filter(({ key, value }) => isConfiguration(key, value))
      .map(({ key, value }): [string, string] => [key, value]);
    const store = await openDirectoryStore({ root });
    const name = JSON.stringify({ id: 'here', at: 1 });
    await putConfiguration(
      store,
      { revision, at: Date.now(), entries: [...kept, [installationKey, name]] },
      true,
    );
    await store.close();
  }

  /** All of it, but for what the service that is to bring it back lives by. */
  async function loseEtcd(): Promise<void> {
    const keys = (await plane.store.listKeys({ from: '', to: '\u{10ffff}' })).filter(
      (key) => !key.startsWith('/salvor/operation-workers/') && !key.startsWith('/salvor/operations/'),
    );
    await plane.store.transact({ compare: [], deletes: keys });
  }
});

describe('a directory that another installation lives by', () => {
  it('is not brought back while an owner is at its engines that this etcd knows nothing of', async () => {
    await using plane = await DataPlane.start({ shards: 1, hasSlave: false });
    await using other = await Tier1.start();
    await other.serve();
    const root = `${other.dir.path}/tier2`;
    await plane.addVdisk(VDISK);
    const { revision, entries } = await plane.store.list('');
    const kept = entries.map(({ key, value }): [string, string] => [key, value]);
    const name = JSON.stringify({ id: 'theirs', at: 1 });
    const store = await openDirectoryStore({ root });
    const all = { revision, at: Date.now(), entries: [...kept, [installationKey, name] as const] };
    await putConfiguration(store, all, true);
    await store.close();
    const { vdisk } = await plane.mount(VDISK);
    await vdisk.device.write(0, OLD);
    const refused = await other.begin({ root, layout: 'salvor', dryRun: true });
    await other.end(refused);
    const { tier1 } = await other.bus.request('dr.report', { operation: refused });
    assert.ok(tier1?.trouble.some((line) => /found those of plain on .*another etcd gave them/.test(line)));
    const waits = await other.begin({ root, layout: 'salvor' });
    await until(async () => /let go/.test((await readOperation(other.store, waits))?.work?.message ?? ''), {
      ...{ what: 'the recovery waits for the owner', timeoutMs: 30_000 },
    });
    assert.equal(await other.store.get(installationKey), null, 'nothing is written meanwhile');
    await vdisk.unmount();
    const done = await other.end(waits);
    assert.equal(done.work?.status, 'completed', done.work?.message);
    // An etcd that has lost everything but its name, which is another one.
    const ours = JSON.stringify({ id: 'ours', at: 2 });
    const { entries: brought } = await other.store.list('');
    const lost = brought
      .map(({ key }) => key)
      .filter((key) => isConfiguration(key, '') && key !== installationKey);
    assert.notEqual(lost.length, 0);
    await other.store.transact({
      compare: [],
      deletes: lost,
      puts: [{ key: installationKey, value: ours }],
    });
    const named = await other.end(await other.begin({ root, layout: 'salvor' }));
    assert.match(
      named.work?.message ?? '',
      /found ours: is .* the right directory\? --installation theirs takes it/,
    );
    assert.equal(await other.store.get(vdiskStaticKey(VDISK)), null);
    const taken = await other.end(await other.begin({ root, layout: 'salvor', installation: 'theirs' }));
    assert.equal(taken.work?.status, 'completed', taken.work?.message);
    assert.notEqual(await other.store.get(vdiskStaticKey(VDISK)), null);
    assert.equal((await other.store.get(installationKey))?.value, ours, 'it keeps its name');
  });
});
