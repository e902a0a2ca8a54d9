import { join } from 'node:path';
import { freePort, ManagedProcess, serviceMain } from '@salvor/testkit';
import type { HealingStack } from './healing-stack.ts';

/** Services that are no part of a stack, so that every command is answered. */
export function startOtherServices(healing: HealingStack): Promise<ManagedProcess[]> {
  return Promise.all([
    startService(healing, 'replication-manager', { SALVOR_ZONE: 'north', SALVOR_ZONE_PEERS: '[]' }),
    startService(healing, 'segment-recovery', {}),
  ]);
}

async function startService(
  { stack }: HealingStack,
  name: string,
  env: NodeJS.ProcessEnv,
): Promise<ManagedProcess> {
  const port = await freePort();
  return ManagedProcess.start({
    name,
    command: process.execPath,
    args: [serviceMain(name)],
    env: {
      ...{ PATH: process.env.PATH, SALVOR_HTTP_PORT: String(port), SALVOR_NATS_SERVERS: stack.natsUrl },
      ...{ SALVOR_ETCD_ENDPOINTS: stack.etcdEndpoints.join(','), ...env },
    },
    logFile: join(stack.options.dir, `${name}.log`),
    ready: async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok,
    readyTimeoutMs: 60_000,
  });
}
