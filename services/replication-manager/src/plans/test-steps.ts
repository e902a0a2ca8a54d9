/** Steps of a test failover, as in `volume-steps.ts`: all of it is made of clones, and nothing of it is what they are clones of. */
import type { ConfigStore, PlanRun } from '@salvor/config-store';
import { started, stopped } from './instance-steps.ts';
import { isMadeByTest, type MadeThing, makingOrder, removalOrder, testsOf } from './made-by-test.ts';
import type { StepSeen } from './plan-decision.ts';
import { done, failed, pointAge, volumeIn, waits } from './volume-steps.ts';
import { orderOf, type ZoneHands } from './zone-hands.ts';

/** What stands in for a vdisk or an instance in a test. */
export function testIdOf(id: string): string {
  return `${id}-test`;
}

/** A clone of the newest complete state that the secondary has. */
export async function cloned(
  hands: ZoneHands,
  run: PlanRun,
  volume: string,
  now: () => number,
): Promise<StepSeen> {
  const { target } = run;
  const operation = orderOf(run, 'clone', volume);
  const here = await volumeIn(hands, target, volume);
  if (here.driver === 'rbd' && here.role === 'secondary') return imageCloned(hands, run, volume, now);
  const known = await hands.find(target, 'operation.get', { operation });
  if (known === null) {
    const { role, vdisk, point, reason } = here;
    if (role !== 'secondary')
      return failed(`volume ${volume} is primary in zone ${target}: a test is made of a copy`);
    const cloneAt = run.measures.find((measure) => measure.volume === volume)?.cloneAt ?? null;
    const atSequence = cloneAt ?? point?.ownSequence;
    if (atSequence === undefined) return waits(`volume ${volume} has no replication point yet: ${reason}`);
    if (!run.clones.some((clone) => clone.volume === volume && clone.vdisk === testIdOf(vdisk)))
      return failed(`volume ${volume} has vdisk ${vdisk} now, another one than when the test began`);
    const request = { source: vdisk, vdisk: testIdOf(vdisk), atSequence };
    await hands.ask(target, 'vdisk.clone', { ...request, operationId: operation });
    return waits(`vdisk ${vdisk} is being cloned at record ${atSequence}`);
  }
  const { status, message } = known.operation;
  if (status === 'running') return waits(message);
  if (status !== 'completed') return failed(message);
  const { point } = await volumeIn(hands, target, volume);
  // Of a group the check has found how old the cut is.
  const checked = run.measures.find((measure) => measure.volume === volume)?.lostMs ?? null;
  const age = checked ?? pointAge(point, run.beganAt);
  return done(message, [{ volume, lostMs: age, promotedMs: Math.max(0, now() - run.beganAt) }]);
}

/** The clones that the tests of a run have made of a volume are deleted, and nothing else that has such an id. */
export async function cloneRemoved(
  hands: ZoneHands,
  store: ConfigStore,
  run: PlanRun,
  volume: string,
): Promise<StepSeen> {
  const tests = await testsOf(store, run);
  const found = await hands.find(run.target, 'volume.status', { volume });
  if (found?.volume.driver === 'rbd')
    return imageClonesRemoved(hands, run, tests, volume, found.volume.rbd?.clones ?? []);
  const clones = tests.flatMap((test) => test.clones.filter((clone) => clone.volume === volume));
  const said: string[] = [];
  for (const id of new Set(clones.map(({ vdisk }) => vdisk))) {
    const seen = await vdiskRemoved(hands, store, run, tests, { act: 'clone', subject: volume, id });
    if (seen.kind !== 'done') return seen;
    said.push(seen.reason);
  }
  return done(said.length === 0 ? `volume ${volume} has no clone` : said.join('; '));
}

async function vdiskRemoved(
  hands: ZoneHands,
  store: ConfigStore,
  run: PlanRun,
  tests: readonly PlanRun[],
  thing: MadeThing,
): Promise<StepSeen> {
  const { target, plan } = run;
  const { id: vdisk } = thing;
  const operation = removalOrder(run, thing);
  const known = await hands.find(target, 'operation.get', { operation });
  if (known !== null) {
    const { status, message } = known.operation;
    if (status === 'running') return waits(`vdisk ${vdisk} is being deleted`);
    return status === 'completed' ? done(message) : failed(message);
  }
  if ((await hands.find(target, 'vdisk.describe', { vdisk })) === null)
    return done(`there is no vdisk ${vdisk}`);
  if (!(await isMadeByTest(store, tests, thing)))
    return done(`vdisk ${vdisk} stays: no test of plan ${plan} has made it`);
  await hands.ask(target, 'vdisk.delete', { vdisk, operationId: operation });
  return waits(`vdisk ${vdisk} is being deleted`);
}

/** The same of a mirrored image; the name of the clone is in what is said of the step. */
async function imageCloned(
  hands: ZoneHands,
  run: PlanRun,
  volume: string,
  now: () => number,
): Promise<StepSeen> {
  const { target } = run;
  const operationId = orderOf(run, 'clone', volume);
  const { clone, reason } = await hands.ask(target, 'volume.clone', { volume, operationId });
  if (clone === '') return waits(reason);
  const { point } = await volumeIn(hands, target, volume);
  const age = pointAge(point, run.beganAt);
  return done(reason, [{ volume, lostMs: age, promotedMs: Math.max(0, now() - run.beganAt) }]);
}

/** Those that the tests of the run made: their names have the ids of the orders of runs. */
async function imageClonesRemoved(
  hands: ZoneHands,
  run: PlanRun,
  tests: readonly PlanRun[],
  volume: string,
  clones: readonly string[],
): Promise<StepSeen> {
  const orders = tests.map((test) => `-test-${orderOf(test, 'clone', volume)}`);
  const clone = clones.find((name) => orders.some((order) => name.endsWith(order)));
  if (clone === undefined) return done(`there is no clone of a test of volume ${volume}`);
  const operationId = orderOf(run, 'remove-clone', volume, clone);
  return waits((await hands.ask(run.target, 'volume.remove-clone', { volume, clone, operationId })).reason);
}

/** The test instance uses the clones of what the stand-by instance uses. */
export async function testStarted(hands: ZoneHands, run: PlanRun, instance: string): Promise<StepSeen> {
  const { target, document } = run;
  const own = document.groups
    .flatMap(({ instances }) => instances)
    .find((each) => each.instance === instance);
  if (own?.test == null) return failed(`instance ${instance} has no test hooks`);
  const { vdisks } = (await hands.ask(target, 'instance.get', { instance })).instance;
  const test = testIdOf(instance);
  const operationId = makingOrder(run, { act: 'start-test', subject: instance, id: test });
  const isOrdered = (await hands.find(target, 'operation.get', { operation: operationId })) !== null;
  if (!isOrdered && (await hands.find(target, 'instance.get', { instance: test })) !== null)
    return failed(`there is an instance ${test} already, and this test has not made it`);
  await hands.ask(target, 'instance.set', {
    ...{ instance: test, vdisks: vdisks.map(testIdOf), zone: target, standby: true },
    ...{ startHook: own.test.startHook, stopHook: own.test.stopHook, restart: 'operator' },
    operationId,
  });
  return started(hands, target, test, orderOf(run, 'start-test', instance));
}

export async function testStopped(
  hands: ZoneHands,
  store: ConfigStore,
  run: PlanRun,
  instance: string,
): Promise<StepSeen> {
  const { target, plan } = run;
  const thing: MadeThing = { act: 'start-test', subject: instance, id: testIdOf(instance) };
  const { id: test } = thing;
  const forget = removalOrder(run, thing);
  if ((await hands.find(target, 'operation.get', { operation: forget })) !== null)
    return done(`instance ${test} is forgotten`);
  if ((await hands.find(target, 'instance.get', { instance: test })) === null)
    return done(`there is no instance ${test}`);
  if (!(await isMadeByTest(store, await testsOf(store, run), thing)))
    return done(`instance ${test} stays: no test of plan ${plan} has made it`);
  const seen = await stopped(hands, target, test, orderOf(run, 'stop-test', instance));
  if (seen.kind === 'done')
    await hands.ask(target, 'instance.delete', { instance: test, operationId: forget });
  return seen;
}
