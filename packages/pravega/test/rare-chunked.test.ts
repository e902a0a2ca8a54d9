import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { containerOfSegment, type ListedSegment, openTree, type PravegaTree } from '../src/index.ts';
import { newFolder, removeFolders } from './trees.ts';
import { collection, compactLong, frame, i32, i64, typedFrame, u8, utf } from './writers/byte-writer.ts';
import {
  type Chunk,
  chunkMetadata,
  chunkPath,
  segmentMetadata,
  transactionData,
  writeChunkedTree,
} from './writers/chunked-writer.ts';
import {
  event,
  type PlannedSegment,
  type PlannedTree,
  segmentInfo,
  smallTree,
} from './writers/planned-tree.ts';
import { attributeTree, type EntryToWrite, table, tableIndex } from './writers/table-writer.ts';

const ORDERS = 'farm/orders/0.#epoch.0';
const TRUNCATED = 'farm/orders/1.#epoch.0';
const SHORT = 'farm/short/0.#epoch.0';
const ID = '00000000000000010000000000000002';
const ROLL_AT = 300;
const plan = smallTree();
const planned = (name: string) => plan.segments.find((segment) => segment.name === name) ?? assert.fail(name);
const orders = planned(ORDERS);
const length = orders.bytes.length;
const lastStart = length - (length % ROLL_AT);

describe('a chunked tree: what is rare, and allowed', () => {
  after(removeFolders);

  it('chunks of a merged transaction keep their names, and no old row brings the transaction back', async () => {
    const name = `${ORDERS}#transaction.${ID}`;
    const merged = event('of the transaction');
    const chunk = chunkPath(name, 1, 0);
    const chain = [...chainOf(ORDERS, orders), { name: chunk, start: length, length: merged.length }];
    const bytes = Buffer.concat([orders.bytes, merged]);
    const { read } = await opened(
      more(ORDERS, {
        metadata: [row(name, merged)],
        storage: [
          stored({ ...orders, bytes }, chain),
          ...chain.map((each, index) => chunkRow(each, chain[index + 1]?.name ?? null)),
        ],
      }),
      (root) => write(root, chunk, merged),
    );
    const parent = found(read, ORDERS);
    assert.equal(parent.length, bytes.length);
    assert.equal(
      read.segments.find((segment) => segment.name === name),
      undefined,
    );
    assert.equal((await read.framing(parent)).runs[0]?.events, 41);
    assert.deepEqual(damage(read), []);
    read.close();
  });

  it('an open transaction is a segment in the container of its parent', async () => {
    const name = `${ORDERS}#transaction.${ID}`;
    const { read } = await opened({ ...plan, segments: [...plan.segments, segment(name, event('open'))] });
    const transaction = found(read, name);
    assert.deepEqual([transaction.container, transaction.uncertain], [found(read, ORDERS).container, {}]);
    read.close();
  });

  it('a transient segment keeps its attributes', async () => {
    const name = `${ORDERS}#transient.${ID}.${ID}`;
    const core = new Map([
      [9n, 0x80n],
      [15n, 3n],
    ]);
    const { read } = await opened({
      ...plan,
      segments: [...plan.segments, { ...segment(name, event('large')), core }],
    });
    const { coreAttributes, container } = await read.facts(found(read, name));
    assert.equal(coreAttributes['80000000-0000-0000-0000-00000000000f'], '3');
    assert.equal(container, found(read, ORDERS).container);
    read.close();
  });

  for (const [what, storage, isThere] of [
    ['deleted, its chunks not collected', [stored(planned(SHORT), chainOf(SHORT, planned(SHORT)), 0)], false],
    ['without a value', [{ key: SHORT, value: frame(i64(1), utf(SHORT), u8(0)) }], false],
    ['removed', [{ key: SHORT, value: null }], false],
    ['as before', [], true],
  ] as const) {
    it(`a segment of which the storage metadata is ${what} ${isThere ? 'is there' : 'does not come back'}`, async () => {
      const { read } = await opened(more(SHORT, { storage }));
      assert.equal(
        read.segments.some(({ name }) => name === SHORT),
        isThere,
      );
      assert.deepEqual(damage(read), []);
      read.close();
    });
  }

  it('a segment whose row was removed does not come back, though the storage still has it', async () => {
    const { read } = await opened(more(SHORT, { metadata: [{ key: SHORT, value: null }] }));
    assert.equal(
      read.segments.some(({ name }) => name === SHORT),
      false,
    );
    read.close();
  });

  it('a segment that was deleted and made again, and never written since, is there', async () => {
    const { read } = await opened(
      more(SHORT, {
        metadata: [{ key: SHORT, value: null }, row(SHORT, Buffer.alloc(0))],
        storage: [{ key: SHORT, value: null }],
      }),
    );
    const { length: empty, uncertain } = found(read, SHORT);
    assert.equal(empty, 0);
    assert.match(uncertain.existence ?? '', /put again behind a removal/);
    read.close();
  });

  it('a row of a segment whose data is nowhere tells what is lost', async () => {
    const name = 'farm/lost/0.#epoch.0';
    const { read } = await opened(more(name, { metadata: [row(name, Buffer.alloc(77))] }));
    assert.deepEqual([found(read, name).length, damage(read)], [0, ['lost-range']]);
    read.close();
  });

  it('what a fenced owner left behind the end that a later epoch found is left out', async () => {
    const late = event('of the later owner');
    const { read } = await opened(plan, (root) => {
      appendFileSync(join(root, chunkPath(ORDERS, 1, lastStart)), event('of the fenced owner'));
      write(root, chunkPath(ORDERS, 2, length), late);
    });
    const segment = found(read, ORDERS);
    assert.equal(segment.length, length + late.length);
    assert.deepEqual(await read.content(ORDERS).read(length, late.length), late);
    assert.deepEqual(damage(read), []);
    read.close();
  });

  it('a stream that was truncated inside of an event grows by whole events alone', async () => {
    const { bytes } = planned(TRUNCATED);
    const whole = event('whole');
    const { read } = await opened(plan, (root) =>
      appendFileSync(
        join(root, chunkPath(TRUNCATED, 1, bytes.length - (bytes.length % ROLL_AT))),
        Buffer.concat([whole, event('half').subarray(0, 9)]),
      ),
    );
    assert.equal(found(read, TRUNCATED).length, bytes.length + whole.length);
    assert.deepEqual(damage(read), ['quarantined-chunk']);
    read.close();
  });

  it('the rest of a first chunk that a truncation copied takes its place', async () => {
    const { read } = await opened(plan, (root) => {
      rmSync(join(root, chunkPath(ORDERS, 1, 0)));
      write(root, chunkPath(ORDERS, 2, 100), orders.bytes.subarray(100, ROLL_AT));
    });
    const segment = found(read, ORDERS);
    assert.equal(segment.startOffset, 100);
    assert.deepEqual(await read.content(ORDERS).read(100, length), orders.bytes.subarray(100));
    read.close();
  });

  it('a chunk of a transaction of which nothing is known is left out, and told', async () => {
    const { read } = await opened(plan, (root) =>
      write(root, chunkPath(`${ORDERS}#transaction.${ID}`, 1, 0), event('whose?')),
    );
    assert.equal(read.segments.length, plan.segments.length);
    assert.deepEqual(damage(read), ['quarantined-chunk']);
    read.close();
  });

  it('a journal that was not saved since the last append: the file is ahead, and is believed', async () => {
    const { read } = await opened(plan, (root) => {
      for (let container = 0; container < plan.containers; container += 1) {
        const path = join(root, `_system/containers/_sysjournal.epoch1.container${container}.file2`);
        const bytes = readFileSync(path);
        writeFileSync(path, bytes.subarray(0, lastBatch(bytes)));
      }
    });
    assert.deepEqual(listed(read), listed(await openTree(writtenPlan())));
    assert.deepEqual(damage(read), []);
    read.close();
  });

  it('a journal with retried records, a truncation, and a snapshot of a later epoch', async () => {
    const { read } = await opened(plan, (root) => {
      for (let container = 0; container < plan.containers; container += 1) {
        const folder = join(root, '_system/containers');
        const journal = `${folder}/_sysjournal.epoch1.container${container}`;
        const file = readFileSync(`${journal}.file2`);
        // Every batch twice: the first of each was not acknowledged in time.
        const twice = batchesIn(file).flatMap((batch) => [batch, batch]);
        const name = `_system/containers/metadata_${container}`;
        const truncation = typedFrame(
          2,
          utf(name),
          compactLong(0),
          utf(chunkPath(name, 1, 0)),
          compactLong(0),
        );
        writeFileSync(`${journal}.file2`, Buffer.concat([...twice, frame(collection([truncation]))]));
        const snapshot = readFileSync(`${journal}.snapshot1`);
        // A new owner begins with what it found; here that is the old snapshot, with the old file after it.
        const record = typedFrame(3, snapshot.subarray(8));
        writeFileSync(
          `${folder}/_sysjournal.epoch2.container${container}.file1`,
          Buffer.concat([frame(collection([record])), file]),
        );
      }
    });
    assert.deepEqual(listed(read), listed(await openTree(writtenPlan())));
    assert.deepEqual(damage(read), []);
    read.close();
  });

  it('records of a later version are read as far as they are known', async () => {
    const known = segmentInfo(planned(SHORT)).subarray(8);
    const body = Buffer.concat([known, Buffer.from('bytes of a field to come')]);
    const later = Buffer.from('a revision to come');
    const value = Buffer.concat([
      Buffer.from([0, 0, 2, 0]),
      i32(body.length),
      body,
      u8(1),
      i32(later.length),
      later,
    ]);
    const { read } = await opened(more(SHORT, { metadata: [{ key: SHORT, value }] }));
    assert.deepEqual(found(read, SHORT).uncertain, {});
    assert.deepEqual(damage(read), []);
    read.close();
  });

  it('names beyond ASCII', async () => {
    const name = 'üñï/çödé/0.#epoch.0';
    const { read } = await opened({ ...plan, segments: [...plan.segments, segment(name, event('x'))] });
    assert.deepEqual(found(read, name).uncertain, {});
    read.close();
  });

  it('a table with keys of one length: its index alone tells what is alive', async () => {
    const name = 'farm/kv_kvtable/0.#epoch.0';
    const key = (n: number) => Buffer.from(`key-${String(n).padStart(4, '0')}`);
    const { bytes, live } = table(
      Array.from({ length: 9 }, (_, n) => ({ key: key(n), value: Buffer.from(`v${n}`) })),
    );
    const indexed = [1, 3, 5].map((n) => ({ key: key(n), value: BigInt(live.get(key(n).toString()) ?? -1) }));
    const core = new Map([
      [9n, 5n],
      [12n, 8n],
    ]);
    const index = attributeTree(indexed, 8);
    const { read } = await opened(
      { ...plan, segments: [...plan.segments, { ...segment(name, bytes), core }] },
      // The writer makes none for such a table.
      (root) => write(root, chunkPath(`${name}$attributes.index`, 1, 0), index),
    );
    const segmentOfTable = found(read, name);
    const entries: string[] = [];
    for await (const entry of read.entries(segmentOfTable) ?? []) entries.push(entry.key.toString());
    assert.deepEqual(entries, [key(1), key(3), key(5)].map(String));
    const [beyond] = read.findings.filter(
      ({ code, segment: of }) => code === 'uncertain-fact' && of === name,
    );
    assert.match(beyond?.message ?? '', /^3 entries are newer than the index/);
    read.close();
  });

  it('of a compacted table, a copy of what was removed since does not come back', async () => {
    const name = '_system/_tables/compacted';
    const entries: EntryToWrite[] = [
      { key: 'kept', value: Buffer.from('1') },
      { key: 'gone', value: Buffer.from('2') },
      { key: 'kept', value: Buffer.from('1'), version: 0 },
      { key: 'gone', value: Buffer.from('2'), version: 22 },
      { key: 'newest', value: Buffer.from('3') },
    ];
    const { bytes, live } = table(entries);
    // The removal of `gone` was indexed, and truncated away.
    const { read } = await opened(
      {
        ...plan,
        segments: [...plan.segments, { ...segment(name, bytes), core: new Map([[0x10_0000n, 0n]]) }],
      },
      (root) =>
        write(
          root,
          chunkPath(`${name}$attributes.index`, 1, 0),
          indexOf(new Map([...live].filter(([key]) => key !== 'gone'))),
        ),
    );
    const keys: string[] = [];
    for await (const entry of read.entries(found(read, name)) ?? [])
      keys.push(`${entry.key} ${entry.version}`);
    assert.deepEqual(keys, ['kept 0', `newest ${live.get('newest')}`]);
    read.close();
  });
});

function segment(name: string, bytes: Buffer): PlannedSegment {
  return {
    name,
    bytes,
    startOffset: 0,
    sealed: false,
    rollAt: ROLL_AT,
    core: new Map([[9n, 0n]]),
    extended: new Map(),
  };
}

function more(
  name: string,
  entries: { readonly metadata?: readonly EntryToWrite[]; readonly storage?: readonly EntryToWrite[] },
): PlannedTree {
  const container = containerOfSegment(name, plan.containers);
  return { ...plan, more: (each) => (each === container ? entries : {}) };
}

function row(name: string, bytes: Buffer): EntryToWrite {
  return { key: name, value: segmentInfo(segment(name, bytes)) };
}

function stored(of: PlannedSegment, chain: readonly Chunk[], status?: number): EntryToWrite {
  return { key: of.name, value: transactionData(of.name, segmentMetadata(of, chain, status)) };
}

function chunkRow({ name, length: size }: Chunk, next: string | null): EntryToWrite {
  return { key: name, value: transactionData(name, chunkMetadata(name, size, next)) };
}

function chainOf(name: string, { bytes }: PlannedSegment): Chunk[] {
  return Array.from({ length: Math.ceil(bytes.length / ROLL_AT) }, (_, index) => {
    const start = index * ROLL_AT;
    return { name: chunkPath(name, 1, start), start, length: Math.min(ROLL_AT, bytes.length - start) };
  });
}

function writtenPlan(): string {
  const root = newFolder();
  writeChunkedTree(root, plan);
  return root;
}

async function opened(tree: PlannedTree, change: (root: string) => void = () => undefined) {
  const root = newFolder();
  writeChunkedTree(root, tree);
  change(root);
  return { root, read: await openTree(root) };
}

function write(root: string, path: string, bytes: Buffer): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), bytes);
}

function found(read: PravegaTree, name: string): ListedSegment {
  return read.segments.find((each) => each.name === name) ?? assert.fail(`${name} is not listed`);
}

function damage(read: PravegaTree): string[] {
  return read.findings.filter(({ severity }) => severity === 'damage').map(({ code }) => code);
}

function listed(read: PravegaTree) {
  return read.segments.map(({ name, length: size, startOffset, sealed }) => ({
    name,
    size,
    startOffset,
    sealed,
  }));
}

function batchesIn(bytes: Buffer): Buffer[] {
  const batches: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 8 + bytes.readInt32BE(at + 4);
    batches.push(bytes.subarray(at, end));
    at = end;
  }
  return batches;
}

function lastBatch(bytes: Buffer): number {
  return bytes.length - (batchesIn(bytes).at(-1)?.length ?? 0);
}

function indexOf(live: ReadonlyMap<string, number>): Buffer {
  return tableIndex({ bytes: Buffer.alloc(0), live });
}
