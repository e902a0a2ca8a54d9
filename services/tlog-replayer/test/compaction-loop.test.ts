import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  formatRecord,
  tlogStateKey,
  type VolumeRecord,
  vdiskVolumeKey,
  volumeKey,
  volumeSchema,
} from '@salvor/config-store';
import { silentLogger } from '@salvor/service-kit';
import { until } from '@salvor/testkit';
import { ChunkBuilder, exactPoint, type LogError, Tier2Source } from '@salvor/tlog';
import { CompactionLoop } from '../src/compaction-loop.ts';
import { ArchivedLogs } from './archived-log.ts';

const TIMEOUT_MS = 20_000;
const VDISK = 'v1';

const generation = { number: 3, zone: 'north', incarnation: 'i1' };
/** A secondary that is being copied into: state 12 of its own log may have to be brought back, and it was read at 20. */
const copied: VolumeRecord = {
  ...{ volume: 'vol1', vdisk: VDISK, role: 'secondary', phase: 'copying', generation, lineage: [] },
  ...{ begins: 0, begun: null, sequence: null, segment: null, copy: null, known: 3, peer: 'north' },
  kept: { generation, lineage: [], sequence: 7, segment: null, ownSequence: 12, ownSegment: null },
  ...{ mode: 'instant', link: { bandwidthMib: 0, compression: 'none' }, schedule: null, sync: null },
  ...{ promotion: null, promotionHeardAt: 0, divergence: null, rival: null, trouble: null },
  point: {
    ...{ generation, number: 1, sequence: 9, ownSequence: 20, writtenAt: 1, at: 1, bytes: 0, beganAt: null },
  },
  ...{ group: null, changedAt: 1, reason: 'it is copied' },
};

test('what a secondary may have to bring back from its own log, and what it was read at, stays exact', async () => {
  await using logs = await ArchivedLogs.start();
  await logs.giveLog(VDISK);
  const whole = JSON.stringify({ status: 'whole', reason: 'a base is complete', since: 1, sequence: 1 });
  await logs.store.transact({
    compare: [],
    puts: [
      { key: tlogStateKey(VDISK), value: whole },
      { key: vdiskVolumeKey(VDISK), value: JSON.stringify({ volume: 'vol1' }) },
      { key: volumeKey('vol1'), value: formatRecord(volumeSchema, volumeKey('vol1'), copied) },
    ],
  });
  const chunks = logs.chunks(VDISK);
  for (let from = 1; from <= 40; from += 8) {
    const builder = new ChunkBuilder(VDISK, from);
    for (let first = from; first < from + 8; first++)
      builder.add({
        ...{ vdisk: VDISK, number: first, epoch: 1, generation: 0, kind: 'writes', name: '', first, base: 1 },
        ...{ firstAt: first, lastAt: first, blockSize: 512, positions: [], data: Buffer.alloc(0) },
        records: [{ sequence: first, block: first % 3, length: 0, checksum: 0 }],
      });
    await chunks.write(builder.finish());
  }
  const loop = new CompactionLoop({
    ...{ store: logs.store, tier2: logs.tier2, log: silentLogger, chunkBytes: 20_000, intervalMs: 20 },
    ...{ retention: { everyStateMs: 0, points: 0, pointEveryMs: 1_000 }, vdisks: () => [VDISK] },
  });
  loop.start();
  await until(async () => (await chunks.list()).some(({ pass }) => pass > 0), {
    ...{ what: 'the log is compacted', timeoutMs: TIMEOUT_MS },
  });
  await loop.stop();
  const source = await Tier2Source.open(chunks);
  for (const sequence of [12, 20, 32])
    assert.equal((await exactPoint(VDISK, source, { kind: 'sequence', sequence })).sequence, sequence);
  await assert.rejects(
    exactPoint(VDISK, source, { kind: 'sequence', sequence: 15 }),
    (error: LogError) => error.code === 'not-restorable',
  );
});
