import { randomUUID } from 'node:crypto';
import { busOptions, connectBus } from '@salvor/bus';
import { openStore, storeOptions } from '@salvor/config-store';
import { certificateMetadata, runService } from '@salvor/service-kit';
import { EngineProbes, engineLogin } from '@salvor/vdisk';
import { EngineSweep } from './engine-sweep.ts';
import { KnownEngines } from './known-engines.ts';
import { Observers } from './observers.ts';
import { OutageWatch } from './outage-watch.ts';
import { probeOnRequest } from './probe-on-request.ts';
import { configuredDriver } from './restart/configured-driver.ts';
import { EngineRestarts } from './restart/engine-restarts.ts';
import { withheld } from './restart/withheld.ts';
import { analyzerSettings } from './settings.ts';
import { verdictEvent } from './verdict-event.ts';

/** A verdict that did not move the engine is given again after so long. */
const REPEAT_AFTER_MS = 2_000;
/** Looks in a row at which an engine must be gone before the analyzer itself reports it. */
const SWEEPS_NEEDED = 3;

await runService({
  name: 'health-analyzer',
  settings: analyzerSettings,
  start: async ({ config, log, metrics, starting }) => {
    const login = engineLogin(config);
    const store = openStore({ ...storeOptions(config), log });
    starting('waits for NATS');
    const bus = await connectBus({ ...busOptions(config), name: 'health-analyzer', log, metrics });
    const observer = randomUUID();
    const probe = {
      timeoutMs: config.probeTimeoutMs,
      login,
      observer,
      now: () => Date.now(),
    };
    const driver = configuredDriver(config);
    const attempts = metrics.counter('salvor_engine_restarts_total', 'Attempts to restart engines', [
      'outcome',
    ]);
    const restarts =
      driver === null
        ? null
        : new EngineRestarts({
            ...{ store, driver, log, by: observer, now: probe.now },
            policy: {
              afterMs: config.restartAfterMs,
              attemptsMax: config.restartAttempts,
              backoffMs: config.restartBackoffMs,
            },
            timeoutMs: config.restartTimeoutMs,
            withheld: (incident) => withheld(store, incident, probe.now()),
            attempted: (outcome) => attempts.add({ outcome }),
          });
    const given = metrics.counter('salvor_verdicts_total', 'Verdicts given', ['verdict']);
    const observers = new Observers({
      ...{ bus, log, self: observer, now: probe.now },
      timeoutMs: 2 * config.probeTimeoutMs,
    });
    const outages = new OutageWatch({
      store,
      log,
      probe,
      policy: { healthyProbes: config.healthyProbes, permanentAfterMs: config.permanentAfterMs },
      probeIntervalMs: config.probeIntervalMs,
      repeatAfterMs: REPEAT_AFTER_MS,
      restarts,
      askOthers: (target, told) => observers.ask(target, told),
      announce: async (judged) => {
        given.add({ verdict: judged.verdict });
        const { id, payload } = verdictEvent(judged, observer, Date.now());
        // Not kept for a bus that comes back later: the verdict of then may be another one.
        await bus.publishEvent('engine.verdict-given', payload, { id, timeoutMs: REPEAT_AFTER_MS });
      },
    });
    starting('waits for etcd');
    await outages.start();
    const sweep = new EngineSweep({
      store,
      log,
      probe,
      intervalMs: config.sweepIntervalMs,
      findingsNeeded: SWEEPS_NEEDED,
      askOthers: (target, told) => observers.ask(target, told),
      report: async (failure) => {
        log.warn({ ...failure }, 'an engine does not answer');
        const reporter = 'health-analyzer';
        await bus.publishEvent('engine.failure-reported', {
          ...failure,
          reporter,
          source: reporter,
          at: Date.now(),
        });
      },
    });
    sweep.start();
    metrics.gaugeFrom(
      'salvor_outages_probed',
      'Engines that are down and being probed',
      () => outages.activeCount,
    );
    const asked = { engines: new KnownEngines(store, log), probes: new EngineProbes(probe) };
    const service = await bus.serve({
      name: 'health-analyzer',
      version: '0.1.0',
      metadata: certificateMetadata(config),
      description: 'Probes storage engines and judges their outages',
      instance: observer,
      handlers: { 'engine.probe': (request) => probeOnRequest(request, asked.engines, asked.probes) },
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
        { name: 'links of probes', run: () => asked.probes.close() },
        { name: 'sweep', run: () => sweep.stop() },
        { name: 'probes', run: () => outages.stop() },
        { name: 'restarts', run: () => restarts?.stop() },
        { name: 'bus', run: () => bus.close({ deadlineMs: 2_000 }) },
        { name: 'etcd', run: () => store.close() },
      ],
    };
  },
});
