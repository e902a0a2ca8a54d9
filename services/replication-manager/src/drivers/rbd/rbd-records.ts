import { type ConfigStore, readRbdVolume, writeRbdVolume } from '@salvor/config-store';
import type { RbdRecordStore } from './rbd-driver.ts';

/** The record of one volume in etcd of one zone. */
export function etcdRbdRecords(store: ConfigStore, volume: string): RbdRecordStore {
  return {
    read: () => readRbdVolume(store, volume),
    write: (record, revision) => writeRbdVolume(store, record, revision),
  };
}
