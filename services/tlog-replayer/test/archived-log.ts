import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { type Bus, connectBus } from '@salvor/bus';
import { type ConfigStore, openStore, tlogConfigKey } from '@salvor/config-store';
import { containerOf } from '@salvor/contracts';
import { silentLogger } from '@salvor/service-kit';
import { type EtcdHandle, type NatsHandle, RawNats, startEtcd, startNats, tempDir } from '@salvor/testkit';
import {
  blockChecksum,
  encodeSegment,
  logStream,
  logSubject,
  openDirectoryStore,
  Tier2Source,
  type Tier2Store,
  VdiskChunks,
} from '@salvor/tlog';
import { ArchiveLoop, type ArchiveLoopOptions } from '../src/archive-loop.ts';

const CONTAINERS = 2;
const BLOCK = 512;

/** NATS, etcd and a folder as Tier-2, and what a test writes into the logs of vdisks itself. */
export class ArchivedLogs implements AsyncDisposable {
  readonly nats: NatsHandle;
  readonly etcd: EtcdHandle;
  readonly bus: Bus;
  readonly store: ConfigStore;
  readonly tier2: Tier2Store;
  readonly root: string;
  readonly #dir: ReturnType<typeof tempDir>;
  readonly #written = new Map<string, { number: number; sequence: number }>();
  readonly #loops: ArchiveLoop[] = [];

  private constructor(parts: {
    nats: NatsHandle;
    etcd: EtcdHandle;
    bus: Bus;
    tier2: Tier2Store;
    root: string;
    dir: ReturnType<typeof tempDir>;
  }) {
    this.nats = parts.nats;
    this.etcd = parts.etcd;
    this.bus = parts.bus;
    this.store = openStore({ endpoints: [parts.etcd.endpoint] });
    this.tier2 = parts.tier2;
    this.root = parts.root;
    this.#dir = parts.dir;
  }

  static async start(): Promise<ArchivedLogs> {
    const dir = tempDir('archive');
    const [nats, etcd] = await Promise.all([
      startNats({ dir: join(dir.path, 'nats') }),
      startEtcd({ dir: join(dir.path, 'etcd') }),
    ]);
    const bus = await connectBus({ servers: [nats.url], name: 'archive-test', log: silentLogger });
    await bus.applyManifest({ containers: CONTAINERS, containerBytes: 64 * 2 ** 20 });
    const root = await mkdtemp(join(dir.path, 'tier2-'));
    return new ArchivedLogs({ nats, etcd, bus, tier2: await openDirectoryStore({ root }), root, dir });
  }

  container(vdisk: string): number {
    return containerOf(vdisk, CONTAINERS);
  }

  async giveLog(vdisk: string): Promise<void> {
    const config = {
      container: this.container(vdisk),
      containers: CONTAINERS,
      policy: 'block',
      enabledBy: 'test',
      at: 1,
    };
    const value = JSON.stringify({ ...config, begins: { number: 0, sequence: 0 } });
    await this.store.transact({ compare: [], puts: [{ key: tlogConfigKey(vdisk), value }] });
  }

  /** Writes segments of one changed block each. */
  async write(vdisk: string, count: number, { skip = 0 } = {}): Promise<void> {
    const { number, sequence } = this.#written.get(vdisk) ?? { number: 0, sequence: 0 };
    for (let i = 1; i <= count; i++) {
      const data = Buffer.alloc(BLOCK, `${vdisk} ${sequence + skip + i};`);
      const first = sequence + skip + i;
      const segment = {
        ...{
          vdisk,
          number: number + skip + i,
          epoch: 1,
          kind: 'writes' as const,
          first,
          firstAt: 1,
          lastAt: 1,
          base: 1,
        },
        ...{ blockSize: BLOCK, positions: [], data },
        records: [{ sequence: first, block: first % 10, length: BLOCK, checksum: blockChecksum(data) }],
      };
      const subject = logSubject(this.container(vdisk), vdisk);
      await this.bus.logStreams.publish({
        ...{ subject, data: encodeSegment(segment), id: `${vdisk}:1:${segment.number}` },
      });
    }
    this.#written.set(vdisk, { number: number + skip + count, sequence: sequence + skip + count });
  }

  /** Numbers of the segments in Tier-2. */
  async archived(vdisk: string): Promise<number[]> {
    const source = await Tier2Source.open(this.chunks(vdisk));
    const numbers: number[] = [];
    for await (const { number } of source.oldestFirst()) numbers.push(number);
    return numbers;
  }

  /** How many segments are in Tier-1. */
  async hot(vdisk: string): Promise<number> {
    const container = this.container(vdisk);
    const { subjectMessages } = await this.bus.logStreams.facts(
      logStream(container),
      logSubject(container, vdisk),
    );
    return subjectMessages;
  }

  /** Its stream goes with all messages, and is made again, as a recovery of Tier-1 does. */
  async loseStream(vdisk: string): Promise<void> {
    const nats = await RawNats.connect(this.nats.url);
    await nats.request(`$JS.API.STREAM.DELETE.${logStream(this.container(vdisk))}`, '');
    nats.close();
    await this.bus.applyManifest({ containers: CONTAINERS, containerBytes: 64 * 2 ** 20 });
  }

  chunks(vdisk: string): VdiskChunks {
    return new VdiskChunks(this.tier2, this.container(vdisk), vdisk);
  }

  async loop(instance: string, change: Partial<ArchiveLoopOptions> = {}): Promise<ArchiveLoop> {
    const loop = new ArchiveLoop({
      ...{ store: this.store, tier2: this.tier2, streams: this.bus.logStreams, log: silentLogger, instance },
      ...{
        limits: { chunkBytes: 20_000, maxAgeMs: 200 },
        memoryBytes: 2 ** 28,
        pollMs: 20,
        leaseTtlSeconds: 2,
      },
      ...change,
    });
    this.#loops.push(loop);
    await loop.start();
    return loop;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#loops.map((loop) => loop.stop()));
    await this.bus.close({ deadlineMs: 500 });
    this.store.close();
    await Promise.all([this.nats.process.kill(), this.etcd.process.kill()]);
    this.#dir.remove();
  }
}

export function numbersTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i + 1);
}
