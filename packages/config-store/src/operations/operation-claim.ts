import { SalvorError } from '@salvor/service-kit';
import { formatRecord, parseRecord } from '../healing/record-text.ts';
import {
  type OperationRecord,
  operationSchema,
  operationWorkerSchema,
  type WorkRecord,
} from '../healing/records.ts';
import { operationKey, operationWorkerKey } from '../keys.ts';
import type { ConfigStore, Lease, StoreEntry, Transaction } from '../types.ts';
import { isPaused } from './pause-operation.ts';

/** The process that carried an operation out does so no longer: another one took it up, or it has ended. */
export class OperationLostError extends SalvorError {
  constructor(operation: string, why: string) {
    super('operation-lost', `operation ${operation} is carried out here no longer: ${why}`);
  }
}

/** An executor finds that another process has to carry the operation out: it is free for that one at once. */
export class OperationElsewhereError extends SalvorError {
  constructor(why: string) {
    super('operation-elsewhere', why);
  }
}

/** Writes of a record while others ask for its end in between. */
const STORE_ROUNDS_MAX = 16;

type Effects = Partial<Transaction>;

/** The right of one process to carry an operation out: every write proves that it still has it. */
export class OperationClaim {
  readonly operation: string;
  readonly #store: ConfigStore;
  readonly #workerEpoch: string;
  #entry: StoreEntry;

  private constructor(store: ConfigStore, operation: string, workerEpoch: string, entry: StoreEntry) {
    this.#store = store;
    this.operation = operation;
    this.#workerEpoch = workerEpoch;
    this.#entry = entry;
  }

  /** Null when another process has it, or when there is nothing left to do. */
  static async take(
    store: ConfigStore,
    lease: Lease,
    operation: string,
    worker: string,
  ): Promise<OperationClaim | null> {
    const keys = { record: operationKey(operation), worker: operationWorkerKey(operation) };
    const { entries } = await store.getMany(Object.values(keys));
    const entry = entries.get(keys.record);
    if (entry == null || entries.get(keys.worker) != null) return null;
    const { work } = recordOf(entry);
    if (work?.status !== 'running' || isPaused(work)) return null;
    const value = formatRecord(operationWorkerSchema, keys.worker, { worker, since: Date.now() });
    const taken = await store.transact({
      compare: [
        { key: keys.worker, revision: 'absent' },
        { key: keys.record, revision: entry.revision },
      ],
      puts: [{ key: keys.worker, value, lease: lease.id }],
    });
    return taken.ok ? new OperationClaim(store, operation, taken.revision, entry) : null;
  }

  get record(): OperationRecord {
    return recordOf(this.#entry);
  }

  /**
   * Changes the work of the operation, with the `effects` in the same transaction.
   *
   * @returns false when a condition of the effects does not hold: then nothing was changed
   * @throws OperationLostError
   */
  async change(change: (work: WorkRecord) => WorkRecord, effects: Effects = {}): Promise<boolean> {
    const worker = operationWorkerKey(this.operation);
    const { compare = [], puts = [], deletes = [] } = effects;
    for (let round = 0; round < STORE_ROUNDS_MAX; round++) {
      const { key } = this.#entry;
      const record = this.record;
      if (record.work === undefined) throw new OperationLostError(this.operation, 'its record has no work');
      const work = change(record.work);
      const value = formatRecord(operationSchema, key, { ...record, work });
      const isOver = work.status !== 'running';
      const stored = await this.#store.transact({
        compare: [
          { key: worker, createRevision: this.#workerEpoch },
          { key, revision: this.#entry.revision },
          ...compare,
        ],
        puts: [{ key, value }, ...puts],
        deletes: isOver ? [worker, ...deletes] : deletes,
      });
      if (stored.ok) {
        this.#entry = { ...this.#entry, value, revision: stored.revision };
        return true;
      }
      if (!this.#refresh(stored.current)) return false;
    }
    throw new OperationLostError(this.operation, `its record changed ${STORE_ROUNDS_MAX} times in a row`);
  }

  /** Gives the right back, so that another process may go on. */
  async release(): Promise<void> {
    const key = operationWorkerKey(this.operation);
    await this.#store.transact({ compare: [{ key, createRevision: this.#workerEpoch }], deletes: [key] });
  }

  /** Takes over what others wrote. False when that is not what kept the transaction from being applied. */
  #refresh(current: ReadonlyMap<string, StoreEntry | null>): boolean {
    const worker = current.get(operationWorkerKey(this.operation));
    if (worker?.createRevision !== this.#workerEpoch) {
      throw new OperationLostError(
        this.operation,
        worker == null ? 'its lease is gone' : 'another process has it',
      );
    }
    const entry = current.get(operationKey(this.operation));
    if (entry == null) throw new OperationLostError(this.operation, 'its record is gone');
    if (entry.revision === this.#entry.revision) return false;
    this.#entry = entry;
    return true;
  }
}

function recordOf({ key, value }: StoreEntry): OperationRecord {
  return parseRecord(operationSchema, key, value);
}
