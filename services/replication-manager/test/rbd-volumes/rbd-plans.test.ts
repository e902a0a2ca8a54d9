/** Steps of recovery plans about volumes that are mirrored images, over the model of two Ceph clusters. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type PlanRun, planRunEffects } from '@salvor/config-store';
import { codeOf } from '@salvor/service-kit';
import { until } from '@salvor/testkit';
import type { StepSeen } from '../../src/plans/plan-decision.ts';
import { newPlanRun } from '../../src/plans/plan-steps.ts';
import { cloned, cloneRemoved } from '../../src/plans/test-steps.ts';
import { demoted, levelled, promoted, protectedIn, volumeIn } from '../../src/plans/volume-steps.ts';
import { seenOf, ZoneHands } from '../../src/plans/zone-hands.ts';
import { RbdModel, type Site } from '../drivers/rbd-model.ts';
import { IMAGE, modelCluster } from '../drivers/rbd-stage.ts';
import { type RbdBusZones, startRbdZones, VOLUME } from './rbd-bus-stage.ts';

const INTERVAL_MS = 50;
const TICK_MS = 20;
const SOON_MS = 60_000;

const model = new RbdModel();
let zones: RbdBusZones;
let daemons: NodeJS.Timeout;

before(async () => {
  model.createImage('north', IMAGE);
  zones = await startRbdZones(() => (zone) => modelCluster(model, zone), INTERVAL_MS);
  daemons = setInterval(() => {
    model.now = Date.now();
    model.tick();
  }, TICK_MS);
});
after(async () => {
  clearInterval(daemons);
  await zones?.[Symbol.asyncDispose]();
});

const hands = (target: Site): ZoneHands => {
  const [here, there] = target === 'south' ? [zones.south, zones.north] : [zones.north, zones.south];
  return new ZoneHands(target, here.bus, { busOf: () => there.bus }, 10_000);
};
const runOf = (run: string, kind: PlanRun['kind'], target: Site): PlanRun =>
  newPlanRun(
    {
      ...{ run, plan: 'p1', version: 1, kind, target },
      document: {
        ...{ plan: 'p1', zones: ['north', 'south'], stepTimeoutSeconds: 60, records: [] },
        groups: [{ name: 'a', after: [], volumes: [VOLUME], instances: [] }],
      } as unknown as PlanRun['document'],
    },
    Date.now(),
  );

async function carriedOut(what: string, step: () => Promise<StepSeen>): Promise<StepSeen> {
  let seen: StepSeen = { kind: 'waiting', reason: '' };
  const isEnded = async (): Promise<boolean> => {
    seen = await step().catch(seenOf);
    return seen.kind !== 'waiting';
  };
  await until(isEnded, { what, timeoutMs: SOON_MS, intervalMs: 50 }).catch((error: unknown) => {
    throw new Error(`${what}: ${seen.reason}`, { cause: error });
  });
  return seen;
}

test('a planned failover: demoted, level, promoted and protected, by journal as by points', async () => {
  const { north, south } = zones;
  await north.bus.request('volume.enable', { volume: VOLUME, vdisk: IMAGE, driver: 'rbd' });
  await north.bus.request('volume.replicate', { volume: VOLUME, to: 'south', mode: 'instant' });
  await south.bus.request('volume.enable', { volume: VOLUME, vdisk: IMAGE, driver: 'rbd', from: 'north' });
  assert.ok(model.write('north', IMAGE, 3, 7));
  const run = runOf('run-1', 'planned', 'south');
  const follows = async (): Promise<boolean> =>
    (await volumeIn(hands('south'), 'south', VOLUME)).status === 'active - secondary';
  await until(follows, { what: 'the copy is level', timeoutMs: SOON_MS });
  for (const [what, step] of [
    ['demote', () => demoted(hands('south'), run, 'north', VOLUME)],
    ['level', () => levelled(hands('south'), run, VOLUME)],
    ['promote', () => promoted(hands('south'), run, VOLUME, Date.now)],
    ['protect', () => protectedIn(hands('south'), run, VOLUME)],
  ] as const) {
    const seen = await carriedOut(what, step);
    assert.equal(seen.kind, 'done', `${what}: ${seen.reason}`);
  }
  assert.ok(model.isPrimary('south', IMAGE));
  assert.equal(model.content('south', IMAGE)?.[3], 7);
  const { generation, generationZone } = await volumeIn(hands('south'), 'south', VOLUME);
  const there = await volumeIn(hands('south'), 'north', VOLUME);
  assert.deepEqual([there.generation, there.generationZone], [generation, generationZone]);
});

test('a test of a plan clones a point of the copy, and its cleanup removes that', async () => {
  const { north, south } = zones;
  const volume = 'vol2';
  model.createImage('north', 'img2');
  await north.bus.request('volume.enable', { volume, vdisk: 'img2', driver: 'rbd' });
  await north.bus.request('volume.replicate', { volume, to: 'south', mode: 'one-time' });
  await south.bus.request('volume.enable', { volume, vdisk: 'img2', driver: 'rbd', from: 'north' });
  const hasPoint = async (): Promise<boolean> =>
    (await volumeIn(hands('south'), 'south', volume)).point !== undefined;
  await until(hasPoint, { what: 'a point is whole', timeoutMs: SOON_MS });
  const trial = runOf('run-2', 'test', 'south');
  const made = await carriedOut('clone', () => cloned(hands('south'), trial, volume, Date.now));
  assert.equal(made.kind, 'done', made.reason);
  const clones = (): string[] => model.names('south').filter((name) => name.startsWith('img2-test-plan-'));
  assert.equal(clones().length, 1);
  await south.store.transact(planRunEffects(trial, { isFirst: true, forget: [] }));
  const cleanup = { ...runOf('run-3', 'cleanup', 'south'), tested: [trial.run] };
  const removed = await carriedOut('remove', () =>
    cloneRemoved(hands('south'), south.store, cleanup, volume),
  );
  assert.equal(removed.kind, 'done', removed.reason);
  assert.deepEqual(clones(), []);
});

test('orders that are wrong here are refused with what to do, and nothing is called', async () => {
  const { north, south } = zones;
  const codes: string[] = [];
  const refused = async (order: Promise<unknown>): Promise<void> => {
    codes.push(await order.then(() => 'taken', codeOf));
  };
  const calls = (): number =>
    model.calls.filter(({ args }) => args[0] === 'mirror' && args[2] === 'promote').length;
  const before = calls();
  await refused(south.bus.request('volume.enable', { volume: VOLUME, vdisk: 'other', driver: 'rbd' }));
  await refused(south.bus.request('volume.enable', { volume: VOLUME, vdisk: 'v1' }));
  await refused(south.bus.request('volume.enable', { volume: 'vol3', vdisk: 'none', driver: 'rbd' }));
  await refused(south.bus.request('volume.enable', { volume: 'vol3', vdisk: IMAGE, driver: 'tape' }));
  await refused(north.bus.request('volume.replicate', { volume: VOLUME, to: 'south' }));
  await refused(south.bus.request('volume.replicate', { volume: VOLUME, to: 'west' }));
  await refused(south.bus.request('volume.replicate', { volume: VOLUME, to: 'north', mode: 'periodic' }));
  await refused(south.bus.request('volume.replicate', { volume: VOLUME, to: 'north', bandwidthMib: 4 }));
  await refused(south.bus.request('volume.compare', { volume: VOLUME, first: 0, count: 1 }));
  await refused(north.bus.request('volume.promote', { volume: VOLUME, force: true }));
  await refused(north.bus.request('volume.promote', { volume: VOLUME, point: 'dr-1' }));
  await refused(south.bus.request('volume.clone', { volume: 'none' }));
  await refused(south.bus.request('volume.resync', { volume: VOLUME, discard: 'south' }));
  assert.deepEqual(codes, [
    ...['volume-exists', 'volume-exists', 'unknown-image', 'invalid-driver', 'wrong-role', 'unknown-zone'],
    ...['mode-conflict', 'invalid-link', 'no-log', 'peer-is-primary', 'bad-request', 'unknown-volume'],
    'wrong-role',
  ]);
  assert.equal(calls(), before);
});
