import type { Bus, BusEvent, Watch } from '@salvor/bus';
import { type Logger, messageOf } from '@salvor/service-kit';
import type { Sections } from '../page/state.ts';
import { NewsBook } from './news-book.ts';
import { Questions } from './questions.ts';
import { Course, Kept, Series } from './series.ts';
import { shownPlan, shownVdisks, shownVolume, toldIncidents } from './shown.ts';

/** A burst of events asks once. */
const SETTLE_MS = 150;
/** Plots of lag take one answer of so many: with the default, ten minutes. */
const LAG_SPACING = 2.5;
const COURSES_MAX = 256;
const VOLUMES_MAX = 200;
const OPERATIONS_MAX = 50;
const PLANS_MAX = 100;
const REPAIRS_MAX = 200;

export interface SituationOptions {
  readonly log: Logger;
  readonly now: () => number;
  /** Asked again at least so often while somebody looks. */
  readonly intervalMs: number;
  /** While nobody looks: plots go on. */
  readonly idleIntervalMs: number;
  readonly isWatched: () => boolean;
  readonly actions: readonly string[];
  /** Called when something may look different. */
  readonly onChange: () => void;
}

/** What the installation looks like now: asked for again on events, and every few seconds. */
export class Situation {
  readonly #options: SituationOptions;
  readonly #questions: Questions;
  readonly #news = new NewsBook();
  readonly #courses = new Kept(() => new Course(), COURSES_MAX);
  readonly #lags: Kept<Series>;
  #bus: Bus | null = null;
  #watch: Watch | null = null;
  #connection: { connected: boolean; since: number };
  #answeredAt: number | null = null;
  #timer: NodeJS.Timeout | undefined;
  #dueAt = Number.POSITIVE_INFINITY;
  #asking: Promise<void> | null = null;
  #askAgain = false;
  #stopped = false;

  constructor(options: SituationOptions) {
    this.#options = options;
    this.#questions = new Questions(options.now);
    this.#lags = new Kept(() => new Series(LAG_SPACING * options.intervalMs), VOLUMES_MAX);
    this.#connection = { connected: false, since: options.now() };
  }

  /** The bus may come long after the page. */
  follow(bus: Bus): void {
    this.#bus = bus;
    this.#connected(bus.connected());
    bus.onStatus(({ state }) => {
      if (state === 'connected' || state === 'disconnected' || state === 'closed')
        this.#connected(state === 'connected');
    });
    this.#watch = bus.watchEvents({
      types: 'all',
      handler: (event) => this.#hear(event),
      onGap: () => this.soon(),
    });
    this.soon();
  }

  /** Asks within a moment: something happened, or somebody came to look. */
  soon(): void {
    this.#plan(SETTLE_MS);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#watch?.stop();
    await this.#asking;
  }

  sections(): Sections {
    const { answers, troubles } = this.#questions;
    const now = this.#options.now();
    return {
      bus: { ...this.#connection, answeredAt: this.#answeredAt },
      troubles,
      clusters: answers.clusters ?? [],
      engines: answers.engines ?? [],
      vdisks: shownVdisks(answers.vdisks ?? []),
      incidents: toldIncidents(answers.incidents ?? [], now),
      repairs: (answers.repairs ?? []).slice(0, REPAIRS_MAX).map((repair) => ({
        ...repair,
        progress: this.#courses.find(repairKey(repair))?.progress() ?? null,
      })),
      operations: (answers.operations ?? []).slice(0, OPERATIONS_MAX).map((operation) => ({
        ...operation,
        progress: this.#courses.find(operation.operation)?.progress() ?? null,
      })),
      volumes: (answers.volumes ?? [])
        .slice(0, VOLUMES_MAX)
        .map((volume) =>
          shownVolume(
            volume,
            this.#lags.find(volume.volume)?.samples ?? [],
            this.#courses.find(copyKey(volume))?.progress() ?? null,
          ),
        ),
      plans: (answers.plans ?? [])
        .filter(({ deleted }) => !deleted)
        .slice(0, PLANS_MAX)
        .map((plan) => shownPlan(plan, this.#questions.planStatus(plan.plan))),
      alerts: answers.alerts ?? [],
      healing: answers.healing ?? null,
      recoveries: answers.recoveries ?? [],
      news: this.#news.news,
      actions: this.#options.actions,
    };
  }

  #connected(connected: boolean): void {
    if (connected !== this.#connection.connected) {
      this.#connection = { connected, since: this.#options.now() };
      this.#options.onChange();
    }
    if (connected) this.soon();
  }

  #hear(event: BusEvent): void {
    this.#news.add(event);
    const { type } = event;
    if (type === 'repair.progress') {
      const { payload } = event as BusEvent<'repair.progress'>;
      this.#courses.of(repairKey(payload)).add(payload.at, payload.doneBlocks, payload.totalBlocks);
      this.#options.onChange();
    } else if (type === 'operation.progress') {
      const { operation, done, total, at } = (event as BusEvent<'operation.progress'>).payload;
      if (done !== undefined) this.#courses.of(operation).add(at, done, total ?? null);
      this.#options.onChange();
    } else this.soon();
  }

  #plan(inMs: number): void {
    if (this.#stopped) return;
    const dueAt = performance.now() + inMs;
    if (dueAt >= this.#dueAt) return;
    clearTimeout(this.#timer);
    this.#dueAt = dueAt;
    this.#timer = setTimeout(() => this.#due(), inMs);
  }

  #due(): void {
    this.#dueAt = Number.POSITIVE_INFINITY;
    if (this.#asking !== null) {
      this.#askAgain = true;
      return;
    }
    this.#asking = this.#ask()
      .catch((error: unknown) =>
        this.#options.log.error({ error: messageOf(error) }, 'could not ask how things are'),
      )
      .finally(() => {
        this.#asking = null;
        const again = this.#askAgain;
        this.#askAgain = false;
        const { isWatched, intervalMs, idleIntervalMs } = this.#options;
        this.#plan(again ? SETTLE_MS : isWatched() ? intervalMs : idleIntervalMs);
      });
  }

  async #ask(): Promise<void> {
    if (this.#bus?.connected() !== true) return;
    await this.#questions.ask(this.#bus);
    const now = this.#options.now();
    if (this.#questions.troubles.length === 0) this.#answeredAt = now;
    const { operations = [], volumes = [] } = this.#questions.answers;
    for (const { operation, done, total } of operations)
      if (done !== undefined) this.#courses.of(operation).add(now, done, total ?? null);
    for (const volume of volumes.slice(0, VOLUMES_MAX)) {
      const { lag, copy } = volume;
      if (lag !== undefined) this.#lags.of(volume.volume).add(now, lag.level ? 0 : lag.ms);
      if (copy !== undefined && copy.endedAt === undefined)
        this.#courses.of(copyKey(volume)).add(now, copy.next, copy.blocks);
    }
    this.#options.onChange();
  }
}

function repairKey({
  incident,
  attempt,
  vdisk,
}: {
  incident: string;
  attempt: number;
  vdisk: string;
}): string {
  return `${incident}/${attempt}/${vdisk}`;
}

function copyKey({ volume, copy }: { volume: string; copy?: { beganAt: number } | undefined }): string {
  return `${volume}/${copy?.beganAt ?? 0}`;
}
