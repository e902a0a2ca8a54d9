import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { ArchiveBackup, ArchivePlace, ArchiveRecord } from '@salvor/config-store';
import type { TlogSegment, VolumeDescription } from '@salvor/contracts';
import { until } from '@salvor/testkit';
import { type ArchiveWriter, encodeSegment, type VdiskChunks } from '@salvor/tlog';
import type { SourceVolume } from '../../src/archives/archive-source.ts';
import { reasonNotToTake } from '../../src/archives/source-standing.ts';
import { ZoneFollowing } from '../../src/archives/zone-following.ts';
import { logSegmentOf } from '../../src/zone-log.ts';
import { BLOCK, segmentOf } from '../segments.ts';
import {
  BLOCKS,
  chunksOf,
  contentOf,
  followingRecord,
  storeIn,
  workOf,
  writerOf,
} from './archive-records.ts';

const TIMEOUT_MS = 20_000;

/** Zone north with the log of a volume, and an archive of it. */
class Followed {
  readonly records = new Map<string, ArchiveRecord>();
  readonly chunks: VdiskChunks;
  readonly writer: ArchiveWriter;
  log: TlogSegment[] = [];
  asked = 0;
  description = {
    ...{ zone: 'north', volume: 'vol1', role: 'primary', generation: 1, generationZone: 'north' },
    ...{ incarnation: 'i1', begins: 0, sizeBytes: BLOCKS * BLOCK },
  } as VolumeDescription;

  private constructor(chunks: VdiskChunks, writer: ArchiveWriter) {
    this.chunks = chunks;
    this.writer = writer;
  }

  /** Segment 1 is stored. */
  static async begin(context: TestContext): Promise<Followed> {
    const chunks = chunksOf(await storeIn(context), 1);
    const followed = new Followed(chunks, await writerOf(chunks));
    followed.write(0, 1);
    const [first] = followed.log;
    assert.ok(first !== undefined);
    followed.writer.add(first);
    await followed.writer.flush();
    followed.records.set(
      'a',
      followingRecord({ place: { segment: logSegmentOf(first), ...followed.writer.stored } }),
    );
    return followed;
  }

  get record(): ArchiveRecord {
    const record = this.records.get('a');
    assert.ok(record !== undefined);
    return record;
  }

  write(block: number, fill: number): void {
    const number = this.log.length + 1;
    const { segment } = segmentOf(number, number, [{ block, fill }]);
    this.log.push({ ...segment, positions: [{ shard: 0, batch: number }] });
  }

  /** Its reader, as it is opened anew now and then. */
  open(): ZoneFollowing {
    const { place } = this.record;
    assert.ok(place !== null);
    const record: ArchiveRecord & { readonly place: ArchivePlace } = { ...this.record, place };
    return new ZoneFollowing(workOf(this.chunks, this.writer, this.records, 'a'), record, this.#source());
  }

  #source(): SourceVolume {
    const places = (): { sequence: number; data: Buffer }[] =>
      this.log.map((segment, i) => ({ sequence: i + 1, data: encodeSegment(segment) }));
    const streams = {
      last: async () => places().at(-1) ?? null,
      facts: async () => ({ firstSequence: 1, lastSequence: this.log.length }),
      readWindow: async ({ from }: { readonly from: number }) => ({
        ...{ messages: places().filter(({ sequence }) => sequence >= from), next: this.log.length + 1 },
        end: true,
      }),
    };
    const source = {
      ...{ description: this.description, look: async () => this.description },
      log: { streams, container: 1, vdisk: 'v1', begins: 0, archive: null },
      // A client has it mounted, and writes nothing.
      ask: async () => {
        this.asked += 1;
        return { isOwned: true, isLogWhole: true };
      },
    };
    return source as unknown as SourceVolume;
  }
}

test('what a zone writes while it is primary is taken', async (context) => {
  const followed = await Followed.begin(context);
  const following = followed.open();
  followed.write(1, 2);
  await following.step(followed.record);
  await following.end(followed.record);
  assert.deepEqual((await contentOf(followed.chunks)).slice(0, 2), [1, 2]);
  assert.equal(followed.record.place?.number, 2);
  await following.close();
});

test('what was read of a zone that is demoted meanwhile is not stored; the archive is not protected, and says whom to follow', async (context) => {
  const followed = await Followed.begin(context);
  const following = followed.open();
  followed.write(1, 2);
  const { description } = followed;
  followed.description = { ...description, role: 'secondary', generation: 2, generationZone: 'south' };
  await following.step(followed.record);
  await following.end(followed.record);
  assert.deepEqual((await contentOf(followed.chunks)).slice(0, 2), [1, 0]);
  assert.equal(followed.writer.pendingBytes, 0);
  const { phase, overflow, backup, holes } = followed.record;
  assert.deepEqual([phase, backup?.way, holes.length], ['backup', 'hash', 1]);
  assert.match(overflow?.reason ?? '', /secondary in zone north.*--zone south/);
  await following.close();
});

test('a zone that was secondary in between is compared with, not followed', async (context) => {
  for (const change of [
    { generation: 3, begins: 2 },
    { incarnation: 'i2', begins: 2 },
  ]) {
    const followed = await Followed.begin(context);
    followed.write(1, 2);
    followed.write(2, 3);
    const before = followed.open();
    followed.description = { ...followed.description, ...change };
    await before.step(followed.record);
    await before.end(followed.record);
    assert.equal(followed.record.phase, 'backup', 'it was opened before');
    assert.deepEqual((await contentOf(followed.chunks)).slice(0, 3), [1, 0, 0]);
    await before.close();
    followed.records.set('a', {
      ...followed.record,
      phase: 'following',
      backup: null,
      overflow: null,
      place: placeOf(followed),
    });
    const after = followed.open();
    await after.step(followed.record);
    assert.equal(followed.record.phase, 'backup', 'it was opened since');
    await after.close();
  }
});

function placeOf({ log, writer }: Followed): ArchivePlace {
  const [first] = log;
  assert.ok(first !== undefined);
  return { segment: logSegmentOf(first), ...writer.stored };
}

test('a volume that was made one again goes on with its log', () => {
  const north = { zone: 'north', volume: 'vol1', role: 'primary', generation: 1, generationZone: 'north' };
  assert.equal(reasonNotToTake({ ...north, incarnation: 'i2', begins: 0 }, 7), null);
  assert.equal(reasonNotToTake({ ...north, incarnation: 'i1', begins: 7 }, 7), null);
  assert.match(reasonNotToTake({ ...north, incarnation: 'i1', begins: 8 }, 7) ?? '', /from record 8 on/);
});

test('a backup whose log has all is complete while nobody writes, also when its reader was opened anew just then', async (context) => {
  const followed = await Followed.begin(context);
  followed.write(1, 2);
  const [first] = followed.log;
  assert.ok(first !== undefined);
  const positions = (batch: number): NonNullable<ArchiveBackup['until']> => [{ shard: 0, batch }];
  const backup: ArchiveBackup = {
    ...{ way: 'full', reason: '', beganAt: 1, next: 8, blocks: 8, sentBlocks: 1, sentBytes: 1, hashBytes: 1 },
    ...{ base: 1, behind: { segment: logSegmentOf(first), positions: positions(1), image: 'i' } },
    ...{ until: positions(2), mark: null },
  };
  followed.records.set('a', { ...followed.record, base: 0, phase: 'backup', backup });
  const before = followed.open();
  await before.step(followed.record);
  await before.end(followed.record);
  await before.close();
  assert.equal(followed.record.phase, 'backup');
  const after = followed.open();
  const ends = async (): Promise<boolean> => {
    await after.step(followed.record);
    return followed.record.phase === 'following';
  };
  await until(ends, { what: 'the backup is complete', timeoutMs: TIMEOUT_MS });
  assert.equal(followed.asked, 0, 'the log itself tells');
  assert.deepEqual((await contentOf(followed.chunks)).slice(0, 2), [1, 2]);
  await after.close();
});
