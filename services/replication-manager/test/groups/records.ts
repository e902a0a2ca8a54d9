/** Volumes of group shop/database, as etcd has them. */
import assert from 'node:assert/strict';
import {
  type ConsistencyGroup,
  type LogSegment,
  type VolumeCut,
  type VolumeGroup,
  type VolumeRecord,
  volumeSchema,
  withMembership,
} from '@salvor/config-store';

export const NORTH = { number: 1, zone: 'north', incarnation: '' };
export const GROUP: ConsistencyGroup = { name: 'shop/database', members: ['vol1', 'vol2'], everyMs: 1_000 };

export function segmentAt(last: number): LogSegment {
  return { number: last + 1, epoch: 1, last, at: 0, base: 1 };
}

export function cutAt(number: number, last: number): VolumeCut {
  return { id: `cut-${number}`, number, at: 0, generation: NORTH, segment: segmentAt(last) };
}

/** A copy that follows zone north. */
export function copyOf(
  volume: string,
  more: Partial<VolumeRecord> & { readonly inGroup?: Partial<VolumeGroup> } = {},
): VolumeRecord {
  const { inGroup = {}, ...rest } = more;
  const record: VolumeRecord = volumeSchema.parse({
    ...{
      volume,
      vdisk: `v-${volume}`,
      role: 'secondary',
      phase: 'following',
      generation: NORTH,
      lineage: [],
    },
    ...{ begins: 0, sequence: 0, segment: segmentAt(0), known: 1, peer: 'north', mode: 'instant' },
    ...{ promotion: null, divergence: null, rival: null, trouble: null, point: null, changedAt: 0 },
    reason: 'follows',
  });
  const joined = withMembership(record, GROUP)?.group ?? assert.fail('it joins');
  return { ...record, group: { ...joined, ...inGroup }, ...rest };
}

export function promotionOf(force: boolean): VolumeRecord['promotion'] {
  return { operation: 'op', force, at: 1 };
}
