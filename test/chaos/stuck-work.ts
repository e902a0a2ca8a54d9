import type { Bus } from '@salvor/bus';
import { until } from '@salvor/testkit';

/** What is not at its end by the deadline, as sentences: clusters, incidents, operations. Empty as soon as all is. */
export async function stuckWork(bus: Bus, timeoutMs: number): Promise<string[]> {
  let left: string[] = ['nobody answered'];
  const isDone = async (): Promise<boolean> => {
    left = await unfinished(bus);
    return left.length === 0;
  };
  await until(isDone, { what: 'everything is at its end', timeoutMs, intervalMs: 250 }).catch(
    () => undefined,
  );
  return left;
}

async function unfinished(bus: Bus): Promise<string[]> {
  const { clusters } = await bus.request('cluster.list', {});
  const { incidents } = await bus.request('incident.list', { all: false });
  const { operations } = await bus.request('operation.list', {});
  return [
    ...clusters
      .filter(({ status }) => status !== 'healthy')
      .map(({ cluster, status }) => `cluster ${cluster} is ${status}`),
    ...incidents.map(
      ({ incident, status, attempt, address }) =>
        `incident ${incident} of ${address} is ${status}, attempt ${attempt}`,
    ),
    ...operations.map(
      ({ operation, kind, status, message }) => `operation ${operation} (${kind}) is ${status}: ${message}`,
    ),
  ];
}
