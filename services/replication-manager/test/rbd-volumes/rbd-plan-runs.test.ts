/** Recovery plans of mirrored images, by the commands for plans, over the model of two Ceph clusters. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '@salvor/testkit';
import { RbdModel, type Site } from '../drivers/rbd-model.ts';
import { modelCluster } from '../drivers/rbd-stage.ts';
import { applyPlan, completedRun, planRun, untilPlan } from './plan-runs.ts';
import { type RbdBusZones, startRbdZones } from './rbd-bus-stage.ts';

const INTERVAL_MS = 250;
const TICK_MS = 50;
const SOON_MS = 60_000;
const STEP_SECONDS = 30;
/** By journal, and by points. */
const IMAGES = { log: 'img-log', data: 'img-data' } as const;
const MODES = { log: 'instant', data: 'one-time' } as const;
type Volume = keyof typeof IMAGES;
const VOLUMES: readonly Volume[] = ['log', 'data'];

const model = new RbdModel();
let zones: RbdBusZones;
let daemons: NodeJS.Timeout;
const written: Record<Volume, number[]> = { log: [], data: [] };

before(async () => {
  for (const image of Object.values(IMAGES)) model.createImage('north', image);
  zones = await startRbdZones(() => (zone) => modelCluster(model, zone), INTERVAL_MS);
  daemons = setInterval(() => {
    model.now = Date.now();
    model.tick();
  }, TICK_MS);
  const { north, south } = zones;
  for (const volume of VOLUMES) {
    const enable = { volume, vdisk: IMAGES[volume], driver: 'rbd' };
    await north.bus.request('volume.enable', enable);
    await north.bus.request('volume.replicate', { volume, to: 'south', mode: MODES[volume] });
    await south.bus.request('volume.enable', { ...enable, from: 'north' });
    written[volume] = [...(model.content('north', IMAGES[volume]) ?? [])];
  }
  await applyPlan(north, 'all', VOLUMES, STEP_SECONDS);
  await applyPlan(north, 'points', ['data'], STEP_SECONDS);
  for (const plan of ['all', 'points']) await untilPlan(south, plan, SOON_MS);
  await untilLevel('south');
});
after(async () => {
  clearInterval(daemons);
  await zones?.[Symbol.asyncDispose]();
});

function write(site: Site, volume: Volume, object: number, value: number): void {
  assert.ok(model.write(site, IMAGES[volume], object, value), `zone ${site} takes writes of ${volume}`);
  written[volume][object] = value;
}

async function untilLevel(site: Site): Promise<void> {
  for (const volume of VOLUMES) {
    const isLevel = async (): Promise<boolean> => {
      const { status } = (await zones[site].bus.request('volume.status', { volume })).volume;
      return status === 'active - secondary';
    };
    await until(isLevel, { what: `${volume} is level in zone ${site}`, timeoutMs: SOON_MS });
  }
}

/** All that was written is there, and only there it is primary. */
function assertPrimary(site: Site): void {
  const other = site === 'north' ? 'south' : 'north';
  for (const volume of VOLUMES) {
    assert.deepEqual(
      [model.isPrimary(site, IMAGES[volume]), model.isPrimary(other, IMAGES[volume])],
      [true, false],
    );
    assert.deepEqual(model.content(site, IMAGES[volume]), written[volume], `content of ${volume}`);
  }
}

test('a test makes clones of points and its cleanup removes them; of a journal it is refused before anything is made', async () => {
  const { south } = zones;
  const clones = (): string[] => model.names('south').filter((name) => name.includes('-test-'));
  const none = await planRun(south, 'all', 'test', SOON_MS);
  assert.match(`${none.status}: ${none.reason}`, /^failed: .*volume log .* by journal/);
  assert.deepEqual(clones(), []);
  const tested = await completedRun(south, 'points', 'test', SOON_MS);
  assert.equal(clones().length, 1);
  assert.match(tested.steps.map(({ reason }) => reason).join('\n'), new RegExp(clones()[0] ?? '-'));
  await completedRun(south, 'points', 'cleanup', SOON_MS);
  assert.deepEqual(clones(), []);
});

test('a planned failover brings over what was written last, also where an earlier one went no further than the demotions', async () => {
  const { north, south } = zones;
  for (const [object, volume] of VOLUMES.entries()) write('north', volume, object, 11 + object);
  for (const volume of VOLUMES)
    await given(() => north.bus.request('volume.demote', { volume, operationId: volume }));
  const run = await completedRun(south, 'all', 'planned', SOON_MS);
  assertPrimary('south');
  assert.equal(run.rpoWrites, 0);
});

test('of a lost zone that what arrived is promoted; what came back is given up by name, and then follows', async () => {
  const { north, south } = zones;
  for (const [object, volume] of VOLUMES.entries()) write('south', volume, object + 2, 21 + object);
  await south.bus.request('volume.replicate', { volume: 'data', to: 'north', mode: 'one-time' });
  const isThere = (): boolean =>
    VOLUMES.every((volume, object) => model.content('north', IMAGES[volume])?.[object + 2] === 21 + object);
  await until(isThere, { what: 'what was written is there', timeoutMs: SOON_MS });
  await untilLevel('north');
  model.lose('south');
  zones.cut();
  await completedRun(north, 'all', 'failover', SOON_MS);
  for (const [object, volume] of VOLUMES.entries()) write('north', volume, object + 4, 31 + object);
  model.bringBack('south');
  zones.mend();
  const split = await planRun(north, 'all', 'reprotect', SOON_MS);
  assert.match(`${split.status}: ${split.reason}`, /^failed: .*volume resync log --discard south/);
  for (const volume of VOLUMES) {
    await given(() => south.bus.request('volume.demote', { volume, operationId: `demote-${volume}` }));
    const resync = { volume, discard: 'south', operationId: `resync-${volume}` };
    await given(() => south.bus.request('volume.resync', resync));
  }
  await completedRun(north, 'all', 'reprotect', SOON_MS);
  assertPrimary('north');
});

/** The same order again, until it is done. */
async function given(order: () => Promise<{ readonly outcome: string }>): Promise<void> {
  await until(async () => (await order()).outcome === 'already', {
    what: 'an order is done',
    timeoutMs: SOON_MS,
  });
}
