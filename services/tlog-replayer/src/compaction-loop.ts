import {
  type ConfigStore,
  keptSnapshotSchema,
  parseRecord,
  readTlog,
  readVolumeOf,
  tlogSnapshotsPrefix,
  type VolumeRecord,
} from '@salvor/config-store';
import { type CounterMetric, type Logger, messageOf, pause } from '@salvor/service-kit';
import { compactLog, type Retention, retentionPoints, type Tier2Store, VdiskChunks } from '@salvor/tlog';

export interface CompactionLoopOptions {
  readonly store: ConfigStore;
  readonly tier2: Tier2Store;
  readonly log: Logger;
  readonly retention: Retention;
  readonly chunkBytes: number;
  readonly intervalMs: number;
  /** Vdisks that are archived here now. */
  readonly vdisks: () => readonly string[];
  readonly compacted?: CounterMetric;
}

const STOP_TIMEOUT_MS = 5_000;

/** Compacts the archived logs of this replica's vdisks, one after the other. */
export class CompactionLoop {
  readonly #options: CompactionLoopOptions;
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(options: CompactionLoopOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.race([this.#running, pause(STOP_TIMEOUT_MS)]);
  }

  async #run(): Promise<void> {
    const { intervalMs, log } = this.#options;
    const { signal } = this.#stopping;
    for (;;) {
      await pause(intervalMs, signal);
      for (const vdisk of this.#options.vdisks()) {
        if (signal.aborted) return;
        await this.#compact(vdisk).catch((error: unknown) =>
          log.warn({ vdisk, error: messageOf(error) }, 'an archived log was not compacted'),
        );
      }
      if (signal.aborted) return;
    }
  }

  async #compact(vdisk: string): Promise<void> {
    const { store, tier2, retention, chunkBytes, log, compacted } = this.#options;
    const recorded = await readTlog(store, vdisk);
    // What is broken may yet be all that is left of a vdisk.
    if (recorded === null || recorded.state?.status !== 'whole') return;
    const { container, begins } = recorded.config;
    const done = await compactLog({
      ...{ chunks: new VdiskChunks(tier2, container, vdisk), after: begins.number, chunkBytes },
      ...retentionPoints(retention, Date.now()),
      snapshots: await this.#snapshots(vdisk),
      mayGoOn: async () => {
        if (this.#stopping.signal.aborted || !this.#options.vdisks().includes(vdisk))
          throw new Error('another replica archives this log by now, or this one stops');
      },
    });
    if (done === null) return;
    compacted?.add();
    log.info({ vdisk, ...done }, 'an archived log was compacted');
  }

  /** One that cannot be read keeps the log from being compacted. Throws StoreError, ConfigValueError. */
  async #snapshots(vdisk: string): Promise<{ name: string; sequence: number }[]> {
    const { store } = this.#options;
    const prefix = tlogSnapshotsPrefix(vdisk);
    const { entries } = await store.list(prefix);
    const named = entries.map(({ key, value }) => ({
      name: decodeURIComponent(key.slice(prefix.length)),
      sequence: parseRecord(keptSnapshotSchema, key, value).sequence,
    }));
    return [...named, ...pinnedByVolume(await readVolumeOf(store, vdisk))];
  }
}

/** What a secondary may have to bring back from its own log, and the states that it is read at. They have no mark. */
function pinnedByVolume(volume: VolumeRecord | null): { name: string; sequence: number }[] {
  const cuts = (volume?.group?.reached ?? []).map(({ ownSequence }) => ownSequence);
  const pinned = [volume?.kept?.ownSequence, volume?.point?.ownSequence, ...cuts];
  return pinned.flatMap((sequence) => (sequence == null || sequence < 1 ? [] : [{ name: '', sequence }]));
}
