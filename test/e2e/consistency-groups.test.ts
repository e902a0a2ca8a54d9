/** A data base and its log on two volumes, served by two NBD servers: what another zone gets of them is one moment of both. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { PlanRunDescription, VolumeDescription } from '@salvor/contracts';
import { NbdClient, testSeed, until } from '@salvor/testkit';
import { TwoZones, VDISK, VOLUME, type Zone } from './two-zones.ts';

const BLOCK = 4096;
const BLOCKS = 64;
const WAIT_MS = 120_000;
const [OTHER_VDISK, OTHER_VOLUME] = ['v2', 'vol2'];
/** Time that the writer has before its zone is lost, at most. */
const LOAD_MS = Number(process.env.SALVOR_GROUP_LOAD_MS ?? 2_500);
const PLAN = {
  plan: 'shop',
  zones: ['north', 'south'],
  groups: [{ name: 'database', volumes: [VOLUME, OTHER_VOLUME], consistent: true }],
  stepTimeoutSeconds: 90,
};
let zones: TwoZones;

before(async () => {
  zones = await TwoZones.start({ isArchived: 'later', nbdServers: 2 });
  await zones.replicate();
  const [north, south] = [zones.north.healing.bus, zones.south.healing.bus];
  for (const bus of [north, south])
    await bus.request('vdisk.create', {
      ...{ vdisk: OTHER_VDISK, type: 'db', sizeGiB: 1, cluster: 'p1', slaveCluster: 's1', tlog: 'block' },
    });
  await north.request('volume.enable', { volume: OTHER_VOLUME, vdisk: OTHER_VDISK });
  await north.request('volume.replicate', { volume: OTHER_VOLUME, to: 'south' });
  await south.request('volume.enable', { volume: OTHER_VOLUME, vdisk: OTHER_VDISK, from: 'north' });
});
after(async () => {
  await zones?.[Symbol.asyncDispose]();
});

/** Number n is written to the first volume, and, once that is acknowledged, to the second one; then comes n + 1. */
class Pairs {
  acked = 0;
  /** When each number was acknowledged on the second volume. */
  readonly ackedAt: number[] = [];
  #isStopped = false;
  #running: Promise<void> = Promise.resolve();

  start(first: NbdClient, second: NbdClient): void {
    this.#running = this.#write(first, second);
    // Told by who waits for its end.
    this.#running.catch(() => undefined);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  async #write(first: NbdClient, second: NbdClient): Promise<void> {
    while (!this.#isStopped) {
      const number = this.acked + 1;
      const data = Buffer.alloc(BLOCK);
      data.writeUInt32LE(number);
      // The last of a few waits for the log: neither zone is kept busy by the load alone.
      const fua = number % 4 === 0;
      for (const client of [first, second]) await client.write((number % BLOCKS) * BLOCK, data, { fua });
      this.acked = number;
      this.ackedAt[number] = Date.now();
    }
  }
}

async function clientOf(zone: Zone, vdisk: string, server = 'nbd-1'): Promise<NbdClient> {
  let client: NbdClient | null = null;
  const uri = zone.healing.stack.nbdServer(server).unixUri(vdisk);
  await until(
    async () => {
      client = await NbdClient.connect(uri).catch(() => null);
      return client !== null;
    },
    { what: `zone ${zone.name} serves ${vdisk}`, timeoutMs: WAIT_MS },
  );
  return client ?? assert.fail('not connected');
}

/** The last number, when the vdisk holds exactly what was written up to that one. */
async function lastOf(client: NbdClient, vdisk: string): Promise<number> {
  const found = await client.read(0, BLOCKS * BLOCK);
  await client.disconnect();
  const numbers = Array.from({ length: BLOCKS }, (_, block) => found.readUInt32LE(block * BLOCK));
  const last = Math.max(...numbers);
  for (const [block, number] of numbers.entries())
    assert.equal(
      number,
      Math.max(0, last - ((((last - block) % BLOCKS) + BLOCKS) % BLOCKS)),
      `${vdisk}: block ${block} after write ${last}`,
    );
  return last;
}

/** The second one never has a number that the first one lacks, and lacks at most the one that was under way. */
async function assertOneMoment(zone: Zone, vdisks: readonly [string, string]): Promise<number> {
  const [first, second] = vdisks;
  const a = await lastOf(await clientOf(zone, first), first);
  const b = await lastOf(await clientOf(zone, second), second);
  assert.ok(a === b || a === b + 1, `${first} has write ${a}, ${second} write ${b}`);
  return b;
}

async function volumeOf(zone: Zone, volume: string): Promise<VolumeDescription> {
  return (await zone.healing.bus.request('volume.status', { volume })).volume;
}

async function untilGroup(
  zone: Zone,
  what: string,
  is: (volume: VolumeDescription) => boolean,
): Promise<void> {
  for (const volume of [VOLUME, OTHER_VOLUME]) {
    let last: VolumeDescription | null = null;
    await until(
      async () => {
        last = await volumeOf(zone, volume);
        return is(last);
      },
      { what: `${volume} in zone ${zone.name}: ${what}`, timeoutMs: WAIT_MS, intervalMs: 50 },
    ).catch((error: unknown) => assert.fail(`${String(error)}; last: ${JSON.stringify(last)}`));
  }
}

async function run(zone: Zone, kind: string): Promise<PlanRunDescription> {
  const { operation } = await zone.healing.bus.request('plan.run', { plan: 'shop', kind });
  let last: PlanRunDescription | undefined;
  await until(
    async () => {
      const answer = await zone.healing.bus
        .request('plan.report', { plan: 'shop', run: operation })
        .catch(() => null);
      last = answer?.run;
      return last !== undefined && last.status !== 'running';
    },
    { what: `the end of the run ${kind}`, timeoutMs: WAIT_MS, intervalMs: 50 },
  ).catch((error: unknown) => assert.fail(`${String(error)}: ${JSON.stringify(last)}`));
  assert.equal(last?.status, 'completed', JSON.stringify(last));
  return last ?? assert.fail('no run');
}

test('volumes of a group go up to cuts that all of them have; a test failover and one of a lost zone bring one moment of both', async (t) => {
  const { north, south } = zones;
  await north.healing.bus.request('plan.apply', { document: JSON.stringify(PLAN), create: true });
  const first = await clientOf(north, VDISK, 'nbd-1');
  const second = await clientOf(north, OTHER_VDISK, 'nbd-2');
  const load = new Pairs();
  load.start(first, second);
  await untilGroup(south, 'three cuts', ({ group }) => (group?.reached.length ?? 0) >= 3);
  assert.equal((await volumeOf(south, OTHER_VOLUME)).group?.group, 'shop/database');
  await run(south, 'test');
  const tested = await assertOneMoment(south, [`${VDISK}-test`, `${OTHER_VDISK}-test`]);
  assert.ok(tested > 0);
  await run(south, 'cleanup');

  // At any moment between two cuts, also between the arrival of a cut on one volume and on the other.
  const seed = testSeed();
  const lostAt = Date.now() + (seed % LOAD_MS);
  await until(() => Date.now() >= lostAt, { what: 'the zone is lost', timeoutMs: WAIT_MS });
  zones.cut();
  const cutAt = Math.min(
    ...(await Promise.all([VOLUME, OTHER_VOLUME].map((volume) => volumeOf(south, volume)))).map(
      ({ group }) => group?.released?.at ?? 0,
    ),
  );
  const report = await run(south, 'failover');
  await load.stop();
  const found = await assertOneMoment(south, [VDISK, OTHER_VDISK]);
  const acknowledgedBefore = load.ackedAt.findLastIndex((at) => at < cutAt);
  assert.ok(
    found >= acknowledgedBefore,
    `${found} of ${acknowledgedBefore} before the cut, ${load.acked} in all`,
  );
  t.diagnostic(
    `${load.acked - found} of ${load.acked} writes lost, lost ms ${report.rpoMs}, cut ${cutAt - lostAt} ms before`,
  );
  await first.disconnect().catch(() => undefined);
  await second.disconnect().catch(() => undefined);
});
