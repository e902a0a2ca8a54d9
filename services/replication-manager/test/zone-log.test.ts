import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { SalvorError } from '@salvor/service-kit';
import { tempDir } from '@salvor/testkit';
import { ChunkBuilder, openStoreAt, VdiskChunks } from '@salvor/tlog';
import { holdsSegment, type LogReads, logSegmentOf } from '../src/zone-log.ts';
import { segmentOf } from './segments.ts';

const dir = tempDir('zone-log');
after(() => dir.remove());

const [early, newest] = [2, 9].map((number) => segmentOf(number, number, [{ block: 0, fill: 1 }]));

/** JetStream has the newest segment alone. */
const streams = {
  last: async () => ({ sequence: 9, data: newest?.bytes }),
  facts: async () => ({ firstSequence: 9 }),
  readWindow: async () => ({ messages: [{ sequence: 9, data: newest?.bytes }], next: 10, end: true }),
} as unknown as LogReads;

test('what JetStream let go of is looked for in the archive; one that holds nothing of the log is away', async () => {
  assert.ok(early !== undefined);
  const segment = logSegmentOf(early.segment);
  const log = { streams, container: 0, vdisk: 'v1', begins: 0 };
  assert.equal(await holdsSegment({ ...log, archive: null }, segment), null);
  const archive = await openStoreAt({ location: dir.join('archive') });
  await assert.rejects(
    holdsSegment({ ...log, archive }, segment),
    (error: SalvorError) => error.code === 'archive-unreachable',
  );
  const builder = new ChunkBuilder('v1', 2);
  builder.add(early.segment, early.bytes);
  await new VdiskChunks(archive, 0, 'v1').write(builder.finish());
  assert.equal(await holdsSegment({ ...log, archive }, segment), true);
  assert.equal(await holdsSegment({ ...log, archive }, { ...segment, epoch: 7 }), false);
  assert.equal(await holdsSegment({ ...log, archive }, { ...segment, number: 1 }), null);
});
