import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { type AppendableStore, LogError, openDirectoryStore, openStoreAt } from '../../src/index.ts';
import { startS3 } from './s3-server.ts';

type Open = (context: TestContext) => Promise<AppendableStore>;

const stores = {
  'a folder': async (context) => {
    const root = await mkdtemp(join(tmpdir(), 'salvor-store-'));
    context.after(() => rm(root, { recursive: true, force: true }));
    return openDirectoryStore({ root: join(root, 'tier2') });
  },
  'an S3 bucket': async (context) => {
    const server = await startS3();
    const store = await openStoreAt({ location: 's3://salvor/here', ...server.options });
    context.after(async () => {
      await store.close();
      await server.remove();
    });
    return store;
  },
} satisfies Record<string, Open>;

for (const [name, open] of Object.entries(stores)) {
  test(`${name}: what was put is read, in any range`, async (context) => {
    const store = await open(context);
    const place = fc.tuple(fc.nat(300), fc.nat(300));
    let files = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 100 }), { minLength: 1, maxLength: 4 }),
        place,
        async (parts, [a, b]) => {
          // As everything that the log stores: under a name of its own.
          const path = `tlog/1/v:1/file-${++files}.avro`;
          await store.put(path, parts);
          const whole = Buffer.concat(parts);
          assert.deepEqual(await store.stat(path), {
            path,
            sizeBytes: whole.length,
          });
          const [from, to] = [Math.min(a, b), Math.max(a, b)];
          // The server that plays S3 here takes `bytes=0-0` for the whole object; no other range.
          fc.pre(from !== 0 || to !== 1);
          const read = store.read(path, from, to - from);
          if (to <= whole.length) assert.deepEqual(await read, whole.subarray(from, to));
          else await assert.rejects(read, { code: 'bad-chunk' });
        },
      ),
      { numRuns: 40 },
    );
  });

  test(`${name}: many ranges of a file are read in the order in which they are asked for`, async (context) => {
    const store = await open(context);
    const whole = Buffer.from(Array.from({ length: 5_000 }, (_, i) => (i * 7) % 251));
    await store.put('a/file', [whole]);
    const ranges = Array.from({ length: 20 }, (_, i) => ({
      offset: (i * 1_733) % 4_000,
      length: 2 + i * 50,
    }));
    assert.deepEqual(
      await store.readRanges('a/file', ranges),
      ranges.map(({ offset, length }) => whole.subarray(offset, offset + length)),
    );
    assert.deepEqual(await store.readRanges('a/file', []), []);
    const beyond = { offset: 4_999, length: 2 };
    await assert.rejects(store.readRanges('a/file', [...ranges, beyond]), { code: 'bad-chunk' });
  });

  test(`${name}: lists the files below a prefix`, async (context) => {
    const store = await open(context);
    const component = fc.constantFrom('a', 'a-b', 'a.b', 'B', '1', '10', '2', 'v:1', 'x=%20');
    const path = fc.array(component, { minLength: 1, maxLength: 3 }).map((names) => `t/${names.join('/')}/f`);
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(path, { maxLength: 8 }), component, async (paths, below) => {
        for (const path of paths) await store.put(path, [Buffer.from(path)]);
        const files = async (prefix: string): Promise<string[]> => {
          const found: string[] = [];
          for await (const { path, sizeBytes } of store.list(prefix)) {
            assert.equal(sizeBytes, path.length);
            found.push(path);
          }
          return found.sort();
        };
        const sorted = [...paths].sort();
        assert.deepEqual(await files('t/'), sorted);
        assert.deepEqual(
          await files(`t/${below}/`),
          sorted.filter((path) => path.startsWith(`t/${below}/`)),
        );
        for (const path of paths) await store.delete(path);
        assert.deepEqual(await files('t/'), []);
      }),
      { numRuns: 15 },
    );
  });

  test(`${name}: a second put replaces the first, a delete is final, and neither minds being repeated`, async (context) => {
    const store = await open(context);
    await store.put('a/b', [Buffer.from('first')]);
    await store.put('a/b', [Buffer.from('second')]);
    assert.equal(String(await store.read('a/b', 0, 6)), 'second');
    await store.delete('a/b');
    await store.delete('a/b');
    assert.equal(await store.stat('a/b'), null);
    await assert.rejects(store.read('a/b', 0, 1), { code: 'bad-chunk', message: /is not there/ });
    const range = { offset: 0, length: 1 };
    await assert.rejects(store.readRanges('a/b', [range]), { code: 'bad-chunk', message: /is not there/ });
    await assert.rejects(store.read('a/b', 0, 0), { code: 'bad-chunk', message: /is not there/ });
  });

  test(`${name}: a read that asks for gigabytes of a small file takes no memory for them`, async (context) => {
    const store = await open(context);
    await store.put('small', [Buffer.alloc(1_000)]);
    const before = process.memoryUsage().arrayBuffers;
    await assert.rejects(store.read('small', 0, 8 * 2 ** 30), { code: 'bad-chunk' });
    assert.ok(process.memoryUsage().arrayBuffers - before < 64 * 2 ** 20);
  });

  test(`${name}: a file that is written piece by piece is there once it is finished, and not before`, async (context) => {
    const store = await open(context);
    const pieces = Array.from({ length: 40 }, (_, i) => Buffer.alloc(500_000 + i, i + 1));
    const writer = await store.create('a/large');
    for (const piece of pieces) await writer.append([piece, Buffer.from([0])]);
    assert.equal(await store.stat('a/large'), null);
    await writer.finish();
    const whole = Buffer.concat(pieces.flatMap((piece) => [piece, Buffer.from([0])]));
    assert.deepEqual(await store.stat('a/large'), { path: 'a/large', sizeBytes: whole.length });
    assert.ok((await store.read('a/large', 0, whole.length)).equals(whole));
    const second = await store.create('a/other');
    await second.append([Buffer.alloc(1_000)]);
    await second.abandon();
    assert.equal(await store.stat('a/other'), null);
    const third = await store.create('a/other');
    await store.discard('a/other', third.id);
    assert.equal(await store.stat('a/other'), null);
  });

  test(`${name}: paths that could leave it are refused`, async (context) => {
    const store = await open(context);
    for (const path of ['', '/etc/passwd', '../x', 'a/../../x', 'a//b', 'a/.', '.hidden', 'a\0b', 'a\\b'])
      for (const call of [() => store.put(path, []), () => store.read(path, 0, 0), () => store.delete(path)])
        await assert.rejects(
          async () => call(),
          (error) => error instanceof LogError && error.code === 'store',
        );
  });
}

// A bucket promises the same by itself; the server that plays one here writes in place.
test('a folder: concurrent puts of one path leave one of them whole', async (context) => {
  const store = await stores['a folder'](context);
  const bodies = [1, 2, 3, 4].map((fill) => Buffer.alloc(100_000, fill));
  await Promise.all(bodies.map((body) => store.put('a/one', [body])));
  const found = await store.read('a/one', 0, 100_000);
  assert.ok(bodies.some((body) => body.equals(found)));
});
