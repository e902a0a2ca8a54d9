/** What every driver of replication does, told as one story of a volume in two zones. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type {
  DriverOperation,
  DriverStatus,
  ReplicationDriver,
  ReplicationMode,
} from '../../src/drivers/replication-driver.ts';

export interface StageZone {
  readonly name: string;
  /** As it is after the last restart. */
  readonly driver: ReplicationDriver;
  /** The process that has the driver is killed, and another one goes on. */
  restart(): Promise<void>;
  /** As a client of the primary; false: it is not served. */
  write(block: number, value: number): Promise<boolean>;
  /** What a client of the primary reads. */
  content(): Promise<readonly number[]>;
  /** Of a secondary: until it has all that was written before this was called. */
  untilLevel(): Promise<void>;
}

export interface ConformanceStage {
  readonly north: StageZone;
  readonly south: StageZone;
  readonly blocks: number;
  /** How the driver is to follow, and a way to bring what was written over; `takesPoints`: only by points. */
  readonly mode: ReplicationMode;
  /** Turns of one order behind which another process goes on; default 3. */
  readonly restarts?: number;
  /** Lets time pass, and whatever copies work for a while. */
  pass(): Promise<void>;
  /** Nothing of zone north is reached from zone south any more, nor the other way. */
  part(): Promise<void>;
  mend(): Promise<void>;
  close(): Promise<void>;
}

const TURNS_MAX = 3_000;
const RESTARTS = 3;
let orders = 0;

/** Registers the tests. */
export function replicationDriverConformance(name: string, start: () => Promise<ConformanceStage>): void {
  test(`${name}: a volume and its copy go through a planned failover, a lost zone, a resync and a detach`, async (t) => {
    const stage = await start();
    const model = Array.from({ length: stage.blocks }, () => 0);
    const { north, south } = stage;
    let fill = 0;
    const write = async (zone: StageZone, count: number, into = model): Promise<void> => {
      for (let i = 0; i < count; i++) {
        fill = (fill % 200) + 1;
        const block = (fill * 3) % stage.blocks;
        assert.ok(await zone.write(block, fill), `zone ${zone.name} takes writes`);
        into[block] = fill;
      }
    };
    try {
      await t.test(
        'enabled in both zones, it is primary here and secondary there, and a client is refused there',
        async () => {
          await write(north, 5);
          await finish(stage, north, (driver, id) => driver.enable(id, { mode: stage.mode }));
          await finish(stage, south, (driver, id) => driver.enable(id, { mode: stage.mode }));
          await point(stage, north);
          await untilStatus(stage, north, ({ status }) => status === 'active - primary');
          await south.untilLevel();
          assert.equal(await south.write(0, 99), false);
          const { role, peer } = await south.driver.status();
          assert.deepEqual([role, peer], ['secondary', 'up']);
        },
      );

      await t.test(
        'a mode that it does not have is refused, and the other zone stays primary without force',
        async () => {
          for (const mode of ['instant', 'one-time', 'periodic'] as const)
            if (!north.driver.capabilities.modes.includes(mode)) {
              const answer = await north.driver.enable(id(), { mode });
              assert.equal(answer.state, 'refused');
            }
          const answer = await finish(stage, south, (driver, each) => driver.promote(each, { force: false }));
          assert.deepEqual([answer.state, answer.code], ['refused', 'peer-is-primary']);
        },
      );

      await t.test('a test clone of what arrived is made and removed, and the volume goes on', async () => {
        if (!south.driver.capabilities.testClones) return;
        const order = id();
        const made = await finish(stage, south, (driver) => driver.testClone(order), order);
        assert.notEqual(made.made, '');
        assert.deepEqual(await south.driver.testClone(order), made, 'the same order, the same answer');
        const none = await finish(stage, south, (driver, each) => driver.removeClone(each, 'not-a-clone'));
        assert.equal(none.state, 'refused');
        await finish(stage, south, (driver, each) => driver.removeClone(each, made.made));
        await untilStatus(stage, south, ({ status }) => status === 'active - secondary');
      });

      await t.test(
        'demoted and promoted in the other zone, with a restart after every turn, it has lost nothing',
        async () => {
          await write(north, 7);
          await finish(stage, north, (driver, each) => driver.demote(each), id(), true);
          // Both want it at the same moment: one wins.
          const [here, there] = [id(), id()];
          const ends = await Promise.all([
            finish(stage, north, (driver) => driver.promote(here, { force: false }), here),
            finish(stage, south, (driver) => driver.promote(there, { force: false }), there),
          ]);
          const winners = [north, south].filter((_, i) => ends[i]?.state === 'done');
          const roles = [await roleOf(stage, north), await roleOf(stage, south)];
          assert.equal(roles.filter((role) => role === 'primary').length, 1, JSON.stringify({ ends, roles }));
          assert.equal(winners.length, 1, JSON.stringify(ends));
          const primary = roles[0] === 'primary' ? north : south;
          assert.deepEqual(await primary.content(), model);
          if (primary === north) await failOver(stage, north, south);
          await north.untilLevel();
          assert.deepEqual(await south.content(), model);
          // And back, so that the next chapter begins as it should.
          await write(south, 3);
          await failOver(stage, south, north);
          assert.deepEqual(await north.content(), model);
          await write(north, 3);
          await point(stage, north);
          await south.untilLevel();
        },
      );

      const atPart = [...model];
      const lost = [...model];
      await t.test(
        'without the other zone nothing is promoted by itself; with force it has the last whole state',
        async () => {
          for (const [i, value] of model.entries()) {
            atPart[i] = value;
            lost[i] = value;
          }
          await stage.part();
          const answer = await finish(stage, south, (driver, each) => driver.promote(each, { force: false }));
          assert.deepEqual([answer.state, answer.code], ['refused', 'peer-unreachable']);
          const forced = await finish(stage, south, (driver, each) => driver.promote(each, { force: true }));
          assert.equal(forced.state, 'done');
          assert.deepEqual(await south.content(), atPart);
          await write(south, 4);
        },
      );

      await t.test(
        'the zone that comes back is told apart before anything of it is given up, and a resync needs its name',
        async () => {
          await write(north, 2, lost);
          await stage.mend();
          const conflict = await untilStatus(stage, south, ({ conditions }) =>
            conditions.some(({ condition }) =>
              ['dual-primary', 'split-brain', 'degraded'].includes(condition),
            ),
          );
          assert.notDeepEqual(conflict.conditions, []);
          const before = await untilStatus(stage, north, ({ conditions }) =>
            conditions.some(({ condition }) => condition === 'dual-primary' || condition === 'split-brain'),
          );
          assert.notEqual(before.conditions.length, 0);
          if ((await north.driver.status()).role === 'primary')
            await finish(stage, north, (driver, each) => driver.demote(each));
          const wrong = await finish(stage, north, (driver, each) =>
            driver.resync(each, { discard: 'south' }),
          );
          assert.equal(wrong.state, 'refused');
          await untilStatus(stage, north, ({ role }) => role === 'secondary');
          const resynced = await finish(
            stage,
            north,
            (driver, each) => driver.resync(each, { discard: 'north' }),
            id(),
            true,
          );
          assert.equal(resynced.state, 'done', resynced.reason);
          await point(stage, south);
          await north.untilLevel();
          await failOver(stage, south, north);
          assert.deepEqual(await north.content(), model);
        },
      );

      await t.test('detached, each zone keeps what it has', async () => {
        await point(stage, north);
        await south.untilLevel();
        const end = await finish(stage, north, (driver, each) => driver.detach(each));
        assert.equal(end.state, 'done', end.reason);
        assert.deepEqual(await north.content(), model);
        assert.ok(await north.write(0, 1));
      });
    } finally {
      await stage.close();
    }
  });
}

function id(): string {
  return `order-${process.pid}-${++orders}`;
}

/** Gives the same order again until it is done or refused; with `restarts` by another process each time. */
export async function finish(
  stage: Pick<ConformanceStage, 'pass' | 'restarts'>,
  zone: StageZone,
  order: (driver: ReplicationDriver, id: string) => Promise<DriverOperation>,
  operation = id(),
  restarts = false,
): Promise<DriverOperation> {
  let last: DriverOperation | null = null;
  for (let turn = 0; turn < TURNS_MAX; turn++) {
    last = await order(zone.driver, operation);
    if (last.state !== 'waiting') return last;
    if (restarts && turn < (stage.restarts ?? RESTARTS)) await zone.restart();
    await zone.driver.advance();
    await stage.pass();
  }
  throw new Error(`zone ${zone.name} never ended ${JSON.stringify(last)}`);
}

async function failOver(stage: ConformanceStage, from: StageZone, to: StageZone): Promise<void> {
  const demoted = await finish(stage, from, (driver, each) => driver.demote(each));
  assert.equal(demoted.state, 'done', demoted.reason);
  const promoted = await finish(stage, to, (driver, each) => driver.promote(each, { force: false }));
  assert.equal(promoted.state, 'done', promoted.reason);
  await untilStatus(stage, to, ({ role }) => role === 'primary');
}

/** Brings over what was written, where that takes an order. */
async function point(stage: ConformanceStage, zone: StageZone): Promise<void> {
  if (!zone.driver.capabilities.points || stage.mode === 'instant') return;
  const taken = await finish(stage, zone, (driver, each) => driver.takePoint(each));
  assert.equal(taken.state, 'done', taken.reason);
}

async function roleOf(stage: ConformanceStage, zone: StageZone): Promise<DriverStatus['role']> {
  return (await untilStatus(stage, zone, ({ role }) => role !== 'unknown')).role;
}

export async function untilStatus(
  stage: Pick<ConformanceStage, 'pass'>,
  zone: StageZone,
  is: (status: DriverStatus) => boolean,
): Promise<DriverStatus> {
  let last: DriverStatus | null = null;
  for (let turn = 0; turn < TURNS_MAX; turn++) {
    last = await zone.driver.status();
    if (is(last)) return last;
    await zone.driver.advance();
    await stage.pass();
  }
  throw new Error(`zone ${zone.name} never was that; last ${JSON.stringify(last)}`);
}
