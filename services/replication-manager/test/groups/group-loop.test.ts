/** The loop that keeps groups, against a real etcd. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  applyPlan,
  type ConfigStore,
  openStore,
  ownerKey,
  parsePlan,
  readVolume,
  type VolumeRecord,
  volumeKey,
} from '@salvor/config-store';
import { SalvorError, silentLogger } from '@salvor/service-kit';
import { type EtcdHandle, startEtcd, type TempDir, tempDir, until } from '@salvor/testkit';
import { GroupLoop } from '../../src/groups/group-loop.ts';
import { copyOf, promotionOf } from './records.ts';

const WAIT_MS = 60_000;
let dir: TempDir;
let server: EtcdHandle;
let store: ConfigStore;

before(async () => {
  dir = tempDir('group-loop');
  server = await startEtcd({ dir: dir.join('etcd') });
  store = openStore({ endpoints: [server.endpoint] });
});
after(async () => {
  store?.close();
  await server?.process.kill();
  dir?.remove();
});

async function put(...records: readonly VolumeRecord[]): Promise<void> {
  const puts = records.map((record) => ({ key: volumeKey(record.volume), value: JSON.stringify(record) }));
  await store.transact({ compare: [], puts });
}

async function plan(plan: string, volumes: readonly string[], consistent: boolean): Promise<void> {
  const groups = [{ name: 'database', volumes, ...(consistent ? { consistent } : {}) }];
  const document = parsePlan(JSON.stringify({ plan, zones: ['north', 'south'], groups }));
  const operation = `op-${plan}-${Date.now()}`;
  await applyPlan(store, { plan, zone: 'south', document, isNew: false, operation });
}

async function untilVolume(volume: string, is: (record: VolumeRecord) => boolean): Promise<void> {
  const isSo = async (): Promise<boolean> => {
    const record = await readVolume(store, volume);
    return record !== null && is(record);
  };
  await until(isSo, { what: `${volume} is as wanted`, timeoutMs: WAIT_MS });
}

const kept = (...volumes: readonly string[]) =>
  volumes.map((volume) => ({ volume, peerGroup: { reason: '', isLasting: false } }));
const noBus = { request: () => Promise.reject(new SalvorError('request-timeout', 'no server answers')) };
const isOut = ({ group }: VolumeRecord): boolean => group === null;

test('a plan that is edited while a volume of it is promoted by force tears no group', async () => {
  await plan('shop', ['vol1', 'vol2'], true);
  await plan('shop2', ['vol3', 'vol4'], true);
  const third = copyOf('vol3');
  await put(copyOf('vol1', { promotion: promotionOf(true) }), copyOf('vol2'), { ...third, group: null });
  const loop = new GroupLoop({
    store,
    bus: noBus,
    log: silentLogger,
    kept: () => kept('vol1', 'vol2', 'vol3'),
  });
  loop.start();
  try {
    await untilVolume('vol3', ({ group }) => group?.name === 'shop2/database');
    await plan('shop', ['vol1', 'vol2'], false);
    await plan('shop2', ['vol3', 'vol4'], false);
    // It is looked at after the others.
    await untilVolume('vol3', isOut);
    for (const volume of ['vol1', 'vol2'])
      assert.equal((await readVolume(store, volume))?.group?.name, 'shop/database', volume);
    await put(copyOf('vol1'));
    for (const volume of ['vol1', 'vol2']) await untilVolume(volume, isOut);
  } finally {
    await loop.stop();
  }
});

test('a group whose first volume there is not says so on those that there are, and since when', async () => {
  await plan('bar', ['vol5', 'vol6'], true);
  const sixth = { ...copyOf('vol6'), group: null };
  await put(sixth);
  const loop = new GroupLoop({ store, bus: noBus, log: silentLogger, kept: () => kept('vol6') });
  loop.start();
  try {
    await untilVolume('vol6', ({ group }) => group?.hinderedAt != null);
    const group = (await readVolume(store, 'vol6'))?.group;
    assert.equal(group?.reason, 'there is no volume vol5 in this zone');
  } finally {
    await loop.stop();
  }
});

test('cuts that fail come less and less often', async () => {
  const asked: number[] = [];
  const bus = {
    request: (_command: string, { collect = false }: { readonly collect?: boolean }) => {
      if (!collect) asked.push(performance.now());
      return noBus.request();
    },
  };
  await plan('zoo', ['vol7', 'vol8'], true);
  const owner = JSON.stringify({ server: 'nbd-1', instance: 'i', purpose: 'serve', since: 1 });
  for (const volume of ['vol7', 'vol8']) {
    await put({ ...copyOf(volume, { role: 'primary', phase: 'serving', peer: 'south' }), group: null });
    await store.transact({ compare: [], puts: [{ key: ownerKey(`v-${volume}`), value: owner }] });
  }
  const loop = new GroupLoop({
    store,
    bus: bus as never,
    log: silentLogger,
    kept: () => kept('vol7', 'vol8'),
  });
  loop.start();
  try {
    await until(() => asked.length >= 3, { what: 'three tries', timeoutMs: WAIT_MS });
    const pauses = asked.slice(1).map((at, index) => at - (asked[index] ?? 0));
    // A pause is never shorter than it is to be; how much longer is up to the machine.
    assert.ok((pauses[0] ?? 0) >= 1_900 && (pauses[1] ?? 0) >= 3_900, pauses.join());
  } finally {
    await loop.stop();
  }
});
