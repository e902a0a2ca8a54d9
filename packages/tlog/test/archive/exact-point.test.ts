import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ArchiveWriter, archiveEnd, exactPoint, type LogError, Tier2Source } from '../../src/index.ts';
import { chunksIn, logOf, storeIn, VDISK } from '../chunk/log-model.ts';

test('the state before a backup, and that after it, are told by record as by time; none within it is', async (context) => {
  const { store } = await storeIn(context);
  const chunks = chunksIn(store);
  const end = await archiveEnd(chunks);
  const writer = new ArchiveWriter({ chunks, end, chunkBytes: 1 << 20, mayGoOn: async () => undefined });
  for (const segment of logOf([
    {
      changes: [
        { block: 0, fill: 1 },
        { block: 1, fill: 1 },
      ],
    },
  ]))
    writer.add(segment);
  const as = { epoch: 7, at: 2_000, base: 1, blockSize: 64 };
  writer.addCompared(
    [1, 2, 3].map((block) => ({ block, data: Buffer.alloc(64, 2) })),
    as,
  );
  await writer.flush();
  const at = async (sequence: number): Promise<number> => {
    const source = await Tier2Source.open(chunks);
    return (await exactPoint(VDISK, source, { kind: 'sequence', sequence })).sequence;
  };
  const isUntold = (error: LogError): boolean => error.code === 'not-restorable';
  const newest = await exactPoint(VDISK, await Tier2Source.open(chunks), { kind: 'newest' });
  assert.equal(newest.sequence, 2);
  assert.equal(await at(2), 2);
  for (const sequence of [3, 4, 5]) await assert.rejects(at(sequence), isUntold);
  writer.addMark(as);
  await writer.flush();
  assert.deepEqual([await at(2), await at(5)], [2, 5]);
  for (const sequence of [3, 4, 6]) await assert.rejects(at(sequence), isUntold);
});
