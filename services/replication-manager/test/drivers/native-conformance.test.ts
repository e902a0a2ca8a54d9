/** The native driver, in two complete zones on one machine. */
import { NbdClient } from '@salvor/testkit';
import { TwoZones, VDISK, VOLUME, type Zone } from '../../../../test/e2e/two-zones.ts';
import { NativeDriver } from '../../src/drivers/native-driver.ts';
import { type ConformanceStage, replicationDriverConformance, type StageZone } from './driver-conformance.ts';

const BLOCK = 4096;
const BLOCKS = 8;
const POLL_MS = 50;

class NativeZone implements StageZone {
  readonly name: string;
  readonly driver: NativeDriver;
  readonly #zone: Zone;

  constructor(zone: Zone, peerZone: string, follows: boolean) {
    this.name = zone.name;
    this.#zone = zone;
    this.driver = new NativeDriver({
      ...{ bus: zone.healing.bus, volume: VOLUME, vdisk: VDISK, zone: zone.name, peerZone, follows },
      now: Date.now,
    });
  }

  async restart(): Promise<void> {
    await this.#zone.killManager();
    await this.#zone.startManager();
  }

  async write(block: number, value: number): Promise<boolean> {
    if ((await this.#role()) === 'secondary')
      return NbdClient.connect(this.#zone.healing.server.unixUri(VDISK)).then(
        async (client) => {
          await client.disconnect();
          return true;
        },
        () => false,
      );
    const client = await this.#zone.connected();
    await client.write(block * BLOCK, Buffer.alloc(BLOCK, value));
    await client.flush();
    await this.#leave(client);
    return true;
  }

  async content(): Promise<readonly number[]> {
    const client = await this.#zone.connected();
    const found = await client.read(0, BLOCKS * BLOCK);
    await this.#leave(client);
    return Array.from({ length: BLOCKS }, (_, i) => found[i * BLOCK] ?? 0);
  }

  async untilLevel(): Promise<void> {
    const since = Date.now();
    await this.#zone.until(
      'level',
      ({ status, lag }) => status === 'active - secondary' && (lag?.observedAt ?? 0) > since + 1_500,
    );
  }

  async #leave(client: NbdClient): Promise<void> {
    await client.disconnect();
    await this.#zone.untilReleased();
  }

  async #role(): Promise<string> {
    return (await this.driver.status()).role;
  }
}

async function start(): Promise<ConformanceStage> {
  const zones = await TwoZones.start({ isArchived: true });
  for (const { healing } of [zones.north, zones.south])
    await healing.bus.request('vdisk.create', {
      ...{ vdisk: VDISK, type: 'db', sizeGiB: 1, cluster: 'p1', slaveCluster: 's1', tlog: 'block' },
    });
  return {
    north: new NativeZone(zones.north, 'south', false),
    south: new NativeZone(zones.south, 'north', true),
    ...{ blocks: BLOCKS, mode: 'instant' as const },
    pass: () => new Promise((resolve) => setTimeout(resolve, POLL_MS)),
    part: async () => zones.cut(),
    mend: async () => zones.mend(),
    close: () => zones[Symbol.asyncDispose](),
  };
}

replicationDriverConformance('native, in two zones', start);
