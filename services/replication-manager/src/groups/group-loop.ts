import { randomUUID } from 'node:crypto';
import type { Bus } from '@salvor/bus';
import {
  applyGroup,
  applyVolume,
  type ConfigStore,
  type ConsistencyGroup,
  consistencyGroups,
  decideGroupStep,
  type GroupStep,
  listPlans,
  listVolumes,
  unchanged,
  unknownVolume,
  type VolumeRecord,
  withMadeCut,
  withMembership,
  withReleasedCut,
} from '@salvor/config-store';
import { type Logger, messageOf, pause } from '@salvor/service-kit';
import { cutGroup } from './group-cut.ts';

/** A volume that this process keeps in step. */
export interface KeptVolume {
  readonly volume: string;
  /** Why the other zone makes no newer cut of its group; empty: it does, or is not heard. */
  readonly peerGroupReason: string;
}

export interface GroupLoopOptions {
  readonly store: ConfigStore;
  readonly bus: Pick<Bus, 'request'>;
  readonly log: Logger;
  readonly kept: () => readonly KeptVolume[];
}

const LOOK_EVERY_MS = 200;
/** Where there are no groups, plans are looked at this often. */
const IDLE_LOOK_EVERY_MS = 1_000;
/** That no newer cut comes is told after this long, or after three that were due. */
const LATE_MS = 5_000;
const STOP_MS = 2_000;

interface Course {
  nextAt: number;
  /** When all was well last. */
  wellAt: number;
  running: Promise<void> | null;
}

/**
 * Keeps consistency groups: of each, whoever keeps its first volume makes its cuts where it is primary, and lets its volumes
 * go up to a cut where they are copies. Two processes that do it at once do the same.
 */
export class GroupLoop {
  readonly #options: GroupLoopOptions;
  readonly #stopping = new AbortController();
  readonly #courses = new Map<string, Course>();
  #groups: readonly ConsistencyGroup[] = [];
  #plansAt = Number.NEGATIVE_INFINITY;
  #clashes = '';
  #running: Promise<void> = Promise.resolve();

  constructor(options: GroupLoopOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    const running = [this.#running, ...[...this.#courses.values()].map((course) => course.running)];
    await Promise.race([Promise.allSettled(running), pause(STOP_MS)]);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.#look().catch((error: unknown) =>
        this.#options.log.warn({ error: messageOf(error) }, 'groups could not be looked at, trying again'),
      );
      await pause(this.#groups.length === 0 ? IDLE_LOOK_EVERY_MS : LOOK_EVERY_MS, signal);
    }
  }

  async #look(): Promise<void> {
    const { store, kept } = this.#options;
    if (performance.now() - this.#plansAt >= IDLE_LOOK_EVERY_MS) await this.#readPlans();
    const volumes = kept();
    if (volumes.length === 0) return;
    const records = new Map(
      // A bad record is told by whoever keeps volumes in step.
      (await listVolumes(store, () => undefined)).map((record) => [record.volume, record]),
    );
    for (const { volume } of volumes) await this.#join(records.get(volume) ?? null);
    for (const group of this.#groups) {
      const first = volumes.find(({ volume }) => volume === group.members[0]);
      if (first === undefined) continue;
      this.#go(
        group,
        group.members.map((member) => records.get(member) ?? null),
        first,
      );
    }
  }

  async #readPlans(): Promise<void> {
    const { store, log } = this.#options;
    const { groups, clashes } = consistencyGroups(await listPlans(store));
    this.#plansAt = performance.now();
    this.#groups = groups;
    for (const name of [...this.#courses.keys()])
      if (!groups.some((group) => group.name === name)) this.#courses.delete(name);
    if (clashes.join() === this.#clashes) return;
    this.#clashes = clashes.join();
    if (clashes.length > 0) log.error({ clashes }, 'consistency groups with the same volume');
  }

  /** What the plans say about it goes on record with the volume: from then on it goes only where the group goes. */
  async #join(record: VolumeRecord | null): Promise<void> {
    if (record === null) return;
    const { volume } = record;
    const group = this.#groups.find(({ members }) => members.includes(volume)) ?? null;
    if (withMembership(record, group) === null) return;
    const { outcome } = await applyVolume(this.#options.store, { volume }, ({ record: now }, at) => {
      if (now === null) return unknownVolume(volume);
      const change = withMembership(now, group);
      if (change === null) return unchanged(now.reason);
      return {
        outcome: 'applied',
        code: 'decided',
        reason: now.reason,
        next: { ...now, ...change, changedAt: at },
      };
    });
    this.#options.log.info({ volume, group: group?.name ?? null, outcome }, 'the group of a volume changed');
  }

  #go(group: ConsistencyGroup, records: readonly (VolumeRecord | null)[], first: KeptVolume): void {
    const now = performance.now();
    const course: Course = this.#courses.get(group.name) ?? { nextAt: now, wellAt: now, running: null };
    this.#courses.set(group.name, course);
    if (course.running !== null) return;
    const step = decideGroupStep(group, records);
    if (step.kind === 'cut' && now < course.nextAt) return;
    course.nextAt = now + group.everyMs;
    course.running = this.#step(group, step, records, course, first)
      .catch((error: unknown) =>
        this.#options.log.warn({ group: group.name, error: messageOf(error) }, 'a group does not go on'),
      )
      .finally(() => {
        course.running = null;
      });
  }

  async #step(
    group: ConsistencyGroup,
    step: GroupStep,
    records: readonly (VolumeRecord | null)[],
    course: Course,
    first: KeptVolume,
  ): Promise<void> {
    const { store, bus } = this.#options;
    const well = (): void => {
      course.wellAt = performance.now();
    };
    switch (step.kind) {
      case 'cut':
        try {
          await cutGroup(
            { store, bus },
            group,
            records.flatMap((record) => record ?? []),
          );
          return well();
        } catch (error) {
          return this.#late(group, course, messageOf(error));
        }
      case 'final': {
        const id = randomUUID();
        await applyGroup(store, group, (now) => {
          const again = decideGroupStep(group, now);
          if (again.kind !== 'final') return null;
          return withMadeCut(
            now.flatMap((record) => record ?? []),
            { id, at: Date.now(), places: again.places },
          );
        });
        return well();
      }
      case 'release': {
        await applyGroup(store, group, (now) => {
          const again = decideGroupStep(group, now);
          if (again.kind !== 'release') return null;
          return withReleasedCut(
            now.flatMap((record) => record ?? []),
            again.id,
          );
        });
        return well();
      }
      case 'rest': {
        if (first.peerGroupReason === '' && isLevelWithCut(records)) {
          well();
          return this.#say(group, '');
        }
        const why = first.peerGroupReason === '' ? lackText(records) : first.peerGroupReason;
        return this.#late(group, course, why);
      }
      case 'hindered':
        return this.#late(group, course, step.reason);
    }
  }

  /** Nothing newer came for so long that an operator should know. */
  async #late(group: ConsistencyGroup, course: Course, why: string): Promise<void> {
    const lateMs = performance.now() - course.wellAt;
    if (lateMs >= Math.max(LATE_MS, 3 * group.everyMs)) await this.#say(group, why);
  }

  async #say(group: ConsistencyGroup, why: string): Promise<void> {
    await applyGroup(this.#options.store, group, (now) =>
      now.flatMap((record) =>
        record?.group?.name === group.name && record.group.reason !== why
          ? [{ ...record, group: { ...record.group, reason: why } }]
          : [],
      ),
    );
  }
}

/** Every copy has gone up to the newest cut that any of them has. */
function isLevelWithCut(records: readonly (VolumeRecord | null)[]): boolean {
  const groups = records.flatMap((record) => record?.group ?? []);
  const isFinal = records.every((record) => record?.phase === 'waiting');
  return isFinal || groups.every(({ released, arrived }) => released !== null && arrived.length === 0);
}

function lackText(records: readonly (VolumeRecord | null)[]): string {
  const newest = Math.max(0, ...records.map((record) => record?.group?.arrived.at(-1)?.number ?? 0));
  if (newest === 0) return 'no cut of the other zone has come whole';
  const lacking = records.flatMap((record) =>
    record?.group?.arrived.some(({ number }) => number === newest) === true ? [] : [record?.volume ?? ''],
  );
  return `cut ${newest} is whole here of its other volumes, and not of volume ${lacking.join(', ')}: they wait`;
}
