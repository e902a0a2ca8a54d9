import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import avro from 'avsc';
import fc from 'fast-check';
import {
  type AppendableStore,
  ExportFile,
  ExportWriter,
  LogError,
  openDirectoryStore,
} from '../../src/index.ts';

const BLOCK = 512;
const BLOCKS = 64;
const PATH = 'exports/v1.avro';
const exported = {
  ...{ vdisk: 'v1', type: 'db', blockSize: BLOCK, size: BLOCKS * BLOCK, sequence: 17 },
  ...{ state: 'its newest state', createdAt: 1_700_000_000_000, operation: 'op-1' },
};

async function place(context: TestContext): Promise<{ store: AppendableStore; file: string; root: string }> {
  const root = await mkdtemp(join(tmpdir(), 'salvor-export-'));
  context.after(() => rm(root, { recursive: true, force: true }));
  return { store: await openDirectoryStore({ root }), file: join(root, PATH), root };
}

async function write(store: AppendableStore, blocks: ReadonlyMap<number, Buffer>): Promise<void> {
  const writer = await ExportWriter.begin(store, PATH, exported);
  for (const [block, data] of blocks) await writer.add([{ block, data }]);
  await writer.finish();
}

async function read(store: AppendableStore): Promise<Map<number, Buffer>> {
  const found = new Map<number, Buffer>();
  const file = (await ExportFile.open(store, PATH)) ?? assert.fail('no file');
  for await (const { blocks } of file.read()) for (const { block, data } of blocks) found.set(block, data);
  return found;
}

function filled(count: number): Map<number, Buffer> {
  return new Map(Array.from({ length: count }, (_, i) => [i, Buffer.alloc(BLOCK, i + 1)]));
}

test('an exported file gives back what was written, and leaves zeros out', async (context) => {
  const { store } = await place(context);
  const content = fc.uint8Array({ minLength: BLOCK, maxLength: BLOCK }).map((bytes) => Buffer.from(bytes));
  const blocks = fc
    .array(fc.tuple(fc.nat(BLOCKS - 1), fc.oneof(content, fc.constant(Buffer.alloc(BLOCK)))), {
      maxLength: 30,
    })
    .map((pairs) => new Map(pairs));
  await fc.assert(
    fc.asyncProperty(blocks, async (written) => {
      await write(store, written);
      const expected = [...written].filter(([, data]) => data.some((byte) => byte !== 0));
      assert.deepEqual(await read(store), new Map(expected));
    }),
    { numRuns: 25 },
  );
});

test('any Avro tool reads an exported file', async (context) => {
  const { store, file } = await place(context);
  await write(store, filled(3));
  const records = await new Promise<{ block?: unknown; end?: unknown }[]>((resolve, reject) => {
    const found: { block?: unknown; end?: unknown }[] = [];
    avro
      .createFileDecoder(file)
      .on('data', (record: { block?: unknown; end?: unknown }) => found.push(record))
      .on('error', reject)
      .on('end', () => resolve(found));
  });
  assert.equal(records.length, 4);
  assert.deepEqual(
    records.map(({ block, end }) => [block != null, end != null]),
    [...Array.from({ length: 3 }, () => [true, false]), [false, true]],
  );
});

test('a file of many windows is read from any part on', async (context) => {
  const { store } = await place(context);
  const size = 256 * 1024;
  const large = { ...exported, blockSize: size, size: 200 * size };
  const writer = await ExportWriter.begin(store, PATH, large);
  for (let block = 0; block < 60; block++) await writer.add([{ block, data: Buffer.alloc(size, block + 1) }]);
  const { blocks, bytes, sha256 } = await writer.finish();
  assert.equal(blocks, 60);
  const file = (await ExportFile.open(store, PATH)) ?? assert.fail();
  assert.equal(file.sizeBytes, bytes);
  const places: number[] = [];
  for await (const part of file.read()) {
    places.push(part.next);
    if (part.end !== null) assert.deepEqual([part.end.blocks, part.end.sha256], [60, sha256]);
  }
  assert.ok(places.length > 3, `${places.length} parts`);
  const rest: number[] = [];
  for await (const part of file.read(places[1])) rest.push(...part.blocks.map(({ block }) => block));
  assert.equal(rest.at(-1), 59);
  assert.ok(rest.length < 60 && rest.length > 20);
});

test('an exported file that is cut off anywhere is told to be', async (context) => {
  const { store, file } = await place(context);
  await write(store, filled(5));
  const whole = await readFile(file);
  for (let length = 0; length < whole.length; length += length < 2_000 ? 37 : 211) {
    await writeFile(file, whole.subarray(0, length));
    await assert.rejects(read(store), { code: 'bad-export' }, `${length} of ${whole.length} bytes`);
  }
  await writeFile(file, Buffer.concat([whole, Buffer.from('x')]));
  await assert.rejects(read(store), {
    code: 'bad-export',
    message: /1 bytes are behind the record that ends it/,
  });
});

test('a flipped bit anywhere in an exported file is told', async (context) => {
  const { store, file } = await place(context);
  await write(store, filled(4));
  const whole = await readFile(file);
  for (let at = 0; at < whole.length; at += 13) {
    const damaged = Buffer.from(whole);
    damaged.writeUInt8(damaged.readUInt8(at) ^ (1 << (at % 8)), at);
    await writeFile(file, damaged);
    await assert.rejects(
      read(store),
      (error) => error instanceof LogError && error.code === 'bad-export',
      `byte ${at} of ${whole.length}`,
    );
  }
});

test('what is no exported file is refused with what was expected', async (context) => {
  const { store, file } = await place(context);
  await write(store, filled(1));
  const whole = await readFile(file);
  const cases: readonly (readonly [Buffer, RegExp])[] = [
    [Buffer.alloc(0), /bad header/],
    [Buffer.from('hello, world'), /no Avro object container file/],
    [Buffer.alloc(100_000, 0xff), /no Avro object container file/],
    [Buffer.concat([whole.subarray(0, 4), Buffer.alloc(64, 0xff)]), /bad header/],
    // The metadata says that its first key has 8 GiB.
    [Buffer.concat([whole.subarray(0, 5), Buffer.from([0x80, 0x80, 0x80, 0x80, 0x40])]), /bad header/],
    [changed(whole, 'salvor.export', 'salvor.exporT'), /expected salvor\.export, found none/],
    [changed(whole, 'salvor.block-size\x06512', 'salvor.block-size\x06513'), /a power of two, found 513/],
  ];
  for (const [bytes, message] of cases) {
    await writeFile(file, bytes);
    await assert.rejects(read(store), { code: 'bad-export', message });
  }
});

test('a record that claims gigabytes takes no memory for them', async (context) => {
  const { store, file } = await place(context);
  await write(store, filled(2));
  const whole = await readFile(file);
  const sync = createHash('sha256').update('export v1 op-1').digest().subarray(0, 16);
  const first = whole.indexOf(sync) + sync.length;
  // One object of 8 GiB.
  const head = Buffer.from([0x02, 0x80, 0x80, 0x80, 0x80, 0x40]);
  await writeFile(file, Buffer.concat([whole.subarray(0, first), head, whole.subarray(first)]));
  const before = process.memoryUsage().arrayBuffers;
  await assert.rejects(read(store), { code: 'bad-export', message: /expected a block of at most \d+ bytes/ });
  assert.ok(process.memoryUsage().arrayBuffers - before < 64 * 2 ** 20);
});

test('an export that is given up, or whose writer died, leaves nothing to see, and can be discarded', async (context) => {
  const { store, root } = await place(context);
  const left = async (): Promise<string[]> => readdir(join(root, 'exports'));
  const first = await ExportWriter.begin(store, PATH, exported);
  await first.add([{ block: 1, data: Buffer.alloc(BLOCK, 1) }]);
  await first.abandon();
  assert.deepEqual(await left(), []);
  const second = await ExportWriter.begin(store, PATH, exported);
  assert.equal(await store.stat(PATH), null);
  assert.deepEqual(await left(), [second.id]);
  await store.discard(PATH, '../../etc/passwd');
  await store.discard(PATH, second.id);
  await store.discard(PATH, second.id);
  assert.deepEqual(await left(), []);
});

function changed(bytes: Buffer, from: string, to: string): Buffer {
  const at = bytes.indexOf(from, 0, 'latin1');
  assert.ok(at > 0, `${JSON.stringify(from)} is in the file`);
  const copy = Buffer.from(bytes);
  copy.write(to, at, 'latin1');
  return copy;
}
