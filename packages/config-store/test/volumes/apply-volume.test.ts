import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  applyVolume,
  type ConfigStore,
  copierOf,
  decideVolumeEnable,
  decideVolumePeer,
  decideVolumeProgress,
  decideVolumePromote,
  decideVolumePromoted,
  formatRecord,
  formatVdiskStatic,
  lifecycleHindrance,
  listVolumePoints,
  listVolumes,
  openStore,
  ownerKey,
  type PeerTold,
  parseRecord,
  readVolume,
  tlogConfigKey,
  type VolumeFacts,
  type VolumeResult,
  vdiskLifecycleKey,
  vdiskLifecycleSchema,
  vdiskStaticKey,
  volumeKey,
  volumeWorkerKey,
} from '@salvor/config-store';
import { type EtcdHandle, startEtcd, type TempDir, tempDir } from '@salvor/testkit';
import { unlimitedLink } from '../../src/volumes/volume-records.ts';

let dir: TempDir;
let server: EtcdHandle;
let store: ConfigStore;
let names = 0;

before(async () => {
  dir = tempDir('volumes');
  server = await startEtcd({ dir: dir.join('etcd') });
  store = openStore({ endpoints: [server.endpoint] });
});
after(async () => {
  store?.close();
  await server?.process.kill();
  dir?.remove();
});

async function loggedVdisk(): Promise<string> {
  const vdisk = `v${++names}`;
  const fixed = formatVdiskStatic({
    blockSize: 4096,
    size: 1,
    type: 'db',
    readOnly: false,
    templateVdiskID: '',
  });
  const config = {
    container: 0,
    containers: 4,
    policy: 'block',
    begins: { number: 0, sequence: 0 },
    enabledBy: 'op',
    at: 1,
  };
  await store.transact({
    compare: [],
    puts: [
      { key: vdiskStaticKey(vdisk), value: fixed },
      { key: tlogConfigKey(vdisk), value: JSON.stringify(config) },
    ],
  });
  return vdisk;
}

function enable(
  volume: string,
  vdisk: string,
  from: string | null,
  operation = `enable-${volume}`,
): Promise<VolumeResult> {
  const order = {
    operation,
    kind: 'volume.enable',
    request: { volume, vdisk, from: from ?? undefined },
    by: 'test',
  };
  return applyVolume(store, { volume, vdisk, order }, (facts: VolumeFacts, now) =>
    decideVolumeEnable(
      facts.record,
      { volume, vdisk, from, incarnation: 'a1' },
      {
        ...{
          zone: 'south',
          peers: ['north'],
          vdiskExists: facts.vdiskExists,
          hasLog: facts.hasLog,
          busy: null,
        },
        ...{ otherVolume: facts.volumeOfVdisk, owner: facts.owner },
      },
      now,
    ),
  );
}

async function gateOf(vdisk: string): Promise<ReturnType<typeof lifecycleHindrance>> {
  const entry = await store.get(vdiskLifecycleKey(vdisk));
  const lifecycle = entry && parseRecord(vdiskLifecycleSchema, entry.key, entry.value);
  return lifecycleHindrance(vdisk, { lifecycle, readOnly: false }, 'clients');
}

const north = { number: 1, zone: 'north', incarnation: 'a1' };
const told: PeerTold = {
  ...{ zone: 'north', role: 'primary', phase: 'serving', generation: north, lineage: [] },
  ...{ begins: 0, begun: null, sequence: null, peer: 'south', mode: 'instant', promotionAt: null },
  ...{ link: unlimitedLink, schedule: null },
};

test('a vdisk is one volume, once for each operation, and a copy can be mounted by nobody but what keeps it', async () => {
  const [vdisk, other] = [await loggedVdisk(), await loggedVdisk()];
  assert.equal((await enable('a1', vdisk, 'north')).outcome, 'applied');
  const again = await enable('a1', vdisk, 'north');
  assert.deepEqual([again.outcome, again.code], ['already', 'same-operation']);
  assert.equal((await enable('a1', other, null, 'enable-a1')).code, 'operation-reused');
  assert.equal((await enable('a2', vdisk, null)).code, 'vdisk-taken');
  assert.equal((await enable('a3', 'nowhere', null)).code, 'unknown-vdisk');
  assert.equal((await gateOf(vdisk))?.code, 'secondary');
  const entry = await store.get(vdiskLifecycleKey(vdisk));
  assert.ok(entry !== null);
  const lifecycle = parseRecord(vdiskLifecycleSchema, entry.key, entry.value);
  assert.equal(
    lifecycleHindrance(vdisk, { lifecycle, readOnly: false }, { operation: copierOf('a1') }),
    null,
  );
  assert.deepEqual(
    (await listVolumes(store)).map(({ volume }) => volume),
    ['a1'],
  );
});

test('a zone that hears of a higher generation takes the vdisk from whoever has it, in the same step', async () => {
  const vdisk = await loggedVdisk();
  await enable('b1', vdisk, null);
  const owner = JSON.stringify({ server: 'nbd-1', instance: 'i', since: 1 });
  await store.transact({ compare: [], puts: [{ key: ownerKey(vdisk), value: owner }] });
  const record = await readVolume(store, 'b1');
  assert.ok(record !== null);
  const replicated = { ...record, peer: 'north', mode: 'instant' };
  await store.transact({ compare: [], puts: [{ key: volumeKey('b1'), value: JSON.stringify(replicated) }] });
  const higher = { ...told, generation: { ...north, number: 2 } };
  const result = await applyVolume(store, { volume: 'b1' }, ({ record }, now) =>
    decideVolumePeer(record, { volume: 'b1', zone: 'south' }, higher, now),
  );
  assert.deepEqual([result.outcome, result.record?.phase], ['applied', 'settling']);
  assert.equal(await store.get(ownerKey(vdisk)), null);
  assert.equal((await gateOf(vdisk))?.code, 'secondary');
});

test('two that promote at once raise the generation once, and points are kept as they were', async () => {
  const vdisk = await loggedVdisk();
  await enable('c1', vdisk, 'north');
  const step = (decide: Parameters<typeof applyVolume>[2], change = {}): Promise<VolumeResult> =>
    applyVolume(store, { volume: 'c1', ...change }, decide);
  await step(({ record }, now) => decideVolumePeer(record, { volume: 'c1', zone: 'south' }, told, now));
  const times = { writtenAt: 1, at: 2, bytes: 0, beganAt: null };
  const point = { generation: north, number: 1, sequence: 7, ownSequence: 9, ...times };
  const segment = { number: 4, epoch: 3, last: 7, at: 1, base: 1 };
  const news = { kind: 'copied' as const, sequence: 7, segment, point };
  const copied = (worker: string): Promise<VolumeResult> =>
    step(({ record }, now) => decideVolumeProgress(record, { volume: 'c1', generation: north }, news, now), {
      ...{ compare: [{ key: volumeWorkerKey('c1'), revision: worker }], attemptsMax: 2 },
    });
  assert.equal(
    (await copied('1')).outcome,
    'conflict',
    'who does not keep the volume cannot say that it is complete',
  );
  assert.equal((await copied('absent')).outcome, 'applied');
  assert.deepEqual(await listVolumePoints(store, 'c1'), [point]);
  const request = { volume: 'c1', force: true, operation: 'promote' };
  await step(({ record }, now) => decideVolumePromote(record, request, null, now));
  const head = { sequence: 9, segment: { ...segment, number: 6, last: 9 } };
  const finish = (): Promise<VolumeResult> =>
    step(({ record }, now) => decideVolumePromoted(record, { volume: 'c1', zone: 'south', head }, null, now));
  const outcomes = (await Promise.all([finish(), finish(), finish()])).map(({ outcome }) => outcome);
  assert.deepEqual(outcomes.sort(), ['already', 'already', 'applied']);
  const record = await readVolume(store, 'c1');
  assert.deepEqual(
    [record?.role, record?.generation, record?.begins],
    ['primary', { ...north, number: 2, zone: 'south' }, 9],
  );
  assert.deepEqual(record?.lineage, [{ generation: north, ends: 7, segment }]);
  assert.equal(await gateOf(vdisk), null);
});

test('an order that found nothing to do is that order still when it comes again after others', async () => {
  const vdisk = await loggedVdisk();
  await enable('e1', vdisk, null);
  const promote = (): Promise<VolumeResult> => {
    const request = { volume: 'e1', force: true, operation: 'e1-promote' };
    const order = { operation: 'e1-promote', kind: 'volume.promote', request, by: 'test' };
    return applyVolume(store, { volume: 'e1', order }, ({ record }, now) =>
      decideVolumePromote(record, request, null, now),
    );
  };
  assert.match((await promote()).reason, /is primary/);
  const record = await readVolume(store, 'e1');
  assert.ok(record !== null);
  const demoted = { ...record, role: 'secondary', phase: 'waiting', sequence: 3, peer: 'north' };
  await store.transact({ compare: [], puts: [{ key: volumeKey('e1'), value: JSON.stringify(demoted) }] });
  assert.deepEqual(
    [(await promote()).code, (await readVolume(store, 'e1'))?.promotion],
    ['same-operation', null],
  );
});

test('a primary that must step down, and whose vdisk is busy, says so until it can', async () => {
  const vdisk = await loggedVdisk();
  await enable('f1', vdisk, null);
  const record = await readVolume(store, 'f1');
  assert.ok(record !== null);
  const gate = vdiskLifecycleKey(vdisk);
  const busy = formatRecord(vdiskLifecycleSchema, gate, { state: 'restoring', operations: ['r1'], at: 1 });
  const replicated = JSON.stringify({ ...record, peer: 'north', mode: 'instant' });
  const puts = [
    { key: volumeKey('f1'), value: replicated },
    { key: gate, value: busy },
  ];
  await store.transact({ compare: [], puts });
  const higher = { ...told, generation: { ...north, number: 2 } };
  const hear = (): Promise<VolumeResult> =>
    applyVolume(store, { volume: 'f1' }, ({ record }, now) =>
      decideVolumePeer(record, { volume: 'f1', zone: 'south' }, higher, now),
    );
  assert.deepEqual([(await hear()).code, (await hear()).code], ['vdisk-busy', 'vdisk-busy']);
  const told1 = await readVolume(store, 'f1');
  assert.deepEqual(
    [told1?.role, told1?.trouble?.code, told1?.rival?.generation.number],
    ['primary', 'vdisk-busy', 2],
  );
  await store.transact({ compare: [], puts: [], deletes: [gate] });
  assert.deepEqual([(await hear()).outcome, (await readVolume(store, 'f1'))?.trouble], ['applied', null]);
});

test('a record that is not what it should be is told with its key, is not replaced, and leaves the others be', async () => {
  await enable('d0', await loggedVdisk(), null);
  await store.transact({
    compare: [],
    puts: [{ key: volumeKey('d1'), value: '{"volume":"d1","role":"king"}' }],
  });
  await assert.rejects(readVolume(store, 'd1'), /\/salvor\/volumes\/d1/);
  await assert.rejects(enable('d1', await loggedVdisk(), null), /role/);
  assert.match((await store.get(volumeKey('d1')))?.value ?? '', /king/);
  const bad: string[] = [];
  const good = await listVolumes(store, ({ message }) => bad.push(message));
  assert.ok(good.some(({ volume }) => volume === 'd0'));
  assert.deepEqual([bad.length, bad.every((message) => message.includes('/salvor/volumes/d1'))], [1, true]);
  await store.transact({ compare: [], deletes: [volumeKey('d1')] });
});
