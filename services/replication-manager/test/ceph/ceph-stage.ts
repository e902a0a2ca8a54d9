/** Two paired Ceph clusters as the stage of the conformance suite: by the driver itself, and by the commands for volumes. */
import { appendFileSync, mkdirSync } from 'node:fs';
import { tempDir } from '@salvor/testkit';
import { type RbdExec, rbdProcess } from '../../src/drivers/rbd/rbd-command.ts';
import { RbdDriver } from '../../src/drivers/rbd/rbd-driver.ts';
import type { ReplicationDriver } from '../../src/drivers/replication-driver.ts';
import { rbdClusters } from '../../src/rbd-volumes/rbd-clusters.ts';
import { type ConformanceStage, type StageZone, untilStatus } from '../drivers/driver-conformance.ts';
import { MemoryRecords } from '../drivers/rbd-stage.ts';
import { BusDriver } from '../rbd-volumes/bus-driver.ts';
import { type RbdBusZones, startRbdZones, VOLUME } from '../rbd-volumes/rbd-bus-stage.ts';
import { CephSite, POOL, portsOf } from './ceph-site.ts';
import { timed, timedAs } from './step-times.ts';

export const BLOCKS = 8;
export const BLOCK_BYTES = 64 * 1024;
const IMAGE_BYTES = BLOCKS * BLOCK_BYTES;
const PIECE_BYTES = 4096;
const PASS_MS = 500;
const INTERVAL_MS = 2_000;

type Name = 'north' | 'south';
const NAMES = ['north', 'south'] as const;

export interface CephPair extends AsyncDisposable {
  readonly north: CephSite;
  readonly south: CephSite;
}

/** Two clusters that mirror to each other. */
export async function startCephPair(): Promise<CephPair> {
  const dir = tempDir('ceph');
  const sites: CephSite[] = [];
  const end = async (): Promise<void> => {
    for (const site of sites) await site[Symbol.asyncDispose]();
    dir.remove();
  };
  try {
    for (const [index, name] of NAMES.entries()) {
      mkdirSync(dir.join(name), { recursive: true });
      sites.push(await CephSite.start(name, dir.join(name), await portsOf(index)));
    }
    const [north, south] = sites;
    if (north === undefined || south === undefined) throw new Error('both were started');
    await north.pairWith(south);
    return { north, south, [Symbol.asyncDispose]: end };
  } catch (error) {
    await end();
    throw error;
  }
}

export async function createImage({ north }: CephPair, image: string): Promise<void> {
  const size = ['--size', `${IMAGE_BYTES}B`, '--object-size', `${BLOCK_BYTES}B`];
  await north.rbdOk('create', ...size, `${POOL}/${image}`);
}

/** Records in memory, and a driver in each zone. */
export async function driverStage(
  pair: CephPair,
  image: string,
  mode: ConformanceStage['mode'] = 'periodic',
): Promise<ConformanceStage> {
  await createImage(pair, image);
  const records: Record<Name, MemoryRecords> = { north: new MemoryRecords(), south: new MemoryRecords() };
  const exec = (name: Name): RbdExec =>
    recorded(name, rbdProcess({ conf: pair[name].conf, user: 'admin', pool: POOL }));
  const parting = { isParted: false };
  const driver = (name: Name): RbdDriver => {
    const peer = name === 'north' ? 'south' : 'north';
    return new RbdDriver({
      ...{ volume: VOLUME, pool: POOL, image, zone: name, peerZone: peer },
      ...{ exec: exec(name), peerExec: exec(peer), records: records[name] },
      peerRecord: async () => {
        if (parting.isParted) throw new Error('the other zone does not answer');
        return (await records[peer].read())?.record ?? null;
      },
      now: Date.now,
    });
  };
  const zones = NAMES.map((name) => {
    let current = driver(name);
    return cephZone(pair, name, parting, {
      driver: () => timed(name, current),
      image: async () => records[name].record?.image ?? image,
      restart: async () => {
        current = driver(name);
      },
    });
  });
  return stageOf(pair, zones, parting, mode, { cut: () => {}, mend: () => {}, close: async () => {} });
}

/** Zones with NATS and etcd of their own, whose managers are given orders by commands; the zones beside the stage. */
export async function commandStage(
  pair: CephPair,
  image: string,
  mode: ConformanceStage['mode'] = 'one-time',
): Promise<ConformanceStage & { readonly sides: RbdBusZones }> {
  await createImage(pair, image);
  const settings = NAMES.map((zone) => ({
    ...{ zone, conf: pair[zone].conf, user: 'admin', pool: POOL, program: 'rbd' },
  }));
  const both = await startRbdZones(() => rbdClusters(settings), INTERVAL_MS);
  const parting = { isParted: false };
  const zones = NAMES.map((name) => {
    const { bus, restart } = both[name];
    const driver = new BusDriver({
      ...{ bus, volume: VOLUME, image, peerZone: name === 'north' ? 'south' : 'north' },
      follows: name === 'south',
    });
    return cephZone(pair, name, parting, {
      driver: () => timed(name, driver),
      image: async () =>
        (await driver.description().catch(() => ({ vdisk: image }))).vdisk.replace(`${POOL}/`, ''),
      restart,
    });
  });
  const stage = stageOf(pair, zones, parting, mode, {
    ...{ cut: () => both.cut(), mend: () => both.mend() },
    close: async () => both[Symbol.asyncDispose](),
  });
  return { ...stage, sides: both };
}

/** With SALVOR_RBD_RECORD, the path of a file, each call and its end are a line of JSON there. */
function recorded(name: Name, exec: RbdExec): RbdExec {
  const file = process.env.SALVOR_RBD_RECORD ?? '';
  if (file === '') return exec;
  return async (args, deadlineMs, kind) => {
    const at = new Date().toISOString();
    const end = await exec(args, deadlineMs, kind);
    appendFileSync(file, `${JSON.stringify({ at, site: name, args, ...end })}\n`);
    return end;
  };
}

interface Parting {
  isParted: boolean;
}

function stageOf(
  pair: CephPair,
  [north, south]: readonly StageZone[],
  parting: Parting,
  mode: ConformanceStage['mode'],
  lines: { cut(): void; mend(): void; close(): Promise<void> },
): ConformanceStage {
  if (north === undefined || south === undefined) throw new Error('there are two zones');
  return {
    ...{ north, south, mode, blocks: BLOCKS },
    close: async () => {
      // What failed may have left it stopped, and the clusters are those of the next test too.
      pair.north.resume();
      await lines.close();
    },
    pass: () => new Promise((resolve) => setTimeout(resolve, PASS_MS)),
    part: async () => {
      parting.isParted = true;
      pair.north.pause();
      lines.cut();
    },
    mend: async () => {
      parting.isParted = false;
      pair.north.resume();
      lines.mend();
    },
  };
}

function cephZone(
  pair: CephPair,
  name: Name,
  parting: Parting,
  zone: {
    readonly driver: () => ReplicationDriver;
    readonly image: () => Promise<string>;
    readonly restart: () => Promise<void>;
  },
): StageZone {
  const site = pair[name];
  const made: StageZone = {
    name,
    get driver() {
      return zone.driver();
    },
    restart: zone.restart,
    write: async (block, value) => {
      const image = await zone.image();
      // Clients of a zone that is lost to the other one write on.
      const isLost = parting.isParted && name === 'north';
      if (isLost) site.resume();
      const piece = Buffer.alloc(PIECE_BYTES, value);
      try {
        return await timedAs(`${name}: a client writes`, () =>
          site.write(image, block * BLOCK_BYTES, IMAGE_BYTES, piece),
        );
      } finally {
        if (isLost) site.pause();
      }
    },
    content: async () => {
      const image = await zone.image();
      const content = await timedAs(`${name}: a client reads`, () => site.content(image));
      return Array.from({ length: BLOCKS }, (_, block) => content[block * BLOCK_BYTES] ?? 0);
    },
    untilLevel: async () => {
      const pass = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, PASS_MS));
      await timedAs(`${name}: until it is active - secondary`, () =>
        untilStatus({ pass }, made, ({ status }) => status === 'active - secondary'),
      );
    },
  };
  return made;
}
