import { type ConfigStore, clusterStorageKey, parseClusterStorage } from '@salvor/config-store';
import { DemoError } from './demo-error.ts';

/** Follows the engines of a cluster as etcd records them. */
export class EngineRecords {
  readonly #cluster: string;
  #servers: { address: string; status: string; at: number }[] = [];
  #waiting: (() => void)[] = [];

  private constructor(cluster: string) {
    this.#cluster = cluster;
  }

  static async follow(store: ConfigStore, cluster: string): Promise<EngineRecords> {
    const records = new EngineRecords(cluster);
    await store.watch({ keys: [clusterStorageKey(cluster)] }, ({ changes }) => {
      const value = changes.at(-1)?.entry?.value;
      if (value === undefined) return;
      const at = performance.now();
      records.#servers = parseClusterStorage(value).servers.map(({ address, status }) => ({
        address,
        status,
        at,
      }));
      for (const wake of records.#waiting.splice(0)) wake();
    });
    return records;
  }

  /** Resolves with the time (`performance.now()`) at which this process saw the shard in that status. */
  async reached(shard: number, status: string, timeoutMs: number): Promise<{ at: number; address: string }> {
    const giveUpAt = performance.now() + timeoutMs;
    for (;;) {
      const server = this.#servers[shard];
      if (server?.status === status) return { at: server.at, address: server.address };
      const leftMs = giveUpAt - performance.now();
      if (leftMs <= 0)
        throw new DemoError(
          `${this.#cluster}/${shard} is ${server?.status}, not ${status}, after ${timeoutMs} ms`,
        );
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }
}
