import { randomUUID } from 'node:crypto';
import { busOptions, connectBus } from '@salvor/bus';
import { openStore, storeOptions } from '@salvor/config-store';
import { certificateMetadata, runService } from '@salvor/service-kit';
import { ReplayWindow } from '@salvor/tlog';
import { engineLogin } from '@salvor/vdisk';
import { Archives } from './archives/archives.ts';
import { ComparedSource } from './compared-source.ts';
import { GroupLoop } from './groups/group-loop.ts';
import { openArchive, PeerZones } from './peer-zones.ts';
import { Plans } from './plans/plans.ts';
import { rbdAnnouncer } from './rbd-volumes/rbd-announcer.ts';
import { rbdClusters } from './rbd-volumes/rbd-clusters.ts';
import { RbdLoop } from './rbd-volumes/rbd-loop.ts';
import { rbdVolumeHandlers } from './rbd-volumes/rbd-volume-commands.ts';
import { managerSettings } from './settings.ts';
import { announcer } from './volume-announcer.ts';
import { volumeCommandHandlers } from './volume-commands.ts';
import { VolumeLoop } from './volume-loop.ts';

const MIB = 1024 * 1024;

await runService({
  name: 'replication-manager',
  settings: managerSettings,
  start: async ({ config, log, metrics, starting }) => {
    const { zone } = config;
    const login = engineLogin(config);
    const store = openStore({ ...storeOptions(config), log });
    const instance = randomUUID();
    starting('waits for NATS');
    const bus = await connectBus({ ...busOptions(config), name: 'replication-manager', log, metrics });
    const peers = new PeerZones(config.zonePeers, log);
    peers.start();
    const announce = announcer(bus, zone, log);
    const lag = metrics.histogram(
      'salvor_volume_lag_seconds',
      'Age of the last write of each window of segments when it was applied',
      [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 30, 300],
    );
    const archive = await openArchive(config);
    const access = {
      timeoutMs: config.engineTimeoutMs,
      login,
    };
    const compared = new ComparedSource({ store, zone, access });
    const replayWindow = new ReplayWindow(
      config.replicationBandwidthMib === 0 ? {} : { bytesPerSecond: config.replicationBandwidthMib * MIB },
    );
    const loop = new VolumeLoop({
      ...{ store, zone, peers, announce, log, instance, streams: bus.logStreams, archive },
      returnHoldMs: config.returnHoldMs,
      groupLimits: {
        heldMaxBytes: config.groupHeldMib * MIB,
        hinderedMs: config.groupHinderedSeconds * 1_000,
      },
      access,
      window: replayWindow,
      applied: (lagMs) => lag.observe(lagMs / 1_000),
    });
    loop.start();
    const clusters = rbdClusters(config.rbdClusters);
    const images = new RbdLoop({
      ...{ store, zone, peers, clusters, log, instance, intervalMs: config.rbdIntervalMs },
      announce: rbdAnnouncer(bus, zone, log),
    });
    images.start();
    const groups = new GroupLoop({ store, bus, log, kept: () => loop.volumes });
    groups.start();
    const archives = new Archives({
      ...{ store, bus, zone, peers, archive, log, metrics, instance, access, config },
      window: replayWindow,
    });
    await archives.start();
    const plans = new Plans({ store, bus, zone, peers, log, instance });
    await plans.start();
    metrics.gaugeFrom(
      'salvor_volumes_kept',
      'Volumes that this replica keeps in step',
      () => loop.volumes.length + images.kept,
    );
    metrics.gaugeFrom('salvor_volume_lag_max_seconds', 'Largest age of what a secondary here lacks', () =>
      Math.max(0, ...loop.volumes.map(({ lagMs }) => lagMs / 1_000)),
    );
    const service = await bus.serve({
      name: 'replication-manager',
      version: '0.1.0',
      metadata: certificateMetadata(config),
      description: `Keeps volumes of zone ${zone} in step with other zones`,
      handlers: {
        ...rbdVolumeHandlers({
          ...{ store, zone, peers: peers.names, clusters, log },
          native: volumeCommandHandlers({
            ...{ store, zone, peers, announce, log, compared },
            streams: bus.logStreams,
          }),
        }),
        ...archives.handlers,
        ...plans.handlers,
      },
    });
    return {
      checks: {
        bus: () => (bus.connected() ? null : 'not connected to NATS'),
        etcd: async () => {
          await store.get('/salvor/ready');
          return null;
        },
      },
      shutdown: [
        { name: 'commands', run: () => service.stop(3_000) },
        { name: 'plans', run: () => plans.stop() },
        { name: 'groups', run: () => groups.stop() },
        { name: 'volumes', run: () => loop.stop() },
        { name: 'mirrored volumes', run: () => images.stop() },
        { name: 'archives', run: () => archives.stop() },
        { name: 'compared images', run: async () => compared.close() },
        { name: 'other zones', run: () => peers.close() },
        { name: 'archive', run: async () => archive?.close() },
        { name: 'bus', run: () => bus.close({ deadlineMs: 2_000 }) },
        { name: 'etcd', run: () => store.close() },
      ],
    };
  },
});
