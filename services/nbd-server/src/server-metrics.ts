import type { Metrics } from '@salvor/service-kit';
import type { NbdServer } from './nbd/server.ts';
import type { VdiskExports } from './vdisk-exports.ts';

export function registerMetrics(metrics: Metrics, nbd: NbdServer, exports: VdiskExports): void {
  metrics.gaugeFrom('salvor_nbd_connections', 'NBD connections open now', () => nbd.connections().length);
  metrics.gaugeFrom(
    'salvor_nbd_in_flight_bytes',
    'Payload bytes of NBD requests in flight',
    () => nbd.bytesInFlight,
  );
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
}
