/** What the rbd driver does where Ceph goes wrong, over a model that goes wrong in the same ways. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RbdCallEnd } from '../../src/drivers/rbd/rbd-outcome.ts';
import type { DriverOperation } from '../../src/drivers/replication-driver.ts';
import { finish, untilStatus } from './driver-conformance.ts';
import { OBJECTS, type Site } from './rbd-model.ts';
import { IMAGE, RbdStage, type RbdStageZone } from './rbd-stage.ts';

let orders = 0;
const id = (): string => `o${++orders}`;
const FORCE = { force: true } as const;
const PLANNED = { force: false } as const;

/** Everything that was written and carried over is 1, in all objects. */
async function replicated(): Promise<RbdStage> {
  const stage = new RbdStage();
  await finish(stage, stage.north, (driver, each) => driver.enable(each, { mode: 'periodic' }));
  await finish(stage, stage.south, (driver, each) => driver.enable(each, { mode: 'periodic' }));
  await carriedOver(stage, 1);
  return stage;
}

async function carriedOver(stage: RbdStage, value: number): Promise<void> {
  await filled(stage, value);
  await finish(stage, stage.north, (driver, each) => driver.takePoint(each));
  await untilStatus(stage, stage.south, ({ status }) => status === 'active - secondary');
}

async function filled(stage: RbdStage, value: number): Promise<void> {
  for (let object = 0; object < OBJECTS; object++) await stage.north.write(object, value);
}

function forcedCalls({ model }: RbdStage): number {
  return model.calls.filter(({ args }) => args.includes('promote') && args.includes('--force')).length;
}

test('lost at any moment of a point that arrives: the last whole point, byte for byte, or nothing is touched', async () => {
  for (let copied = 0; copied <= OBJECTS; copied++) {
    for (const isDaemonKilled of [false, true]) {
      const stage = await replicated();
      const { south, model } = stage;
      await filled(stage, 2);
      await stage.north.driver.takePoint(id());
      // The first tick begins the copy; with 0 objects nothing of it is there.
      if (copied > 0) model.tick(copied);
      await stage.part();
      if (isDaemonKilled) model.killDaemon('south');
      const end = await finish(stage, south, (driver, each) => driver.promote(each, FORCE));
      assert.equal(end.state, 'done', end.reason);
      const content = await south.content();
      const wanted = copied === OBJECTS ? 2 : 1;
      assert.deepEqual(
        content,
        Array.from({ length: OBJECTS }, () => wanted),
        `${copied} of ${OBJECTS} objects`,
      );
      const isMid = copied > 0 && copied < OBJECTS;
      assert.equal(forcedCalls(stage), isMid ? 0 : 1, 'forced only where nothing was unfinished');
      if (isMid) assert.match(end.reason, /clone of point dr-1/);
    }
  }
});

test('the model itself hangs, tears, crashes and rolls back as the recorded clusters did', async () => {
  const midSync = async (): Promise<RbdStage> => {
    const stage = await replicated();
    await filled(stage, 2);
    await stage.north.driver.takePoint(id());
    stage.model.tick(3);
    stage.model.lose('north');
    return stage;
  };
  const promote = ({ model }: RbdStage): RbdCallEnd =>
    model.answer('south', ['mirror', 'image', 'promote', '--force', `vol/${IMAGE}`]);
  const hanging = await midSync();
  assert.equal(promote(hanging).timedOut, true);
  const status = await hanging.south.driver.status();
  assert.equal(status.conditions[0]?.condition, 'interrupted-promote');
  hanging.model.answer('south', ['snap', 'rm', `vol/${IMAGE}@dr-1`]);
  hanging.model.answer('south', ['snap', 'rm', `vol/${IMAGE}@dr-2`]);
  hanging.model.killDaemon('south');
  assert.equal(promote(hanging).exitCode, 0);
  const torn = hanging.model.content('south', IMAGE);
  assert.deepEqual([...new Set(torn)].sort(), [1, 2], 'a mix of old and new');
  const crashing = await midSync();
  crashing.model.killDaemon('south');
  assert.equal(promote(crashing).signal, 'SIGSEGV');
  const rolling = await midSync();
  rolling.model.killDaemon('south');
  for (const name of ['dr-1', 'dr-2']) rolling.model.answer('south', ['snap', 'rm', `vol/${IMAGE}@${name}`]);
  assert.equal(promote(rolling).exitCode, 0);
  assert.deepEqual(
    [...new Set(rolling.model.content('south', IMAGE))],
    [0],
    'older than the last whole point',
  );
});

test('a forced promote that does not end is neither ended nor repeated; a point is the way out', async () => {
  const stage = await replicated();
  const { model, south } = stage;
  await stage.part();
  const hangs = { exitCode: null, signal: null, timedOut: true, stdout: '', stderr: '' };
  model.intercept = (site, args) => (site === 'south' && args.includes('promote') ? hangs : null);
  const order = id();
  const first = await south.driver.promote(order, FORCE);
  assert.equal(first.state, 'unknown');
  model.intercept = null;
  await south.restart();
  for (let i = 0; i < 5; i++) {
    await stage.pass();
    await south.driver.advance();
    assert.equal((await south.driver.promote(order, FORCE)).state, 'unknown');
  }
  assert.equal(forcedCalls(stage), 1);
  assert.equal((await south.driver.promote(id(), FORCE)).code, 'busy');
  const clone = await finish(stage, south, (driver, each) =>
    driver.promote(each, { force: true, point: 'dr-1' }),
  );
  assert.equal(clone.state, 'done', clone.reason);
  assert.deepEqual(
    await south.content(),
    Array.from({ length: OBJECTS }, () => 1),
  );
  const { status, conditions } = await south.driver.status();
  assert.equal(status, 'active - primary');
  assert.equal(conditions[0]?.condition, 'degraded');
  await stage.mend();
  const back = await south.driver.status();
  assert.equal(back.conditions[0]?.condition, 'dual-primary', 'the old primary is told of');
});

class Killed extends Error {}

/** Of all places to be killed at each that many is tried. */
const STRIDE = Number(process.env.SALVOR_RBD_KILL_STRIDE ?? 3);

/** Every call and every write of a record is a place to be killed at. */
async function withKillAt(
  place: number,
  stage: RbdStage,
  zone: RbdStageZone,
  order: (each: string) => Promise<DriverOperation>,
): Promise<{ readonly end: DriverOperation; readonly wasKilled: boolean }> {
  const operation = id();
  let places = 0;
  const step = (): void => {
    if (places++ === place) throw new Killed('killed');
  };
  let wasKilled = false;
  stage.model.intercept = (site: Site, args) => {
    // Killed after the call went out: it happens all the same.
    if (places === place) {
      places++;
      stage.model.answer(site, args);
      throw new Killed('killed');
    }
    places++;
    return null;
  };
  stage.records[zone.name].beforeWrite = step;
  try {
    await finish(stage, zone, () => order(operation), operation);
  } catch (error) {
    if (!(error instanceof Killed)) throw error;
    wasKilled = true;
  }
  stage.model.intercept = null;
  stage.records[zone.name].beforeWrite = () => {};
  await zone.restart();
  return { end: await finish(stage, zone, () => order(operation), operation), wasKilled };
}

test('killed at every call and every write of a planned failover: one primary, and nothing lost', async () => {
  let kills = 0;
  for (let place = 0; ; place += STRIDE) {
    const stage = await replicated();
    const { north, south } = stage;
    await filled(stage, 3);
    const demoted = await withKillAt(place, stage, north, (each) => north.driver.demote(each));
    assert.equal(demoted.end.state, 'done', `place ${place}: ${demoted.end.reason}`);
    const promoted = await withKillAt(place, stage, south, (each) => south.driver.promote(each, PLANNED));
    assert.equal(promoted.end.state, 'done', `place ${place}: ${promoted.end.reason}`);
    assert.deepEqual(
      await south.content(),
      Array.from({ length: OBJECTS }, () => 3),
      `place ${place}`,
    );
    const primaries = (['north', 'south'] as const).filter((site) => stage.model.isPrimary(site, IMAGE));
    assert.deepEqual(primaries, ['south']);
    assert.equal(forcedCalls(stage), 0);
    kills += Number(demoted.wasKilled) + Number(promoted.wasKilled);
    if (!demoted.wasKilled && !promoted.wasKilled) break;
  }
  assert.ok(kills > 30 / STRIDE, `${kills} kills`);
});

test('killed at every call and every write of a forced takeover and of a resync: never torn, never two calls of force', async () => {
  for (let place = 0, isOver = false; !isOver; place += STRIDE) {
    const stage = await replicated();
    const { north, south, model } = stage;
    await filled(stage, 2);
    await north.driver.takePoint(id());
    model.tick(3);
    await stage.part();
    const taken = await withKillAt(place, stage, south, (each) => south.driver.promote(each, FORCE));
    assert.equal(taken.end.state, 'done', `place ${place}: ${taken.end.reason}`);
    assert.deepEqual(
      await south.content(),
      Array.from({ length: OBJECTS }, () => 1),
    );
    assert.equal(forcedCalls(stage), 0);
    isOver = !taken.wasKilled;
  }
  for (let place = 0, isOver = false; !isOver; place += STRIDE) {
    const stage = await replicated();
    const { north, model } = stage;
    await finish(stage, north, (driver, each) => driver.demote(each));
    await finish(stage, stage.south, (driver, each) => driver.promote(each, PLANNED));
    model.write('south', IMAGE, 0, 9);
    await finish(stage, stage.south, (driver, each) => driver.takePoint(each));
    const done = await withKillAt(place, stage, north, (each) =>
      north.driver.resync(each, { discard: 'north' }),
    );
    assert.equal(done.end.state, 'done', `place ${place}: ${done.end.reason}`);
    assert.equal(model.content('north', IMAGE)?.[0], 9);
    isOver = !done.wasKilled;
  }
});

test('what the old primary wrote alone is kept in an image of its own before it can be given up', async () => {
  const stage = await replicated();
  const { north, south, model } = stage;
  await stage.part();
  await finish(stage, south, (driver, each) => driver.promote(each, FORCE));
  await north.write(4, 77);
  await stage.mend();
  assert.equal((await north.driver.status()).conditions[0]?.condition, 'dual-primary');
  assert.equal((await north.driver.takePoint(id())).code, 'dual-primary');
  await finish(stage, north, (driver, each) => driver.demote(each));
  const split = await north.driver.status();
  assert.equal(split.conditions[0]?.condition, 'split-brain', 'known before any daemon says so');
  await finish(stage, north, (driver, each) => driver.resync(each, { discard: 'north' }));
  const kept = stage.records.north.record?.kept ?? [];
  assert.equal(kept.length, 1);
  assert.equal(model.content('north', kept[0] ?? '')?.[4], 77);
  assert.equal(model.content('north', IMAGE)?.[4], 1);
});

test('the other zone away for days: points do not pile up, a run is owed, and it is taken once the zone is back', async () => {
  const stage = await replicated();
  const { north, model, records } = stage;
  const schedule = { everyMs: 60_000, startAt: model.now, missed: 'run-once' as const, backlogMax: 3 };
  const before = records.north.record;
  assert.ok(before !== null);
  records.north.record = { ...before, schedule };
  model.killDaemon('south');
  for (let minute = 0; minute < 3 * 24 * 60; minute += 31) {
    model.now += 31 * 60_000;
    await north.driver.advance();
    assert.ok(model.backlog('north', IMAGE) <= 2, 'one that travels, and the newest');
  }
  const { slots } = records.north.record ?? {};
  assert.ok((slots?.missed ?? 0) > 3_000, JSON.stringify(slots));
  assert.equal(slots?.owed, true);
  model.bringBack('south');
  const points = records.north.record?.points.length ?? 0;
  for (let i = 0; i < 20; i++) {
    await stage.pass();
    await north.driver.advance();
  }
  assert.equal(records.north.record?.slots.owed, false);
  assert.ok((records.north.record?.points.length ?? 0) > points);
  const names = (await stage.south.driver.listPoints()).map(({ name }) => name);
  assert.ok(names.length <= 3 && new Set(names).size === names.length, names.join());
});

test('a name is never given twice, whichever zone takes points', async () => {
  const stage = await replicated();
  await carriedOver(stage, 2);
  await finish(stage, stage.north, (driver, each) => driver.demote(each));
  await finish(stage, stage.south, (driver, each) => driver.promote(each, PLANNED));
  const point = await finish(stage, stage.south, (driver, each) => driver.takePoint(each));
  assert.equal(point.made, 'dr-3');
});

test('who holds the image is not demoted away, a mode is not mixed up, a name that is taken is not mirrored onto', async () => {
  const stage = await replicated();
  stage.model.hold('north', IMAGE, true);
  assert.equal((await stage.north.driver.demote(id())).code, 'in-use');
  stage.model.hold('north', IMAGE, false);
  assert.equal((await stage.north.driver.enable(id(), { mode: 'instant' })).code, 'mode-conflict');
  const taken = new RbdStage();
  taken.model.createImage('south', IMAGE);
  assert.equal((await taken.north.driver.enable(id(), { mode: 'periodic' })).code, 'name-taken');
});

test('an image of journal mode follows each write, fails over as planned, and is forced only where all is applied', async () => {
  const stage = new RbdStage();
  const { north, south, model } = stage;
  await finish(stage, north, (driver, each) => driver.enable(each, { mode: 'instant' }));
  await finish(stage, south, (driver, each) => driver.enable(each, { mode: 'instant' }));
  await filled(stage, 5);
  await untilStatus(stage, south, ({ status }) => status === 'active - secondary');
  assert.equal((await north.driver.takePoint(id())).code, 'no-points');
  await finish(stage, north, (driver, each) => driver.demote(each));
  await finish(stage, south, (driver, each) => driver.promote(each, PLANNED));
  assert.deepEqual(
    await south.content(),
    Array.from({ length: OBJECTS }, () => 5),
  );
  model.lose('south');
  const forced = await north.driver.promote(id(), FORCE);
  assert.equal(forced.state, 'refused', 'what its daemon says is no word of an applied journal');
});

test('garbage, half answers, crashes and silence of rbd never read as healthy, and never end in force', async () => {
  const bad: RbdCallEnd[] = [
    { exitCode: 0, signal: null, timedOut: false, stdout: 'what?', stderr: '' },
    { exitCode: 0, signal: null, timedOut: false, stdout: '{}', stderr: '' },
    { exitCode: 0, signal: null, timedOut: false, stdout: '[{"id":1}]', stderr: '' },
    { exitCode: null, signal: 'SIGSEGV', timedOut: false, stdout: '', stderr: '' },
    { exitCode: null, signal: null, timedOut: true, stdout: '', stderr: '' },
    { exitCode: 1, signal: null, timedOut: false, stdout: '', stderr: 'rbd: something new' },
    { exitCode: 127, signal: null, timedOut: false, stdout: '', stderr: 'spawn rbd ENOENT' },
  ];
  for (const verb of ['info', 'ls', 'status'])
    for (const answer of bad) {
      const stage = await replicated();
      await stage.part();
      stage.model.intercept = (_, args) => (args.includes(verb) ? answer : null);
      const { status, conditions } = await stage.south.driver.status();
      const where = `${verb}: ${JSON.stringify(answer)}: ${status}`;
      assert.ok(conditions.length > 0, where);
      const end = await stage.south.driver.promote(id(), PLANNED);
      assert.equal(end.state, 'refused', where);
      if (verb !== 'status') await stage.south.driver.promote(id(), FORCE);
      assert.equal(forcedCalls(stage), 0, where);
    }
});
