/** Two zones, each with its own NATS and etcd, whose managers keep mirrored images; the clusters are the caller's. */
import { type Bus, connectBus } from '@salvor/bus';
import { type ConfigStore, openStore } from '@salvor/config-store';
import { SalvorError, silentLogger } from '@salvor/service-kit';
import {
  CuttableLine,
  type EtcdHandle,
  type NatsHandle,
  startEtcd,
  startNats,
  type TempDir,
  tempDir,
} from '@salvor/testkit';
import { PeerZones } from '../../src/peer-zones.ts';
import { Plans } from '../../src/plans/plans.ts';
import { rbdAnnouncer } from '../../src/rbd-volumes/rbd-announcer.ts';
import type { RbdClusters } from '../../src/rbd-volumes/rbd-clusters.ts';
import { RbdLoop } from '../../src/rbd-volumes/rbd-loop.ts';
import { rbdVolumeHandlers } from '../../src/rbd-volumes/rbd-volume-commands.ts';
import type { PeerZone } from '../../src/settings.ts';

export const VOLUME = 'vol1';

export interface RbdBusZone {
  readonly name: string;
  readonly bus: Bus;
  readonly store: ConfigStore;
  restart(): Promise<void>;
}

export interface RbdBusZones extends AsyncDisposable {
  readonly north: RbdBusZone;
  readonly south: RbdBusZone;
  cut(): void;
  mend(): void;
}

/** @param clusters as they are reached from a zone */
export async function startRbdZones(
  clusters: (from: string) => RbdClusters,
  intervalMs: number,
): Promise<RbdBusZones> {
  const dir = tempDir('rbd-zones');
  const servers = await Promise.all(['north', 'south'].map((name) => startServers(dir, name)));
  const [north, south] = servers;
  if (north === undefined || south === undefined) throw new Error('both were started');
  const toSouth = await CuttableLine.to(south.nats.port);
  const toNorth = await CuttableLine.to(north.nats.port);
  const zones = await Promise.all([
    Manager.start(north, 'south', toSouth, clusters('north'), intervalMs),
    Manager.start(south, 'north', toNorth, clusters('south'), intervalMs),
  ]);
  return {
    ...{ north: zones[0], south: zones[1] },
    cut: () => {
      for (const line of [toSouth, toNorth]) line.cut();
    },
    mend: () => {
      for (const line of [toSouth, toNorth]) line.mend();
    },
    async [Symbol.asyncDispose]() {
      for (const zone of zones) await zone.close();
      for (const line of [toSouth, toNorth]) await line[Symbol.asyncDispose]();
      for (const { nats, etcd } of servers)
        await Promise.all([nats.process.kill('SIGKILL'), etcd.process.kill('SIGKILL')]);
      dir.remove();
    },
  };
}

interface Servers {
  readonly name: string;
  readonly nats: NatsHandle;
  readonly etcd: EtcdHandle;
}

async function startServers(dir: TempDir, name: string): Promise<Servers> {
  const [nats, etcd] = await Promise.all([
    startNats({ dir: dir.join(`nats-${name}`) }),
    startEtcd({ dir: dir.join(`etcd-${name}`) }),
  ]);
  return { name, nats, etcd };
}

class Manager implements RbdBusZone {
  readonly name: string;
  readonly bus: Bus;
  readonly store: ConfigStore;
  readonly #peers: PeerZones;
  readonly #plans: Plans;
  readonly #clusters: RbdClusters;
  readonly #intervalMs: number;
  #loop: RbdLoop;
  #lives = 0;

  private constructor(
    at: {
      readonly name: string;
      readonly bus: Bus;
      readonly store: ConfigStore;
      readonly peers: PeerZones;
      readonly plans: Plans;
    },
    clusters: RbdClusters,
    intervalMs: number,
  ) {
    this.name = at.name;
    this.bus = at.bus;
    this.store = at.store;
    this.#peers = at.peers;
    this.#plans = at.plans;
    this.#clusters = clusters;
    this.#intervalMs = intervalMs;
    this.#loop = this.#started();
  }

  static async start(
    { name, nats, etcd }: Servers,
    other: string,
    line: CuttableLine,
    clusters: RbdClusters,
    intervalMs: number,
  ): Promise<Manager> {
    const bus = await connectBus({ servers: [nats.url], name: 'replication-manager', log: silentLogger });
    const store = openStore({ endpoints: [etcd.endpoint] });
    const peer: PeerZone = {
      ...{ zone: other, natsServers: [`nats://${line.address}`], natsCreds: '', natsNkeySeed: '' },
      ...{ natsTlsCa: '', natsTlsCert: '', natsTlsKey: '', tlogStore: '', tlogStoreEndpoint: '' },
      ...{ tlogStoreRegion: '', tlogStoreAccessKey: '', tlogStoreSecretKey: '' },
    };
    const peers = new PeerZones([peer], silentLogger);
    peers.start();
    const plans = new Plans({ store, bus, zone: name, peers, log: silentLogger, instance: `${name}-plans` });
    await plans.start();
    const manager = new Manager({ name, bus, store, peers, plans }, clusters, intervalMs);
    const unknown = async (volume: string): Promise<never> => {
      throw new SalvorError('unknown-volume', `there is no volume ${volume} in zone ${name}`);
    };
    await bus.serve({
      ...{ name: 'replication-manager', version: '0.1.0', description: 'of a test' },
      handlers: {
        ...plans.handlers,
        ...rbdVolumeHandlers({
          ...{ store, zone: name, peers: [other], clusters, log: silentLogger },
          // No volume of these zones is a vdisk.
          native: {
            'volume.status': ({ volume }) => unknown(volume),
            'volume.list': async () => ({ volumes: [] }),
            'volume.disable': async ({ volume }, { operationId: operation }) => ({
              ...{ volume, operation, outcome: 'already', reason: `there is no volume ${volume}` },
            }),
          },
        }),
      },
    });
    return manager;
  }

  readonly restart = async (): Promise<void> => {
    await this.#loop.stop();
    this.#loop = this.#started();
  };

  async close(): Promise<void> {
    await this.#loop.stop();
    await this.#plans.stop();
    await this.#peers.close();
    await this.bus.close({ deadlineMs: 1_000 });
    this.store.close();
  }

  #started(): RbdLoop {
    const loop = new RbdLoop({
      ...{ store: this.store, zone: this.name, peers: this.#peers, clusters: this.#clusters },
      ...{ log: silentLogger, instance: `${this.name}-${++this.#lives}`, intervalMs: this.#intervalMs },
      announce: rbdAnnouncer(this.bus, this.name, silentLogger),
    });
    loop.start();
    return loop;
  }
}
