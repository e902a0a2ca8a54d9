import type { Bus } from '@salvor/bus';
import type { CommandName, CommandShapes, RecoveryDescription } from '@salvor/contracts';
import { codeOf, messageOf } from '@salvor/service-kit';
import type { Trouble } from '../page/state.ts';

const QUESTION_TIMEOUT_MS = 4_000;
/** Incidents that opened and ended between two questions are found so. */
const ALL_INCIDENTS_EVERY = 10;
/** A recovery of a cluster that is well again is found so. */
const ALL_RECOVERIES_EVERY = 10;
/** Plans whose runs and members are told. */
const PLANS_ASKED_MAX = 20;

type Reply<C extends CommandName> = CommandShapes[C]['reply'];

/** What services last answered; undefined before their first answer. */
export interface Answers {
  clusters?: Reply<'cluster.list'>['clusters'];
  engines?: Reply<'engine.list'>['engines'];
  vdisks?: Reply<'vdisk.list'>['vdisks'];
  incidents?: Reply<'incident.list'>['incidents'];
  alerts?: Reply<'alert.list'>['alerts'];
  healing?: Reply<'healing.status'>;
  repairs?: Reply<'repair.list'>['repairs'];
  operations?: Reply<'operation.list'>['operations'];
  volumes?: Reply<'volume.list'>['volumes'];
  plans?: Reply<'plan.list'>['plans'];
  recoveries?: readonly RecoveryDescription[];
}

/**
 * Asks all of it at once. What is not answered stays as it was, and is a trouble; but a service that has never answered
 * may well not be a part of this installation.
 */
export class Questions {
  readonly answers: Answers = {};
  readonly #troubles = new Map<string, Trouble>();
  readonly #now: () => number;
  #planStatuses = new Map<string, Reply<'plan.status'>>();
  #openIds = '';
  #asked = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  get troubles(): readonly Trouble[] {
    return [...this.#troubles.values()];
  }

  async ask(bus: Bus): Promise<void> {
    this.#asked += 1;
    const { answers } = this;
    await Promise.all([
      this.#put(bus, 'cluster.list', {}, ({ clusters }) => Object.assign(answers, { clusters })),
      this.#put(bus, 'engine.list', {}, ({ engines }) => Object.assign(answers, { engines })),
      this.#put(bus, 'vdisk.list', {}, ({ vdisks }) => Object.assign(answers, { vdisks })),
      this.#askIncidents(bus),
      this.#put(bus, 'alert.list', { all: false }, ({ alerts }) => Object.assign(answers, { alerts })),
      this.#put(bus, 'healing.status', {}, (healing) => Object.assign(answers, { healing })),
      this.#put(bus, 'repair.list', {}, ({ repairs }) => Object.assign(answers, { repairs })),
      this.#put(bus, 'operation.list', { all: false }, ({ operations }) =>
        Object.assign(answers, { operations }),
      ),
      this.#put(bus, 'volume.list', {}, ({ volumes }) => Object.assign(answers, { volumes })),
      this.#put(bus, 'plan.list', {}, ({ plans }) => Object.assign(answers, { plans })),
    ]);
    await Promise.all([this.#askRecoveries(bus), this.#askPlans(bus)]);
  }

  /** Of a plan that is there: what both zones have of it, as far as that is known. */
  planStatus(plan: string): Reply<'plan.status'> | undefined {
    return this.#planStatuses.get(plan);
  }

  /** Those that are over are asked for when the open ones are others, and now and then: they may be very many. */
  async #askIncidents(bus: Bus): Promise<void> {
    const { answers } = this;
    await this.#put(bus, 'incident.list', { all: false }, async ({ incidents: open }) => {
      const ids = open.map(({ incident }) => incident).join();
      const { incidents: known } = answers;
      const over = (known ?? []).filter(({ closedAt }) => closedAt !== undefined);
      const isDue = this.#asked % ALL_INCIDENTS_EVERY === 0;
      if (known !== undefined && ids === this.#openIds && !isDue) answers.incidents = [...open, ...over];
      else answers.incidents = (await this.#request(bus, 'incident.list', { all: true })).incidents;
      this.#openIds = ids;
    });
  }

  /** Of clusters that are not well, of those that have one already, and of all now and then: lost blocks may wait for a word. */
  async #askRecoveries(bus: Bus): Promise<void> {
    const before = this.answers.recoveries ?? [];
    const known = new Map(before.map((recovery) => [recovery.cluster, recovery]));
    const isDue = this.#asked % ALL_RECOVERIES_EVERY === 1;
    const concerned = (this.answers.clusters ?? []).filter(
      ({ cluster, role, status }) =>
        role === 'primary' && (isDue || status !== 'healthy' || known.has(cluster)),
    );
    for (const { cluster } of concerned)
      await this.#put(bus, 'dr.status', { cluster }, ({ recovery }) => {
        if (recovery === undefined) known.delete(cluster);
        else known.set(cluster, recovery);
      });
    this.answers.recoveries = [...known.values()];
  }

  /** A zone that does not answer is waited for by the manager, not here: what it said last is shown meanwhile. */
  async #askPlans(bus: Bus): Promise<void> {
    const plans = (this.answers.plans ?? []).filter(({ deleted }) => !deleted).slice(0, PLANS_ASKED_MAX);
    const known = new Map<string, Reply<'plan.status'>>();
    await Promise.all(
      plans.map(async ({ plan }) => {
        const before = this.#planStatuses.get(plan);
        if (before !== undefined) known.set(plan, before);
        await this.#put(bus, 'plan.status', { plan }, (status) => known.set(plan, status));
      }),
    );
    this.#planStatuses = known;
  }

  /** Zones are not a part of every installation. */
  #isAbsent(command: CommandName): boolean {
    const { volumes, plans } = this.answers;
    return (
      (command === 'volume.list' && volumes === undefined) || (command === 'plan.list' && plans === undefined)
    );
  }

  #request<C extends CommandName>(
    bus: Bus,
    command: C,
    request: CommandShapes[C]['init'],
  ): Promise<Reply<C>> {
    return bus.request(command, request, { timeoutMs: QUESTION_TIMEOUT_MS });
  }

  async #put<C extends CommandName>(
    bus: Bus,
    command: C,
    request: CommandShapes[C]['init'],
    keep: (reply: Reply<C>) => unknown,
  ): Promise<void> {
    try {
      await keep(await this.#request(bus, command, request));
      this.#troubles.delete(command);
    } catch (error) {
      if (codeOf(error) === 'no-responders' && this.#isAbsent(command)) return;
      const since = this.#troubles.get(command)?.since ?? this.#now();
      this.#troubles.set(command, { command, message: messageOf(error), since });
    }
  }
}
