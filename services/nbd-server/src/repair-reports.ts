import {
  type ConfigStore,
  formatRecord,
  type RepairUnderWay,
  repairProgressKey,
  repairProgressMax,
  repairProgressSchema,
} from '@salvor/config-store';
import type { EventInits } from '@salvor/contracts';
import { type Logger, messageOf } from '@salvor/service-kit';
import { decideProgress, type RepairSeen } from './repair-progress.ts';
import type { MountState } from './vdisk-exports.ts';

export interface RepairReportsOptions {
  readonly store: ConfigStore;
  readonly server: string;
  readonly log: Logger;
  readonly states: () => MountState[];
  readonly announce: (progress: EventInits['repair.progress']) => void;
  /** How often it looks, in milliseconds. */
  readonly intervalMs?: number;
}

const INTERVAL_MS = 2_000;
/** Repairs announced at each look, in turn: a server may repair a thousand vdisks at once. */
const ANNOUNCED_MAX = 16;

/**
 * Says how far repairs are: on the bus for who watches, and in etcd, in one record for the whole server, for who must
 * notice that one has stopped. A repair shorter than one look is not told of.
 */
export class RepairReports {
  readonly #options: RepairReportsOptions;
  #seen: ReadonlyMap<string, RepairSeen> = new Map();
  #timer: NodeJS.Timeout | null = null;
  #writing: Promise<void> | null = null;
  #isStored = false;
  #turn = 0;

  constructor(options: RepairReportsOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = setInterval(() => this.#look(), this.#options.intervalMs ?? INTERVAL_MS);
  }

  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.#writing;
  }

  #look(): void {
    const now = Date.now();
    const found = this.#options
      .states()
      .flatMap(({ vdisk, repairs }) => repairs.map((repair) => ({ ...repair, vdisk })));
    this.#seen = decideProgress(this.#seen, found, now);
    const underWay = [...this.#seen.values()].filter(({ foundAt }) => foundAt === now);
    const told = underWay.map(({ repair, movedAt }) => {
      const { vdisk, incident, attempt, address, total, done } = repair;
      return { vdisk, incident, attempt, address, total, done, movedAt };
    });
    this.#announce(told, now);
    if (told.length > 0 || this.#isStored) this.#store(told, now);
  }

  #announce(repairs: readonly RepairUnderWay[], at: number): void {
    for (let i = 0; i < Math.min(ANNOUNCED_MAX, repairs.length); i++) {
      const repair = repairs[this.#turn++ % repairs.length];
      if (repair === undefined) continue;
      const { vdisk, incident, attempt, address, total: totalBlocks, done: doneBlocks } = repair;
      this.#options.announce({ vdisk, incident, attempt, address, totalBlocks, doneBlocks, at });
    }
  }

  /** One write at a time: while etcd is slow or away, the next look says it better. */
  #store(repairs: readonly RepairUnderWay[], at: number): void {
    if (this.#writing !== null) return;
    const { store, server, log } = this.#options;
    const key = repairProgressKey(server);
    const slowest = repairs.toSorted((a, b) => a.movedAt - b.movedAt).slice(0, repairProgressMax);
    const record = { server, at, repairs: [...slowest] };
    const change =
      repairs.length === 0
        ? { compare: [], deletes: [key] }
        : { compare: [], puts: [{ key, value: formatRecord(repairProgressSchema, key, record) }] };
    this.#writing = store
      .transact(change)
      .then(() => {
        this.#isStored = repairs.length > 0;
      })
      .catch((error: unknown) =>
        log.warn({ error: messageOf(error) }, 'could not say how far the repairs are, trying again'),
      )
      .finally(() => {
        this.#writing = null;
      });
  }
}
