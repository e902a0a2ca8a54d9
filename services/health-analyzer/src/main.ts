import { randomUUID } from 'node:crypto';
import { busOptions, connectBus } from '@salvor/bus';
import { openStore } from '@salvor/config-store';
import { runService } from '@salvor/service-kit';
import { OutageWatch } from './outage-watch.ts';
import { probeOnRequest } from './probe-on-request.ts';
import { analyzerSettings } from './settings.ts';
import { verdictEvent } from './verdict-event.ts';

/** A verdict that did not move the engine is given again after so long. */
const REPEAT_AFTER_MS = 2_000;

await runService({
  name: 'health-analyzer',
  settings: analyzerSettings,
  start: async ({ config, log, metrics }) => {
    const store = openStore({ endpoints: config.etcdEndpoints, log });
    const bus = await connectBus({ ...busOptions(config), name: 'health-analyzer', log });
    const observer = randomUUID();
    const probe = {
      timeoutMs: config.probeTimeoutMs,
      password: config.enginePassword === '' ? undefined : config.enginePassword,
      observer,
      now: () => Date.now(),
    };
    const given = metrics.counter('salvor_verdicts_total', 'Verdicts given', ['verdict']);
    const outages = new OutageWatch({
      store,
      log,
      probe,
      policy: { healthyProbes: config.healthyProbes, permanentAfterMs: config.permanentAfterMs },
      probeIntervalMs: config.probeIntervalMs,
      repeatAfterMs: REPEAT_AFTER_MS,
      announce: async (judged) => {
        given.add({ verdict: judged.verdict });
        const { id, payload } = verdictEvent(judged, observer, Date.now());
        await bus.publishEvent('engine.verdict-given', payload, { id });
      },
    });
    await outages.start();
    metrics.gaugeFrom(
      'salvor_outages_probed',
      'Engines that are down and being probed',
      () => outages.activeCount,
    );
    const service = await bus.serve({
      name: 'health-analyzer',
      version: '0.1.0',
      description: 'Probes storage engines and judges their outages',
      handlers: { 'engine.probe': (request) => probeOnRequest(store, request, probe) },
    });
    return {
      checks: { bus: () => (bus.connected() ? null : 'not connected to NATS') },
      shutdown: [
        { name: 'commands', run: () => service.stop(3_000) },
        { name: 'probes', run: () => outages.stop() },
        { name: 'bus', run: () => bus.close({ deadlineMs: 2_000 }) },
        { name: 'etcd', run: () => store.close() },
      ],
    };
  },
});
