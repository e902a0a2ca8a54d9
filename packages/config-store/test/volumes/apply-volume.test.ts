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
      { volume, vdisk, from },
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

const north = { number: 1, zone: 'north' };
const told: PeerTold = {
  ...{ zone: 'north', role: 'primary', phase: 'serving', generation: north, lineage: [] },
  ...{ begins: 0, sequence: null, peer: 'south', mode: 'instant' },
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
  const higher = { ...told, generation: { number: 2, zone: 'north' } };
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
  const point = { generation: north, number: 1, sequence: 7, ownSequence: 9, writtenAt: 1, at: 2 };
  const news = { kind: 'copied' as const, sequence: 7, point };
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
  const finish = (): Promise<VolumeResult> =>
    step(({ record }, now) =>
      decideVolumePromoted(record, { volume: 'c1', zone: 'south', head: 9 }, null, now),
    );
  const outcomes = (await Promise.all([finish(), finish(), finish()])).map(({ outcome }) => outcome);
  assert.deepEqual(outcomes.sort(), ['already', 'already', 'applied']);
  const record = await readVolume(store, 'c1');
  assert.deepEqual(
    [record?.role, record?.generation, record?.begins],
    ['primary', { number: 2, zone: 'south' }, 9],
  );
  assert.deepEqual(record?.lineage, [{ generation: north, ends: 7 }]);
  assert.equal(await gateOf(vdisk), null);
});

test('a record that is not what it should be is told with its key, and not replaced', async () => {
  await store.transact({
    compare: [],
    puts: [{ key: volumeKey('d1'), value: '{"volume":"d1","role":"king"}' }],
  });
  await assert.rejects(readVolume(store, 'd1'), /\/salvor\/volumes\/d1/);
  await assert.rejects(enable('d1', await loggedVdisk(), null), /role/);
  assert.match((await store.get(volumeKey('d1')))?.value ?? '', /king/);
  await store.transact({ compare: [], deletes: [volumeKey('d1')] });
});
