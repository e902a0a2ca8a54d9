import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  type ConfigStore,
  ConfigurationFileError,
  exportConfiguration,
  formatConfiguration,
  importConfiguration,
  incidentKey,
  instanceKey,
  openStore,
  ownerKey,
  parseConfiguration,
  planImport,
  salvorClusterKey,
  vdiskStaticKey,
} from '@salvor/config-store';
import { SeededRandom, testSeed } from '@salvor/testkit';
import { EtcdServer } from '../etcd/etcd-server.ts';
import { SECRET, sampleConfiguration } from './sample-configuration.ts';

const MUTATIONS = 200;
const present = { overwrite: false };
let server: EtcdServer;
let other: EtcdServer;
let store: ConfigStore;
let empty: ConfigStore;
before(async () => {
  [server, other] = await Promise.all([EtcdServer.start(), EtcdServer.start()]);
  [store, empty] = [server, other].map(({ endpoint }) => openStore({ endpoints: [endpoint] })) as [
    ConfigStore,
    ConfigStore,
  ];
  // So that the revisions of the two are far apart.
  for (let i = 0; i < 100; i++) await put('unrelated', String(i));
  await store.transact({
    compare: [],
    puts: [...sampleConfiguration()].map(([key, value]) => ({ key, value })),
  });
});
after(async () => {
  store.close();
  empty.close();
  await Promise.all([server.remove(), other.remove()]);
});

const put = (key: string, value: string) => store.transact({ compare: [], puts: [{ key, value }] });
const exported = async (from = store): Promise<string> =>
  formatConfiguration(await exportConfiguration(from, new Date(1_700_000_000_000)));
const all = async (from: ConfigStore): Promise<Map<string, string>> =>
  new Map((await from.list('')).entries.map(({ key, value }) => [key, value]));

function failsWith(code: string, pattern: RegExp) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof Error && 'code' in error, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, pattern);
    return true;
  };
}

describe('a file with the configuration', () => {
  test('has every key of it, no secret, and reads back as it was written', async () => {
    const text = await exported();
    const file = parseConfiguration(text);
    assert.deepEqual([...file.entries.keys()].sort(), [...sampleConfiguration().keys()].sort());
    assert.ok(!text.includes(SECRET) && !text.includes(SECRET.replaceAll(' ', '')));
    assert.equal(formatConfiguration(file), text);
    assert.match(text, /^ {6}org: o|org: o/m);
    assert.match(text, /^ {6}twice: true$|fromNewerVersion:/m);
  });

  test('is refused with the place that is wrong, and nothing else happens', async () => {
    const text = await exported();
    const cases: readonly (readonly [string, RegExp])[] = [
      ['', /expected/],
      ['[]', /expected/],
      ['a: [', /expected YAML/],
      [text.slice(0, text.length / 2), /expected/],
      [text.replace(/\ncomplete: true\n/, '\n'), /complete/],
      [text.replace('format: 1', 'format: 2'), /format/],
      [text.replace('role: primary', 'role: tertiary'), /archives\/a1\/vol1: role/],
      [text.replace('127.0.0.1:22005', 'nonsense'), /p1:cluster:conf:storage: servers\[0\]\.address/],
      [text.replace('p1:cluster:conf:storage:', 'nonsense:'), /nonsense.*a key of the configuration/],
      [text.replace('/salvor/clusters/p1:', '/salvor/vdisks/v1/owner:'), /owner.*a key of the configuration/],
      [`${text}${text}`, /expected/],
      [text.replace(/exported: [0-9a-f]{16}/, 'exported: nonsense'), /16 hex digits/],
    ];
    for (const [wrong, pattern] of cases)
      assert.throws(() => parseConfiguration(wrong), failsWith('invalid-configuration', pattern));
  });

  test('whatever is done to it, is a configuration or says why it is none', async () => {
    const text = await exported();
    const seed = testSeed();
    const random = new SeededRandom(seed);
    for (let i = 0; i < MUTATIONS; i++) {
      const [from, length] = [random.below(text.length), random.below(40)];
      const noise = Buffer.from(Array.from({ length: random.below(4) }, () => random.below(128))).toString();
      const changed = `${text.slice(0, from)}${noise}${text.slice(from + length)}`;
      try {
        parseConfiguration(changed);
      } catch (error) {
        assert.ok(error instanceof ConfigurationFileError, `SALVOR_TEST_SEED=${seed}: ${String(error)}`);
      }
    }
  });
});

describe('an import', () => {
  test('needs the secrets, which the file does not have', async () => {
    const file = parseConfiguration(await exported());
    const wrong = failsWith(
      'secret-missing',
      /vm-1: password.*vm-1: hook.*z1:cluster:conf:zerostor: iyo\.secret/,
    );
    await assert.rejects(importConfiguration(empty, file, present), wrong);
    assert.equal((await all(empty)).size, 0);
  });

  test('gives an empty etcd the same configuration, above all earlier revisions; again, it changes nothing', async () => {
    const text = (await exported())
      .replace('me:[redacted]', '[redacted]')
      .replaceAll('[redacted]@', `me:${SECRET.replaceAll(' ', '')}@`)
      .replaceAll('[redacted]', SECRET);
    const file = parseConfiguration(text);
    const outcome = await importConfiguration(empty, file, present);
    assert.deepEqual(
      { written: outcome.writes.length, transactions: outcome.transactions, raisedTo: outcome.raisedTo },
      { written: sampleConfiguration().size, transactions: 1, raisedTo: file.revision },
    );
    const [was, is] = [await all(store), await all(empty)];
    for (const [key, value] of sampleConfiguration()) assert.ok(is.has(key) && was.get(key) === value, key);
    assert.deepEqual(
      parseConfiguration(await exported(empty)).entries,
      parseConfiguration(await exported()).entries,
    );
    const { revision } = await empty.list('');
    assert.ok(BigInt(revision) > BigInt(file.revision));
    const again = await importConfiguration(empty, file, present);
    assert.deepEqual([again.writes, again.unchanged], [[], sampleConfiguration().size]);
    assert.equal((await empty.list('')).revision, revision);
  });

  test('keeps the secrets that etcd has, and writes what was changed in the file', async () => {
    const text = (await exported()).replace('clientID: c', 'clientID: d');
    const outcome = await importConfiguration(store, parseConfiguration(text), present);
    assert.deepEqual(
      outcome.writes.map(({ key }) => key),
      ['z1:cluster:conf:zerostor'],
    );
    const { value = '' } = (await store.get('z1:cluster:conf:zerostor')) ?? {};
    assert.ok(value.includes(SECRET) && value.includes('clientID: d') && value.startsWith('# of 0-Disk'));
  });

  test('refuses what was changed in etcd since, until it is told to overwrite it', async () => {
    const file = parseConfiguration(await exported());
    const key = instanceKey('vm-1');
    const { value = '' } = (await store.get(key)) ?? {};
    await put(key, JSON.stringify({ ...(JSON.parse(value) as object), reason: 'changed since' }));
    const { revision } = await store.list('');
    await assert.rejects(
      importConfiguration(store, file, present),
      failsWith('newer-in-etcd', /instances\/vm-1/),
    );
    assert.deepEqual((await planImport(store, file, present)).newer, [key]);
    assert.equal((await store.list('')).revision, revision);
    await importConfiguration(store, file, { overwrite: true });
    assert.equal((await store.get(key))?.value, value);
  });

  test('changes nothing of a vdisk that a server has, nor of its clusters', async () => {
    const text = await exported();
    await put(ownerKey('v1'), '{}');
    const size = text.replace('size: 1\n', 'size: 2\n');
    assert.notEqual(size, text);
    const refused = failsWith('vdisk-owned', /v1 is mounted/);
    await assert.rejects(importConfiguration(store, parseConfiguration(size), present), refused);
    const cluster = parseConfiguration(text.replace('status: healthy', 'status: unhealthy'));
    await assert.rejects(
      importConfiguration(store, cluster, present),
      failsWith('vdisk-owned', /clusters\/p1/),
    );
    await store.transact({ compare: [], deletes: [ownerKey('v1')] });
    await importConfiguration(store, parseConfiguration(size), present);
    assert.match((await store.get(vdiskStaticKey('v1')))?.value ?? '', /size: 2/);
  });

  test('of many keys takes several transactions, and goes on where it was interrupted', async () => {
    const file = parseConfiguration(await exported());
    const vdisk = file.entries.get(vdiskStaticKey('v1'));
    const nbd = file.entries.get('v1:vdisk:conf:storage:nbd');
    const cluster = file.entries.get(salvorClusterKey('p1'));
    assert.ok(vdisk && nbd && cluster && file.entries.has(incidentKey('p1', 0)));
    const many = Array.from({ length: 150 }, (_, i) => [
      [vdiskStaticKey(`many${i}`), vdisk] as const,
      [`many${i}:vdisk:conf:storage:nbd`, nbd] as const,
    ]).flat();
    const first = { ...file, entries: new Map(many.slice(0, 100)) };
    assert.equal((await importConfiguration(store, first, present)).transactions, 1);
    const outcome = await importConfiguration(store, { ...file, entries: new Map(many) }, present);
    assert.deepEqual([outcome.unchanged, outcome.writes.length, outcome.transactions], [100, 200, 2]);
    for (const [key] of many) assert.ok((await store.get(key)) !== null);
  });
});
