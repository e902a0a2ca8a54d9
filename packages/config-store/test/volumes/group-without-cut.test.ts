/** A copy in a consistency group that goes on without a cut. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inconsistency, withArrivedCuts } from '../../src/volumes/volume-group.ts';
import { type VolumeCut, type VolumeRecord, volumeSchema } from '../../src/volumes/volume-records.ts';
import { decideVolumeProgress, type SyncNews } from '../../src/volumes/volume-sync.ts';

const generation = { number: 3, zone: 'north', incarnation: 'a' };
const cut = (id: string, last: number): VolumeCut => ({
  ...{ id, number: last, at: 1, generation },
  segment: { number: last, epoch: 1, last, at: 1, base: 1 },
});
const following: VolumeRecord = volumeSchema.parse({
  ...{
    volume: 'vol1',
    vdisk: 'v1',
    role: 'secondary',
    phase: 'following',
    generation,
    lineage: [],
    begins: 0,
  },
  ...{
    sequence: 40,
    segment: cut('a', 40).segment,
    known: 3,
    peer: 'north',
    mode: 'instant',
    promotion: null,
  },
  ...{ divergence: null, rival: null, trouble: null, point: null, changedAt: 1, reason: '' },
  group: {
    ...{
      name: 'dr/db',
      members: ['vol1', 'vol2'],
      made: [],
      arrived: [cut('b', 50)],
      released: cut('a', 40),
    },
    ...{ reached: [], number: 40, reason: '' },
  },
});
const overran: SyncNews = { kind: 'overran', reason: '64 MiB of it waited', released: 'a' };
const news = (record: VolumeRecord, each: SyncNews) =>
  decideVolumeProgress(record, { volume: 'vol1', generation }, each, 2);
const torn = (record: VolumeRecord, sequence: number) =>
  inconsistency(record, { generation, sequence, segment: null }, false);

test('what went on without a cut is at no moment of its group until a later one, whatever arrived before', () => {
  assert.equal(torn(following, 40), null);
  const { outcome, next } = news(following, overran);
  assert.equal(outcome, 'applied');
  assert.ok(next !== null && next !== undefined);
  assert.deepEqual([next.group?.released, next.group?.arrived], [null, []]);
  assert.match(torn(next, 40) ?? '', /no moment yet/);
  const later = withArrivedCuts(next, [cut('c', 90)]);
  assert.deepEqual(
    later?.group.arrived.map(({ id }) => id),
    ['c'],
  );
});

test('it does not go on while it is promoted by force, and what is in no group has nothing to leave', () => {
  const promotion = { operation: 'op', force: true, at: 1 };
  const promoted = { ...following, promotion: { ...promotion, reason: '' } } as VolumeRecord;
  assert.equal(news(promoted, overran).outcome, 'refused');
  assert.equal(news({ ...following, group: null }, overran).outcome, 'already');
});

test('a cut that was let go up to meanwhile is gone up to first, and the same again changes nothing', () => {
  const group = following.group;
  assert.ok(group !== null);
  const released = { ...following, group: { ...group, arrived: [], released: cut('b', 50) } };
  assert.equal(news(released, overran).outcome, 'refused');
  const { next } = news(following, overran);
  assert.ok(next !== null && next !== undefined);
  assert.equal(news(next, { ...overran, released: null }).outcome, 'already');
  assert.equal(news(next, { ...overran, released: null, reason: 'more of it' }).outcome, 'applied');
});

test('a copy whose group has gone up to a cut is not applied beyond it, though nothing else has arrived', () => {
  const group = following.group;
  assert.ok(group !== null);
  const settled = { ...following, group: { ...group, arrived: [] } };
  assert.equal(news(settled, { kind: 'unsettled' }).outcome, 'refused');
  const elsewhere = { ...generation, zone: 'west' };
  const other = { ...group, arrived: [], released: { ...cut('a', 40), generation: elsewhere } };
  assert.equal(news({ ...following, group: other }, { kind: 'unsettled' }).outcome, 'already');
});
