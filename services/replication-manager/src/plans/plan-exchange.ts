import { type ConfigStore, isNewerPlan, parsePlan, readPlan, takePlan } from '@salvor/config-store';
import type { PlanSummary } from '@salvor/contracts';
import { codeOf, type Logger, messageOf, pause } from '@salvor/service-kit';
import type { PeerZones } from '../peer-zones.ts';
import type { ZoneHands } from './zone-hands.ts';

export interface PlanExchangeOptions {
  readonly store: ConfigStore;
  readonly hands: ZoneHands;
  readonly peers: Pick<PeerZones, 'names'>;
  readonly log: Logger;
}

const LOOK_EVERY_MS = 1_000;
const STOP_MS = 2_000;

/** Takes over the newer versions of plans that other zones have: so each zone can run them alone. */
export class PlanExchange {
  readonly #options: PlanExchangeOptions;
  readonly #stopping = new AbortController();
  readonly #told = new Map<string, string>();
  #running: Promise<void> = Promise.resolve();

  constructor(options: PlanExchangeOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.race([this.#running, pause(STOP_MS)]);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      for (const zone of this.#options.peers.names) await this.#hear(zone);
      await pause(LOOK_EVERY_MS, signal);
    }
  }

  async #hear(zone: string): Promise<void> {
    const { hands } = this.#options;
    try {
      const { plans } = await hands.ask(zone, 'plan.list', { all: true });
      this.#told.delete(zone);
      const ours = plans.filter(
        ({ zones, deleted }) => zones.includes(hands.zone) || (deleted && zones.length === 0),
      );
      for (const plan of ours) await this.#take(zone, plan);
    } catch (error) {
      this.#complain(zone, error);
    }
  }

  /** One plan that cannot be taken over is no reason to let the others be. */
  async #take(from: string, listed: PlanSummary): Promise<void> {
    const { store, hands, log } = this.#options;
    const { plan, version, writtenIn: zone } = listed;
    try {
      const known = await readPlan(store, plan);
      // What was deleted and never was here as well: the next version counts from there.
      if (!isNewerPlan({ version, zone }, known)) return;
      const { plan: told, document } = await hands.ask(from, 'plan.get', { plan });
      const read = told.deleted ? null : parsePlan(document);
      const { changedAt } = told;
      const zones = told.deleted ? told.zones : [];
      const record = { plan, version: told.version, zone: told.writtenIn, document: read, zones, changedAt };
      if (await takePlan(store, record)) log.info({ plan, version, from }, 'a plan was taken over');
    } catch (error) {
      this.#complain(`${from}, plan ${plan}`, error);
    }
  }

  /** Once for each reason, not at every look. */
  #complain(about: string, error: unknown): void {
    const why = messageOf(error);
    if (codeOf(error) === 'peer-unreachable' || this.#stopping.signal.aborted) return;
    if (this.#told.get(about) === why) return;
    this.#told.set(about, why);
    this.#options.log.warn(
      { peer: about, error: why },
      'a plan of another zone is not taken over, trying again',
    );
  }
}
