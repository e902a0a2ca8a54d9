import { randomUUID } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { OperationWorkers, openStore, storeOptions } from '@salvor/config-store';
import { messageOf, runService } from '@salvor/service-kit';
import { Bandwidth, EngineProbes, engineLogin, RepairTurns, warmCopier } from '@salvor/vdisk';
import { BusPresence } from './bus-presence.ts';
import { HealingMeter } from './healing-meter.ts';
import { IdleRepairs } from './idle-repairs.ts';
import { logAccess } from './log-access.ts';
import { type NbdServer, startNbdServer } from './nbd/server.ts';
import { RepairReports } from './repair-reports.ts';
import { mayScrub, scrubExecutor } from './scrub-executor.ts';
import { ServerCuts } from './server-cuts.ts';
import { registerMetrics } from './server-metrics.ts';
import { nbdServerSettings } from './settings.ts';
import { snapshotExecutor } from './snapshot-executor.ts';
import { stderrEvents } from './stderr-events.ts';
import { Takeovers } from './takeovers.ts';
import { VdiskExports } from './vdisk-exports.ts';

// The heap is collected when it has grown by a fifth, not when it has doubled: mounts leave much behind, requests little.
setFlagsFromString('--heap-growing-percent=20');

await runService({
  name: 'nbd-server',
  settings: nbdServerSettings,
  start: async ({ config, log, metrics }) => {
    warmCopier();
    const login = engineLogin(config);
    const store = openStore({ ...storeOptions(config), log });
    const owner = { server: config.serverId, instance: randomUUID() };
    const presence = new BusPresence(config, owner, log, metrics);
    const corruptBlocks = metrics.counter(
      'salvor_corrupt_blocks_total',
      'Blocks found on engines that did not match their checksums',
    );
    const mismatches = metrics.counter(
      'salvor_scrub_mismatches_total',
      'Blocks whose two copies differed when they were scrubbed',
    );
    const healing = new HealingMeter(metrics);
    const repairTurns = new RepairTurns(config.repairsAtOnce);
    const exports: VdiskExports = new VdiskExports({
      store,
      owner,
      log,
      logs: logAccess(presence.connecting, store),
      lingerMs: config.lingerMs,
      settings: {
        leaseTtlSeconds: config.leaseTtlSeconds,
        connectTimeoutMs: config.engineConnectTimeoutMs,
        commandTimeoutMs: config.engineCommandTimeoutMs,
        proposeAfterMs: config.proposeAfterMs,
        holdMaxMs: config.holdMaxMs,
        logOverflowAfterMs: config.logOverflowAfterMs,
        login,
        repairBandwidth: new Bandwidth(config.repairBandwidthMib),
        repairRest: config.repairRest,
        repairTurns,
        engineSockets: config.engineSockets === '' ? undefined : config.engineSockets,
      },
      events: stderrEvents({
        server: owner.server,
        write: (line) => process.stderr.write(line),
        unavailable: (trouble) => presence.announceUnavailable(trouble),
        available: (relief) => presence.announceAvailable(relief),
        corrupt: ({ blocks }) => corruptBlocks.add({}, blocks.length),
        lost: (vdisk, reason) => {
          healing.ownershipLost();
          exports.forget(vdisk);
          nbd.cutExport(vdisk, reason);
        },
        takeoverAsked: (vdisk) => void takeovers.letGo(vdisk, nbd),
        repaired: (vdisk) => repairs.noteRepaired(vdisk),
        meter: healing,
      }),
      onMounted: (vdisk, epoch) => presence.announceMounted(vdisk, epoch),
      onReleased: (vdisk, epoch) => presence.announceReleased(vdisk, epoch),
    });
    const nbd: NbdServer = await startNbdServer({
      exports,
      endpoints: config.nbdListen,
      unixMode: Number.parseInt(config.nbdUnixMode, 8),
      tls: {
        mode: config.nbdTlsMode,
        certFile: config.nbdTlsCertFile || undefined,
        keyFile: config.nbdTlsKeyFile || undefined,
        clientCaFile: config.nbdTlsClientCaFile || undefined,
        pskFile: config.nbdTlsPskFile || undefined,
      },
      log,
    });
    const takeovers: Takeovers = new Takeovers({ store, owner, exports, log, config, login });
    const repairs: IdleRepairs = new IdleRepairs({
      ...{ store, exports, log, server: owner.server },
      atOnceMax: config.repairsAtOnce,
    });
    if (config.repairIdle) repairs.start();
    const progress = new RepairReports({
      ...{ store, server: owner.server, log },
      states: () => exports.states(),
      announce: (repair) => presence.announceProgress(repair),
    });
    progress.start();
    const scrubs = {
      ...{ store, server: owner.server, exports, log },
      bandwidthMib: config.scrubBandwidthMib,
      found: (count: number) => mismatches.add({}, count),
    };
    const operations = new OperationWorkers({
      ...{ store, log, worker: `nbd-server ${owner.server} ${owner.instance}` },
      executors: {
        'vdisk.scrub': scrubExecutor(scrubs),
        'vdisk.snapshot.create': snapshotExecutor(store, exports),
      },
      mayTake: (record) => mayScrub(scrubs, record),
    });
    // Waits for etcd as long as that takes; clients are served meanwhile.
    operations.start().catch((error: unknown) => {
      log.warn({ error: messageOf(error) }, 'operations are not carried out here');
    });
    const probes = new EngineProbes({
      timeoutMs: config.engineCommandTimeoutMs,
      engineSockets: config.engineSockets === '' ? undefined : config.engineSockets,
      login,
      observer: owner.server,
      now: Date.now,
    });
    const cuts = new ServerCuts(owner.server, (vdisk) => exports.mountedOf(vdisk), log);
    presence.start({ exports, uris: () => nbd.uris(''), takeovers, cuts, probes });
    registerMetrics(metrics, nbd, exports);
    healing.register(
      metrics,
      () => exports.states(),
      () => exports.dirtyBlocks(),
    );
    return {
      checks: { etcd: () => repairs.problem(), bus: () => presence.problem() },
      shutdown: [
        { name: 'cuts', run: async () => cuts.close() },
        { name: 'nbd clients', run: () => nbd.close({ deadlineMs: 5_000 }) },
        { name: 'operations', run: () => operations.stop() },
        { name: 'repairs', run: () => repairs.stop() },
        { name: 'progress of repairs', run: () => progress.stop() },
        { name: 'takeovers', run: () => takeovers.stop() },
        { name: 'vdisks', run: () => exports.close() },
        { name: 'bus', run: () => presence.close() },
        { name: 'links of probes', run: () => probes.close() },
        { name: 'etcd', run: () => store.close() },
      ],
    };
  },
});
