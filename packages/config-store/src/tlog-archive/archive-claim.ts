import { SalvorError } from '@salvor/service-kit';
import { formatRecord, parseRecord } from '../healing/record-text.ts';
import { tlogConfigKey, tlogStateKey } from '../keys.ts';
import type { ConfigStore, Lease, StoreEntry } from '../types.ts';
import { tlogArchivedKey, tlogArchiverKey } from './archive-keys.ts';
import {
  type ArchivedRecord,
  archivedSchema,
  holderSchema,
  type MissingRange,
  missingRangesMax,
} from './archive-records.ts';

/** Another process archives the log, or the vdisk has none any more. */
export class ArchiveLostError extends SalvorError {
  constructor(vdisk: string, why: string) {
    super('archive-lost', `the log of vdisk ${vdisk} is archived here no longer: ${why}`);
  }
}

const ROUNDS_MAX = 8;
const NOTHING: ArchivedRecord = { number: 0, sequence: 0, chunks: 0, bytes: 0, at: 0 };

/** The right of one process to archive the log of a vdisk: every write proves that it still has it. */
export class ArchiveClaim {
  readonly vdisk: string;
  readonly #store: ConfigStore;
  readonly #epoch: string;
  #entry: StoreEntry | null = null;

  private constructor(store: ConfigStore, vdisk: string, epoch: string) {
    this.#store = store;
    this.vdisk = vdisk;
    this.#epoch = epoch;
  }

  /** Null while another process has it, or when the vdisk has no log. */
  static async take(
    store: ConfigStore,
    lease: Lease,
    vdisk: string,
    holder: string,
  ): Promise<ArchiveClaim | null> {
    const key = tlogArchiverKey(vdisk);
    const config = await store.get(tlogConfigKey(vdisk));
    if (config === null) return null;
    const value = formatRecord(holderSchema, key, { holder, since: Date.now() });
    const taken = await store.transact({
      compare: [
        { key, revision: 'absent' },
        { key: config.key, createRevision: config.createRevision },
      ],
      puts: [{ key, value, lease: lease.id }],
    });
    if (!taken.ok) return null;
    const claim = new ArchiveClaim(store, vdisk, taken.revision);
    await claim.#read();
    return claim;
  }

  /** What was recorded last. */
  get archived(): ArchivedRecord | null {
    const entry = this.#entry;
    return entry === null ? null : parseRecord(archivedSchema, entry.key, entry.value);
  }

  /** @throws ArchiveLostError, StoreError */
  async record(change: (before: ArchivedRecord) => ArchivedRecord): Promise<void> {
    await this.#transact((before) => ({ archived: change(before) }));
  }

  /**
   * Puts on record that segments are in neither tier. In the same transaction the log becomes broken, so that its owner begins a
   * new base. Once for each range.
   *
   * @returns false when it was on record already @throws ArchiveLostError, StoreError
   */
  async missing(range: MissingRange, reason: string): Promise<boolean> {
    const stateKey = tlogStateKey(this.vdisk);
    let isNew = false;
    await this.#transact(async (before) => {
      const known = before.missing ?? [];
      isNew = !known.some(({ from, to }) => from === range.from && to === range.to);
      if (!isNew) return null;
      const state = await this.#store.get(stateKey);
      return {
        archived: { ...before, missing: [...known, range].slice(-missingRangesMax) },
        compare: [{ key: stateKey, revision: state?.revision ?? 'absent' }],
        puts: [{ key: stateKey, value: brokenState(state, reason, range.at) }],
      };
    });
    return isNew;
  }

  async release(): Promise<void> {
    const key = tlogArchiverKey(this.vdisk);
    await this.#store.transact({ compare: [{ key, createRevision: this.#epoch }], deletes: [key] });
  }

  async #transact(
    change: (before: ArchivedRecord) => Effects | null | Promise<Effects | null>,
  ): Promise<void> {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const key = tlogArchivedKey(this.vdisk);
      const effects = await change(this.archived ?? NOTHING);
      if (effects === null) return;
      const value = formatRecord(archivedSchema, key, effects.archived);
      const stored = await this.#store.transact({
        compare: [
          { key: tlogArchiverKey(this.vdisk), createRevision: this.#epoch },
          { key, revision: this.#entry?.revision ?? 'absent' },
          ...(effects.compare ?? []),
        ],
        puts: [{ key, value }, ...(effects.puts ?? [])],
      });
      if (stored.ok) {
        const entry = this.#entry ?? { key, createRevision: stored.revision, lease: null };
        this.#entry = { ...entry, value, revision: stored.revision };
        return;
      }
      const holder = stored.current.get(tlogArchiverKey(this.vdisk));
      if (holder?.createRevision !== this.#epoch)
        throw new ArchiveLostError(
          this.vdisk,
          holder == null ? 'its lease is gone' : 'another process has it',
        );
      await this.#read();
    }
    throw new ArchiveLostError(this.vdisk, `its record changed ${ROUNDS_MAX} times in a row`);
  }

  async #read(): Promise<void> {
    this.#entry = await this.#store.get(tlogArchivedKey(this.vdisk));
  }
}

interface Effects {
  readonly archived: ArchivedRecord;
  readonly compare?: readonly { readonly key: string; readonly revision: string }[];
  readonly puts?: readonly { readonly key: string; readonly value: string }[];
}

/** Members of others stay. */
function brokenState(state: StoreEntry | null, reason: string, at: number): string {
  const known: unknown = state === null ? {} : JSON.parse(state.value);
  const members = typeof known === 'object' && known !== null ? known : {};
  return JSON.stringify({ ...members, status: 'broken', reason, since: at, sequence: 0 });
}
