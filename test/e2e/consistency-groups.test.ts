/**
 * A data base and its log on two volumes, served by two NBD servers: what another zone gets of them is one moment of both; and where no
 * cut can come, nothing waits for one for ever.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { PlanRunDescription, VolumeDescription } from '@salvor/contracts';
import { codeOf } from '@salvor/service-kit';
import { NbdClient, testSeed, until } from '@salvor/testkit';
import { TwoZones, VDISK, VOLUME, type Zone } from './two-zones.ts';

const BLOCK = 4096;
const BLOCKS = 64;
const WAIT_MS = 60_000;
const [OTHER_VDISK, OTHER_VOLUME] = ['v2', 'vol2'];
const VOLUMES = [VOLUME, OTHER_VOLUME];
const MIB = 1024 * 1024;
/** Behind what the pairs are written to. */
const FAR = 4 * MIB;
/** The manager that applies what waited is killed so often. */
const KILLS_WHILE_APPLIED = Number(process.env.SALVOR_GROUP_KILLS ?? 0);
/** Of what waits for a cut; far more than comes between two of them here. */
const HELD_MIB = 8;
/** Time that the writer has before its zone is lost, at most. */
const LOAD_MS = Number(process.env.SALVOR_GROUP_LOAD_MS ?? 2_500);
const PLAN = {
  plan: 'shop',
  zones: ['north', 'south'],
  groups: [{ name: 'database', volumes: VOLUMES, consistent: true }],
  stepTimeoutSeconds: 90,
};
let zones: TwoZones;

before(async () => {
  const managerEnv = { SALVOR_GROUP_HELD_MIB: String(HELD_MIB), SALVOR_GROUP_HINDERED_SECONDS: '1' };
  zones = await TwoZones.start({ isArchived: 'later', nbdServers: 2, managerEnv });
  await zones.replicate();
  const [north, south] = [zones.north.healing.bus, zones.south.healing.bus];
  for (const bus of [north, south])
    await bus.request('vdisk.create', {
      ...{ vdisk: OTHER_VDISK, type: 'db', sizeGiB: 1, cluster: 'p1', slaveCluster: 's1', tlog: 'block' },
    });
  await north.request('volume.enable', { volume: OTHER_VOLUME, vdisk: OTHER_VDISK });
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
  for (const volume of VOLUMES) {
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

const has = ({ conditions }: VolumeDescription, wanted: string): boolean =>
  conditions.some(({ condition }) => condition === wanted);

/** One moment of all, that came after the cut with this number. */
async function untilOne(zone: Zone, after: number): Promise<void> {
  await untilGroup(zone, `a cut after ${after}`, (volume) => {
    const number = volume.group?.released?.number ?? 0;
    return number > after && !has(volume, 'not-consistent');
  });
}

async function cutNumber(zone: Zone): Promise<number> {
  const found = await Promise.all(VOLUMES.map((volume) => volumeOf(zone, volume)));
  return Math.max(0, ...found.map(({ group }) => group?.released?.number ?? 0));
}

async function untilFree(zone: Zone, vdisk: string): Promise<void> {
  const isFree = async (): Promise<boolean> =>
    (await zone.healing.bus.request('vdisk.describe', { vdisk })).vdisk.owner === undefined;
  await until(isFree, { what: `zone ${zone.name} has given ${vdisk} back`, timeoutMs: WAIT_MS });
}

async function fill(client: NbdClient, from: number, bytes: number): Promise<void> {
  const step = MIB / 4;
  for (let at = from; at < from + bytes; at += step)
    await client.write(at, Buffer.alloc(step, 1 + (at % 251)));
  await client.flush();
}

test('a group that cannot cut as it is says so, and holds nothing back for ever; a volume is in one group only', async () => {
  const { north, south } = zones;
  const [here, there] = [north.healing.bus, south.healing.bus];
  await here.request('plan.apply', { document: JSON.stringify(PLAN), create: true });
  const taken = here.request('plan.apply', {
    document: JSON.stringify({ ...PLAN, plan: 'bar' }),
    create: true,
  });
  await assert.rejects(taken, /groups\[0\]\.volumes\[0\]: expected .*vol1 is in shop\/database/);
  const first = await clientOf(north, VDISK, 'nbd-1');
  await south.until(
    'it follows, and is in the group',
    ({ group, phase }) => group !== undefined && phase === 'following',
  );
  await fill(first, FAR, MIB / 4);
  const { sequence = 0 } = await south.status();
  // The other volume is not there: it goes on without a cut.
  const alone = await south.until(
    'it went on alone',
    (volume) => (volume.sequence ?? 0) > sequence && volume.lag?.bytes === 0 && has(volume, 'not-consistent'),
  );
  assert.match(alone.conditions.find(({ condition }) => condition === 'cut-late')?.reason ?? '', /vol2/);
  const { members } = await there.request('plan.status', { plan: 'shop' });
  assert.match(members.find(({ subject }) => subject === VOLUME)?.here ?? '', /cut-late/);
  await here.request('volume.replicate', { volume: OTHER_VOLUME, to: 'south' });
  await there.request('volume.enable', { volume: OTHER_VOLUME, vdisk: OTHER_VDISK, from: 'north' });
  const second = await clientOf(north, OTHER_VDISK, 'nbd-2');
  await untilOne(south, 0);
  await Promise.all([first, second].map((client) => client.disconnect()));
});

test('a volume of which too much waits goes on without a cut, also when its manager is killed meanwhile, until a later one', async () => {
  const { north, south } = zones;
  const first = await clientOf(north, VDISK, 'nbd-1');
  const second = await clientOf(north, OTHER_VDISK, 'nbd-2');
  await untilOne(south, 0);
  await second.disconnect();
  await untilFree(north, OTHER_VDISK);
  // From here on nobody has the other vdisk, and there is no cut.
  await fill(first, FAR, (3 * MIB * HELD_MIB) / 4);
  const half = (MIB * HELD_MIB) / 2;
  const waits = await south.until('it waits', ({ lag }) => (lag?.bytes ?? 0) > half);
  assert.equal(has(waits, 'not-consistent'), false);
  await south.killManager();
  await fill(first, FAR + MIB * HELD_MIB, half);
  await south.startManager();
  const { sequence: end = 0 } = await south.until(
    'it went on',
    (volume) => has(volume, 'not-consistent') && (volume.sequence ?? 0) > (waits.sequence ?? 0),
  );
  for (let kill = 0; kill < KILLS_WHILE_APPLIED; kill++) {
    await south.killManager();
    await south.startManager();
  }
  const forced = { volume: VOLUME, force: true };
  const refused = await south.healing.bus
    .request('volume.promote', forced)
    .catch((error: unknown) => codeOf(error));
  assert.equal(refused, 'not-consistent');
  const before = await cutNumber(south);
  const again = await clientOf(north, OTHER_VDISK, 'nbd-2');
  await untilOne(south, before);
  const cuts = await Promise.all(VOLUMES.map((volume) => volumeOf(south, volume)));
  assert.ok((cuts[0]?.group?.released?.segment.last ?? 0) >= end);
  await Promise.all([first, again].map((client) => client.disconnect()));
});

/** Written behind the last cut there is, where nobody has the other vdisk; then nobody has this one either. */
async function writtenAlone(zone: Zone, vdisk: string, server: string, fill: number): Promise<void> {
  const client = await clientOf(zone, vdisk, server);
  await client.write(FAR, Buffer.alloc(BLOCK, fill), { fua: true });
  await client.disconnect();
  await untilFree(zone, vdisk);
}

async function assertWritten(zone: Zone, vdisk: string, server: string, fill: number): Promise<void> {
  const client = await clientOf(zone, vdisk, server);
  assert.deepEqual(await client.read(FAR, BLOCK), Buffer.alloc(BLOCK, fill), `${vdisk} in zone ${zone.name}`);
  await client.disconnect();
  await untilFree(zone, vdisk);
}

async function untilPrimary(zone: Zone, volume: string): Promise<void> {
  await zone.healing.bus.request('volume.promote', { volume });
  const isPrimary = async (): Promise<boolean> => (await volumeOf(zone, volume)).role === 'primary';
  await until(isPrimary, { what: `${volume} is primary in zone ${zone.name}`, timeoutMs: WAIT_MS });
}

test('by hand, one after the other, volumes of a group come to the other zone with all that was written, and back again', async () => {
  const { north, south } = zones;
  const members = [
    { volume: VOLUME, vdisk: VDISK, server: 'nbd-1' },
    { volume: OTHER_VOLUME, vdisk: OTHER_VDISK, server: 'nbd-2' },
  ];
  for (const { vdisk } of members) await untilFree(north, vdisk);
  // Each is demoted and promoted before the next one is.
  for (const { volume, vdisk, server } of members) {
    await writtenAlone(north, vdisk, server, 7);
    await north.healing.bus.request('volume.demote', { volume });
    await untilPrimary(south, volume);
    await assertWritten(south, vdisk, server, 7);
  }
  await untilGroup(north, 'it follows', ({ phase }) => phase === 'following');
  // All are demoted before the first is promoted.
  for (const { vdisk, server } of members) await writtenAlone(south, vdisk, server, 9);
  for (const { volume } of members) await south.healing.bus.request('volume.demote', { volume });
  for (const { volume, vdisk, server } of members) {
    await untilPrimary(north, volume);
    await assertWritten(north, vdisk, server, 9);
  }
  await untilGroup(south, 'it follows', ({ phase }) => phase === 'following');
  for (const zone of [north, south])
    for (const { volume, vdisk } of members) {
      const { container, generation } = await volumeOf(zone, volume);
      const prefix = `salvor.tlog.v1.${container}.${vdisk}.received.`;
      const left = async (): Promise<string[]> =>
        [...(await zone.healing.bus.logStreams.subjects(`TLOG_${container}`, `${prefix}>`)).keys()].filter(
          (subject) => !subject.startsWith(`${prefix}${generation}-`),
        );
      await until(async () => (await left()).length === 0, {
        what: `zone ${zone.name} has let go of what arrived of ${vdisk} before`,
        timeoutMs: WAIT_MS,
      });
    }
});

test('volumes of a group go up to cuts that all of them have; a test failover and one of a lost zone bring one moment of both', async (t) => {
  const { north, south } = zones;
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
    ...(await Promise.all(VOLUMES.map((volume) => volumeOf(south, volume)))).map(
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
