import { randomUUID } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { busOptions, connectBus } from '@salvor/bus';
import { OperationWorkers, openStore, storeOptions } from '@salvor/config-store';
import { certificateMetadata, runService } from '@salvor/service-kit';
import { engineLogin } from '@salvor/vdisk';
import { AllowedRoots } from './allowed-roots.ts';
import { commandHandlers } from './commands.ts';
import { recoverExecutor } from './recovery/recover-executor.ts';
import { RECOVERY_KIND } from './recovery/recovery-request.ts';
import { segmentRecoverySettings } from './settings.ts';
import { verifyExecutor } from './verification/verify-executor.ts';
import { VERIFY_KIND } from './verification/verify-request.ts';

const MIB = 1024 * 1024;

// Of 100,000 segments there is much garbage: it is collected before the process grows, rather than when memory is scarce.
setFlagsFromString('--optimize-for-size');

await runService({
  name: 'segment-recovery',
  settings: segmentRecoverySettings,
  start: async ({ config, log, metrics, starting }) => {
    const login = engineLogin(config);
    const store = openStore({ ...storeOptions(config), log });
    const instance = randomUUID();
    const worker = `segment-recovery ${instance}`;
    starting('waits for NATS');
    const bus = await connectBus({ ...busOptions(config), name: 'segment-recovery', log, metrics });
    const allowedRoots = new AllowedRoots(config.treeRoots);
    const options = {
      ...{ store, bus, log, worker, allowedRoots, atOnce: config.segmentsAtOnce },
      treeMemoryMib: config.treeMemoryMib,
      engines: {
        timeoutMs: config.engineTimeoutMs,
        login,
      },
      streams: { leastBytes: config.segmentContainerMib * MIB, replicas: config.segmentReplicas },
    };
    const operations = new OperationWorkers({
      ...{ store, log, worker },
      executors: { [RECOVERY_KIND]: recoverExecutor(options), [VERIFY_KIND]: verifyExecutor(options) },
    });
    starting('waits for etcd');
    await operations.start();
    const service = await bus.serve({
      name: 'segment-recovery',
      version: '0.1.0',
      metadata: certificateMetadata(config),
      description: 'Brings Tier-1 back from Tier-2, and tells of segments',
      handlers: commandHandlers(store, allowedRoots),
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
