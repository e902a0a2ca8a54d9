/** The right to run the hooks of one lane: one process at a time has it, under its lease. */
import { SalvorError } from '@salvor/service-kit';
import { formatRecord, parseRecord } from '../healing/record-text.ts';
import { hookDueKey, hookLaneKey, hookRunKey } from '../keys.ts';
import type { ConfigStore, Lease, Put, StoreEntry } from '../types.ts';
import { type HookRunRecord, hookDueSchema, hookLaneSchema, hookRunSchema } from './hook-run.ts';

/** Another process runs the hooks of this lane now, or nobody may: the lease is gone. */
export class HookLaneLostError extends SalvorError {
  constructor(lane: string) {
    super('hook-lane-lost', `hook lane ${lane} was lost: its lease is gone, another process goes on with it`);
  }
}

/** Records that a hook is to run. The first one to say so wins; everybody else gets false. */
export async function intendHookRun(store: ConfigStore, run: HookRunRecord): Promise<boolean> {
  const puts = hookRunPuts(run);
  const compare = [{ key: hookRunKey(run.run), revision: 'absent' as const }];
  return (await store.transact({ compare, puts })).ok;
}

/** The same for a transaction of the caller, who compares the key of the run. */
export function hookRunPuts(run: HookRunRecord): Put[] {
  const keys = { run: hookRunKey(run.run), due: hookDueKey(run.run) };
  const { hook, lane } = run;
  return [
    { key: keys.run, value: formatRecord(hookRunSchema, keys.run, run) },
    { key: keys.due, value: formatRecord(hookDueSchema, keys.due, { hook, lane }) },
  ];
}

export class HookLane {
  readonly lane: string;
  readonly #store: ConfigStore;
  readonly #epoch: string;

  private constructor(store: ConfigStore, lane: string, epoch: string) {
    this.#store = store;
    this.lane = lane;
    this.#epoch = epoch;
  }

  /** Null when another process has it. */
  static async take(
    store: ConfigStore,
    lease: Lease,
    lane: string,
    worker: string,
  ): Promise<HookLane | null> {
    const key = hookLaneKey(lane);
    const value = formatRecord(hookLaneSchema, key, { worker, since: Date.now() });
    const taken = await store.transact({
      compare: [{ key, revision: 'absent' }],
      puts: [{ key, value, lease: lease.id }],
    });
    return taken.ok ? new HookLane(store, lane, taken.revision) : null;
  }

  /** The run as stored; null when it is gone. */
  async read(run: string): Promise<{ record: HookRunRecord; entry: StoreEntry } | null> {
    const key = hookRunKey(run);
    const entry = await this.#store.get(key);
    return entry === null ? null : { record: parseRecord(hookRunSchema, key, entry.value), entry };
  }

  /**
   * Stores the run while the lane is still ours and nobody else changed it.
   *
   * @returns the entry as stored; null when somebody else changed or removed the run
   * @throws HookLaneLostError
   */
  async write(record: HookRunRecord, before: StoreEntry): Promise<StoreEntry | null> {
    const lane = hookLaneKey(this.lane);
    const { key } = before;
    const value = formatRecord(hookRunSchema, key, record);
    const stored = await this.#store.transact({
      compare: [
        { key: lane, createRevision: this.#epoch },
        { key, revision: before.revision },
      ],
      puts: [{ key, value }],
      deletes: record.status === 'pending' ? [] : [hookDueKey(record.run)],
    });
    if (stored.ok) return { ...before, value, revision: stored.revision };
    if (stored.current.get(lane)?.createRevision !== this.#epoch) throw new HookLaneLostError(this.lane);
    return null;
  }

  /** Takes a run off the list that has no record, or none that can be read. */
  async drop(run: string): Promise<void> {
    await this.#store.transact({ compare: [], deletes: [hookDueKey(run)] });
  }

  async release(): Promise<void> {
    const key = hookLaneKey(this.lane);
    await this.#store.transact({ compare: [{ key, createRevision: this.#epoch }], deletes: [key] });
  }
}
