import type { Bus } from '@salvor/bus';
import {
  type NbdServerHandle,
  type Stack,
  type StackOptions,
  startStack,
  tempDir,
  until,
} from '@salvor/testkit';

/** A running stack with a bus connection, and the questions that end-to-end tests ask. */
export class HealingStack implements AsyncDisposable {
  readonly stack: Stack;
  readonly bus: Bus;
  readonly #removeDir: () => void;

  private constructor(stack: Stack, bus: Bus, removeDir: () => void) {
    this.stack = stack;
    this.bus = bus;
    this.#removeDir = removeDir;
  }

  static async start(options: Omit<Partial<StackOptions>, 'dir'> = {}): Promise<HealingStack> {
    const dir = tempDir('e2e');
    // Written before it is answered: with `everysec` an engine holds back what it answered while the disk is busy.
    const stack = await startStack({ appendfsync: 'no', ...options, dir: dir.path });
    return new HealingStack(stack, await stack.connectBus('test'), () => dir.remove());
  }

  get server(): NbdServerHandle {
    return this.stack.nbdServer();
  }

  async createVdisk(vdisk: string): Promise<string> {
    await this.bus.request('vdisk.create', {
      vdisk,
      type: 'db',
      sizeGiB: 1,
      cluster: 'p1',
      slaveCluster: 's1',
    });
    return this.server.unixUri(vdisk);
  }

  async engineStatus(address: string): Promise<string> {
    return (await this.bus.request('engine.get', { address })).engine.status;
  }

  async untilStatus(address: string, status: string, timeoutMs = 30_000): Promise<void> {
    await until(async () => (await this.engineStatus(address)) === status, {
      what: `${address} is ${status}`,
      timeoutMs,
    });
  }

  /** Until every cluster is healthy and no incident is open. */
  async untilHealed(timeoutMs = 60_000): Promise<void> {
    const healed = async (): Promise<boolean> => {
      const { clusters } = await this.bus.request('cluster.list', {});
      const { incidents } = await this.bus.request('incident.list', { all: false });
      return (
        clusters.length === 2 &&
        clusters.every(({ status }) => status === 'healthy') &&
        incidents.length === 0
      );
    };
    await until(healed, { what: 'everything is healthy', timeoutMs, intervalMs: 50 });
  }

  /** The steps of every incident so far, oldest first. */
  async transitions(): Promise<string[]> {
    const { incidents } = await this.bus.request('incident.list', { all: true });
    return [...incidents]
      .sort((a, b) => a.openedAt - b.openedAt)
      .flatMap(({ cluster, shard, history }) =>
        history.map(({ from, to }) => `${cluster}/${shard} ${from} -> ${to}`),
      );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.bus.close({ deadlineMs: 1_000 });
    await this.stack.destroy();
    this.#removeDir();
  }
}
