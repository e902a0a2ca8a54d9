/** Who brings an archive of a volume up to date. */
import { z } from 'zod';
import { formatRecord } from '../healing/record-text.ts';
import { archiveWorkerKey } from '../keys.ts';
import type { Compare, ConfigStore, Lease } from '../types.ts';

/** `/salvor/archive-workers/<archive>/<volume>` */
const workerSchema = z.looseObject({ worker: z.string().min(1), since: z.number().int().min(0) });

/** The right of one process to write an archive of a volume: every change of its record proves that it still has it. */
export class ArchiveHold {
  readonly archive: string;
  readonly volume: string;
  readonly #store: ConfigStore;
  readonly #epoch: string;

  private constructor(store: ConfigStore, archive: string, volume: string, epoch: string) {
    this.#store = store;
    this.archive = archive;
    this.volume = volume;
    this.#epoch = epoch;
  }

  /** Null while another process has it. Throws StoreError. */
  static async take(
    store: ConfigStore,
    lease: Lease,
    { archive, volume }: { readonly archive: string; readonly volume: string },
    worker: string,
  ): Promise<ArchiveHold | null> {
    const key = archiveWorkerKey(archive, volume);
    const value = formatRecord(workerSchema, key, { worker, since: Date.now() });
    const taken = await store.transact({
      compare: [{ key, revision: 'absent' }],
      puts: [{ key, value, lease: lease.id }],
    });
    return taken.ok ? new ArchiveHold(store, archive, volume, taken.revision) : null;
  }

  get compare(): Compare {
    return { key: archiveWorkerKey(this.archive, this.volume), createRevision: this.#epoch };
  }

  /** Throws StoreError. */
  async isHeld(): Promise<boolean> {
    return (
      (await this.#store.get(archiveWorkerKey(this.archive, this.volume)))?.createRevision === this.#epoch
    );
  }

  async release(): Promise<void> {
    await this.#store.transact({
      compare: [this.compare],
      deletes: [archiveWorkerKey(this.archive, this.volume)],
    });
  }
}
