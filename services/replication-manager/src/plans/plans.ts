import type { Bus, CommandHandlers } from '@salvor/bus';
import { type ConfigStore, OperationWorkers } from '@salvor/config-store';
import type { Logger } from '@salvor/service-kit';
import type { PeerZones } from '../peer-zones.ts';
import { stepAnnouncer } from './plan-announcer.ts';
import { planCommandHandlers } from './plan-commands.ts';
import { PlanExchange } from './plan-exchange.ts';
import { planExecutor } from './plan-executor.ts';
import { ZoneHands } from './zone-hands.ts';

export interface PlansOptions {
  readonly store: ConfigStore;
  readonly bus: Bus;
  readonly zone: string;
  readonly peers: PeerZones;
  readonly log: Logger;
  /** One run of this process. */
  readonly instance: string;
}

/** Each waits most of its time: one that waits for hours keeps no other failover from being carried out. */
const RUNS_AT_ONCE_MAX = 64;

/** The recovery plans of a zone: its commands, what the other zones have of them, and the runs that are carried out here. */
export class Plans {
  readonly handlers: CommandHandlers;
  readonly #exchange: PlanExchange;
  readonly #runs: OperationWorkers;

  constructor({ store, bus, zone, peers, log, instance }: PlansOptions) {
    const hands = new ZoneHands(zone, bus, peers);
    this.handlers = planCommandHandlers({ store, hands, peers: peers.names, log });
    this.#exchange = new PlanExchange({ store, hands, peers, log });
    this.#runs = new OperationWorkers({
      ...{ store, log, worker: instance, atOnceMax: RUNS_AT_ONCE_MAX },
      executors: { 'plan.run': planExecutor({ store, hands, announce: stepAnnouncer(bus, log) }) },
    });
  }

  /** Waits for etcd as long as that takes. */
  async start(): Promise<void> {
    this.#exchange.start();
    await this.#runs.start();
  }

  async stop(): Promise<void> {
    await Promise.all([this.#runs.stop(), this.#exchange.stop()]);
  }
}
