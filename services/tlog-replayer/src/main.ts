import { randomUUID } from 'node:crypto';
import { busOptions, connectBus } from '@salvor/bus';
import { OperationWorkers, openStore, storeOptions } from '@salvor/config-store';
import { runService } from '@salvor/service-kit';
import { ReplayWindow } from '@salvor/tlog';
import { engineLogin } from '@salvor/vdisk';
import { ArchiveLoop } from './archive-loop.ts';
import { CompactionLoop } from './compaction-loop.ts';
import { ConfigurationKeeper } from './configuration-keeper.ts';
import { exportExecutor } from './exports/export-executor.ts';
import { importExecutor, isGivenUp } from './exports/import-executor.ts';
import { Logs } from './logs.ts';
import { cloneExecutor, isMadeFromLog } from './point-in-time/clone-executor.ts';
import { rollbackExecutor } from './point-in-time/rollback-executor.ts';
import { RecoveryMeasuring } from './recovery/recovery-measuring.ts';
import { replayExecutor } from './recovery/replay-executor.ts';
import { replayerSettings } from './settings.ts';
import { Tier2Access } from './tier2-access.ts';
import { verifyExecutor } from './verify-executor.ts';

const MIB = 1024 * 1024;

await runService({
  name: 'tlog-replayer',
  settings: replayerSettings,
  start: async ({ config, log, metrics, starting }) => {
    const login = engineLogin(config);
    const store = openStore({ ...storeOptions(config), log });
    const owner = { server: 'tlog-replayer', instance: randomUUID() };
    const by = `tlog-replayer ${owner.instance}`;
    const tier2 = config.tlogStore === '' ? null : new Tier2Access(config, log);
    starting('waits for NATS');
    const bus = await connectBus({ ...busOptions(config), name: 'tlog-replayer', log, metrics });
    const logs = new Logs({
      ...{ store, tier2, streams: bus.logStreams },
      noticed: (vdisk, what) => log.warn({ vdisk, what }, 'part of a log is missing'),
    });
    const access = {
      timeoutMs: config.engineTimeoutMs,
      login,
    };
    const replays = {
      ...{ store, logs, access, owner, log, streams: bus.logStreams },
      window: new ReplayWindow(
        config.replayBandwidthMib === 0 ? {} : { bytesPerSecond: config.replayBandwidthMib * MIB },
      ),
      atOnce: config.replaysAtOnce,
    };
    const states = { ...replays, instance: owner.instance };
    const files = { ...states, tier2 };
    const operations = new OperationWorkers({
      ...{ store, log, worker: by },
      executors: {
        'dr.replay': replayExecutor(replays),
        'vdisk.clone': cloneExecutor(states),
        'vdisk.export': exportExecutor(files),
        'vdisk.import': importExecutor(files),
        'vdisk.rollback': rollbackExecutor(states),
        'tlog.verify': verifyExecutor({ store, tier2, streams: bus.logStreams }),
      },
      mayTake: async (record) => {
        if (record.kind === 'vdisk.clone') return isMadeFromLog(record);
        return record.kind !== 'vdisk.import' || !isGivenUp(record);
      },
    });
    starting('waits for etcd');
    await operations.start();
    const measuring = new RecoveryMeasuring({ store, logs, log, by });
    await measuring.start();
    const archive =
      tier2 === null
        ? null
        : new ArchiveLoop({
            ...{ store, tier2, streams: bus.logStreams, log, instance: owner.instance },
            limits: { chunkBytes: config.archiveChunkMib * MIB, maxAgeMs: config.archiveMaxAgeMs },
            memoryBytes: config.archiveMemoryMib * MIB,
            pollMs: config.archivePollMs,
            written: metrics.counter('salvor_tlog_chunks_total', 'Chunks written to Tier-2'),
          });
    metrics.gaugeFrom(
      'salvor_tlog_archived_vdisks',
      'Vdisks whose log is archived here',
      () => archive?.vdisks.length ?? 0,
    );
    metrics.gaugeFrom(
      'salvor_tlog_archive_lag_seconds',
      'How long the oldest segment waits that is not archived',
      () => (archive?.lagMs ?? 0) / 1_000,
    );
    metrics.gaugeFrom(
      'salvor_tlog_archive_troubled',
      'Vdisks whose log cannot be archived now',
      () => archive?.troubled ?? 0,
    );
    if (archive === null)
      log.warn({}, 'SALVOR_TLOG_STORE is not set: nothing is archived, and Tier-1 fills up');
    await archive?.start();
    const compaction =
      archive === null || tier2 === null
        ? null
        : new CompactionLoop({
            ...{ store, tier2, log, vdisks: () => archive.vdisks },
            retention: {
              everyStateMs: config.retainMs,
              points: config.retainPoints,
              pointEveryMs: config.retainPointEveryMs,
            },
            chunkBytes: config.archiveChunkMib * MIB,
            intervalMs: config.compactIntervalMs,
            compacted: metrics.counter('salvor_tlog_compactions_total', 'Archived logs that were compacted'),
          });
    compaction?.start();
    const keeper =
      tier2 === null
        ? null
        : new ConfigurationKeeper({
            ...{ store, tier2, log, instance: owner.instance },
            intervalMs: config.configurationIntervalMs,
          });
    keeper?.start();
    return {
      checks: {
        bus: () => (bus.connected() ? null : 'not connected to NATS'),
        etcd: async () => {
          await store.get('/salvor/ready');
          return null;
        },
      },
      shutdown: [
        { name: 'plans', run: () => measuring.stop() },
        { name: 'operations', run: () => operations.stop() },
        { name: 'compaction', run: () => compaction?.stop() },
        { name: 'configuration', run: () => keeper?.stop() },
        { name: 'archive', run: () => archive?.stop() },
        { name: 'Tier-2', run: () => tier2?.close() },
        { name: 'bus', run: () => bus.close({ deadlineMs: 2_000 }) },
        { name: 'etcd', run: () => store.close() },
      ],
    };
  },
});
