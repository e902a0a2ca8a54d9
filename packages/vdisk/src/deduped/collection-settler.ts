import {
  type ConfigStore,
  collectionSchema,
  parseRecord,
  putCollectionSettled,
  type StoreEntry,
} from '@salvor/config-store';
import { type Logger, messageOf, pause } from '@salvor/service-kit';
import type { UnderWay } from './deduped-vdisk.ts';

/** How long a report that is not possible now waits. */
const RETRY_MS = 200;

export interface CollectionSettlerOptions {
  readonly store: ConfigStore;
  readonly log: Logger;
  readonly cluster: string;
  readonly vdisk: string;
  /** Create revision of the owner key. */
  ownerRevision(): string;
  underWay(): UnderWay[];
  /** Why not every member has every write now, null when they have. */
  incomplete(): string | null;
  isEnded(): boolean;
}

/**
 * The owner's part in a collection of garbage: says when every write begun before it was asked is in the block map, or has
 * failed on members that are all here and hold the same. Writes begun later store their content again, which is enough.
 */
export class CollectionSettler {
  readonly #options: CollectionSettlerOptions;
  #asked: string | null = null;

  constructor(options: CollectionSettlerOptions) {
    this.#options = options;
  }

  /** What etcd says of the collection under way on the cluster, null when there is none. */
  notice(entry: StoreEntry | null): void {
    if (entry === null || entry.revision === this.#asked) return;
    this.#asked = entry.revision;
    void this.#settle(entry);
  }

  async #settle(entry: StoreEntry): Promise<void> {
    const { log, vdisk, cluster } = this.#options;
    try {
      const { phase, collection } = parseRecord(collectionSchema, entry.key, entry.value);
      if (phase !== 'settling') return;
      await Promise.all(this.#options.underWay().map(({ ended }) => ended));
      while (!this.#options.isEnded() && this.#asked === entry.revision) {
        if (await this.#report(entry, collection)) return;
        await pause(RETRY_MS);
      }
    } catch (error) {
      log.error({ vdisk, cluster, error: messageOf(error) }, 'ignored a bad collection record');
    }
  }

  /** False: to be tried again. */
  async #report(entry: StoreEntry, id: string): Promise<boolean> {
    const { store, log, cluster, vdisk, ownerRevision, incomplete } = this.#options;
    if (incomplete() !== null) return false;
    try {
      // Not accepted: another owner, or the collection is over; either way nobody waits for this one.
      const owner = { cluster, vdisk, epoch: ownerRevision() };
      const accepted = await putCollectionSettled(store, { ...owner, collection: entry, id });
      log.info({ vdisk, cluster, collection: id, accepted }, 'writes settled for a collection of garbage');
      return true;
    } catch (error) {
      log.warn({ vdisk, cluster, error: messageOf(error) }, 'could not report to a collection of garbage');
      return false;
    }
  }
}
