/** Steps of a plan about volumes: each orders what it is for, as often as it is looked at, and says how far that is. */
import type { PlanRun } from '@salvor/config-store';
import type { VolumeDescription } from '@salvor/contracts';
import type { StepSeen } from './plan-decision.ts';
import { orderOf, type ZoneHands } from './zone-hands.ts';

export async function volumeIn(hands: ZoneHands, zone: string, volume: string): Promise<VolumeDescription> {
  return (await hands.ask(zone, 'volume.status', { volume })).volume;
}

export async function demoted(
  hands: ZoneHands,
  run: PlanRun,
  zone: string,
  volume: string,
): Promise<StepSeen> {
  const operationId = orderOf(run, 'demote', volume);
  await hands.ask(zone, 'volume.demote', { volume, operationId });
  const { role, phase, reason } = await volumeIn(hands, zone, volume);
  return role === 'secondary' && phase !== 'settling' ? done(reason) : waits(reason);
}

/** The target has everything that the source wrote. */
export async function levelled(
  hands: ZoneHands,
  { source, target }: PlanRun,
  volume: string,
): Promise<StepSeen> {
  const here = await volumeIn(hands, target, volume);
  if (here.role === 'primary') return done(here.reason);
  const there = await volumeIn(hands, source, volume);
  if (there.role === 'primary') return failed(`volume ${volume} is primary in zone ${source} again`);
  if (here.driver === 'rbd') {
    // Of a journal, rbd itself says whether the demotion arrived: a promote waits for it.
    const isLevel = here.mode === 'instant' || here.lag?.level === true;
    if (!isLevel || here.role !== 'secondary' || there.role !== 'secondary')
      return waits(`zone ${source}: ${there.reason}; zone ${target}: ${here.reason}`);
    return done(`zone ${target} has the last state of volume ${volume}`, [
      { volume, lostWrites: 0, lostMs: 0, generation: there.generation },
    ]);
  }
  const isSame = here.generation === there.generation && here.generationZone === there.generationZone;
  const { sequence } = there;
  if (sequence === undefined || here.sequence === undefined || !isSame || here.phase !== 'following')
    return waits(`zone ${source}: ${there.reason}; zone ${target}: ${here.reason}`);
  if (here.sequence < sequence)
    return waits(`zone ${target} has record ${here.sequence} of ${sequence} of volume ${volume}`);
  return done(`zone ${target} has record ${sequence}, the last one of volume ${volume}`, [
    { volume, lostWrites: 0, lostMs: 0, generation: there.generation, sequence },
  ]);
}

export async function promoted(
  hands: ZoneHands,
  run: PlanRun,
  volume: string,
  now: () => number,
): Promise<StepSeen> {
  const { target, kind } = run;
  const operationId = orderOf(run, 'promote', volume);
  const force = kind === 'failover';
  await hands.ask(target, 'volume.promote', { volume, force, operationId });
  const { role, reason, lineage } = await volumeIn(hands, target, volume);
  if (role !== 'primary') return waits(reason);
  const ended = lineage.at(-1);
  const from = ended === undefined ? {} : { generation: ended.number, sequence: ended.ends };
  return done(reason, [{ volume, promotedMs: Math.max(0, now() - run.beganAt), ...from }]);
}

/** Takes a demote back. */
export async function promotedAgain(
  hands: ZoneHands,
  run: PlanRun,
  zone: string,
  volume: string,
): Promise<StepSeen> {
  const { role } = await volumeIn(hands, zone, volume);
  if (role !== 'primary') {
    const operationId = orderOf(run, 'promote-again', volume);
    await hands.ask(zone, 'volume.promote', { volume, force: false, operationId });
  }
  const after = await volumeIn(hands, zone, volume);
  return after.role === 'primary' ? done(after.reason) : waits(after.reason);
}

/** The source follows the target. */
export async function protectedIn(hands: ZoneHands, run: PlanRun, volume: string): Promise<StepSeen> {
  const { source, target } = run;
  const here = await volumeIn(hands, target, volume);
  if (here.peer !== source || here.mode === 'none') {
    const operationId = orderOf(run, 'replicate', volume);
    await hands.ask(target, 'volume.replicate', { volume, to: source, operationId });
  }
  const there = await volumeIn(hands, source, volume);
  const { role, phase, reason } = there;
  if (there.driver === 'rbd' && phase === 'split') return failed(imageSplitText(run, there));
  if (role === 'primary') return waits(`zone ${source} has not heard yet that zone ${target} is primary`);
  if (phase === 'split') return failed(splitText(run, there));
  const isSame = there.generation === here.generation && there.generationZone === here.generationZone;
  return phase === 'following' && isSame ? done(reason) : waits(reason);
}

/** Who decides, and what: a split brain is never resolved by a plan. */
function splitText({ source, target }: PlanRun, { volume, divergence }: VolumeDescription): string {
  const records = divergence?.records ?? 'an unknown number of';
  return (
    `volume ${volume} has ${records} writes in zone ${source} that zone ${target} lacks, and the other way round. ` +
    `Decide: in zone ${source}, 'salvor volume resync ${volume} --discard ${source}' gives those of zone ${source} up; ` +
    `to keep them instead, 'salvor volume promote ${volume} --force' there, and discard those of zone ${target}. Then run this again`
  );
}

/** A mirrored image that was primary in both zones stays so until somebody says which one is given up. */
function imageSplitText({ source, target }: PlanRun, { volume, role }: VolumeDescription): string {
  const demote =
    role === 'primary'
      ? `'salvor volume demote ${volume}', which keeps its state in an image, and then `
      : '';
  return (
    `volume ${volume} was primary in zones ${source} and ${target} at the same time. ` +
    `Decide: in zone ${source}, ${demote}'salvor volume resync ${volume} --discard ${source}' gives that of zone ${source} up. Then run this again`
  );
}

/** Writes that a failover lost, as the zone that comes back tells; null: it cannot be told (any more). */
export function lossTold(there: VolumeDescription, failedOverAt: number): number | null {
  const { role, phase, divergence, copy, driver } = there;
  // A mirrored image is copied whole: what it had written does not show.
  if (role === 'primary' || driver === 'rbd') return null;
  if (divergence !== undefined) return divergence.records ?? null;
  // What follows without anything having been copied had nothing that the other zone lacks.
  return phase === 'following' && (copy === undefined || copy.beganAt < failedOverAt) ? 0 : null;
}

export function done(reason: string, measures: NonNullable<Notes['measures']> = []): StepSeen {
  return { kind: 'done', reason, ...(measures.length === 0 ? {} : { notes: { measures } }) };
}

type Notes = NonNullable<Extract<StepSeen, { readonly kind: 'done' }>['notes']>;

export function waits(reason: string): StepSeen {
  return { kind: 'waiting', reason };
}

export function failed(reason: string): StepSeen {
  return { kind: 'failed', reason };
}

/** How old the last write of a point is, or the point where that is not known, milliseconds; null: there is no point. */
export function pointAge(point: VolumeDescription['point'], now: number): number | null {
  if (point === undefined) return null;
  return Math.max(0, now - (point.writtenAt === 0 ? point.at : point.writtenAt));
}
