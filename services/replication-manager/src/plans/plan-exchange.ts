import { type ConfigStore, isNewerPlan, parsePlan, readPlan, takePlan } from '@salvor/config-store';
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
    try {
      await this.#takeFrom(zone);
      this.#told.delete(zone);
    } catch (error) {
      const why = messageOf(error);
      if (
        codeOf(error) === 'peer-unreachable' ||
        this.#told.get(zone) === why ||
        this.#stopping.signal.aborted
      )
        return;
      this.#told.set(zone, why);
      this.#options.log.warn(
        { peer: zone, error: why },
        'plans of another zone are not taken over, trying again',
      );
    }
  }

  async #takeFrom(from: string): Promise<void> {
    const { store, hands, log } = this.#options;
    const { plans } = await hands.ask(from, 'plan.list', { all: true });
    for (const { plan } of plans.filter(({ zones, deleted }) => deleted || zones.includes(hands.zone))) {
      const known = await readPlan(store, plan);
      const listed = plans.find((each) => each.plan === plan);
      if (listed === undefined) continue;
      // What was deleted and never was here is no news.
      if (listed.deleted && known === null) continue;
      if (!isNewerPlan({ version: listed.version, zone: listed.writtenIn }, known)) continue;
      const { plan: summary, document } = await hands.ask(from, 'plan.get', { plan });
      const { version, writtenIn, changedAt } = summary;
      const read = summary.deleted ? null : parsePlan(document);
      const record = { plan, version, zone: writtenIn, document: read, changedAt };
      if (await takePlan(store, record)) log.info({ plan, version, from }, 'a plan was taken over');
    }
  }
}
