import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideVolumeReplicate, type ReplicateRequest } from '../../src/volumes/volume-admission.ts';
import { decideVolumePeer, type PeerTold } from '../../src/volumes/volume-peer.ts';
import { type VolumeRecord, volumeSchema } from '../../src/volumes/volume-records.ts';
import { aimOf, decideVolumeProgress, type SyncNews } from '../../src/volumes/volume-sync.ts';

const generation = { number: 3, zone: 'north', incarnation: 'a' };
/** As an earlier version wrote it: nothing of its link. */
const primary: VolumeRecord = volumeSchema.parse({
  ...{ volume: 'vol1', vdisk: 'v1', role: 'primary', phase: 'serving', generation, lineage: [], begins: 0 },
  ...{ sequence: null, known: 3, peer: 'south', mode: 'instant', promotion: null, divergence: null },
  ...{ rival: null, trouble: null, point: null, changedAt: 1, reason: '' },
});
const secondary: VolumeRecord = {
  ...primary,
  role: 'secondary',
  phase: 'following',
  sequence: 40,
  peer: 'north',
};
const facts = { zone: 'north', peers: ['south'] };

function replicated(record: VolumeRecord, request: Partial<ReplicateRequest>) {
  const asked = {
    volume: 'vol1',
    to: 'south',
    mode: null,
    bandwidthMib: null,
    compression: null,
    ...{ everyMs: null, startAt: null, missed: null },
    ...request,
  };
  return decideVolumeReplicate(record, asked, facts, 2);
}

function toldOf({
  role,
  phase,
  lineage,
  begins,
  begun,
  mode,
  link,
  schedule,
  peer,
  generation,
}: VolumeRecord): PeerTold {
  return {
    ...{
      zone: 'north',
      role,
      phase,
      generation,
      lineage,
      begins,
      begun,
      sequence: null,
      peer,
      mode,
      link,
      schedule,
    },
    promotionAt: null,
  };
}

test('what an order does not name stays as it is', () => {
  const limited = replicated(primary, { bandwidthMib: 8 }).next;
  assert.deepEqual(limited?.link, { bandwidthMib: 8, compression: 'none' });
  const both = replicated(limited ?? primary, { compression: 'brotli' }).next;
  assert.deepEqual([both?.link, both?.mode], [{ bandwidthMib: 8, compression: 'brotli' }, 'instant']);
  const free = replicated(both ?? primary, { bandwidthMib: 0 }).next;
  assert.deepEqual(free?.link, { bandwidthMib: 0, compression: 'brotli' });
  assert.equal(replicated(free ?? primary, {}).outcome, 'already');
});

test('a limit that is none is refused', () => {
  for (const bandwidthMib of [-1, 65_537, Number.NaN])
    assert.equal(replicated(primary, { bandwidthMib }).code, 'invalid-link');
});

test('a secondary takes the link from its primary, not from a late word of an earlier one, and keeps it when it is promoted', () => {
  const link = { bandwidthMib: 8, compression: 'brotli' as const };
  const hearing = { volume: 'vol1', zone: 'south' };
  const heard = decideVolumePeer(secondary, hearing, toldOf({ ...primary, link }), 2);
  assert.deepEqual(heard.next?.link, link);
  assert.equal(heard.next?.phase, 'following');
  const late = toldOf({ ...primary, generation: { ...generation, number: 2 } });
  assert.equal(decideVolumePeer(heard.next ?? null, hearing, late, 3).outcome, 'already');
  const promoted: VolumeRecord = {
    ...(heard.next ?? secondary),
    ...{ role: 'primary', phase: 'serving', generation: { ...generation, number: 4, zone: 'south' } },
  };
  assert.deepEqual(decideVolumePeer(promoted, hearing, toldOf(primary), 4).next?.link ?? promoted.link, link);
});

test('a schedule is ordered with its mode, kept while the link changes, and refused where it makes no sense', () => {
  const periodic = replicated(primary, {
    mode: 'periodic',
    everyMs: 60_000,
    startAt: 5_000,
    missed: 'skip',
  }).next;
  assert.deepEqual(periodic?.schedule, { everyMs: 60_000, startAt: 5_000, missed: 'skip' });
  assert.deepEqual(replicated(periodic ?? primary, { bandwidthMib: 8 }).next?.schedule, periodic?.schedule);
  assert.equal(replicated(periodic ?? primary, { everyMs: 2_000 }).next?.schedule?.everyMs, 2_000);
  assert.equal(replicated(periodic ?? primary, { mode: 'instant' }).next?.schedule, null);
  const once = replicated(primary, { mode: 'one-time' }).next;
  assert.deepEqual(once?.schedule, { everyMs: 0, startAt: 2, missed: 'run-once' });
  assert.deepEqual(replicated(once ?? primary, { bandwidthMib: 8 }).next?.schedule, once?.schedule);
  const wrong: Partial<ReplicateRequest>[] = [
    { mode: 'periodic' },
    { mode: 'periodic', everyMs: 0 },
    { mode: 'periodic', everyMs: 999 },
    { mode: 'periodic', everyMs: 1_000.5 },
    { mode: 'periodic', everyMs: 60_000, startAt: -1 },
    { mode: 'periodic', everyMs: 60_000, startAt: 9e15 },
    { mode: 'instant', everyMs: 60_000 },
    { missed: 'skip' },
  ];
  for (const request of wrong)
    assert.equal(replicated(primary, request).code, 'invalid-schedule', JSON.stringify(request));
});

test('a run begins when it is due, is aimed once under each generation, and ends with a point', () => {
  const schedule = { everyMs: 0, startAt: 2, missed: 'run-once' as const };
  const hearing = { volume: 'vol1', zone: 'south' };
  const told = toldOf({ ...primary, mode: 'one-time', schedule });
  let record = decideVolumePeer(secondary, hearing, told, 3).next ?? null;
  const progress = (news: SyncNews, at: number): VolumeRecord | null => {
    const { next } = decideVolumeProgress(record, { volume: 'vol1', generation }, news, at);
    record = next ?? record;
    return record;
  };
  assert.equal(record && aimOf(record), 'none');
  assert.equal(progress({ kind: 'due' }, 4)?.sync?.run?.beganAt, 4);
  assert.equal(record && aimOf(record), 'unknown');
  progress({ kind: 'aimed', sequence: 90 }, 5);
  progress({ kind: 'aimed', sequence: 95 }, 6);
  assert.equal(record && aimOf(record), 90);
  const other = { ...generation, number: 4 };
  assert.equal(record && aimOf({ ...(record as VolumeRecord), generation: other }), 'unknown');
  progress({ kind: 'synced', sequence: 90, point: null }, 7);
  assert.deepEqual(record?.sync?.last, { slotAt: 2, beganAt: 4, endedAt: 7, sequence: 90 });
  assert.equal(
    decideVolumeProgress(record, { volume: 'vol1', generation }, { kind: 'due' }, 9).outcome,
    'already',
  );
});
