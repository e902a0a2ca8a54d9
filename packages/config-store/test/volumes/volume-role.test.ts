import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideVolumeEnable } from '../../src/volumes/volume-admission.ts';
import { decideVolumePeer, type PeerTold } from '../../src/volumes/volume-peer.ts';
import {
  unlimitedLink,
  type VolumeCopyState,
  type VolumeRecord,
  volumeSchema,
} from '../../src/volumes/volume-records.ts';
import {
  decideVolumeDemote,
  decideVolumePromote,
  decideVolumePromoted,
} from '../../src/volumes/volume-role.ts';
import { decideVolumeProgress } from '../../src/volumes/volume-sync.ts';

const generation = { number: 3, zone: 'north', incarnation: 'a' };
const kept = { generation, lineage: [], sequence: 500, segment: null, ownSequence: 80, ownSegment: null };
const copy: VolumeCopyState = {
  ...{ way: 'compare', reason: 'a complete state was here before', generation, behind: null },
  ...{
    next: 4096,
    blocks: 262_144,
    sentBlocks: 12,
    sentBytes: 49_152,
    hashBytes: 900,
    beganAt: 1,
    endedAt: null,
  },
};
const copying: VolumeRecord = volumeSchema.parse({
  ...{ volume: 'vol1', vdisk: 'v1', role: 'secondary', phase: 'copying', generation, lineage: [] },
  ...{ begins: 0, begun: null, sequence: null, segment: null, kept, copy, known: 3, peer: 'north' },
  ...{ mode: 'instant', promotion: null, divergence: null, rival: null, trouble: null, point: null },
  ...{ changedAt: 1, reason: '' },
});

test('a promote by force that is given up leaves no comparison that could go on over what it had brought back', () => {
  const request = { volume: 'vol1', force: true, operation: 'op-1' };
  const { next: promoted } = decideVolumePromote(copying, request, null, 2);
  assert.equal(promoted?.promotion?.operation, 'op-1');
  assert.equal(promoted?.copy, null);
  // What was compared just before comes too late.
  const late = { kind: 'copying' as const, copy };
  assert.equal(
    decideVolumeProgress(promoted ?? null, { volume: 'vol1', generation }, late, 3).outcome,
    'already',
  );
  const gone: VolumeRecord = { ...(promoted ?? copying), copy };
  assert.equal(decideVolumeDemote(gone, { volume: 'vol1' }, null, 3).next?.copy, null);
  const { next: demoted } = decideVolumeDemote(promoted ?? null, { volume: 'vol1' }, null, 3);
  assert.deepEqual([demoted?.promotion, demoted?.copy, demoted?.kept], [null, null, kept]);
});

test('a promote of what is complete leaves what is known of its last copy', () => {
  const complete = { ...copying, phase: 'following' as const, sequence: 500, kept: null };
  const { next } = decideVolumePromote(complete, { volume: 'vol1', force: true, operation: 'op-1' }, null, 2);
  assert.deepEqual(next?.copy, copy);
});

const facts = {
  ...{ zone: 'north', peers: ['south'], vdiskExists: true, hasLog: true },
  ...{ otherVolume: null, owner: null, busy: null },
};
const tells = (role: 'primary' | 'secondary', incarnation: string): PeerTold => ({
  ...{ zone: 'south', role, phase: role === 'primary' ? 'serving' : 'following', lineage: [] },
  ...{ generation: { number: 5, zone: 'south', incarnation }, begins: 0, begun: null, sequence: 7 },
  ...{ peer: 'north', mode: 'instant', link: unlimitedLink, schedule: null, promotionAt: null },
});

test('a primary that was enabled anew steps down for another primary, and not for a copy of what the volume was before', () => {
  const { next } = decideVolumeEnable(
    null,
    { volume: 'vol1', vdisk: 'v1', from: null, incarnation: 'new' },
    facts,
    1,
  );
  assert.ok(next);
  const primary = { ...next, peer: 'south', mode: 'instant' as const };
  const hearing = { volume: 'vol1', zone: 'north' };
  const after = (told: PeerTold) => decideVolumePeer(primary, hearing, told, 2).next ?? primary;
  assert.equal(after(tells('secondary', 'old')).role, 'primary');
  assert.equal(after(tells('secondary', 'new')).role, 'secondary');
  const down = after(tells('primary', 'old'));
  assert.equal(down.role, 'secondary');
  assert.equal(down.rival?.generation.number, 5);
  assert.match(down.reason, /of another volume vol1: one of the two was enabled anew/);
});

test('a promote waits until all that the vdisk holds is on record', () => {
  const complete = {
    ...{ ...copying, phase: 'following' as const, sequence: 500, kept: null },
    promotion: { operation: 'op-1', force: true, at: 1 },
  };
  const promoted = { volume: 'vol1', zone: 'south', head: { sequence: 90, segment: null } };
  const early = decideVolumePromoted(complete, { ...promoted, applied: 502 }, null, 2);
  assert.deepEqual([early.outcome, early.code], ['refused', 'not-settled']);
  const { next } = decideVolumePromoted(complete, { ...promoted, applied: 500 }, null, 2);
  assert.equal(next?.lineage.at(-1)?.ends, 500);
});

test('of two promotes that are asked for at once one is carried out, whatever the clocks of the zones are', () => {
  const waiting = (peer: string): VolumeRecord => ({
    ...copying,
    ...{ phase: 'waiting' as const, sequence: 500, kept: null, peer },
  });
  const told = (record: VolumeRecord, zone: string): PeerTold => ({
    ...{
      ...tells('secondary', 'a'),
      zone,
      phase: record.phase,
      generation: record.generation,
      sequence: 500,
    },
    ...{ peer: record.peer, promotionAt: record.promotion?.at ?? null },
  });
  const order = { volume: 'vol1', force: false, operation: 'op' };
  /** The clock of the zone that asks second is behind. */
  for (const [first, second] of [
    ['north', 'south'],
    ['south', 'north'],
  ] as const) {
    let one = waiting(second);
    let two = waiting(first);
    one = decideVolumePromote(one, order, told(two, second), 5_000).next ?? one;
    const before = told(two, second);
    // Asking tells: the other one hears of it before anybody asks for its promote.
    two = decideVolumePeer(two, { volume: 'vol1', zone: second }, told(one, first), 10).next ?? two;
    two = decideVolumePromote(two, { ...order, operation: 'op-2' }, told(one, first), 11).next ?? two;
    const head = { sequence: 9, segment: null };
    const promoted = { volume: 'vol1', head };
    const late = decideVolumePromoted(two, { ...promoted, zone: second }, told(one, first), 12);
    assert.deepEqual([late.outcome, late.code], ['refused', 'not-complete']);
    assert.match(late.reason, /was to be promoted before this one/);
    for (const seen of [before, told(two, second)])
      assert.equal(decideVolumePromoted(one, { ...promoted, zone: first }, seen, 5_001).outcome, 'applied');
  }
});
