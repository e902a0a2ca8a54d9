/** Steps of a test failover, as in `volume-steps.ts`: all of it is made of clones, and nothing of it is what they are clones of. */
import type { PlanRun } from '@salvor/config-store';
import { codeOf } from '@salvor/service-kit';
import { started, stopped } from './instance-steps.ts';
import type { StepSeen } from './plan-decision.ts';
import { done, failed, volumeIn, waits } from './volume-steps.ts';
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
  const age = checked ?? (point === undefined ? null : Math.max(0, run.beganAt - point.writtenAt));
  return done(message, [{ volume, lostMs: age, promotedMs: Math.max(0, now() - run.beganAt) }]);
}

export async function cloneRemoved(hands: ZoneHands, run: PlanRun, volume: string): Promise<StepSeen> {
  const { target } = run;
  const found = await volumeIn(hands, target, volume);
  if (found.driver === 'rbd') return imageClonesRemoved(hands, run, volume, found.rbd?.clones ?? []);
  const vdisk = testIdOf(found.vdisk);
  if ((await hands.find(target, 'vdisk.describe', { vdisk })) === null)
    return done(`there is no vdisk ${vdisk}`);
  const operation = orderOf(run, 'remove-clone', volume);
  const known = await hands.find(target, 'operation.get', { operation });
  if (known === null) await hands.ask(target, 'vdisk.delete', { vdisk, operationId: operation });
  const status = known?.operation.status ?? 'running';
  return status === 'failed' || status === 'cancelled'
    ? failed(known?.operation.message ?? '')
    : waits(`vdisk ${vdisk} is being deleted`);
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
  const age = point === undefined ? null : Math.max(0, run.beganAt - point.writtenAt);
  return done(reason, [{ volume, lostMs: age, promotedMs: Math.max(0, now() - run.beganAt) }]);
}

/** Those that runs of plans made: their names have the ids of the orders of runs. */
async function imageClonesRemoved(
  hands: ZoneHands,
  run: PlanRun,
  volume: string,
  clones: readonly string[],
): Promise<StepSeen> {
  const clone = clones.find((name) => /-test-plan-[0-9a-f]{32}$/.test(name));
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
  await hands.ask(target, 'instance.set', {
    ...{ instance: test, vdisks: vdisks.map(testIdOf), zone: target, standby: true },
    ...{ startHook: own.test.startHook, stopHook: own.test.stopHook, restart: 'operator' },
    operationId: orderOf(run, 'set-test', instance),
  });
  return started(hands, target, test, orderOf(run, 'start-test', instance));
}

export async function testStopped(hands: ZoneHands, run: PlanRun, instance: string): Promise<StepSeen> {
  const { target } = run;
  const test = testIdOf(instance);
  try {
    const seen = await stopped(hands, target, test, orderOf(run, 'stop-test', instance));
    if (seen.kind === 'done')
      await hands.ask(target, 'instance.delete', {
        instance: test,
        operationId: orderOf(run, 'forget-test', instance),
      });
    return seen;
  } catch (error) {
    if (codeOf(error) === 'unknown-instance') return done(`there is no instance ${test}`);
    throw error;
  }
}
