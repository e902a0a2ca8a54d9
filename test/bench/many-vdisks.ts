import {
  formatVdiskNbd,
  formatVdiskStatic,
  openStore,
  vdiskNbdKey,
  vdiskStaticKey,
} from '@salvor/config-store';
import type { Stack } from '@salvor/testkit';

/** Vdisks that are connected at the same time. */
const AT_ONCE = 8;

/** Straight into etcd: a thousand commands would take longer than all the rest. */
export async function addVdisks(stack: Stack, names: readonly string[]): Promise<void> {
  const store = openStore({ endpoints: stack.etcdEndpoints });
  const { primary, slave } = stack.clusters;
  const shape = formatVdiskStatic({
    blockSize: 4096,
    size: 1,
    type: 'db',
    readOnly: false,
    templateVdiskID: '',
  });
  const clusters = formatVdiskNbd({
    storageClusterID: primary,
    slaveStorageClusterID: slave,
    templateStorageClusterID: '',
    tlogServerClusterID: '',
  });
  for (const name of names) {
    const puts = [
      { key: vdiskStaticKey(name), value: shape },
      { key: vdiskNbdKey(name), value: clusters },
    ];
    await store.transact({ compare: [], puts });
  }
  store.close();
}

export async function eachOf(
  names: readonly string[],
  work: (name: string) => Promise<unknown>,
): Promise<void> {
  const left = [...names];
  const worker = async (): Promise<void> => {
    for (let name = left.shift(); name !== undefined; name = left.shift()) await work(name);
  };
  // All of them, whatever the first one meets: nothing is under way when the stack is taken down.
  const ended = await Promise.allSettled(Array.from({ length: AT_ONCE }, worker));
  for (const result of ended) if (result.status === 'rejected') throw result.reason;
}
