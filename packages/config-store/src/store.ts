import { StoreError } from './errors.ts';
import { connectEtcd } from './etcd-calls.ts';
import { grantLease } from './lease.ts';
import { keyRange, prefixRange, readRange, spanRange } from './ranges.ts';
import { revisionError } from './revision-error.ts';
import { snapshotReader } from './snapshot-reader.ts';
import { readKeys, transact } from './transaction.ts';
import type { ConfigStore, Lease, StoreLog, StoreOptions, Watch } from './types.ts';
import { startWatch } from './watch.ts';

const CALL_TIMEOUT_MS = 5_000;
const WATCH_AUDIT_INTERVAL_MS = 2_000;

const silent: StoreLog = { info: () => {}, warn: () => {} };

/** Opens the configuration store. Connects lazily: an unreachable etcd shows in the first call. */
export function openStore(options: StoreOptions): ConfigStore {
  const { endpoints, log = silent, callTimeoutMs = CALL_TIMEOUT_MS } = options;
  const auditIntervalMs = options.watchAuditIntervalMs ?? WATCH_AUDIT_INTERVAL_MS;
  if (endpoints.length === 0) {
    throw new StoreError('store-refused', 'open: expected at least one etcd endpoint, found none');
  }
  const etcd = connectEtcd(endpoints, callTimeoutMs, options.tls);
  const watches = new Set<Watch>();
  const leases = new Set<Lease>();

  return {
    async get(key) {
      return (await readKeys(etcd, [key])).entries.get(key) ?? null;
    },
    async getAt(key, revision) {
      const what = `read of ${key} at revision ${revision}`;
      try {
        return (await readRange(etcd, what, keyRange(key), { revision })).entries[0] ?? null;
      } catch (error) {
        throw revisionError(error, revision);
      }
    },
    snapshot: () => snapshotReader(etcd),
    getMany: (keys) => readKeys(etcd, keys),
    list: (prefix) => readRange(etcd, `list of ${prefix}`, prefixRange(prefix)),
    async listKeys(range) {
      const what = `list of keys from ${range.from || 'the first'} to ${range.to ?? 'the last'}`;
      const listing = await readRange(etcd, what, spanRange(range), { keysOnly: true });
      return listing.entries.map(({ key }) => key);
    },
    transact: (transaction) => transact(etcd, transaction),
    async watch(selection, onChange) {
      const watch = await startWatch(etcd, selection, onChange, {
        auditIntervalMs,
        startTimeoutMs: callTimeoutMs,
        log,
      });
      watches.add(watch);
      return {
        entries: () => watch.entries(),
        confirmedAtMs: () => watch.confirmedAtMs(),
        close() {
          watches.delete(watch);
          watch.close();
        },
      };
    },
    async grantLease(ttlSeconds) {
      const lease = await grantLease(etcd, ttlSeconds, log, (ended) => leases.delete(ended));
      leases.add(lease);
      return lease;
    },
    close() {
      for (const watch of watches) watch.close();
      for (const lease of leases) lease.release();
      etcd.close();
    },
  };
}
