/** Steps of a plan about instances, as in `volume-steps.ts`. */
import type { PlanRun } from '@salvor/config-store';
import type { StepSeen } from './plan-decision.ts';
import { done, failed, waits } from './volume-steps.ts';
import { orderOf, type ZoneHands } from './zone-hands.ts';

export async function stopped(
  hands: ZoneHands,
  zone: string,
  instance: string,
  operationId: string,
): Promise<StepSeen> {
  await hands.ask(zone, 'instance.stop', { instance, operationId });
  const { status, reason } = (await hands.ask(zone, 'instance.get', { instance })).instance;
  if (status === 'stopped') return done(`instance ${instance} is stopped: ${reason}`);
  return status === 'stop-failed'
    ? failed(`instance ${instance} does not stop: ${reason}`)
    : waits(`instance ${instance} is ${status}`);
}

export async function started(
  hands: ZoneHands,
  zone: string,
  instance: string,
  operationId: string,
): Promise<StepSeen> {
  await hands.ask(zone, 'instance.start', { instance, operationId });
  const { status, reason } = (await hands.ask(zone, 'instance.get', { instance })).instance;
  if (status === 'started') return done(`instance ${instance} is started: ${reason}`);
  return status === 'start-failed'
    ? failed(`instance ${instance} does not start: ${reason}`)
    : waits(`instance ${instance} is ${status}`);
}

/** Takes a stop back; what was not started when the run began stays as it was. */
export async function startedAgain(
  hands: ZoneHands,
  run: PlanRun,
  zone: string,
  instance: string,
): Promise<StepSeen> {
  if (run.started?.includes(instance) !== true)
    return done(`instance ${instance} was not started when the run began`);
  return started(hands, zone, instance, orderOf(run, 'start-again', instance));
}
