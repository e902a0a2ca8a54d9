import type { Bus } from '@salvor/bus';
import { until } from '@salvor/testkit';

/** Until every cluster is healthy and no incident is open. */
export async function untilHealthy(bus: Bus, timeoutMs: number, intervalMs = 50): Promise<void> {
  const healed = async (): Promise<boolean> => {
    const { clusters } = await bus.request('cluster.list', {});
    const { incidents } = await bus.request('incident.list', { all: false });
    return clusters.every(({ status }) => status === 'healthy') && incidents.length === 0;
  };
  await until(healed, { what: 'everything is healthy', timeoutMs, intervalMs });
}
