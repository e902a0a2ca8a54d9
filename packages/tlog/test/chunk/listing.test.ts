/** A store does not list its files as of one moment. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type StoredFile, type Tier2Store, VdiskChunks } from '../../src/index.ts';
import { archive, chunksIn, logOf, storeIn, VDISK } from './log-model.ts';

const log = logOf(Array.from({ length: 6 }, (_, i) => ({ changes: [{ block: i, fill: 1 }] })));

/** Lists without some of the files, so many times. */
function missing(store: Tier2Store, isMissed: (path: string) => boolean, times: number) {
  let listed = 0;
  const list = async function* (prefix: string): AsyncIterable<StoredFile> {
    const misses = ++listed <= times;
    for await (const file of store.list(prefix)) if (!misses || !isMissed(file.path)) yield file;
  };
  const listing = new Proxy(store, {
    get: (target, name) => (name === 'list' ? list : Reflect.get(target, name, target)),
  });
  return { chunks: new VdiskChunks(listing, 1, VDISK), listed: () => listed };
}

test('a chunk that was stored, or took the place of others, while its folder was listed is found', async (context) => {
  const { store } = await storeIn(context);
  const chunks = chunksIn(store);
  for (const from of [0, 2, 4]) await archive(chunks, log.slice(from, from + 2));
  const all = await chunks.list();
  const second = all.find(({ from }) => from === 3);
  const once = missing(store, (path) => path === second?.path, 1);
  assert.deepEqual(await once.chunks.list(), all);
  assert.equal(once.listed(), 2);
});

test('what is not there is missed after two listings', async (context) => {
  const { store } = await storeIn(context);
  const chunks = chunksIn(store);
  for (const from of [0, 4]) await archive(chunks, log.slice(from, from + 2));
  const listing = missing(store, () => false, 0);
  assert.deepEqual(
    (await listing.chunks.list()).map(({ from, to }) => [from, to]),
    [
      [1, 2],
      [5, 6],
    ],
  );
  assert.equal(listing.listed(), 2);
});
