/** Copies of a volume by logs alone: what is complete up to a record has all that was written up to there. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Generation, unlimitedLink, type VolumeRecord } from '@salvor/config-store';
import type { VolumeDescription } from '@salvor/contracts';
import { ReplayWindow, segmentIndexOf } from '@salvor/tlog';
import { changedSinceFork } from '../src/changed-blocks.ts';
import type { SourceSegment } from '../src/source-log.ts';
import { copyVolume, type VolumeCopy } from '../src/volume-copy.ts';
import type { LogReads, ZoneLog } from '../src/zone-log.ts';
import { BLOCK, segmentOf } from './segments.ts';

const before: Generation = { number: 1, zone: 'here', incarnation: 'i' };
const now: Generation = { number: 2, zone: 'there', incarnation: 'i' };

/** A log in JetStream, alone in its stream. `asked` is told of each question for its newest segment. */
function logOf(segments: readonly SourceSegment[], asked: () => void = () => undefined): ZoneLog {
  const messages = () => segments.map(({ bytes: data }, i) => ({ sequence: i + 1, data }));
  const streams: Pick<LogReads, 'last' | 'message' | 'readWindow'> & { facts: unknown } = {
    last: async () => {
      asked();
      return messages().at(-1) ?? null;
    },
    facts: async () => ({ firstSequence: 1, lastSequence: segments.length }),
    message: async (_, sequence) => messages()[sequence - 1] ?? null,
    readWindow: async ({ from, upTo = segments.length }) => ({
      messages: messages().filter(({ sequence }) => sequence >= from && sequence <= upTo),
      ...{ next: segments.length + 1, end: true },
    }),
  };
  return { streams: streams as LogReads, container: 1, vdisk: 'v1', begins: 0, archive: null };
}

/** A vdisk of blocks that are filled with one byte each. */
function vdiskOf(fills: readonly number[]): { mount: VolumeCopy['mount']; fills: () => number[] } {
  const content = fills.map((fill) => Buffer.alloc(BLOCK, fill));
  const target = {
    ...{ blocks: fills.length, blockSize: BLOCK, stepBlocks: 16, shards: 1, shardOf: () => 0 },
    read: async (blocks: readonly number[]) => blocks.map((block) => content[block] ?? null),
    present: async (blocks: readonly number[]) => blocks.map((block) => content[block]?.[0] !== 0),
    write: async (changes: readonly { block: number; data: Buffer | null }[]) => {
      for (const { block, data } of changes) content[block] = Buffer.from(data ?? Buffer.alloc(BLOCK));
    },
  };
  const geometry = { sizeBytes: fills.length * BLOCK, blockSizeBytes: BLOCK };
  const mounted = { geometry, wholeBlocks: () => target };
  return {
    mount: { mounted } as unknown as VolumeCopy['mount'],
    fills: () => content.map((each) => each[0] ?? 0),
  };
}

test('a resync since the fork has what its primary writes while the logs are being read', async () => {
  const common = segmentOf(
    1,
    1,
    [0, 1, 2].map((block) => ({ block, fill: 1 })),
  );
  const here = [common, segmentOf(2, 4, [{ block: 0, fill: 66 }])];
  const at = { epoch: 2 };
  for (let after = 1; after < 9; after++) {
    const there = [common, segmentOf(2, 4, [{ block: 1, fill: 7 }], at)];
    let asked = 0;
    const log = logOf(there, () => {
      // A block that nobody else has written since the fork.
      if (++asked === after) there.push(segmentOf(3, 5, [{ block: 2, fill: 9 }], at));
    });
    const vdisk = vdiskOf([66, 1, 1, 0]);
    const record = {
      ...{ volume: 'vol', vdisk: 'v1', phase: 'resyncing', generation: now, kept: null, copy: null },
      ...{ link: unlimitedLink, divergence: { fork: { generation: before, sequence: 3 }, records: 1 } },
    };
    const source = {
      ...{ zone: 'there', vdisk: 'v1', sizeBytes: 4 * BLOCK, blockSize: BLOCK, begins: 3 },
      lineage: [{ ...before, ends: 3 }],
    };
    const done = await copyVolume({
      ...{ record: record as unknown as VolumeRecord, source: source as unknown as VolumeDescription },
      ...{ log, own: logOf(here), mount: vdisk.mount, window: new ReplayWindow() },
      ...{ confirm: async () => Number.POSITIVE_INFINITY, copying: async () => undefined },
      ask: async () => assert.fail('nothing has to be compared'),
      signal: new AbortController().signal,
    });
    assert.equal(done.copy.way, 'since-fork');
    assert.ok(done.sequence === 4 || done.sequence === 5, `${done.sequence}`);
    assert.deepEqual(
      vdisk.fills(),
      [1, 7, done.sequence === 5 ? 9 : 1, 0],
      `written before question ${after}`,
    );
  }
});

test('a log that was begun anew since the fork does not tell what was emptied before, compacted or not', async () => {
  const written = (base: number) => [
    segmentOf(1, 1, [{ block: 0, fill: 1 }]),
    segmentOf(2, 2, [{ block: 1, fill: 2 }], { base }),
  ];
  const changedIn = async (segments: readonly SourceSegment[], after: number) => {
    const source = {
      newestFirst: async function* () {
        for (const { segment } of segments.toReversed()) yield segmentIndexOf(segment);
      },
    };
    return (await changedSinceFork([{ source: source as never, after }]))?.count ?? null;
  };
  assert.equal(await changedIn(written(1), 1), 1);
  assert.equal(await changedIn(written(1), 0), 2);
  assert.equal(await changedIn(written(2), 1), null);
});
