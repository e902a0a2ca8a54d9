/** Recovery plans between two complete zones: a planned failover under load and kill -9, a lost zone, tests and the way back. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { openStore, readVolume } from '@salvor/config-store';
import type { PlanRunDescription } from '@salvor/contracts';
import { silentLogger } from '@salvor/service-kit';
import { NbdClient, type TempDir, tempDir, testSeed, until } from '@salvor/testkit';
import { TwoZones, VDISK, VOLUME, type Zone } from './two-zones.ts';

const BLOCK = 4096;
const BLOCKS = 128;
/** Planned failovers during which the manager that carries them out is killed. */
const KILLS = Number(process.env.SALVOR_PLAN_KILLS ?? 1);
const RUN_TIMEOUT_MS = 180_000;
let dir: TempDir;
let zones: TwoZones;

const linesOf = (name: string): string[] =>
  existsSync(dir.join(name)) ? readFileSync(dir.join(name), 'utf8').trimEnd().split('\n') : [];

function program(name: string, text: string): string {
  writeFileSync(dir.join(name), `#!/bin/sh\n${text}\n`);
  chmodSync(dir.join(name), 0o755);
  return dir.join(name);
}

const PLAN = {
  plan: 'shop',
  zones: ['north', 'south'],
  groups: [
    { name: 'web', instances: ['web'], after: ['database'] },
    {
      name: 'database',
      volumes: [VOLUME],
      instances: [{ instance: 'db', test: { startHook: 'note', stopHook: 'note' } }],
    },
  ],
  records: [{ name: 'dns', hook: 'replay', content: 'shop IN A here' }],
  stepTimeoutSeconds: 90,
};

before(async () => {
  dir = tempDir('plans-e2e');
  const note = program(
    'note',
    `[ -e ${dir.join('refuse')} ] && [ $SALVOR_POINT = instance.stop ] && exit 1
echo "$SALVOR_POINT $SALVOR_INSTANCE $SALVOR_ZONE" >> ${dir.join('calls')}`,
  );
  const replay = program(
    'replay',
    `echo "$SALVOR_POINT $SALVOR_RECORD $SALVOR_ZONE" >> ${dir.join('calls')}
cat >> ${dir.join('records')}`,
  );
  const hooks = [
    { name: 'note', on: ['instance.stop', 'instance.start', 'instance.fence'], exec: [note], attempts: 1 },
    { name: 'replay', on: ['plan.record'], where: { plan: 'shop' }, exec: [replay] },
  ];
  writeFileSync(dir.join('hooks.json'), JSON.stringify({ hooks }));
  zones = await TwoZones.start({ isArchived: true, hooksFile: dir.join('hooks.json') });
  await zones.replicate();
  for (const zone of [zones.north, zones.south])
    for (const instance of ['db', 'web'])
      await zone.healing.bus.request('instance.set', {
        ...{ instance, vdisks: [VDISK], zone: zone.name, standby: zone === zones.south },
        ...{ startHook: 'note', stopHook: 'note', fenceHook: 'note' },
      });
});
after(async () => {
  await zones?.[Symbol.asyncDispose]();
  dir?.remove();
});

/** Every write has a number, one more than the one before, and goes to the block after it; it stops when its instance is. */
class Counting {
  acked = 0;
  #running: Promise<void> = Promise.resolve();

  async start(zone: Zone): Promise<void> {
    const client = await zone.connected();
    const stop = `instance.stop db ${zone.name}`;
    const stops = linesOf('calls').filter((line) => line === stop).length;
    const isUp = (): boolean => linesOf('calls').filter((line) => line === stop).length === stops;
    this.#running = this.#write(client, isUp);
  }

  /** Until the write that is under way has ended. */
  ended(): Promise<void> {
    return this.#running;
  }

  async #write(client: NbdClient, isUp: () => boolean): Promise<void> {
    while (isUp()) await this.one(client);
    await client.disconnect();
  }

  async one(client: NbdClient): Promise<void> {
    const number = this.acked + 1;
    const data = Buffer.alloc(BLOCK);
    data.writeUInt32LE(number);
    await client.write((number % BLOCKS) * BLOCK, data, { fua: number % 16 === 0 });
    this.acked = number;
  }
}

/** The last write that a vdisk has, when it holds exactly what was written up to that one. */
async function lastWriteOf(client: NbdClient): Promise<number> {
  const found = await client.read(0, BLOCKS * BLOCK);
  const numbers = Array.from({ length: BLOCKS }, (_, block) => found.readUInt32LE(block * BLOCK));
  const last = Math.max(...numbers);
  for (const [block, number] of numbers.entries()) {
    const newest = last - ((((last - block) % BLOCKS) + BLOCKS) % BLOCKS);
    assert.equal(number, Math.max(0, newest), `block ${block} after write ${last}`);
  }
  return last;
}

async function lastWriteIn(zone: Zone, vdisk = VDISK): Promise<number> {
  const client =
    vdisk === VDISK ? await zone.connected() : await NbdClient.connect(zone.healing.server.unixUri(vdisk));
  const last = await lastWriteOf(client);
  await client.disconnect();
  return last;
}

async function begin(zone: Zone, kind: string): Promise<string> {
  return (await zone.healing.bus.request('plan.run', { plan: 'shop', kind })).operation;
}

/** The run, once it has ended. */
async function ended(zone: Zone, run: string): Promise<PlanRunDescription> {
  let last: PlanRunDescription | undefined;
  const isOver = async (): Promise<boolean> => {
    const answer = await zone.healing.bus.request('plan.report', { plan: 'shop', run }).catch(() => null);
    last = answer?.run;
    return last !== undefined && last.status !== 'running';
  };
  await until(isOver, { what: `the end of run ${run}`, timeoutMs: RUN_TIMEOUT_MS, intervalMs: 50 }).catch(
    (error: unknown) => assert.fail(`${String(error)}: ${JSON.stringify(last)}`),
  );
  return last ?? assert.fail('no run');
}

async function completed(zone: Zone, kind: string): Promise<PlanRunDescription> {
  const run = await ended(zone, await begin(zone, kind));
  assert.equal(run.status, 'completed', JSON.stringify(run));
  figures.push(figuresOf(run));
  return run;
}

/** What runs came to, for whoever reads the output of the tests. */
const figures: string[] = [];
function figuresOf({ kind, rpoWrites, rpoMs, rtoMs }: PlanRunDescription): string {
  return `${kind}: lost writes ${rpoWrites ?? 'not known yet'}, lost ms ${rpoMs ?? '-'}, served after ms ${rtoMs ?? '-'}`;
}

async function untilLevel(secondary: Zone): Promise<void> {
  const since = Date.now() + 1_500;
  await secondary.until(
    'level',
    ({ status, lag }) => status === 'active - secondary' && (lag?.observedAt ?? 0) > since,
  );
}

/** Asks again and again whether both zones are primary, the one that becomes it first; ends with how often it asked. */
function watchPrimaries(source: Zone, target: Zone): { stop(): Promise<number> } {
  const stores = [target, source].map(({ healing }) =>
    openStore({ endpoints: healing.stack.etcdEndpoints, log: silentLogger }),
  );
  let isStopped = false;
  const watch = async (): Promise<number> => {
    let looks = 0;
    for (; !isStopped; looks++) {
      const roles: (string | undefined)[] = [];
      for (const store of stores) roles.push((await readVolume(store, VOLUME))?.role);
      assert.notDeepEqual(roles, ['primary', 'primary'], 'one primary at all times');
    }
    return looks;
  };
  const running = watch();
  running.catch(() => undefined);
  return {
    stop: async () => {
      isStopped = true;
      const looks = await running;
      for (const store of stores) await store.close();
      return looks;
    },
  };
}

test('bad plans are refused with what is wrong where; a good one comes to be in both zones', async () => {
  const { north, south } = zones;
  const apply = (plan: unknown) =>
    north.healing.bus.request('plan.apply', { document: JSON.stringify(plan), create: true });
  await assert.rejects(
    apply({ ...PLAN, zones: ['north', 'east'] }),
    /zones\[1\]: expected a zone that is known here: north, south, found east/,
  );
  await assert.rejects(
    apply({ ...PLAN, groups: [{ name: 'a', volumes: ['vol9'], instances: ['vm9'] }] }),
    /there is no volume vol9 in zone north; groups\[0\]\.instances: .*there is no instance vm9 in zone north/,
  );
  await apply(PLAN);
  await assert.rejects(apply(PLAN), /there is a plan shop already/);
  const version = async (zone: Zone): Promise<number | undefined> =>
    (await zone.healing.bus.request('plan.list', {})).plans.find(({ plan }) => plan === 'shop')?.version;
  await until(async () => (await version(south)) === 1, {
    what: 'the plan in zone south',
    timeoutMs: 30_000,
  });
  // Whichever zone it is changed in.
  await south.healing.bus.request('plan.apply', {
    document: JSON.stringify({ ...PLAN, stepTimeoutSeconds: 91 }),
  });
  await until(async () => (await version(north)) === 2, { what: 'its change in north', timeoutMs: 30_000 });
  const status = await south.healing.bus.request('plan.status', { plan: 'shop' });
  assert.equal(status.otherVersion, 2);
  assert.deepEqual(
    status.members.filter(({ kind }) => kind === 'instance').map(({ here, there }) => [here, there]),
    [
      ['stopped', 'started'],
      ['stopped', 'started'],
    ],
  );
  await assert.rejects(
    south.healing.bus.request('instance.start', { instance: 'db' }),
    /vdisk v1 is the copy of a volume whose primary is in another zone/,
  );
});

test('a planned failover is given up when an instance does not stop: everything is as it was, and it says why', async () => {
  const { north, south } = zones;
  const load = new Counting();
  const client = await north.connected();
  await load.one(client);
  await client.flush();
  await south.untilStatus('active - secondary');
  writeFileSync(dir.join('refuse'), '');
  const run = await ended(south, await begin(south, 'planned'));
  rmSync(dir.join('refuse'));
  assert.equal(run.status, 'failed');
  assert.match(
    run.reason,
    /^stop web in zone north: instance web does not stop.*; everything is as it was before$/,
  );
  await load.one(client);
  await client.flush();
  await client.disconnect();
  assert.equal((await north.status()).role, 'primary');
  const { instances } = await north.healing.bus.request('instance.list', {});
  assert.deepEqual(
    instances.map(({ status }) => status),
    ['started', 'started'],
  );
});

test(`a planned failover under load loses nothing, with its manager killed ${KILLS} times; there is one primary at all times`, async (t) => {
  const seed = testSeed();
  const load = new Counting();
  load.acked = 2;
  let [source, target] = [zones.north, zones.south];
  await untilLevel(target);
  for (let round = 0; round < KILLS; round++) {
    rmSync(dir.join('calls'), { force: true });
    await load.start(source);
    const wanted = load.acked + 100;
    await until(() => load.acked >= wanted, { what: `write ${wanted}`, timeoutMs: 60_000 });
    const primaries = watchPrimaries(source, target);
    const run = await begin(target, 'planned');
    // In the middle of the step of that number, or right behind it.
    const doomed = 1 + ((seed + 3 * round) % 9);
    const isThere = async (): Promise<boolean> => {
      const report = await target.healing.bus.request('plan.report', { plan: 'shop', run }).catch(() => null);
      return (report?.run.steps.filter(({ status }) => status !== 'pending').length ?? 0) > doomed;
    };
    await until(isThere, { what: `step ${doomed}`, timeoutMs: RUN_TIMEOUT_MS, intervalMs: 5 });
    await target.killManager();
    await target.startManager();
    await load.ended();
    const report = await ended(target, run);
    assert.equal(report.status, 'completed', JSON.stringify(report));
    assert.ok((await primaries.stop()) > 0);
    assert.equal(await lastWriteIn(target), load.acked, 'the last write that was acknowledged');
    assert.deepEqual([report.rpoWrites, report.rpoMs], [0, 0]);
    assert.ok((report.rtoMs ?? 0) > 0);
    t.diagnostic(figuresOf(report));
    const [s, to] = [source.name, target.name];
    assert.deepEqual(linesOf('calls'), [
      ...[`instance.stop web ${s}`, `instance.stop db ${s}`, `plan.record dns ${to}`],
      ...[`instance.start db ${to}`, `instance.start web ${to}`],
    ]);
    [source, target] = [target, source];
  }
  assert.match(readFileSync(dir.join('records'), 'utf8'), /shop IN A here/);
});

test('a test failover starts its instance on clones of a replication point, touches nothing else, and is removed', async () => {
  const { north, south } = zones;
  const [source, target] = (await north.status()).role === 'primary' ? [north, south] : [south, north];
  rmSync(dir.join('calls'), { force: true });
  await untilLevel(target);
  const client = await source.connected();
  const last = await lastWriteOf(client);
  // The newest point is a few seconds behind, until nothing more comes.
  await target.until('a point of it all', ({ point, sequence }) => point?.sequence === sequence);
  const run = await completed(target, 'test');
  assert.equal(await lastWriteIn(target, `${VDISK}-test`), last);
  const clone = await NbdClient.connect(target.healing.server.unixUri(`${VDISK}-test`));
  await clone.write(0, Buffer.alloc(BLOCKS * BLOCK, 0xee));
  await clone.flush();
  await clone.disconnect();
  assert.equal(await lastWriteOf(client), last, 'production is what it was');
  await client.disconnect();
  assert.ok((run.rtoMs ?? 0) > 0 && run.rpoMs !== undefined);
  const { testedAt } = await target.healing.bus.request('plan.status', { plan: 'shop' });
  assert.equal(testedAt, run.endedAt);
  await completed(target, 'cleanup');
  assert.deepEqual(linesOf('calls'), [
    `instance.start db-test ${target.name}`,
    `instance.stop db-test ${target.name}`,
  ]);
  const { vdisks } = await target.healing.bus.request('vdisk.list', {});
  assert.equal(
    vdisks.some(({ vdisk }) => vdisk === `${VDISK}-test`),
    false,
  );
  await untilLevel(target);
});

test('a zone is lost: the plan runs in the other one alone; a split brain is reported and waits for a decision; then the way back is protected', async (context) => {
  const { north, south } = zones;
  const [source, target] = (await north.status()).role === 'primary' ? [north, south] : [south, north];
  rmSync(dir.join('calls'), { force: true });
  await untilLevel(target);
  const client = await source.connected();
  const load = new Counting();
  load.acked = await lastWriteOf(client);
  zones.cut();
  const inBoth = load.acked;
  for (let write = 0; write < 5; write++) await load.one(client);
  await client.flush();
  const run = await completed(target, 'failover');
  assert.equal(run.rpoWrites, undefined, 'what was lost is not known while the other zone is away');
  assert.ok(run.rpoMs !== undefined && (run.rtoMs ?? 0) > 0);
  assert.equal(await lastWriteIn(target), inBoth);
  const [s, t] = [source.name, target.name];
  assert.deepEqual(linesOf('calls'), [
    ...[`instance.fence db ${s}`, `instance.fence web ${s}`, `plan.record dns ${t}`],
    ...[`instance.start db ${t}`, `instance.start web ${t}`],
  ]);
  const there = await target.connected();
  load.acked = inBoth;
  await load.one(there);
  await there.flush();
  await client.disconnect().catch(() => undefined);
  zones.mend();
  await source.until('split', ({ phase }) => phase === 'split');
  const stopped = await ended(target, await begin(target, 'reprotect'));
  assert.equal(stopped.status, 'failed');
  assert.match(stopped.reason, new RegExp(`has 5 writes in zone ${s} that zone ${t} lacks.*--discard ${s}`));
  assert.equal((await source.status()).phase, 'split', 'nothing was decided');
  const report = await target.healing.bus.request('plan.report', { plan: 'shop', run: run.run });
  assert.equal(report.run.rpoWrites, 5);
  await source.healing.bus.request('volume.resync', { volume: VOLUME, discard: s });
  await completed(target, 'reprotect');
  await untilLevel(source);
  await there.disconnect();
  // And back where it was, as planned.
  await target.untilReleased();
  const back = await completed(source, 'planned');
  assert.deepEqual([back.rpoWrites, await lastWriteIn(source)], [0, load.acked]);
  for (const line of figures) context.diagnostic(line);
});
