import { randomUUID } from 'node:crypto';
import { busOptions, connectBus } from '@salvor/bus';
import { OperationWorkers, openStore } from '@salvor/config-store';
import { runService } from '@salvor/service-kit';
import { openStoreAt, ReplayWindow } from '@salvor/tlog';
import { Logs } from './logs.ts';
import { RecoveryMeasuring } from './recovery/recovery-measuring.ts';
import { replayExecutor } from './recovery/replay-executor.ts';
import { replayerSettings } from './settings.ts';

await runService({
  name: 'tlog-replayer',
  settings: replayerSettings,
  start: async ({ config, log, starting }) => {
    const store = openStore({ endpoints: config.etcdEndpoints, log });
    const owner = { server: 'tlog-replayer', instance: randomUUID() };
    const by = `tlog-replayer ${owner.instance}`;
    const { tlogStore: location, tlogStoreEndpoint: endpoint, tlogStoreRegion: region } = config;
    const tier2 =
      location === ''
        ? null
        : await openStoreAt({
            location,
            ...(endpoint === '' ? {} : { endpoint }),
            ...(region === '' ? {} : { region }),
            ...(config.tlogStoreAccessKey === ''
              ? {}
              : {
                  credentials: {
                    accessKeyId: config.tlogStoreAccessKey,
                    secretAccessKey: config.tlogStoreSecretKey,
                  },
                }),
          });
    starting('waits for NATS');
    const bus = await connectBus({ ...busOptions(config), name: 'tlog-replayer', log });
    const logs = new Logs({
      ...{ store, tier2, streams: bus.logStreams },
      noticed: (vdisk, what) => log.warn({ vdisk, what }, 'part of a log is missing'),
    });
    const access = {
      timeoutMs: config.engineTimeoutMs,
      password: config.enginePassword === '' ? undefined : config.enginePassword,
    };
    const replays = {
      ...{ store, logs, access, owner, log, streams: bus.logStreams },
      ...{ window: new ReplayWindow(), atOnce: config.replaysAtOnce },
    };
    const operations = new OperationWorkers({
      ...{ store, log, worker: by },
      executors: { 'dr.replay': replayExecutor(replays) },
    });
    starting('waits for etcd');
    await operations.start();
    const measuring = new RecoveryMeasuring({ store, logs, log, by });
    await measuring.start();
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
        { name: 'bus', run: () => bus.close({ deadlineMs: 2_000 }) },
        { name: 'etcd', run: () => store.close() },
      ],
    };
  },
});
