import {
  type ConfigStore,
  listVolumePoints,
  type ReplicationPoint,
  sameGeneration,
  type VolumeRecord,
} from '@salvor/config-store';

/**
 * The next point of the generation that is followed. A volume that was disabled and enabled again knows nothing of those it
 * had, and their numbers are not given again. Throws StoreError, ConfigValueError.
 */
export async function nextPoint(
  store: Pick<ConfigStore, 'list'>,
  { volume, generation, point }: VolumeRecord,
  reached: Pick<ReplicationPoint, 'sequence' | 'writtenAt' | 'ownSequence' | 'bytes' | 'beganAt'>,
): Promise<ReplicationPoint> {
  const isSame = point !== null && sameGeneration(point.generation, generation);
  const before = isSame ? [point] : await listVolumePoints(store, volume);
  const numbers = before.filter((each) => sameGeneration(each.generation, generation));
  const number = 1 + Math.max(0, ...numbers.map((each) => each.number));
  const { sequence, writtenAt, ownSequence, bytes, beganAt } = reached;
  return { generation, number, sequence, ownSequence, writtenAt, at: Date.now(), bytes, beganAt };
}
