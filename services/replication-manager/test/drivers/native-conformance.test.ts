/** The native driver in each of its modes, in two complete zones on one machine. */
import { after, before } from 'node:test';
import { NbdClient } from '@salvor/testkit';
import { TwoZones, type Zone } from '../../../../test/e2e/two-zones.ts';
import { NativeDriver } from '../../src/drivers/native-driver.ts';
import { replicationModes } from '../../src/drivers/replication-driver.ts';
import { type ConformanceStage, replicationDriverConformance, type StageZone } from './driver-conformance.ts';

const BLOCK = 4096;
const BLOCKS = 8;
const POLL_MS = 50;
const EVERY_MS = 1_000;
/** `instant,one-time,periodic` for all; what a mode of points adds, the one shows as the other. */
const MODES = (process.env.SALVOR_NATIVE_MODES ?? 'instant').split(',');

/** A volume of these zones: both have the same of each mode. */
interface Subject {
  readonly volume: string;
  readonly vdisk: string;
}

let zones: TwoZones;
before(async () => {
  zones = await TwoZones.start({ isArchived: true });
});
after(async () => zones?.[Symbol.asyncDispose]());

class NativeZone implements StageZone {
  readonly name: string;
  readonly driver: NativeDriver;
  readonly #zone: Zone;
  readonly #subject: Subject;

  constructor(zone: Zone, peer: Zone, subject: Subject, follows: boolean) {
    this.name = zone.name;
    this.#zone = zone;
    this.#subject = subject;
    this.driver = new NativeDriver({
      ...{ bus: zone.healing.bus, peerBus: peer.healing.bus, ...subject, follows },
      ...{ zone: zone.name, peerZone: peer.name, everyMs: EVERY_MS, now: Date.now },
    });
  }

  async restart(): Promise<void> {
    await this.#zone.killManager();
    await this.#zone.startManager();
  }

  async write(block: number, value: number): Promise<boolean> {
    if ((await this.#role()) === 'secondary')
      return NbdClient.connect(this.#zone.healing.server.unixUri(this.#subject.vdisk)).then(
        async (client) => {
          await client.disconnect();
          return true;
        },
        () => false,
      );
    const client = await this.#zone.connected(this.#subject.vdisk);
    await client.write(block * BLOCK, Buffer.alloc(BLOCK, value));
    await client.flush();
    await this.#leave(client);
    return true;
  }

  async content(): Promise<readonly number[]> {
    const client = await this.#zone.connected(this.#subject.vdisk);
    const found = await client.read(0, BLOCKS * BLOCK);
    await this.#leave(client);
    return Array.from({ length: BLOCKS }, (_, i) => found[i * BLOCK] ?? 0);
  }

  async untilLevel(): Promise<void> {
    const since = Date.now();
    await this.#zone.until(
      'level',
      ({ status, lag }) => status === 'active - secondary' && (lag?.observedAt ?? 0) > since + 1_500,
      this.#subject.volume,
    );
  }

  async #leave(client: NbdClient): Promise<void> {
    await client.disconnect();
    await this.#zone.untilReleased(this.#subject.vdisk);
  }

  async #role(): Promise<string> {
    return (await this.driver.status()).role;
  }
}

async function start(mode: ConformanceStage['mode']): Promise<ConformanceStage> {
  const { north, south } = zones;
  const subject: Subject = { volume: `vol-${mode}`, vdisk: `v-${mode}` };
  for (const { healing } of [north, south])
    await healing.bus.request('vdisk.create', {
      ...{ vdisk: subject.vdisk, type: 'db', sizeGiB: 1, cluster: 'p1', slaveCluster: 's1', tlog: 'block' },
    });
  return {
    north: new NativeZone(north, south, subject, false),
    south: new NativeZone(south, north, subject, true),
    ...{ blocks: BLOCKS, mode },
    // A manager that is killed is the same in each mode.
    ...(mode === 'instant' ? {} : { restarts: 0 }),
    pass: () => new Promise((resolve) => setTimeout(resolve, POLL_MS)),
    part: async () => zones.cut(),
    mend: async () => zones.mend(),
    close: async () => {},
  };
}

for (const mode of replicationModes.filter((each) => MODES.includes(each)))
  replicationDriverConformance(`native, ${mode}, in two zones`, () => start(mode));
