import type { Stack } from '@salvor/testkit';

/** What to type while a stack is left running. */
export function lookAround(stack: Stack): string {
  const server = stack.natsUrl;
  const [etcd] = stack.etcdEndpoints;
  const engine = stack.engine('primary', 0).address;
  const [host, port] = engine.split(':');
  return [
    'The stack runs on. Ctrl-C ends it. To look around:',
    `  bin/salvor --server ${server} status --watch`,
    `  bin/salvor --server ${server} incident list --all`,
    `  nats --server ${server} micro ls`,
    `  nats --server ${server} req salvor.cmd.v1.vdisk.describe '{"vdisk":"demo"}'`,
    `  nats --server ${server} sub 'salvor.evt.>' --translate 'bin/salvor decode'`,
    `  etcdctl --endpoints ${etcd} get --prefix /salvor/`,
    `  redis-cli -h ${host} -p ${port} hlen nondedup:demo`,
    `  nbdinfo ${stack.nbdServer().uri('demo')}`,
    '',
  ].join('\n');
}
