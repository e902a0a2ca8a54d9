/** Whether a run of a plan may begin: nothing is changed before all of this holds. */
import type { ConfigStore, PlanRun } from '@salvor/config-store';
import type { VolumeDescription } from '@salvor/contracts';
import { messageOf } from '@salvor/service-kit';
import { decideCommonCut } from './common-cut.ts';
import { assertHook } from './hook-steps.ts';
import type { RunNotes, StepSeen } from './plan-decision.ts';
import { testIdOf } from './test-steps.ts';
import { failed, lossTold, pointAge, volumeIn } from './volume-steps.ts';
import type { ZoneHands } from './zone-hands.ts';

type Measures = NonNullable<RunNotes['measures']>;

/** @throws what {@link ZoneHands.ask} throws: it is tried again */
export async function checked(
  hands: ZoneHands,
  store: ConfigStore,
  run: PlanRun,
  now: () => number,
): Promise<StepSeen> {
  const { document, kind, source, target } = run;
  const volumes = document.groups.flatMap((group) => group.volumes);
  const instances = document.groups.flatMap((group) => group.instances);
  const problems: string[] = [];
  const measures: Measures[number][] = [];
  const targets = new Map<string, VolumeDescription>();
  const clones: PlanRun['clones'] = [];
  for (const volume of volumes) {
    const here = await volumeIn(hands, target, volume);
    targets.set(volume, here);
    const there = kind === 'planned' || kind === 'reprotect' ? await volumeIn(hands, source, volume) : null;
    const problem = volumeProblem(run, here, there);
    if (problem !== null) problems.push(problem);
    if (kind === 'failover') measures.push({ volume, lostMs: writtenAge(here, now()) });
    if (kind === 'test' && here.driver !== 'rbd') {
      const vdisk = testIdOf(here.vdisk);
      clones.push({ volume, vdisk });
      if ((await hands.find(target, 'vdisk.describe', { vdisk })) !== null)
        problems.push(inTheWay(run, 'a vdisk', vdisk));
    }
    const lost = there === null || kind !== 'reprotect' ? null : lossTold(there, run.beganAt);
    if (lost !== null) measures.push({ volume, lostWrites: lost });
  }
  for (const group of document.groups) {
    if (group.consistent !== true || (kind !== 'test' && kind !== 'failover')) continue;
    const outside = group.volumes.filter((volume) =>
      isOutside(targets.get(volume), `${run.plan}/${group.name}`),
    );
    if (outside.length > 0)
      problems.push(
        `group ${group.name} is consistent, and volume ${outside.join(', ')} is not in it in zone ${target}: an image of Ceph never is, another volume a moment after the plan came there`,
      );
    if (kind === 'failover') continue;
    const moment = decideCommonCut(
      group.volumes.map((volume) => ({ volume, reached: targets.get(volume)?.group?.reached ?? [] })),
    );
    if (moment === null)
      problems.push(
        `group ${group.name} has no cut yet that all of its volumes have stood at in zone ${target}`,
      );
    for (const { volume, ownSequence, at } of moment ?? [])
      measures.push({ volume, cloneAt: ownSequence, lostMs: Math.max(0, now() - at) });
  }
  for (const { instance, test } of instances) {
    const { status, fenceHook, vdisks } = (await hands.ask(target, 'instance.get', { instance })).instance;
    if (kind === 'planned' && status !== 'stopped' && status !== 'started')
      problems.push(`instance ${instance} is ${status} in zone ${target}`);
    if (kind === 'failover' && fenceHook !== undefined) await assertHook(store, fenceHook);
    if (kind !== 'test' || test === null) continue;
    const id = testIdOf(instance);
    if ((await hands.find(target, 'instance.get', { instance: id })) !== null)
      problems.push(inTheWay(run, 'an instance', id));
    const cloned = await vdisksOf(hands, run, volumes);
    const left = vdisks.filter((vdisk) => !cloned.includes(vdisk));
    if (left.length > 0)
      problems.push(`instance ${instance} uses vdisk ${left.join(', ')}, of which the plan has no volume`);
  }
  if (kind === 'planned' || kind === 'failover')
    for (const { hook } of document.records) await assertHook(store, hook);
  if (problems.length > 0) return failed(problems.join('; '));
  const isOrderedThere = kind === 'planned' || kind === 'reprotect';
  const started: string[] = [];
  for (const { instance } of isOrderedThere ? instances : []) {
    const { desired } = (await hands.ask(source, 'instance.get', { instance })).instance;
    if (desired === 'started') started.push(instance);
  }
  return { kind: 'done', reason: 'everything is as it has to be', notes: { started, clones, measures } };
}

function inTheWay({ plan }: PlanRun, what: string, id: string): string {
  return `there is ${what} ${id} already, which is what a test makes: 'salvor plan run ${plan} --cleanup' removes it if a test of this plan has made it`;
}

/** What is primary already goes nowhere. */
function isOutside(here: VolumeDescription | undefined, name: string): boolean {
  return here?.role !== 'primary' && here?.group?.group !== name;
}

function volumeProblem(
  { kind, source, target }: PlanRun,
  here: VolumeDescription,
  there: VolumeDescription | null,
): string | null {
  const { volume, role, phase, sequence } = here;
  const torn = here.conditions.find(({ condition }) => condition === 'not-consistent');
  if (here.peer !== undefined && here.peer !== source)
    return `volume ${volume} has its copy in zone ${here.peer}, the plan has zones ${source} and ${target}`;
  switch (kind) {
    case 'planned':
      // What came here in an earlier run, which failed later on, stays here.
      if (role === 'primary' && there?.role === 'secondary') return null;
      if (role === 'primary') return `volume ${volume} is primary in zone ${target} already`;
      if (phase !== 'following') return `volume ${volume} does not follow in zone ${target}: ${here.reason}`;
      return there?.role === 'primary' || there?.phase === 'waiting' || isDemotedImage(there)
        ? null
        : `volume ${volume} is not primary in zone ${source}: ${there?.reason ?? 'it is not known'}`;
    case 'failover':
      if (role === 'primary') return null;
      if (torn !== undefined) return torn.reason;
      if (sequence !== undefined || phase === 'settling') return null;
      return isRestorable(here)
        ? null
        : `volume ${volume} has no complete state in zone ${target}: ${here.reason}`;
    case 'reprotect':
      return role === 'primary'
        ? null
        : `volume ${volume} is not primary in zone ${target}; run it in the zone that is`;
    case 'test':
      if (role !== 'secondary')
        return `volume ${volume} is primary in zone ${target}: a test is made where its copy is`;
      return here.driver === 'rbd' && here.mode === 'instant'
        ? `volume ${volume} is an image that is mirrored by journal: it has no point that could be cloned`
        : null;
    case 'cleanup':
      return null;
  }
}

/** Half of a planned failover of a mirrored image: a promote waits for what is on its way. */
function isDemotedImage(there: VolumeDescription | null): boolean {
  return there?.driver === 'rbd' && there.role === 'secondary' && there.phase !== 'split';
}

/** What was complete before a copy began comes back with a forced promote; whether there is such a state, that order says. */
function isRestorable({ phase, point }: VolumeDescription): boolean {
  return (phase === 'copying' || phase === 'resyncing') && point !== undefined;
}

function writtenAge({ point, lag, role, driver, group }: VolumeDescription, now: number): number | null {
  if (role === 'primary') return null;
  if (driver === 'rbd') return pointAge(point, now);
  if (group?.released !== undefined && lag?.level !== true) return Math.max(0, now - group.released.at);
  if (lag?.level === true) return Math.max(0, now - lag.observedAt);
  if (lag !== undefined && lag.ms > 0) return lag.ms;
  return pointAge(point, now);
}

async function vdisksOf(
  hands: ZoneHands,
  { target }: PlanRun,
  volumes: readonly string[],
): Promise<string[]> {
  const found = await Promise.all(volumes.map((volume) => volumeIn(hands, target, volume)));
  return found.map(({ vdisk }) => vdisk);
}

/** Of a plan that is written: what is wrong with it here, as sentences. */
export async function planFaults(
  hands: ZoneHands,
  { volumes, instances }: { readonly volumes: readonly string[]; readonly instances: readonly string[] },
): Promise<{ readonly kind: 'volume' | 'instance'; readonly subject: string; readonly reason: string }[]> {
  const faults: { kind: 'volume' | 'instance'; subject: string; reason: string }[] = [];
  for (const volume of volumes)
    if ((await hands.find(hands.zone, 'volume.status', { volume })) === null)
      faults.push({
        kind: 'volume',
        subject: volume,
        reason: `there is no volume ${volume} in zone ${hands.zone}`,
      });
  for (const instance of instances)
    if ((await hands.find(hands.zone, 'instance.get', { instance })) === null)
      faults.push({
        kind: 'instance',
        subject: instance,
        reason: `there is no instance ${instance} in zone ${hands.zone}`,
      });
  return faults;
}

/** What a member of a plan is in a zone; why it is not known where it is not. */
export async function memberStatus(
  hands: ZoneHands,
  zone: string,
  kind: 'volume' | 'instance',
  subject: string,
): Promise<string> {
  try {
    if (kind === 'instance')
      return (await hands.ask(zone, 'instance.get', { instance: subject })).instance.status;
    const { status, conditions } = await volumeIn(hands, zone, subject);
    return [status, ...conditions.map(({ condition }) => condition)].join(', ');
  } catch (error) {
    return messageOf(error);
  }
}
