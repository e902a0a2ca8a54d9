import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, it } from 'node:test';
import {
  availableAgainKey,
  availableAgainSchema,
  type ConfigStore,
  createCluster,
  createVdisk,
  INCIDENTS_PREFIX,
  incidentKey,
  parseRecord,
  UNAVAILABLE_PREFIX,
  type UnavailableShard,
  unavailableKey,
  unavailableShardSchema,
} from '@salvor/config-store';
import { startRedis, tempDir, until } from '@salvor/testkit';
import { EngineControl } from '@salvor/vdisk';
import { type Announcement, Announcements } from '../../src/announcements.ts';
import { describeIncident } from '../../src/descriptions.ts';
import { UnavailableWatch } from '../../src/unavailable/unavailable-watch.ts';
import { address, CoordinatedCluster } from '../coordinated-cluster.ts';

const BLOCKS_OF_SHARD = (1 << 30) / 4096 / 2;

async function watching(
  cluster: CoordinatedCluster,
  store: ConfigStore = cluster.store,
): Promise<UnavailableWatch & AsyncDisposable> {
  const watch = new UnavailableWatch({ store, access: { timeoutMs: 300 }, log: cluster.log });
  await watch.start();
  return Object.assign(watch, { [Symbol.asyncDispose]: () => watch.stop() });
}

async function statement({ store }: CoordinatedCluster, shard = 0): Promise<UnavailableShard> {
  const key = unavailableKey('p1', shard);
  const entry = await until(() => store.get(key), {
    what: `a statement about shard ${shard}`,
    timeoutMs: 15_000,
  });
  return parseRecord(unavailableShardSchema, key, entry.value);
}

const goneAgain = ({ store }: CoordinatedCluster) =>
  until(async () => (await store.list(UNAVAILABLE_PREFIX)).entries.length === 0, {
    what: 'no statement',
    timeoutMs: 15_000,
  });

async function announced(cluster: CoordinatedCluster): Promise<Announcement[]> {
  const announcements = new Announcements();
  const { entries } = await cluster.store.list(UNAVAILABLE_PREFIX);
  return entries.flatMap((entry) => announcements.of({ key: entry.key, entry, previous: null }));
}

describe('a coordinator', () => {
  it('says which vdisks have how many blocks without a live copy, until a member serves again', async () => {
    await using cluster = await CoordinatedCluster.start();
    await cluster.addVdisks('v1', 'v2');
    await using _one = await watching(cluster);
    await using _two = await watching(cluster);
    await cluster.fail(address('primary', 0));
    await cluster.fail(address('slave', 0));
    await until(async () => (await statement(cluster)).incidents.length === 2, {
      what: 'both incidents in the statement',
      timeoutMs: 15_000,
    });
    const said = await statement(cluster);
    assert.deepEqual(
      said.vdisks.map(({ vdisk, blocks, counted }) => [vdisk, blocks, counted]),
      [
        ['v1', BLOCKS_OF_SHARD, false],
        ['v2', BLOCKS_OF_SHARD, false],
      ],
    );
    assert.deepEqual([said.blocks, said.counted, said.slaveCluster], [2 * BLOCKS_OF_SHARD, false, 's1']);
    assert.match(said.reason, new RegExp(`${address('slave', 0)} served last$`));
    const [last = assert.fail(), first = assert.fail()] = said.incidents;
    assert.match(last, /^s1-0-/);
    assert.match(first, /^p1-0-/);
    assert.deepEqual(
      (await describeIncident(cluster.store, first)).unavailable?.map(({ shard }) => shard),
      [0],
    );
    assert.deepEqual(
      (await announced(cluster)).map(({ type, payload }) => [type, 'vdisk' in payload && payload.vdisk]),
      [
        ['vdisk.data-unavailable', 'v1'],
        ['vdisk.data-unavailable', 'v2'],
      ],
    );
    const { id, attempt } = (await cluster.judge(address('slave', 0), 'temporary')).incident ?? assert.fail();
    const done = { kind: 'repairs-complete', incident: id, attempt, by: 'test' };
    await cluster.apply({ ...done, repaired: new Set(['v1', 'v2']), vdisks: new Set(['v1', 'v2']) });
    await goneAgain(cluster);

    const again = availableAgainKey('p1', 0);
    const entry = (await cluster.store.get(again)) ?? assert.fail('its end is on record');
    const ended = parseRecord(availableAgainSchema, again, entry.value);
    assert.deepEqual(
      [ended.since, ended.vdisks, ended.reason, ended.incident],
      [said.since, ['v1', 'v2'], `${address('slave', 0)} serves again`, last],
    );
    const announcements = new Announcements();
    assert.deepEqual(
      announcements
        .of({ key: again, entry, previous: null })
        .map(({ type, payload }) => [type, 'vdisk' in payload && payload.vdisk, payload.at]),
      [
        ['vdisk.data-available', 'v1', ended.at],
        ['vdisk.data-available', 'v2', ended.at],
      ],
    );
    assert.deepEqual(announcements.of({ key: again, entry, previous: entry }), []);
  });

  it('goes on saying what is so when an incident ends while its engine stays down', async () => {
    await using cluster = await CoordinatedCluster.start();
    await cluster.addVdisks('v1');
    await using _watch = await watching(cluster);
    await cluster.fail(address('primary', 0));
    await cluster.fail(address('slave', 0));
    const incidents = async (): Promise<string[]> => [...(await statement(cluster)).incidents];
    await until(async () => (await incidents()).length === 2, { what: 'both incidents', timeoutMs: 15_000 });
    await cluster.store.transact({ compare: [], deletes: [incidentKey('p1', 0)] });
    await until(async () => (await incidents()).length === 1, {
      what: 'the statement with the incident that is left',
      timeoutMs: 15_000,
    });
    assert.match((await incidents())[0] ?? '', /^s1-0-/);
  });

  it('makes no statement of halves: what changes while it reads is looked at the next time', async () => {
    await using cluster = await CoordinatedCluster.start();
    await cluster.addVdisks('v1');
    await cluster.fail(address('primary', 0));
    const { id, attempt } = (await cluster.fail(address('slave', 0))).incident ?? assert.fail();
    const said: string[][] = [];
    const watched = await cluster.store.watch({ keys: [unavailableKey('p1', 0)] }, ({ changes }) => {
      for (const { key, entry } of changes)
        if (entry !== null) said.push([...parseRecord(unavailableShardSchema, key, entry.value).incidents]);
    });
    let isBack = false;
    // The slave is back after the clusters were read, and before the incidents are.
    const changing: ConfigStore = {
      ...cluster.store,
      snapshot: () => {
        const reader = cluster.store.snapshot();
        const list: ConfigStore['list'] = async (prefix) => {
          if (prefix === INCIDENTS_PREFIX && !isBack) {
            isBack = true;
            await cluster.judge(address('slave', 0), 'temporary');
            const done = { kind: 'repairs-complete', incident: id, attempt, by: 'test' };
            await cluster.apply({ ...done, repaired: new Set(['v1']), vdisks: new Set(['v1']) });
          }
          return reader.list(prefix);
        };
        return { ...reader, list };
      },
    };
    await using _watch = await watching(cluster, changing);
    await until(() => said.length > 0, { what: 'a statement', timeoutMs: 15_000 });
    await goneAgain(cluster);
    watched.close();
    assert.deepEqual(
      said.map((incidents) => incidents.length),
      [2],
    );
  });

  it('says nothing while a partner serves', async () => {
    await using cluster = await CoordinatedCluster.start();
    await cluster.addVdisks('v1');
    await using _watch = await watching(cluster);
    await cluster.fail(address('primary', 0));
    await cluster.fail(address('slave', 1));
    await cluster.fail(address('primary', 1));
    assert.equal((await statement(cluster, 1)).shard, 1);
    assert.deepEqual(
      (await cluster.store.list(UNAVAILABLE_PREFIX)).entries.map(({ key }) => key),
      [unavailableKey('p1', 1)],
    );
  });

  it('replaces a statement that cannot be read, and tells the same outage of a vdisk once', async () => {
    await using cluster = await CoordinatedCluster.start();
    await cluster.addVdisks('v1');
    const key = unavailableKey('p1', 0);
    await cluster.store.transact({ compare: [], puts: [{ key, value: '{"shard":"zero"}' }] });
    await cluster.fail(address('primary', 0));
    await cluster.fail(address('slave', 0));
    await using _watch = await watching(cluster);
    await until(async () => (await cluster.store.get(key))?.value.includes('"v1"') === true, {
      what: 'a statement that can be read',
      timeoutMs: 15_000,
    });
    const entry = (await cluster.store.get(key)) ?? assert.fail();
    const announcements = new Announcements();
    assert.equal(announcements.of({ key, entry, previous: null }).length, 1);
    assert.equal(announcements.of({ key, entry, previous: entry }).length, 0);
  });

  it('counts the blocks on the engine that served last, though it does not serve', async () => {
    using dir = tempDir('unavailable');
    await using cluster = await CoordinatedCluster.start();
    const [primary, slave] = await Promise.all(
      (['primary', 'slave'] as const).map((name) => startRedis({ dir: dir.join(name) })),
    );
    assert.ok(primary !== undefined && slave !== undefined);
    try {
      for (const [role, name, { address: at }] of [
        ['primary', 'p2', primary],
        ['slave', 's2', slave],
      ] as const) {
        const partner = name === 'p2' ? 's2' : 'p2';
        const engines = [{ address: at, db: 0 }];
        const wanted = { cluster: name, role, engines, spares: [], partner };
        const made = await createCluster(cluster.store, wanted, { operation: `make-${name}`, by: 'test' });
        assert.equal(made.outcome, 'applied', made.reason);
        await EngineControl.with({ address: at, db: 0, timeoutMs: 2_000 }, (control) =>
          control.claim({ cluster: name, role, shard: 0, generation: 1 }, { mustBeEmpty: true }),
        );
      }
      const shape = { vdisk: 'v3', type: 'db', sizeGiB: 1, blockSize: 4096, readOnly: false };
      const where = { cluster: 'p2', slaveCluster: 's2' };
      await createVdisk(cluster.store, { ...shape, ...where }, { operation: 'make-v3', by: 'test' });
      execFileSync('redis-cli', ['-p', `${slave.port}`, 'HSET', 'nondedup:v3', '0', 'a', '7', 'b', '9', 'c']);
      execFileSync('redis-cli', ['-p', `${slave.port}`, 'SETBIT', 'salvor:dirty:v3', '7', '1']);
      await cluster.fail(primary.address);
      await cluster.fail(slave.address);
      await using _watch = await watching(cluster);
      const entry = await until(() => cluster.store.get(unavailableKey('p2', 0)), {
        what: 'a statement',
        timeoutMs: 15_000,
      });
      const { blocks, counted, vdisks } = parseRecord(unavailableShardSchema, entry.key, entry.value);
      assert.deepEqual([blocks, counted], [3, true]);
      const said = 'served last, answers and holds 3 blocks; 1 were written while it served alone';
      assert.equal(vdisks[0]?.detail, `${slave.address} ${said}`);
    } finally {
      await Promise.all([primary, slave].map(({ process }) => process.kill()));
    }
  });
});
