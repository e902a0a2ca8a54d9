import { join } from 'node:path';
import { freePort, type NatsHandle, startNats } from '@salvor/testkit';

const NODES = 3;

/** Three nats-servers that form a cluster, so that streams can have three replicas. */
export async function startNatsCluster(dir: string): Promise<readonly NatsHandle[]> {
  const ports = await Promise.all(Array.from({ length: NODES }, () => freePort()));
  const routes = ports.map((port) => `nats://127.0.0.1:${port}`).join(', ');
  // None is ready before most of them have met.
  return Promise.all(
    ports.map((port, node) => {
      const name = `nats-${node}`;
      const extraConfig = `cluster { name: three, listen: "127.0.0.1:${port}", routes: [${routes}] }`;
      return startNats({ dir: join(dir, name), name, extraConfig });
    }),
  );
}

interface JetStreamReport {
  readonly account_details?: readonly {
    readonly stream_detail?: readonly {
      readonly name: string;
      readonly state: { readonly last_seq: number };
    }[];
  }[];
}

/** The last sequence of a stream that one server of the cluster has. */
export async function storedOn({ monitorUrl }: NatsHandle, stream: string): Promise<number> {
  const answer = await fetch(`${monitorUrl}/jsz?accounts=true&streams=true`);
  const { account_details: accounts = [] } = (await answer.json()) as JetStreamReport;
  const streams = accounts.flatMap(({ stream_detail: found = [] }) => found);
  return streams.find(({ name }) => name === stream)?.state.last_seq ?? 0;
}
