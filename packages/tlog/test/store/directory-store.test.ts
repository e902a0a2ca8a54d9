import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openDirectoryStore, openStoreAt, type Tier2Store } from '../../src/index.ts';

async function folder(context: TestContext): Promise<{ root: string; outside: string; store: Tier2Store }> {
  const dir = await mkdtemp(join(tmpdir(), 'salvor-store-'));
  context.after(() => rm(dir, { recursive: true, force: true }));
  const outside = join(dir, 'outside');
  await mkdir(outside);
  const root = join(dir, 'root');
  return { root, outside, store: await openDirectoryStore({ root }) };
}

async function pathsOf(store: Tier2Store, prefix: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { path } of store.list(prefix)) found.push(path);
  return found;
}

test('symbolic links below the root are not followed, by no call', async (context) => {
  const { root, outside, store } = await folder(context);
  await writeFile(join(outside, 'f'), 'theirs');
  await mkdir(join(root, 'tlog'));
  await symlink(outside, join(root, 'tlog', '1'));
  await symlink(join(outside, 'f'), join(root, 'tlog', 'f'));
  const refused = { code: 'store', message: /is a symbolic link/ };
  await assert.rejects(store.put('tlog/1/g', [Buffer.from('x')]), refused);
  await assert.rejects(store.read('tlog/1/f', 0, 1), refused);
  await assert.rejects(store.read('tlog/f', 0, 1), refused);
  await assert.rejects(store.delete('tlog/1/f'), refused);
  await assert.rejects(store.stat('tlog/f'), refused);
  // A log that lies behind a link must not look empty.
  await assert.rejects(pathsOf(store, 'tlog/'), refused);
  await assert.rejects(pathsOf(store, 'tlog/1/'), refused);
  assert.deepEqual(await readdir(outside), ['f']);
});

test('files of others are neither listed nor touched', async (context) => {
  const { root, store } = await folder(context);
  await store.put('tlog/1/v1/f.avro', [Buffer.from('x')]);
  const theirs = join(root, 'tlog', '1', 'v1');
  await writeFile(join(theirs, '.nfs0001'), 'y');
  await writeFile(join(theirs, 'notes of mine'), 'y');
  assert.deepEqual(await pathsOf(store, 'tlog/'), ['tlog/1/v1/f.avro']);
  await store.tidy('tlog/1/v1/');
  assert.deepEqual((await readdir(theirs)).sort(), ['.nfs0001', 'f.avro', 'notes of mine']);
});

test('what a writer that died left is never seen, and removed when no put can still be at work on it', async (context) => {
  const { root, store } = await folder(context);
  await store.put('a/f', [Buffer.from('x')]);
  const [dead, alive] = ['.salvor-put-dead', '.salvor-put-alive'].map((name) => join(root, 'a', name));
  assert.ok(dead !== undefined && alive !== undefined);
  await writeFile(dead, 'half');
  await utimes(dead, 1_000, 1_000);
  await writeFile(alive, 'half');
  assert.deepEqual(await pathsOf(store, ''), ['a/f']);
  await store.tidy('a/');
  assert.deepEqual((await readdir(join(root, 'a'))).sort(), ['.salvor-put-alive', 'f']);
});

test('a put that fails leaves what was there, and nothing else', async (context) => {
  const { root, store } = await folder(context);
  await store.put('a/f', [Buffer.from('before')]);
  await mkdir(join(root, 'a', 'g', 'h'), { recursive: true });
  // A folder is in the way of the rename.
  await assert.rejects(store.put('a/g', [Buffer.from('x')]), { code: 'store', message: /write of a\/g/ });
  assert.deepEqual((await readdir(join(root, 'a'))).sort(), ['f', 'g']);
  assert.equal(String(await store.read('a/f', 0, 6)), 'before');
});

test('a root that cannot be used is told, with its path', async (context) => {
  const { outside } = await folder(context);
  await writeFile(join(outside, 'file'), '');
  await assert.rejects(openDirectoryStore({ root: join(outside, 'file') }), {
    code: 'store',
    message: /file: it is no folder/,
  });
  await assert.rejects(openDirectoryStore({ root: join(outside, 'none', 'below') }), {
    code: 'store',
    message: /ENOENT/,
  });
});

test('a location that names no store is refused with what is expected', async () => {
  for (const location of ['', 'relative', 's3://', 's3://UPPER', 'http://x'])
    await assert.rejects(openStoreAt({ location }), {
      code: 'store',
      message: /expected an absolute folder or s3/,
    });
});
