import assert from 'node:assert/strict';
import { type Bus, connectBus } from '@salvor/bus';
import { enableTlog, readTlog, type TlogPolicy, type TlogState } from '@salvor/config-store';
import { silentLogger } from '@salvor/service-kit';
import { type NatsHandle, startNats, type TempDir, tempDir, until } from '@salvor/testkit';
import { logStream, logSubject, type SegmentIndex, TailSource } from '@salvor/tlog';
import {
  blocksOn,
  DataPlane,
  type DataPlaneOptions,
  type Mounted,
} from '../../../packages/vdisk/test/data-plane.ts';
import { logAccess } from '../src/log-access.ts';

export const BLOCK = 4096;
const CONTAINER = 0;

/** Real engines, a real etcd, and a real nats-server with one container of the transaction log. */
export class LoggedPlane implements AsyncDisposable {
  readonly plane: DataPlane;
  readonly nats: NatsHandle;
  /** All that hold Tier-1; one where no test asks for more. */
  readonly natsServers: readonly NatsHandle[];
  readonly bus: Bus;
  readonly #dir: TempDir;
  #operations = 0;

  private constructor(plane: DataPlane, natsServers: readonly NatsHandle[], bus: Bus, dir: TempDir) {
    this.plane = plane;
    this.natsServers = natsServers;
    this.nats = natsServers[0] ?? assert.fail('no nats-server');
    this.bus = bus;
    this.#dir = dir;
    plane.logs = logAccess(Promise.resolve(bus), plane.store);
  }

  static async start(
    options: DataPlaneOptions = {},
    containerBytes = 64 << 20,
    startServers = async (path: string): Promise<readonly NatsHandle[]> => [await startNats({ dir: path })],
  ): Promise<LoggedPlane> {
    const dir = tempDir('logged');
    const [plane, servers] = await Promise.all([DataPlane.start(options), startServers(dir.path)]);
    const bus = await connectBus({
      ...{ servers: servers.map(({ url }) => url), name: 'owner', log: silentLogger },
      logPublisher: { ackTimeoutMs: 500 },
    });
    await bus.applyManifest({ containers: 1, containerBytes, replicas: servers.length });
    return new LoggedPlane(plane, servers, bus, dir);
  }

  async enable(vdisk: string, policy: TlogPolicy = 'block'): Promise<void> {
    const last = await this.bus.logStreams.last(logStream(CONTAINER), logSubject(CONTAINER, vdisk));
    assert.equal(last, null, 'the tests have one log a vdisk');
    const result = await enableTlog(
      this.plane.store,
      { vdisk, policy },
      {
        ...{ operation: `tlog-${++this.#operations}`, by: 'test' },
        place: { container: CONTAINER, containers: 1, begins: { number: 0, sequence: 0 } },
      },
    );
    assert.equal(result.outcome, 'applied', result.reason);
  }

  async stateOf(vdisk: string): Promise<TlogState> {
    return (await readTlog(this.plane.store, vdisk))?.state ?? assert.fail(`${vdisk} has no log`);
  }

  async untilStatus(vdisk: string, status: TlogState['status']): Promise<TlogState> {
    await until(async () => (await this.stateOf(vdisk)).status === status, {
      what: `the log of ${vdisk} to be ${status}`,
      timeoutMs: 20_000,
    });
    return this.stateOf(vdisk);
  }

  /** Every segment, oldest first; gapless. */
  async segments(vdisk: string): Promise<{ index: SegmentIndex; data: Buffer[] }[]> {
    const source = new TailSource({ streams: this.bus.logStreams, container: CONTAINER, vdisk });
    const found: { index: SegmentIndex; data: Buffer[] }[] = [];
    for await (const index of source.oldestFirst())
      found.push({ index, data: await source.read(index, index.records) });
    await source.close();
    for (const [i, { index }] of found.entries()) {
      assert.equal(index.number, (found[i - 1]?.index.number ?? index.number - 1) + 1);
      assert.equal(index.first, (found[i - 1]?.index.last ?? index.first - 1) + 1);
    }
    return found;
  }

  /** What a restore from the log alone would bring back. */
  async restored(vdisk: string): Promise<Map<number, Buffer>> {
    const segments = await this.segments(vdisk);
    const base = segments.at(-1)?.index.base ?? 0;
    assert.ok(base > 0, 'the log has a complete base');
    const blocks = new Map<number, Buffer>();
    for (const { index, data } of segments)
      for (const [i, { sequence, block, length }] of index.records.entries()) {
        if (sequence < base) continue;
        if (length === 0) blocks.delete(block);
        else blocks.set(block, Buffer.from(data[i] ?? ''));
      }
    return new Map([...blocks].sort(([a], [b]) => a - b));
  }

  /** What the engines have. */
  async stored(vdisk: string): Promise<Map<number, Buffer>> {
    const all = await Promise.all(this.plane.primaries.map((engine) => blocksOn(engine, vdisk)));
    return new Map(all.flatMap((blocks) => [...blocks]).sort(([a], [b]) => a - b));
  }

  async assertRestorable(vdisk: string): Promise<void> {
    const [restored, stored] = [await this.restored(vdisk), await this.stored(vdisk)];
    assert.deepEqual([...restored.keys()], [...stored.keys()]);
    for (const [block, data] of stored) assert.ok(restored.get(block)?.equals(data), `block ${block}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { process } of this.natsServers) process.resume();
    await this.plane[Symbol.asyncDispose]();
    await this.bus.close({ deadlineMs: 500 });
    await Promise.all(this.natsServers.map(({ process }) => process.kill()));
    this.#dir.remove();
  }
}

export async function write(mounted: Mounted, block: number, fill: number, count = 1): Promise<void> {
  await mounted.vdisk.device.write(block * BLOCK, Buffer.alloc(count * BLOCK, fill));
}
