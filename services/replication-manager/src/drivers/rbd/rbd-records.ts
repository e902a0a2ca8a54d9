import { type Compare, type ConfigStore, readRbdVolume, writeRbdVolume } from '@salvor/config-store';
import type { RbdRecordStore } from './rbd-driver.ts';

/**
 * The record of one volume in etcd of one zone.
 *
 * @param compare must hold with each write: the right of whoever keeps the volume
 */
export function etcdRbdRecords(
  store: ConfigStore,
  volume: string,
  compare: readonly Compare[] = [],
): RbdRecordStore {
  return {
    read: () => readRbdVolume(store, volume),
    write: (record, revision) => writeRbdVolume(store, volume, record, revision, compare),
  };
}
