import { randomUUID } from 'node:crypto';
import { busOptions, connectBus } from '@salvor/bus';
import { OperationWorkers, openStore } from '@salvor/config-store';
import { runService } from '@salvor/service-kit';
import { commandHandlers } from './commands.ts';
import { recoverExecutor } from './recovery/recover-executor.ts';
import { RECOVERY_KIND } from './recovery/recovery-request.ts';
import { segmentRecoverySettings } from './settings.ts';

const MIB = 1024 * 1024;

await runService({
  name: 'segment-recovery',
  settings: segmentRecoverySettings,
  start: async ({ config, log, starting }) => {
    const store = openStore({ endpoints: config.etcdEndpoints, log });
    const instance = randomUUID();
    const worker = `segment-recovery ${instance}`;
    starting('waits for NATS');
    const bus = await connectBus({ ...busOptions(config), name: 'segment-recovery', log });
    const operations = new OperationWorkers({
      ...{ store, log, worker },
      executors: {
        [RECOVERY_KIND]: recoverExecutor({
          ...{ store, bus, log, worker, atOnce: config.segmentsAtOnce },
          treeMemoryMib: config.treeMemoryMib,
          streams: { leastBytes: config.segmentContainerMib * MIB, replicas: config.segmentReplicas },
        }),
      },
    });
    starting('waits for etcd');
    await operations.start();
    const service = await bus.serve({
      name: 'segment-recovery',
      version: '0.1.0',
      description: 'Brings segments back from Tier-2, and tells of those in Tier-1',
      handlers: commandHandlers(store),
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
        { name: 'commands', run: () => service.stop() },
        { name: 'operations', run: () => operations.stop() },
        { name: 'bus', run: () => bus.close({ deadlineMs: 2_000 }) },
        { name: 'etcd', run: () => store.close() },
      ],
    };
  },
});
