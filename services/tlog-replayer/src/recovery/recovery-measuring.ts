import {
  applyRecovery,
  type ConfigStore,
  parseKey,
  parseRecord,
  RECOVERIES_PREFIX,
  type RecoveryRecord,
  readVdisk,
  recoveredVdiskSchema,
  recoverySchema,
  type Watch,
  whenAvailable,
} from '@salvor/config-store';
import { type Logger, messageOf } from '@salvor/service-kit';
import type { Logs } from '../logs.ts';
import { lossOf, wantedBlocks } from './lost-shards.ts';
import { type Measured, measureLog } from './measure-log.ts';

export interface RecoveryMeasuringOptions {
  readonly store: ConfigStore;
  readonly logs: Logs;
  readonly log: Logger;
  /** Names this process. */
  readonly by: string;
}

/** Vdisks whose measures are stored together. */
const STORED_AT_ONCE = 16;
const AGAIN_MS = 2_000;

/** Completes the plans of recoveries that wait: what the logs hold of each vdisk, and how fast replays were here. */
export class RecoveryMeasuring {
  readonly #options: RecoveryMeasuringOptions;
  readonly #stopped = new AbortController();
  #watch: Watch | null = null;
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> | null = null;

  constructor(options: RecoveryMeasuringOptions) {
    this.#options = options;
  }

  /** Waits for etcd as long as that takes. */
  async start(): Promise<void> {
    const { store, log } = this.#options;
    const prefixes = [RECOVERIES_PREFIX];
    this.#watch = await whenAvailable(() => store.watch({ prefixes }, () => this.#wake()), log);
    this.#timer = setInterval(() => this.#wake(), AGAIN_MS);
  }

  async stop(): Promise<void> {
    this.#stopped.abort(new Error('this process stops'));
    this.#watch?.close();
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.#running;
  }

  #wake(): void {
    if (this.#running !== null || this.#stopped.signal.aborted) return;
    this.#running = this.#look()
      .catch((error: unknown) =>
        this.#options.log.warn({ error: messageOf(error) }, 'could not measure logs, trying again'),
      )
      .finally(() => {
        this.#running = null;
      });
  }

  async #look(): Promise<void> {
    for (const [key, { value }] of this.#watch?.entries() ?? []) {
      if (parseKey(key)?.kind !== 'recovery') continue;
      const recovery = parseRecord(recoverySchema, key, value);
      if (recovery.status === 'prepared') await this.#measure(recovery);
    }
  }

  async #measure(recovery: RecoveryRecord): Promise<void> {
    const { store, logs, by } = this.#options;
    const { signal } = this.#stopped;
    const { cluster, id, attempt } = recovery;
    const due = recovery.vdisks.filter((one) => one.log === undefined && one.recoverable !== 'nothing');
    for (let from = 0; from < due.length; from += STORED_AT_ONCE) {
      const vdisks: Measured[] = [];
      for (const { vdisk } of due.slice(from, from + STORED_AT_ONCE)) {
        const [config, stored] = [await logs.configOf(vdisk), await readVdisk(store, vdisk)];
        if (config === null || stored === null) continue;
        const wanted = wantedBlocks(vdisk, stored.static, lossOf(recovery));
        const source = await logs.open(vdisk, config);
        try {
          vdisks.push(await measureLog(source, { vdisk, wanted, signal }));
        } finally {
          await source.close();
        }
      }
      if (vdisks.length === 0) continue;
      const rate = await this.#rate();
      const request = { kind: 'measured', recovery: id, attempt, vdisks, by, operation: 'none' } as const;
      await applyRecovery(store, cluster, { ...request, ...(rate === null ? {} : { rate }) });
    }
  }

  /** Of the vdisks that were ever restored, the one with most bytes tells best. */
  async #rate(): Promise<RecoveryRecord['rate'] | null> {
    const results = [...(this.#watch?.entries() ?? [])].flatMap(([key, { value }]) =>
      parseKey(key)?.kind === 'recovered-vdisk' ? [parseRecord(recoveredVdiskSchema, key, value)] : [],
    );
    const most = results.filter(({ durationMs }) => durationMs > 0).toSorted((a, b) => b.bytes - a.bytes)[0];
    if (most === undefined || most.bytes === 0) return null;
    const bytesPerSecond = (most.bytes * 1_000) / most.durationMs;
    return { bytesPerSecond, from: `as measured when vdisk ${most.vdisk} was restored` };
  }
}
