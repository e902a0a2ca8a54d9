import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type VolumeCopyState, type VolumeRecord, volumeSchema } from '../../src/volumes/volume-records.ts';
import { decideVolumeDemote, decideVolumePromote } from '../../src/volumes/volume-role.ts';

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
  const { next: demoted } = decideVolumeDemote(promoted ?? null, { volume: 'vol1' }, null, 3);
  assert.deepEqual([demoted?.promotion, demoted?.copy, demoted?.kept], [null, null, kept]);
});

test('a promote of what is complete leaves what is known of its last copy', () => {
  const complete = { ...copying, phase: 'following' as const, sequence: 500, kept: null };
  const { next } = decideVolumePromote(complete, { volume: 'vol1', force: true, operation: 'op-1' }, null, 2);
  assert.deepEqual(next?.copy, copy);
});
