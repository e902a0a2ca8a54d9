import type { Metrics } from '@salvor/service-kit';
import type { RepairState, VdiskEvents } from '@salvor/vdisk';
import type { MountState } from './vdisk-exports.ts';

const REPAIR_BUCKETS_SECONDS = [0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600, 14_400, 86_400];
const HOLD_BUCKETS_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Counts failures of engines, waits of writes for them to be on record, and repairs. */
export class HealingMeter {
  readonly #failures;
  readonly #holds;
  readonly #lost;
  readonly #repairs;
  /** Blocks gone through, of repairs that were under way when somebody looked last. */
  #gone = new Map<string, number>();
  #repairedBlocks = 0;

  constructor(metrics: Metrics) {
    this.#failures = metrics.counter('salvor_engine_failures_total', 'Failures of engines seen under I/O', [
      'cluster',
      'fault',
    ]);
    this.#holds = metrics.histogram(
      'salvor_fence_wait_seconds',
      'How long writes of a shard were held until etcd had the failure of an engine on record',
      HOLD_BUCKETS_SECONDS,
    );
    this.#lost = metrics.counter(
      'salvor_ownership_lost_total',
      'Vdisks that this server had to give up: fenced, taken over, or without a lease',
    );
    this.#repairs = metrics.histogram(
      'salvor_repair_duration_seconds',
      'Repairs of one vdisk on one engine that were completed',
      REPAIR_BUCKETS_SECONDS,
      ['kind'],
    );
  }

  readonly engineFailed = ({ cluster, fault }: Parameters<VdiskEvents['engineFailed']>[0]): void =>
    this.#failures.add({ cluster, fault });

  readonly writesHeld = ({ heldMs }: { readonly heldMs: number }): void =>
    this.#holds.observe(heldMs / 1_000);

  ownershipLost(): void {
    this.#lost.add();
  }

  readonly repairCompleted = (outcome: Parameters<VdiskEvents['repairCompleted']>[0]): void => {
    const key = keyOf(outcome.vdisk, outcome);
    this.#repairs.observe(outcome.repairMs / 1_000, { kind: outcome.kind });
    this.#repairedBlocks += Math.max(0, outcome.copiedBlocks - (this.#gone.get(key) ?? 0));
    this.#gone.delete(key);
  };

  /** Of everything that is mounted: what is read when somebody asks for the metrics. */
  register(metrics: Metrics, states: () => readonly MountState[], dirtyBlocks: () => Promise<number>): void {
    const underWay = (): RepairState[] => states().flatMap(({ repairs }) => repairs);
    metrics.gaugeFrom(
      'salvor_dirty_blocks',
      'Blocks of mounted vdisks that an engine lacks and its partner has',
      dirtyBlocks,
    );
    metrics.gaugeFrom(
      'salvor_repairs_running',
      'Repairs under way, of one vdisk on one engine each',
      () => underWay().length,
    );
    metrics.gaugeFrom('salvor_repair_blocks_left', 'Blocks that repairs under way have before them', () =>
      underWay().reduce((left, { total, done }) => left + Math.max(0, total - done), 0),
    );
    metrics.counterFrom('salvor_repaired_blocks_total', 'Blocks that repairs went through', () => {
      const now = new Map<string, number>();
      for (const { vdisk, repairs } of states())
        for (const repair of repairs) {
          const before = this.#gone.get(keyOf(vdisk, repair)) ?? 0;
          // A later try counts from what is left.
          this.#repairedBlocks += repair.done >= before ? repair.done - before : repair.done;
          now.set(keyOf(vdisk, repair), repair.done);
        }
      this.#gone = now;
      return this.#repairedBlocks;
    });
  }
}

function keyOf(vdisk: string, repair: { readonly incident: string; readonly attempt: number }): string {
  return JSON.stringify([vdisk, repair.incident, repair.attempt]);
}
