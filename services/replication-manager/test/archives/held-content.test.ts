import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideArchiveOrder } from '@salvor/config-store';
import { compactLog } from '@salvor/tlog';
import { heldContent } from '../../src/archives/held-content.ts';
import { logSegmentOf } from '../../src/zone-log.ts';
import { segmentOf } from '../segments.ts';
import { chunksOf, copyRecord, followingRecord, storeIn, writerOf } from './archive-records.ts';

test('a copy that went on behind a gap becomes the primary archive, and is compacted', async (context) => {
  const chunks = chunksOf(await storeIn(context), 1);
  const writer = await writerOf(chunks);
  for (const number of [1, 2, 3]) {
    writer.add(segmentOf(number, number, [{ block: 0, fill: number }]).segment);
    await writer.flush();
  }
  writer.goOnFrom({ number: 9, sequence: 90 }); // as a copy does when the other archive begins behind it
  for (const number of [10, 11, 12, 13]) {
    writer.add(segmentOf(number, number + 81, [{ block: 1, fill: number }], { base: 91 }).segment);
    await writer.flush();
  }
  const last = segmentOf(13, 94, [{ block: 1, fill: 13 }], { base: 91 }).segment;
  const place = { segment: logSegmentOf(last), ...writer.stored };
  const [a, b] = [followingRecord({ place }), copyRecord({ base: 91, history: 'a:1', place })];
  const ordered = decideArchiveOrder(
    { archive: 'b', volume: 'vol1' },
    b,
    { kind: 'make-primary', force: false },
    [a],
    5,
  );
  const primary = ordered.next;
  assert.deepEqual([primary?.role, primary?.phase], ['primary', 'following']);
  assert.ok(primary !== undefined);
  assert.equal(await heldContent(chunks, primary, writer.stored), null);

  const kept = { horizonAt: Date.now(), pointsAt: [], snapshots: [] };
  const compaction = { chunks, after: 0, chunkBytes: 1 << 20, ...kept, mayGoOn: async () => undefined };
  assert.equal(await compactLog(compaction), null, 'segments that are missing elsewhere are a loss');
  const done = await compactLog({ ...compaction, isGapKnown: true });
  assert.deepEqual([done?.chunksBefore, done?.chunksAfter], [7, 3]);
  assert.equal(await heldContent(chunks, primary, writer.stored), null);
});

test('segments that are missing behind the base of an archive are lost, those before it are not needed', async (context) => {
  const chunks = chunksOf(await storeIn(context), 1);
  const writer = await writerOf(chunks);
  writer.add(segmentOf(1, 1, [{ block: 0, fill: 1 }]).segment);
  await writer.flush();
  writer.goOnFrom({ number: 9, sequence: 90 });
  writer.add(segmentOf(10, 91, [{ block: 0, fill: 2 }]).segment);
  await writer.flush();
  const { stored } = writer;
  const found = await heldContent(chunks, followingRecord({ base: 1 }), stored);
  assert.match(found?.reason ?? '', /lacks segments 2 to 9/);
  assert.deepEqual([found?.sequence, found?.number], [0, 0]);
  assert.equal(await heldContent(chunks, followingRecord({ base: 91 }), stored), null);
  assert.equal(await heldContent(chunks, followingRecord({ base: 0 }), stored), null);
});
