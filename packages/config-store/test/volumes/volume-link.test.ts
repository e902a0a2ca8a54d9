import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideVolumeReplicate, type ReplicateRequest } from '../../src/volumes/volume-admission.ts';
import { decideVolumePeer, type PeerTold } from '../../src/volumes/volume-peer.ts';
import { type VolumeRecord, volumeSchema } from '../../src/volumes/volume-records.ts';

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
  peer,
  generation,
}: VolumeRecord): PeerTold {
  return {
    ...{ zone: 'north', role, phase, generation, lineage, begins, begun, sequence: null, peer, mode, link },
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
