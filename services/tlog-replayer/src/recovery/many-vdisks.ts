import type { OperationRun } from '@salvor/config-store';
import { messageOf, SalvorError } from '@salvor/service-kit';
import { LogError, type ReplayProgress, type ReplayResult } from '@salvor/tlog';
import type { Loss } from './lost-shards.ts';
import type { ReplayState } from './replay-state.ts';
import { type RestoreOptions, restoreVdisk } from './restore-vdisk.ts';

/** A vdisk that is to be brought back. */
export interface Due {
  readonly vdisk: string;
  readonly acceptLoss: boolean;
}

export interface Restored extends ReplayResult {
  readonly vdisk: string;
  readonly epoch: string;
  readonly durationMs: number;
}

export interface ManyOptions extends RestoreOptions {
  readonly atOnce: number;
}

/** Why a vdisk cannot be brought back as it was to be; another try would end the same way. */
export interface Hopeless {
  readonly vdisk: string;
  readonly error: LogError;
}

const HOPELESS: ReadonlySet<string> = new Set(['gap', 'not-restorable', 'bad-segment', 'bad-chunk']);
const MIB = 1024 * 1024;
/** Of a vdisk, so that all of them weigh the same. */
const STEPS = 1_000;

/**
 * Brings vdisks back, a few at once. Where it stands with each is in the checkpoint of the operation, so another process
 * goes on there.
 *
 * @throws the first error that may pass, once the others have stopped
 */
export class ManyVdisks {
  readonly #options: ManyOptions;
  readonly #run: OperationRun;
  readonly #loss: Loss;
  readonly #done: (restored: Restored) => Promise<void>;
  readonly #shares = new Map<string, { phase: string; share: number; rate: number; leftMs: number | null }>();
  #state: ReplayState;
  #finished = 0;
  /** One at a time: each compares what the one before has stored. */
  #reporting: Promise<void> = Promise.resolve();

  constructor(
    options: ManyOptions,
    about: {
      readonly run: OperationRun;
      readonly state: ReplayState;
      readonly loss: Loss;
      /** In the middle of it nothing else is written to the vdisk; rejects when it is not this process's any more. */
      readonly done: (restored: Restored) => Promise<void>;
    },
  ) {
    this.#options = options;
    this.#run = about.run;
    this.#state = about.state;
    this.#loss = about.loss;
    this.#done = about.done;
  }

  get state(): ReplayState {
    return this.#state;
  }

  async restore(due: readonly Due[], finished: number): Promise<Hopeless[]> {
    this.#finished = finished;
    const total = finished + due.length;
    const queue = [...due];
    const hopeless: Hopeless[] = [];
    const failed = new AbortController();
    const signal = AbortSignal.any([this.#run.signal, failed.signal]);
    const work = async (): Promise<void> => {
      for (let next = queue.shift(); next !== undefined && !signal.aborted; next = queue.shift()) {
        try {
          await this.#one(next, total, signal);
        } catch (error) {
          if (error instanceof LogError && HOPELESS.has(error.code)) {
            hopeless.push({ vdisk: next.vdisk, error });
            continue;
          }
          failed.abort(error);
          throw new SalvorError(
            error instanceof SalvorError ? error.code : 'failed',
            `vdisk ${next.vdisk}: ${messageOf(error)}`,
          );
        }
      }
    };
    const results = await Promise.allSettled(Array.from({ length: this.#options.atOnce }, work));
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    this.#run.signal.throwIfAborted();
    return hopeless;
  }

  async #one({ vdisk, acceptLoss }: Due, total: number, signal: AbortSignal): Promise<void> {
    const begunAt = performance.now();
    await restoreVdisk(this.#options, {
      ...{ vdisk, acceptLoss, signal, loss: this.#loss, operation: this.#run.record.operation },
      from: this.#state.underWay[vdisk] ?? null,
      checkpoint: async (state) => {
        this.#state = { ...this.#state, underWay: { ...this.#state.underWay, [vdisk]: state } };
        await this.#report(total);
      },
      progress: ({ phase, share, bytesPerSecond: rate, leftMs }: ReplayProgress) => {
        this.#shares.set(vdisk, { phase, share, rate, leftMs });
      },
      restored: async (result, epoch) => {
        const durationMs = Math.round(performance.now() - begunAt);
        await this.#done({ ...result, vdisk, epoch, durationMs });
        const { [vdisk]: _, ...underWay } = this.#state.underWay;
        this.#state = { ...this.#state, underWay, done: [...this.#state.done, vdisk] };
        this.#shares.delete(vdisk);
        this.#finished++;
        await this.#report(total, true);
      },
    });
  }

  #report(vdisks: number, now = false): Promise<void> {
    const shares = [...this.#shares];
    const each = shares.map(([vdisk, { phase, share, rate, leftMs }]) => {
      const left = leftMs === null ? '' : `, ${Math.ceil(leftMs / 1_000)} s left`;
      const what = phase === 'verify' ? 'verifies' : 'writes';
      return `${what} vdisk ${vdisk}: ${Math.floor(share * 100)} % at ${(rate / MIB).toFixed(1)} MiB a second${left}`;
    });
    const sum = shares.reduce(
      (all, [, { phase, share }]) => all + (phase === 'verify' ? 1 + share : share) / 2,
      0,
    );
    const message = `${this.#finished} of ${vdisks} vdisks are restored${each.length === 0 ? '' : `; ${each.join('; ')}`}`;
    const done = Math.min(vdisks * STEPS, Math.floor((this.#finished + sum) * STEPS));
    const report = this.#reporting.then(() =>
      this.#run.report({ message, done, total: vdisks * STEPS, checkpoint: this.#state }, { now }),
    );
    this.#reporting = report.catch(() => undefined); // whoever reported is told
    return report;
  }
}
