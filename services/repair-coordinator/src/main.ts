import { randomUUID } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { busOptions, connectBus } from '@salvor/bus';
import { openStore, storeOptions } from '@salvor/config-store';
import { certificateMetadata, messageOf, runService } from '@salvor/service-kit';
import { Bandwidth, engineLogin } from '@salvor/vdisk';
import { Announcer } from './announcer.ts';
import { commandHandlers } from './commands.ts';
import { HealingLoop } from './healing-loop.ts';
import { HookBook } from './hooks/hook-book.ts';
import { startHooks } from './hooks/hooks.ts';
import { InstanceLoop } from './instances/instance-loop.ts';
import { durationMeter } from './measures/duration-meter.ts';
import { registerEtcdMeasures } from './measures/etcd-measures.ts';
import { vdiskOperations } from './operations.ts';
import { RecoveryWatch } from './recovery/recovery-watch.ts';
import { rehearse } from './rehearsal.ts';
import { consumeReports } from './reports.ts';
import { dropOldRecords } from './retention.ts';
import { coordinatorSettings } from './settings.ts';
import { TlogLogs } from './tlog/tlog-logs.ts';
import { UnavailableWatch } from './unavailable/unavailable-watch.ts';
import type { AskServer } from './vdisk-description.ts';
import { Watchdog } from './watchdog/watchdog.ts';

const RETENTION_INTERVAL_MS = 3_600_000;
/** A server that does not say what it serves keeps nobody waiting for the rest. */
const ASK_SERVER_TIMEOUT_MS = 1_000;

// The heap is collected when it has grown by a third, not when it has doubled twice: looks at thousands of keys leave much behind.
setFlagsFromString('--heap-growing-percent=33');

await runService({
  name: 'repair-coordinator',
  settings: coordinatorSettings,
  start: async ({ config, log, metrics, starting }) => {
    const login = engineLogin(config);
    const store = openStore({ ...storeOptions(config), log });
    const instance = randomUUID();
    // Before anything is waited for: a wrong file is known at once.
    const book = HookBook.read(store, log, config.hooksFile);
    const { engineTimeoutMs } = config;
    const healing = new HealingLoop({
      ...{ store, instance, log, engineTimeoutMs, login },
      spreadAfterMs: config.spreadAfterMs < 0 ? null : config.spreadAfterMs,
    });
    starting('waits for etcd');
    await healing.start();
    const access = { timeoutMs: engineTimeoutMs, login };
    const unavailable = new UnavailableWatch({ store, access, log });
    await unavailable.start();
    const recoveries = new RecoveryWatch({ store, log, by: 'repair-coordinator' });
    await recoveries.start();
    const watchdog = new Watchdog({
      ...{ store, log },
      bounds: {
        repairMs: config.stuckRepairMs,
        verdictMs: config.stuckVerdictMs,
        operationMs: config.stuckOperationMs,
        takeoverMs: config.stuckTakeoverMs,
        unhealthyMs: config.stuckUnhealthyMs,
        archiveMs: config.stuckArchiveMs,
      },
      raised: metrics.gauge('salvor_alerts', 'Alerts that are raised', ['kind']),
    });
    await watchdog.start();
    registerEtcdMeasures(metrics, store);
    const hooks = await startHooks({ store, log, metrics, by: instance, book });
    const instances = new InstanceLoop({ store, book, log, by: instance });
    await instances.start();

    starting('waits for NATS');
    const bus = await connectBus({ ...busOptions(config), name: 'repair-coordinator', log, metrics });
    const announcer = new Announcer(store, bus, log, durationMeter(metrics));
    starting('waits for etcd');
    await announcer.start();
    const taken = metrics.counter('salvor_reports_total', 'Reports taken from the bus', ['type', 'outcome']);
    const reports = consumeReports(bus, {
      store,
      log,
      taken,
      flapping: { failures: config.flappingFailures, windowMs: config.flappingWindowMs },
      onRepair: () => healing.wake(),
      onTold: async (event) => {
        await hooks.take(event);
        const { type, payload } = event;
        if (type === 'nbdserver.exited')
          await instances.serverExited(payload.server, payload.at, payload.restartInMs !== undefined);
        if (type === 'nbdserver.started') await instances.serverStarted(payload.server, payload.at);
      },
    });
    const cloneBandwidth = new Bandwidth(config.cloneBandwidthMib);
    const operations = vdiskOperations({ store, access, cloneBandwidth, log, instance });
    starting('waits for etcd');
    await operations.start();
    const askServer: AskServer = async (server) => {
      const options = { instance: server, timeoutMs: ASK_SERVER_TIMEOUT_MS };
      return (await bus.request('nbdserver.status', {}, options)).vdisks;
    };
    const logs = new TlogLogs({
      ...{ bus, store, log, askServer, containers: config.tlogContainers, monitorUrl: config.natsMonitorUrl },
    });
    const service = await bus.serve({
      name: 'repair-coordinator',
      version: '0.1.0',
      metadata: certificateMetadata(config),
      description: 'Keeps the status of engines and clusters, drives repairs, admits vdisks',
      handlers: commandHandlers({
        ...{ store, access, log, hooks, logs, askServer },
        announce: (type, payload, id) => {
          bus.publishEvent(type, payload, { id }).catch((error: unknown) => {
            log.error({ event: type, id, error: messageOf(error) }, 'event not published');
          });
        },
      }),
    });
    const dropOld = (): void => {
      dropOldRecords(store, Date.now()).catch((error: unknown) =>
        log.warn({ error: messageOf(error) }, 'old records were not dropped'),
      );
    };
    const retention = setInterval(dropOld, RETENTION_INTERVAL_MS);
    void rehearse(store, log);
    return {
      checks: {
        bus: () => (bus.connected() ? null : 'not connected to NATS'),
        etcd: async () => {
          await store.get('/salvor/ready');
          return null;
        },
      },
      shutdown: [
        { name: 'retention', run: () => clearInterval(retention) },
        { name: 'reports', run: () => reports.stop() },
        { name: 'commands', run: () => service.stop(3_000) },
        { name: 'operations', run: () => operations.stop() },
        { name: 'healing', run: () => healing.stop() },
        { name: 'watchdog', run: () => watchdog.stop() },
        { name: 'recoveries', run: () => recoveries.stop() },
        { name: 'unavailable data', run: () => unavailable.stop() },
        { name: 'instances', run: () => instances.stop() },
        { name: 'hooks', run: () => hooks.stop() },
        { name: 'announcements', run: () => announcer.stop() },
        { name: 'bus', run: () => bus.close({ deadlineMs: 2_000 }) },
        { name: 'etcd', run: () => store.close() },
      ],
    };
  },
});
