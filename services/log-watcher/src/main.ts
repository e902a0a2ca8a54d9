import { runService } from '@salvor/service-kit';
import { BusPresence } from './bus-presence.ts';
import { BusPublisher } from './bus-publisher.ts';
import { LogSources } from './log-sources.ts';
import { logWatcherSettings } from './settings.ts';
import { StateDir } from './state-dir.ts';

const LATENCY_BUCKETS_SECONDS = [0.001, 0.002, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10, 60];

await runService({
  name: 'log-watcher',
  settings: logWatcherSettings,
  shutdownTimeoutMs: 25_000,
  start: async ({ config, log, metrics }) => {
    const stateDir = new StateDir(config.stateDir);
    const presence = new BusPresence(config, log, metrics);
    const latency = metrics.histogram(
      'salvor_log_event_publish_seconds',
      'From the line read to its event stored by the bus',
      LATENCY_BUCKETS_SECONDS,
      ['type'],
    );
    const publisher = new BusPublisher(presence.connecting, latency, log);
    const { repeatWindowMs, restartMaxMs, maxSpoolBytes } = config;
    const sources = new LogSources(config.sources, {
      stateDir,
      publisher,
      repeatWindowMs,
      restartMaxMs,
      maxSpoolBytes,
      log,
    });
    sources.registerMetrics(metrics);
    sources.start();
    presence.serve(sources, config.watcherId);
    const stopChildren = async (): Promise<void> => {
      if (config.stopChildren) await sources.stopChildren(config.childStopTimeoutMs);
    };
    return {
      checks: { bus: () => presence.problem() },
      shutdown: [
        { name: 'children', run: stopChildren },
        { name: 'sources', run: () => sources.stop(3_000) },
        { name: 'publisher', run: () => publisher.close() },
        { name: 'bus', run: () => presence.close() },
        { name: 'state', run: () => stateDir.release() },
      ],
    };
  },
});
