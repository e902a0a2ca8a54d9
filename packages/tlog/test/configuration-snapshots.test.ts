import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import {
  CONFIGURATION_FOLDER,
  dropOldConfigurations,
  latestConfiguration,
  listConfigurations,
  newestConfiguration,
  putConfiguration,
  readConfiguration,
} from '../src/index.ts';
import { storeIn } from './chunk/log-model.ts';

const LATEST = `${CONFIGURATION_FOLDER}latest.json.gz`;

test('the newest configuration that can be read is found, whatever became of the others', async (context) => {
  const { store } = await storeIn(context);
  assert.equal(await latestConfiguration(store), null);
  const entriesOf = (i: number): [string, string][] => [['v1:vdisk:conf:static', `size: ${i}`]];
  for (let i = 1; i <= 3; i++)
    await putConfiguration(store, { revision: String(i * 7), at: i, entries: entriesOf(i) }, true);
  assert.deepEqual((await latestConfiguration(store))?.entries, entriesOf(3));
  assert.deepEqual(
    (await listConfigurations(store)).map(({ revision }) => revision),
    ['21', '14', '7'],
  );
  const packed = await store.read(LATEST, 0, (await store.stat(LATEST))?.sizeBytes ?? 0);
  const noticed: string[] = [];
  await store.put(LATEST, [packed.subarray(0, 40)]);
  const [newest] = await listConfigurations(store);
  assert.ok(newest);
  await store.put(newest.path, [Buffer.alloc(0)]);
  const found = await latestConfiguration(store, (what) => noticed.push(what));
  assert.equal(found?.revision, '14');
  assert.equal(noticed.length, 2);
});

test('a configuration with any byte altered is refused, or tells the same', async (context) => {
  const { store } = await storeIn(context);
  await putConfiguration(store, { revision: '7', at: 1, entries: [['a', 'b']] }, false);
  const whole = await store.read(LATEST, 0, (await store.stat(LATEST))?.sizeBytes ?? 0);
  await fc.assert(
    fc.asyncProperty(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), async (at, by) => {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] ?? 0) ^ by;
      await store.put(LATEST, [bytes]);
      const found = await readConfiguration(store, LATEST).catch((error: { code: string }) => {
        assert.equal(error.code, 'bad-chunk');
        return null;
      });
      if (found !== null) assert.deepEqual(found.entries, [['a', 'b']]);
    }),
    { numRuns: 60 },
  );
});

test('a small file that unpacks to more than a configuration can have is refused', async (context) => {
  const { store } = await storeIn(context);
  const bomb = gzipSync(Buffer.alloc(80 * 2 ** 20), { level: 1 });
  await store.put(LATEST, [bomb]);
  await assert.rejects(readConfiguration(store, LATEST), { code: 'bad-chunk', message: /larger than/ });
});

test('of old configurations the newest stay, and one of each day', async (context) => {
  const { store } = await storeIn(context);
  const dayMs = 86_400_000;
  for (let i = 0; i < 70; i++) {
    const at = i < 10 ? Math.floor(i / 5) * dayMs + i : 5 * dayMs;
    await putConfiguration(store, { revision: String(i + 1), at, entries: [['k', String(i)]] }, true);
  }
  await dropOldConfigurations(store);
  const left = (await listConfigurations(store))
    .map(({ revision }) => Number(revision))
    .sort((a, b) => a - b);
  assert.equal(left.length, 62);
  assert.deepEqual(left.slice(0, 2), [5, 10]);
});

test('the newest configuration is the one of the highest revision, whichever file has it', async (context) => {
  const { store } = await storeIn(context);
  assert.equal(await newestConfiguration(store), null);
  const put = (revision: string, value: string): Promise<void> =>
    putConfiguration(store, { revision, at: 1, entries: [['k', value]] }, true);
  await put('700', 'old');
  await put('9', 'of an etcd that was made anew');
  const noticed: string[] = [];
  const newest = () => newestConfiguration(store, (path) => noticed.push(path));
  assert.deepEqual((await newest())?.entries, [['k', 'old']]);
  const [dated] = await listConfigurations(store);
  assert.ok(dated);
  await store.put(dated.path, [Buffer.from('torn')]);
  assert.equal((await newest())?.revision, '9');
  assert.deepEqual(noticed, [dated.path]);
});
