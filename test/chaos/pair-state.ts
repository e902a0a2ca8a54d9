import type { Bus } from '@salvor/bus';
import { type ConfigStore, clusterStorageKey, parseClusterStorage } from '@salvor/config-store';
import type { Stack, StackEngine } from '@salvor/testkit';

const SIDES = ['primary', 'slave'] as const;
const STATUS_TIMEOUT_MS = 1_000;

export interface PairMembers {
  readonly engines: readonly [StackEngine, StackEngine];
  readonly areOnline: boolean;
}

/** Who the members of a pair are, by what etcd says now; no service is asked. */
export async function readPair(store: ConfigStore, stack: Stack, shard: number): Promise<PairMembers> {
  const entries = await Promise.all(
    SIDES.map(async (side) => {
      const key = clusterStorageKey(stack.clusters[side]);
      const stored = await store.get(key);
      const entry = stored === null ? undefined : parseClusterStorage(stored.value).servers[shard];
      if (entry === undefined) throw new Error(`${key} has no shard ${shard}`);
      return entry;
    }),
  );
  const [primary, slave] = entries.map(({ address }) => stack.engineAt(address));
  if (primary === undefined || slave === undefined) throw new Error('a pair has two members');
  const areOnline = entries.every(
    ({ status, replacement }) => status === 'online' && replacement === undefined,
  );
  return { engines: [primary, slave], areOnline };
}

/** Whether every NBD server says, now, that whatever it has mounted has both copies of this shard. */
export async function isMirroredEverywhere(bus: Bus, stack: Stack, shard: number): Promise<boolean> {
  const answers = await Promise.all(
    stack.nbdServers.map(({ name }) =>
      bus.request('nbdserver.status', {}, { instance: name, timeoutMs: STATUS_TIMEOUT_MS }).catch(() => null),
    ),
  );
  return answers.every(
    (answer) =>
      answer?.vdisks.every(
        ({ state, pairs }) =>
          state === 'mounted' && pairs.every((pair) => pair.shard !== shard || pair.mode === 'mirrored'),
      ) === true,
  );
}
