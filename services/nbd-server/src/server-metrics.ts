import type { Metrics } from '@salvor/service-kit';
import type { VdiskLogState } from '@salvor/vdisk';
import type { NbdServer } from './nbd/server.ts';
import type { VdiskExports } from './vdisk-exports.ts';

const REQUESTS = {
  read: 'reads',
  write: 'writes',
  flush: 'flushes',
  trim: 'trims',
  zero: 'zeroes',
  cache: 'caches',
  'block-status': 'blockStatuses',
} as const;

export function registerMetrics(metrics: Metrics, nbd: NbdServer, exports: VdiskExports): void {
  metrics.gaugeFrom('salvor_nbd_connections', 'NBD connections open now', () => nbd.connections().length);
  metrics.gaugeFrom(
    'salvor_nbd_in_flight_bytes',
    'Payload bytes of NBD requests in flight',
    () => nbd.bytesInFlight,
  );
  registerTraffic(metrics, nbd);
  metrics.gaugeFrom('salvor_vdisks_mounted', 'Vdisks that this server owns', () => exports.states().length);
  const shards = (mode: string): number =>
    exports
      .states()
      .reduce((sum, { shards: all }) => sum + all.filter((shard) => shard.mode === mode).length, 0);
  metrics.gaugeFrom(
    'salvor_vdisk_shards_alone',
    'Shards of mounted vdisks served from one engine while the other is stale',
    () => shards('alone'),
  );
  metrics.gaugeFrom(
    'salvor_vdisk_shards_holding',
    'Shards whose writes wait for etcd to record a failure',
    () => shards('holding'),
  );
  metrics.gaugeFrom('salvor_vdisk_shards_repairing', 'Shards under repair', () => shards('repairing'));
  metrics.gaugeFrom('salvor_vdisk_shards_unavailable', 'Shards without a live copy', () =>
    shards('unavailable'),
  );
  const logs = (measure: (state: VdiskLogState) => number): number =>
    exports.states().reduce((sum, { log }) => sum + (log === null ? 0 : measure(log)), 0);
  metrics.gaugeFrom(
    'salvor_tlog_pending_bytes',
    'Bytes appended to transaction logs and not durable yet',
    () => logs(({ bytes }) => bytes),
  );
  metrics.gaugeFrom(
    'salvor_tlog_lag_seconds',
    'How long the oldest of them waits, over all mounted vdisks',
    () => exports.states().reduce((most, { log }) => Math.max(most, (log?.ms ?? 0) / 1_000), 0),
  );
  metrics.gaugeFrom('salvor_tlog_flushes_waiting', 'Flushes of clients that wait for a transaction log', () =>
    logs(({ flushesWaiting }) => flushesWaiting),
  );
  const withLog = (status: VdiskLogState['status']): number =>
    logs((state) => (state.status === status ? 1 : 0));
  metrics.gaugeFrom('salvor_tlog_vdisks_opening', 'Mounted vdisks whose log is not taken up yet', () =>
    withLog('opening'),
  );
  metrics.gaugeFrom('salvor_tlog_vdisks_whole', 'Mounted vdisks whose log has all that was flushed', () =>
    withLog('whole'),
  );
  metrics.gaugeFrom('salvor_tlog_vdisks_basing', 'Mounted vdisks whose log gets a copy of all blocks', () =>
    withLog('basing'),
  );
  metrics.gaugeFrom('salvor_tlog_vdisks_broken', 'Mounted vdisks whose log ended', () => withLog('broken'));
}

function registerTraffic(metrics: Metrics, { traffic }: NbdServer): void {
  metrics.countersFrom('salvor_nbd_requests_total', 'NBD requests that were carried out', ['type'], () =>
    Object.entries(REQUESTS).map(([type, count]) => [{ type }, traffic[count]] as const),
  );
  metrics.countersFrom(
    'salvor_nbd_request_errors_total',
    'NBD requests answered with an error: failed by the device, or refused by the rules of the protocol',
    ['reason'],
    () => [
      [{ reason: 'failed' }, traffic.failedRequests],
      [{ reason: 'refused' }, traffic.refusedRequests],
    ],
  );
  metrics.histogramFrom(
    'salvor_nbd_request_duration_seconds',
    'From an NBD request taken to its answer; a write with FUA counts as a flush',
    'type',
    () => Object.entries(traffic.durations),
  );
  metrics.countersFrom('salvor_nbd_bytes_total', 'Payload bytes of NBD requests', ['direction'], () => [
    [{ direction: 'read' }, traffic.readBytes],
    [{ direction: 'written' }, traffic.writtenBytes],
  ]);
  metrics.countersFrom(
    'salvor_nbd_connections_total',
    'NBD connections that were accepted, refused for being too many, or ended in the handshake',
    ['outcome'],
    () => [
      [{ outcome: 'accepted' }, traffic.acceptedConnections],
      [{ outcome: 'refused' }, traffic.refusedConnections],
      [{ outcome: 'failed-handshake' }, traffic.failedHandshakes],
    ],
  );
}
