/** What a crash leaves: data of which the metadata knows nothing yet, and metadata of what is gone since. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { containerOfSegment, type ListedSegment, openTree, type PravegaTree } from '../src/index.ts';
import { newFolder, removeFolders } from './trees.ts';
import { compactInt, compactLong, i64, typedFrame, utf } from './writers/byte-writer.ts';
import { chunkPath, transactionData, writeChunkedTree } from './writers/chunked-writer.ts';
import { writeLegacyTree } from './writers/legacy-writer.ts';
import {
  event,
  type PlannedSegment,
  type PlannedTree,
  segmentInfo,
  smallTree,
} from './writers/planned-tree.ts';
import { attributeTree, type EntryToWrite, table } from './writers/table-writer.ts';

const EVENT_COUNT = '80000000-0000-0000-0000-000000000001';
const ORDERS = 'farm/orders/0.#epoch.0';
const TRANSACTION = `${ORDERS}#transaction.00000000000000010000000000000002`;
const plan = smallTree();
const orders = plan.segments.find(({ name }) => name === ORDERS) ?? assert.fail();
const layouts = [
  ['legacy', writeLegacyTree],
  ['chunked', writeChunkedTree],
] as const;

describe('metadata that is behind the data', () => {
  after(removeFolders);

  for (const [layout, write] of layouts) {
    for (const keyLength of [8, 16, 40])
      it(`${layout}: a table with keys of ${keyLength} bytes that no row tells of is read by its index`, async () => {
        const name = 'farm/kv_kvtable/0.#epoch.0';
        const key = (n: number) => Buffer.from(`key-${n}`.padEnd(keyLength, '.'));
        const { bytes, live } = table(
          Array.from({ length: 9 }, (_, n) => ({ key: key(n), value: Buffer.from(`v${n}`) })),
        );
        const indexed = [0, 2, 8].map((n) => ({
          key: key(n),
          value: BigInt(live.get(String(key(n))) ?? -1),
        }));
        const read = await opened(write, plan, (root) => {
          put(root, fileOf(layout, name), bytes);
          put(root, fileOf(layout, `${name}$attributes.index`), attributeTree(indexed, keyLength));
          if (layout === 'chunked') return;
          for (const each of [name, `${name}$attributes.index`])
            put(root, `${each}$header`, Buffer.from(`0=${each}$offset.0&`));
        });
        const entries: string[] = [];
        for await (const entry of read.entries(found(read, name)) ?? []) entries.push(entry.key.toString());
        assert.deepEqual(entries, [key(0), key(2), key(8)].map(String));
        assert.deepEqual(damage(read), []);
        assert.ok((await read.facts(found(read, name))).uncertain.coreAttributes);
        read.close();
      });

    it(`${layout}: a hash table that no row tells of is read by its entries`, async () => {
      const name = '_system/_tables/late';
      const { bytes } = table([
        { key: 'one-', value: Buffer.from('1') },
        { key: 'two-', value: Buffer.from('2') },
        { key: 'one-', value: null },
      ]);
      const read = await opened(write, plan, (root) => {
        put(root, fileOf(layout, name), bytes);
        if (layout === 'legacy') put(root, `${name}$header`, Buffer.from(`0=${name}$offset.0&`));
      });
      const entries: string[] = [];
      for await (const entry of read.entries(found(read, name)) ?? []) entries.push(entry.key.toString());
      assert.deepEqual(entries, ['two-']);
      read.close();
    });

    it(`${layout}: events behind the last save of the row are counted from the last record of the event index`, async () => {
      // Two thirds of what the row does not know came by a merge that copied it: only the index tells.
      const known = orders.bytes.length;
      const grown = Buffer.concat([orders.bytes, ...['a', 'b', 'c', 'd'].map(event)]);
      const at = known + 3 * event('a').length;
      const read = await opened(write, {
        ...plan,
        segments: [
          ...plan.segments.filter(({ name }) => name !== ORDERS),
          { ...orders, bytes: grown },
          segment(`${ORDERS}#index`, Buffer.concat([i64(BigInt(at)), i64(41n), i64(0n)])),
        ],
        ...oldRow(ORDERS, orders),
      });
      const { coreAttributes, uncertain } = await read.facts(found(read, ORDERS));
      assert.equal(coreAttributes[EVENT_COUNT], '42');
      assert.doesNotMatch(uncertain.coreAttributes ?? '', /events/);
      read.close();
    });

    for (const [what, count, at] of [
      ['fewer events than its event index', 41n, orders.bytes.length],
      ['more events than there are behind its event index', 20n, orders.bytes.length],
    ] as const)
      it(`${layout}: a row that counts ${what} is in doubt`, async () => {
        const record = Buffer.concat([i64(BigInt(at)), i64(count), i64(0n)]);
        const read = await opened(write, {
          ...plan,
          segments: [...plan.segments, segment(`${ORDERS}#index`, record)],
        });
        const { uncertain } = await read.facts(found(read, ORDERS));
        assert.match(uncertain.coreAttributes ?? '', /its row counts 40 events .* its event index/);
        read.close();
      });

    it(`${layout}: the row of a transaction that has no file any more brings nothing back`, async () => {
      const read = await opened(write, more(TRANSACTION, { metadata: [row(TRANSACTION, Buffer.alloc(77))] }));
      assert.equal(
        read.segments.some(({ name }) => name === TRANSACTION),
        false,
      );
      assert.ok(
        read.findings.some(({ segment: of, code }) => of === TRANSACTION && code === 'deleted-segment'),
      );
      read.close();
    });
  }

  it('legacy: a transaction is merged once its chunks are in the header of its parent, whatever its row says', async () => {
    const merged = event('of the transaction');
    const read = await opened(
      writeLegacyTree,
      more(TRANSACTION, { metadata: [row(TRANSACTION, merged)] }),
      (root) => {
        put(root, `${TRANSACTION}$offset.0`, merged);
        const header = join(root, `${ORDERS}$header`);
        const text = readFileSync(header, 'utf8');
        chmodSync(header, 0o644);
        writeFileSync(header, `${text}concat=1@${orders.bytes.length}&0=${TRANSACTION}$offset.0&`);
      },
    );
    assert.equal(found(read, ORDERS).length, orders.bytes.length + merged.length);
    assert.equal(
      read.segments.some(({ name }) => name === TRANSACTION),
      false,
    );
    read.close();
  });

  it('chunked: a chunk that waits to be collected is not taken, though it would continue the segment', async () => {
    const chunk = chunkPath(ORDERS, 1, orders.bytes.length);
    const inactive = typedFrame(2, utf(chunk), compactLong(9), utf(null), compactInt(0));
    const read = await opened(
      writeChunkedTree,
      more(ORDERS, { storage: [{ key: chunk, value: transactionData(chunk, inactive) }] }),
      (root) => put(root, chunk, event('deleted')),
    );
    assert.equal(found(read, ORDERS).length, orders.bytes.length);
    assert.deepEqual(damage(read), []);
    assert.match(read.findings.find(({ path }) => path === chunk)?.message ?? '', /waits to be collected/);
    read.close();
  });

  it('chunked: the file of a chunk whose row was removed is left alone, and is no damage', async () => {
    const read = await opened(
      writeChunkedTree,
      more(ORDERS, { storage: [{ key: chunkPath(ORDERS, 1, 950), value: null }] }),
      (root) => put(root, chunkPath(ORDERS, 1, 950), event('of the old chunk')),
    );
    assert.deepEqual([found(read, ORDERS).length, damage(read)], [orders.bytes.length, []]);
    read.close();
  });

  it('no metadata of any container is left: segments are found by their files, and nothing is certain', async () => {
    for (const [layout, write] of layouts) {
      const root = newFolder();
      write(root, plan);
      rmSync(join(root, '_system/containers'), { recursive: true });
      const read = await openTree(root, { containerCount: plan.containers });
      const written = plan.segments.filter(({ bytes }) => bytes.length > 0);
      assert.deepEqual(
        read.segments.map(({ name }) => name).sort(),
        written.map(({ name }) => name).sort(),
        layout,
      );
      for (const { uncertain } of read.segments) assert.ok(uncertain.existence && uncertain.coreAttributes);
      read.close();
    }
  });
});

function segment(name: string, bytes: Buffer): PlannedSegment {
  const core = new Map([[9n, 0n]]);
  return { ...{ name, bytes, core }, startOffset: 0, sealed: false, rollAt: 300, extended: new Map() };
}

function row(name: string, bytes: Buffer): EntryToWrite {
  return { key: name, value: segmentInfo(segment(name, bytes)) };
}

/** The row of the segment as it was before. */
function oldRow(name: string, old: PlannedSegment): Pick<PlannedTree, 'more'> {
  const { more: entries } = more(name, { metadata: [{ key: name, value: segmentInfo(old) }] });
  return entries === undefined ? {} : { more: entries };
}

function more(
  name: string,
  entries: { readonly metadata?: readonly EntryToWrite[]; readonly storage?: readonly EntryToWrite[] },
): PlannedTree {
  const container = containerOfSegment(name, plan.containers);
  return { ...plan, more: (each) => (each === container ? entries : {}) };
}

function fileOf(layout: 'legacy' | 'chunked', name: string): string {
  return layout === 'legacy' ? `${name}$offset.0` : chunkPath(name, 1, 0);
}

async function opened(
  write: (root: string, tree: PlannedTree) => void,
  tree: PlannedTree,
  change: (root: string) => void = () => undefined,
): Promise<PravegaTree> {
  const root = newFolder();
  write(root, tree);
  change(root);
  return openTree(root);
}

function put(root: string, path: string, bytes: Buffer): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), bytes);
}

function found(read: PravegaTree, name: string): ListedSegment {
  return read.segments.find((each) => each.name === name) ?? assert.fail(`${name} is not listed`);
}

function damage(read: PravegaTree): string[] {
  return read.findings.filter(({ severity }) => severity === 'damage').map(({ code }) => code);
}
