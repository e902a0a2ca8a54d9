import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type ArchiveRecord, decideArchive, partedHistory } from '@salvor/config-store';
import type { SalvorError } from '@salvor/service-kit';
import type { ArchiveWriter, VdiskChunks } from '@salvor/tlog';
import { copyArchive } from '../../src/archives/copy-following.ts';
import { logSegmentOf } from '../../src/zone-log.ts';
import { BLOCK, segmentOf } from '../segments.ts';
import {
  chunksOf,
  contentOf,
  copyRecord,
  followingRecord,
  storeIn,
  workOf,
  writerOf,
} from './archive-records.ts';

const monday = { name: 'monday', state: 'restorable' as const, generation: 1, source: 3, sequence: 3, at: 1 };
const isParted = (error: SalvorError): boolean => error.code === 'archive-parted';

/** Archive a with segments 1 to 6 in two chunks, and a copy of it, b. */
class Pair {
  readonly a: VdiskChunks;
  readonly b: VdiskChunks;
  readonly records = new Map<string, ArchiveRecord>([
    ['a', followingRecord({ snapshots: [monday] })],
    ['b', copyRecord()],
  ]);
  /** Of archive a, asked while the copy reads. */
  now = async (): Promise<ArchiveRecord> => this.record('a');

  constructor(a: VdiskChunks, b: VdiskChunks) {
    this.a = a;
    this.b = b;
  }

  static async begin(context: TestContext): Promise<Pair> {
    const store = await storeIn(context);
    const pair = new Pair(chunksOf(store, 1), chunksOf(store, 2));
    const writer = await writerOf(pair.a);
    for (const number of [1, 2, 3, 4, 5, 6]) {
      writer.add(segmentOf(number, number, [{ block: number - 1, fill: 1 }]).segment);
      if (number % 3 === 0) await writer.flush();
    }
    pair.stored(writer);
    return pair;
  }

  record(archive: string): ArchiveRecord {
    const found = this.records.get(archive);
    assert.ok(found !== undefined);
    return found;
  }

  change(archive: string, change: Partial<ArchiveRecord>): void {
    this.records.set(archive, { ...this.record(archive), ...change });
  }

  stored({ stored }: ArchiveWriter): void {
    const { segment } = segmentOf(stored.number, stored.sequence, [{ block: 0, fill: 1 }]);
    this.change('a', { place: { segment: logSegmentOf(segment), ...stored } });
  }

  async copy(): Promise<boolean> {
    const work = workOf(this.b, await writerOf(this.b), this.records, 'b');
    return copyArchive(work, this.record('b'), this.record('a'), this.a, this.now);
  }

  /** Archive a loses chunks, and takes a backup and seven more segments under numbers that it had. */
  async beginAnew(keptChunks: number): Promise<void> {
    const found = (await this.a.list()).toSorted((x, y) => x.from - y.from);
    for (const chunk of found.slice(keptChunks)) await this.a.delete(chunk);
    const writer = await writerOf(this.a);
    const as = { epoch: 9, at: 99, base: 1, blockSize: BLOCK };
    writer.addCompared([{ block: 0, data: Buffer.alloc(BLOCK, 2) }], as);
    await writer.flush();
    writer.addMark(as);
    for (let i = 0; i < 7; i++) {
      const { number, sequence } = writer.end;
      writer.add(segmentOf(number + 1, sequence + 1, [{ block: 6, fill: 3 }], { epoch: 9 }).segment);
    }
    await writer.flush();
    this.stored(writer);
  }
}

test('a copy has what its source has, its base and its snapshots', async (context) => {
  const pair = await Pair.begin(context);
  assert.equal(await pair.copy(), true);
  assert.deepEqual(await contentOf(pair.b), await contentOf(pair.a));
  const { base, history, place, levelAt, snapshots } = pair.record('b');
  assert.deepEqual([base, history, place?.number, levelAt], [1, 'a:1', 6, 2]);
  assert.deepEqual(snapshots, [monday]);
  assert.equal(await pair.copy(), false);
  pair.change('a', { snapshots: [monday, { ...monday, name: 'tuesday' }] });
  assert.equal(await pair.copy(), false);
  assert.equal(pair.record('b').snapshots.length, 2, 'a name comes over without a segment');
});

for (const kept of [0, 1])
  test(`a copy keeps what it holds when its source, which lost ${kept === 0 ? 'all' : 'its end'}, was begun anew`, async (context) => {
    const pair = await Pair.begin(context);
    await pair.copy();
    const before = pair.record('b');
    const held = await contentOf(pair.b);
    await pair.beginAnew(kept);
    pair.change('a', kept === 0 ? { history: 'a:2' } : partedHistory(pair.record('a'), 3, 2));
    await assert.rejects(pair.copy(), isParted);
    assert.deepEqual(await contentOf(pair.b), held);
    assert.deepEqual(pair.record('b'), before);
  });

test('a copy that is not complete is copied again when its source was begun anew', async (context) => {
  const pair = await Pair.begin(context);
  await pair.copy();
  pair.change('b', { base: 0 });
  await pair.beginAnew(0);
  pair.change('a', { history: 'a:2' });
  assert.equal(await pair.copy(), true);
  const { lineage, place, history } = pair.record('b');
  assert.deepEqual([lineage, place, history], [1, null, null]);
});

test('a copy that has no more than its source kept goes on with it', async (context) => {
  const pair = await Pair.begin(context);
  const [, second] = (await pair.a.list()).toSorted((x, y) => x.from - y.from);
  assert.ok(second !== undefined);
  await pair.a.delete(second);
  pair.stored(await writerOf(pair.a));
  await pair.copy();
  await pair.beginAnew(1);
  pair.change('a', partedHistory(pair.record('a'), 3, 2));
  await pair.copy();
  assert.deepEqual(await contentOf(pair.b), await contentOf(pair.a));
  assert.equal(pair.record('b').history, 'a:2');
});

test('a source whose record does not tell that it was begun anew is found out by its segments', async (context) => {
  const pair = await Pair.begin(context);
  await pair.copy();
  const held = await contentOf(pair.b);
  await pair.beginAnew(1);
  await assert.rejects(pair.copy(), isParted);
  assert.deepEqual(await contentOf(pair.b), held);
});

test('what was read of a source that was begun anew meanwhile is not stored', async (context) => {
  const pair = await Pair.begin(context);
  pair.now = async () => ({ ...pair.record('a'), history: 'a:2' });
  await assert.rejects(pair.copy(), (error: SalvorError) => error.code === 'source-changed');
  assert.deepEqual(await pair.b.list(), []);
});

test('a copy that is a chunk behind takes over from a primary archive that is lost, and keeps all that it holds', async (context) => {
  const pair = await Pair.begin(context);
  await pair.copy();
  const writer = await writerOf(pair.a);
  writer.add(segmentOf(7, 7, [{ block: 6, fill: 1 }]).segment);
  await writer.flush();
  pair.stored(writer);
  const found = { sequence: 0, number: 0, reason: 'it holds nothing any more' };
  const lost = decideArchive(pair.record('a'), { kind: 'content-lost', ...found }, [pair.record('b')], 5);
  const [heir] = lost.others ?? [];
  assert.deepEqual(
    [heir?.role, heir?.phase, heir?.backup?.way, heir?.base, heir?.history],
    ['primary', 'backup', 'hash', 1, 'a:1'],
  );
  assert.deepEqual(heir?.snapshots, [monday]);
  const { role, source, history, base } = lost.next ?? {};
  assert.deepEqual(
    { role, source, history, base },
    { role: 'secondary', source: { kind: 'archive', archive: 'b' }, history: null, base: 0 },
  );
});

test('a copy takes no base, and no names, from a source that holds nothing complete', async (context) => {
  const pair = await Pair.begin(context);
  await pair.copy();
  const snapshots = [{ ...monday, state: 'lost' as const }];
  pair.change('a', { base: 0, sizeBytes: 0, blockSize: 0, place: null, snapshots });
  await pair.copy();
  const { base, blockSize, levelAt, snapshots: kept } = pair.record('b');
  assert.deepEqual([base, blockSize, levelAt], [1, BLOCK, null]);
  assert.deepEqual(kept, [monday]);
});
