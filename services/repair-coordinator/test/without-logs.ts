import type { ConfigStore } from '@salvor/config-store';
import { SalvorError, silentLogger } from '@salvor/service-kit';
import { TlogLogs } from '../src/tlog/tlog-logs.ts';

const gone = (): Promise<never> => Promise.reject(new SalvorError('no-stream', 'there is no JetStream here'));

/** For tests that are not about transaction logs. */
export function withoutLogs(store: ConfigStore): TlogLogs {
  return new TlogLogs({
    bus: { logStreams: { last: gone, facts: gone, purge: gone }, serverVersion: () => undefined },
    ...{ store, log: silentLogger, askServer: async () => [], containers: 1, monitorUrl: '' },
  });
}
