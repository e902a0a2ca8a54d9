/** Who keeps a volume in step with its other zone, and what it sees. */
import { z } from 'zod';
import { formatRecord, parseRecord } from '../healing/record-text.ts';
import { volumeWorkerKey } from '../keys.ts';
import type { Compare, ConfigStore, Lease, StoreEntry } from '../types.ts';
import { type RbdSightRecord, rbdSightSchema } from './rbd-sight.ts';

const millis = z.number().int().min(0);

const viewSchema = z.looseObject({
  /** The other zone answers. */
  reachable: z.boolean(),
  /** What is not as it should be, as a sentence; empty: nothing. */
  reason: z.string(),
  /** The other zone was heard, or did not answer for long enough: the primary may be served. */
  cleared: z.boolean(),
  peerSeenAt: millis.nullable(),
  /** Of a secondary: everything that was there when it looked last is applied. */
  level: z.boolean(),
  /** Arrived and not applied. */
  bytes: z.number().int().min(0),
  /** When the last write that is applied was made, by the clock of the primary; 0: not known. */
  writtenAt: millis,
  at: millis,
});
export type VolumeSight = z.infer<typeof viewSchema>;

/** `/salvor/volume-workers/<volume>` */
const workerSchema = z.looseObject({
  worker: z.string().min(1),
  since: millis,
  view: viewSchema.optional(),
  rbd: rbdSightSchema.optional(),
});

/** The right of one process to keep a volume in step: every write proves that it still has it. */
export class VolumeClaim {
  readonly volume: string;
  readonly #store: ConfigStore;
  readonly #lease: Lease;
  readonly #worker: string;
  readonly #since: number;
  readonly #epoch: string;

  private constructor(
    store: ConfigStore,
    lease: Lease,
    claim: {
      readonly volume: string;
      readonly worker: string;
      readonly since: number;
      readonly epoch: string;
    },
  ) {
    this.#store = store;
    this.#lease = lease;
    this.volume = claim.volume;
    this.#worker = claim.worker;
    this.#since = claim.since;
    this.#epoch = claim.epoch;
  }

  /** Null while another process has it. Throws StoreError. */
  static async take(
    store: ConfigStore,
    lease: Lease,
    volume: string,
    worker: string,
  ): Promise<VolumeClaim | null> {
    const key = volumeWorkerKey(volume);
    const since = Date.now();
    const value = formatRecord(workerSchema, key, { worker, since });
    const taken = await store.transact({
      compare: [{ key, revision: 'absent' }],
      puts: [{ key, value, lease: lease.id }],
    });
    return taken.ok ? new VolumeClaim(store, lease, { volume, worker, since, epoch: taken.revision }) : null;
  }

  /** What a write compares to prove it. */
  get compare(): Compare {
    return { key: volumeWorkerKey(this.volume), createRevision: this.#epoch };
  }

  /** Whether this process still has it. Throws StoreError. */
  async isHeld(): Promise<boolean> {
    return (await this.#store.get(volumeWorkerKey(this.volume)))?.createRevision === this.#epoch;
  }

  /** Puts what it sees on record. @returns false when it has the volume no more. Throws StoreError. */
  tell(view: VolumeSight): Promise<boolean> {
    return this.#tell({ view });
  }

  /** The same of a volume whose copies Ceph RBD mirroring makes. */
  tellRbd(rbd: RbdSightRecord): Promise<boolean> {
    return this.#tell({ rbd });
  }

  async #tell(seen: { readonly view: VolumeSight } | { readonly rbd: RbdSightRecord }): Promise<boolean> {
    const key = volumeWorkerKey(this.volume);
    const value = formatRecord(workerSchema, key, { worker: this.#worker, since: this.#since, ...seen });
    return (
      await this.#store.transact({ compare: [this.compare], puts: [{ key, value, lease: this.#lease.id }] })
    ).ok;
  }

  async release(): Promise<void> {
    await this.#store.transact({ compare: [this.compare], deletes: [volumeWorkerKey(this.volume)] });
  }
}

/** What whoever keeps the volume saw last; null: nobody does, or nothing yet. Throws StoreError, ConfigValueError. */
export async function readVolumeView(
  store: Pick<ConfigStore, 'get'>,
  volume: string,
): Promise<VolumeSight | null> {
  const key = volumeWorkerKey(volume);
  const entry = await store.get(key);
  return entry === null ? null : volumeViewIn(entry);
}

/** The same of a volume whose copies Ceph RBD mirroring makes. Throws StoreError, ConfigValueError. */
export async function readRbdSight(
  store: Pick<ConfigStore, 'get'>,
  volume: string,
): Promise<RbdSightRecord | null> {
  const key = volumeWorkerKey(volume);
  const entry = await store.get(key);
  return entry === null ? null : (parseRecord(workerSchema, key, entry.value).rbd ?? null);
}

/** The same of an entry that was read. Throws ConfigValueError. */
export function volumeViewIn({ key, value }: Pick<StoreEntry, 'key' | 'value'>): VolumeSight | null {
  return parseRecord(workerSchema, key, value).view ?? null;
}
