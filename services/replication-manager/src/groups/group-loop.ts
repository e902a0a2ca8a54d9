import { randomUUID } from 'node:crypto';
import type { Bus } from '@salvor/bus';
import {
  applyGroup,
  type ConfigStore,
  type ConsistencyGroup,
  consistencyGroups,
  decideGroupStep,
  type GroupStep,
  listPlans,
  listVolumes,
  planActiveKey,
  readActiveRun,
  type VolumeRecord,
  withMadeCut,
  withMembership,
  withReleasedCut,
} from '@salvor/config-store';
import { codeOf, type Logger, messageOf, pause } from '@salvor/service-kit';
import { decideCutPause } from './decide-cut-pause.ts';
import { decideMembership } from './decide-membership.ts';
import { cutGroup } from './group-cut.ts';

/** What the other zone says of the group of a volume. */
export interface PeerGroup {
  /** Why it makes no newer cut; empty: it does, or is not heard. */
  readonly reason: string;
  /** It can make none as the group is there. */
  readonly isLasting: boolean;
}

/** A volume that this process keeps in step. */
export interface KeptVolume {
  readonly volume: string;
  readonly peerGroup: PeerGroup;
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
  /** Cuts that failed, one after the other. */
  failures: number;
  running: Promise<void> | null;
}

/**
 * Keeps consistency groups: of each, whoever keeps the first of its volumes that there is makes its cuts where it is primary, and lets its volumes
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
      const leading = group.members.find((member) => records.has(member));
      if (!volumes.some(({ volume }) => volume === leading)) continue;
      this.#go(
        group,
        group.members.map((member) => records.get(member) ?? null),
        peerOf(volumes.filter(({ volume }) => group.members.includes(volume))),
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
    const { store, log } = this.#options;
    const { volume } = record;
    const group = this.#groups.find(({ members }) => members.includes(volume)) ?? null;
    if (withMembership(record, group) === null) return;
    const plans = [...new Set([record.group, group].flatMap((each) => (each === null ? [] : planOf(each))))];
    const runs = await Promise.all(plans.map((plan) => readActiveRun(store, plan)));
    const isRun = runs.some((run) => run !== null);
    const members = [...new Set([volume, ...(record.group?.members ?? []), ...(group?.members ?? [])])];
    // None begins, and no volume of the group is being promoted, while this is put on record.
    const compare = plans.map((plan) => ({ key: planActiveKey(plan), revision: 'absent' as const }));
    const outcome = await applyGroup(store, { members, compare, attemptsMax: 4 }, ([now, ...others]) => {
      const change = now == null ? null : decideMembership(now, group, { others, isRun });
      return now == null || change === null ? null : [{ ...now, ...change, changedAt: Date.now() }];
    });
    if (outcome === 'applied')
      log.info({ volume, group: group?.name ?? null }, 'the group of a volume changed');
  }

  #go(group: ConsistencyGroup, records: readonly (VolumeRecord | null)[], peer: PeerGroup): void {
    const now = performance.now();
    const course: Course = this.#courses.get(group.name) ?? {
      ...{ nextAt: now, wellAt: now, failures: 0, running: null },
    };
    this.#courses.set(group.name, course);
    if (course.running !== null) return;
    const step = decideGroupStep(group, records);
    if (step.kind === 'cut' && now < course.nextAt) return;
    course.nextAt = now + group.everyMs;
    course.running = this.#step(group, step, records, course, peer)
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
    { reason, isLasting }: PeerGroup,
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
          course.failures = 0;
          return well();
        } catch (error) {
          if (codeOf(error) !== 'no-writer') course.failures++;
          course.nextAt = performance.now() + decideCutPause(group.everyMs, course.failures);
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
        if (reason === '' && isLevelWithCut(records)) {
          well();
          return this.#say(group, '', false);
        }
        return this.#late(group, course, reason === '' ? lackText(records) : reason, isLasting);
      }
      case 'hindered':
        return this.#late(group, course, step.reason, step.isLasting || isLasting);
    }
  }

  /** Nothing newer came for so long that an operator should know. */
  async #late(group: ConsistencyGroup, course: Course, why: string, isLasting = false): Promise<void> {
    const lateMs = performance.now() - course.wellAt;
    if (lateMs >= Math.max(LATE_MS, 3 * group.everyMs)) await this.#say(group, why, isLasting);
  }

  async #say(group: ConsistencyGroup, why: string, isLasting: boolean): Promise<void> {
    const { store } = this.#options;
    const isRun = isLasting && (await readActiveRun(store, planOf(group))) !== null;
    await applyGroup(store, group, (now) => withTrouble(now, group, { why, isLasting: isLasting && !isRun }));
  }
}

/** `<plan>/<group>` */
function planOf({ name }: Pick<ConsistencyGroup, 'name'>): string {
  return name.split('/')[0] ?? '';
}

/** The records that change where this is said of their group; while one of them is being promoted, its group may be torn for a moment. */
function withTrouble(
  records: readonly (VolumeRecord | null)[],
  { name }: ConsistencyGroup,
  { why, isLasting }: { readonly why: string; readonly isLasting: boolean },
): VolumeRecord[] {
  const isPromoted = records.some((record) => record !== null && record.promotion !== null);
  return records.flatMap((record) => {
    if (record?.group?.name !== name) return [];
    const { reason, hinderedAt: before } = record.group;
    const hinderedAt = isLasting && !isPromoted ? (before ?? Date.now()) : null;
    return reason === why && hinderedAt === before
      ? []
      : [{ ...record, group: { ...record.group, reason: why, hinderedAt } }];
  });
}

/** What one of its volumes lacks there, another one may not tell. */
function peerOf(kept: readonly KeptVolume[]): PeerGroup {
  const told = kept.map(({ peerGroup }) => peerGroup);
  return (
    told.find(({ isLasting }) => isLasting) ??
    told.find(({ reason }) => reason !== '') ?? { reason: '', isLasting: false }
  );
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
