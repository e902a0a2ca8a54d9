import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { archiveSchema, type VolumeSight, volumeSchema } from '@salvor/config-store';
import { archiveSamples } from '../../src/measures/archive-samples.ts';
import { volumeSamples } from '../../src/measures/volume-samples.ts';

const NOW = 10_000_000;

const secondary = (changes: object = {}) =>
  volumeSchema.parse({
    ...{ volume: 'vol1', vdisk: 'v1', role: 'secondary', phase: 'following', reason: '' },
    ...{ generation: { number: 1, zone: 'north', incarnation: 'a' }, lineage: [], known: 1, begins: 0 },
    ...{ begun: null, sequence: 9, segment: null, peer: 'north', mode: 'instant' },
    ...{ promotion: null, divergence: null, rival: null, trouble: null, point: null, changedAt: NOW },
    ...changes,
  });
const sight: VolumeSight = {
  ...{ reachable: true, reason: '', cleared: true, peerSeenAt: NOW, bytes: 5 },
  ...{ level: false, writtenAt: NOW - 2_500, at: NOW },
};

describe('what a secondary may lack', () => {
  const rpo = (record: ReturnType<typeof secondary>, seen: VolumeSight | null) =>
    volumeSamples([{ record, isKept: seen !== null, sight: seen }], NOW).salvor_volume_rpo_seconds;
  it('is as old as its last write, and nothing when it has all', () => {
    assert.deepEqual(rpo(secondary(), sight), [[{ volume: 'vol1' }, 2.5]]);
    assert.deepEqual(rpo(secondary(), { ...sight, level: true }), [[{ volume: 'vol1' }, 0]]);
  });
  it('is not known without a complete copy, or while nobody keeps it', () => {
    assert.deepEqual(rpo(secondary({ sequence: null }), sight), []);
    assert.deepEqual(rpo(secondary(), null), []);
    const alone = volumeSamples([{ record: secondary(), isKept: false, sight: null }], NOW);
    assert.deepEqual(alone.salvor_volume_managers, [[{ volume: 'vol1' }, 0]]);
  });
  it('is split where the other zone is primary as well', () => {
    const rival = { generation: { number: 2, zone: 'north', incarnation: 'b' }, at: NOW };
    assert.deepEqual(
      volumeSamples([{ record: secondary({ rival }), isKept: true, sight }], NOW).salvor_volume_split_brain,
      [[{ volume: 'vol1' }, 1]],
    );
  });
});

describe('the newest state of an archive', () => {
  const record = archiveSchema.parse({
    ...{ archive: 'local', volume: 'vol1', role: 'primary', source: { kind: 'zone', zone: 'north' } },
    ...{ phase: 'following', reason: '', generation: 1, base: 1, writtenAt: NOW - 60_000, levelAt: NOW },
    ...{ retention: { everyStateMs: 1, points: 0, pointEveryMs: 1_000 }, changedAt: NOW },
  });
  const labels = { archive: 'local', volume: 'vol1' };
  it('is current while a manager finds nothing to take', () => {
    const found = archiveSamples([{ record, isWritten: true }], NOW);
    assert.deepEqual(found.salvor_archive_newest_state_seconds, [[labels, 0]]);
    assert.deepEqual(found.salvor_archive_protected, [[labels, 1]]);
  });
  it('is of no interest once it was stopped', () => {
    const stopped = { ...record, phase: 'stopped' as const };
    const found = archiveSamples([{ record: stopped, isWritten: false }], NOW);
    assert.deepEqual(Object.values(found).flat(), []);
  });
  it('is as old as it is when no manager looks, whatever was found last', () => {
    const found = archiveSamples([{ record, isWritten: false }], NOW);
    assert.deepEqual(found.salvor_archive_newest_state_seconds, [[labels, 60]]);
    assert.deepEqual(found.salvor_archive_managers, [[labels, 0]]);
  });
});
