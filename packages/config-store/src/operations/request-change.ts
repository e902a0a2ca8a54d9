import { untilNoConflict } from '../healing/compare-and-set.ts';
import { formatRecord, parseRecord } from '../healing/record-text.ts';
import { type OperationRecord, operationSchema, type WorkRecord } from '../healing/records.ts';
import { operationKey } from '../keys.ts';
import type { ConfigStore } from '../types.ts';

interface Decided {
  readonly outcome: 'applied' | 'already' | 'refused' | 'conflict';
  readonly reason: string;
}

/**
 * Changes the work of an operation on somebody's request: decided on the record as it is, stored only if it still is.
 * Throws StoreError, and ConfigValueError for a record it cannot read.
 */
export async function requestChange<Result extends Decided>(
  store: ConfigStore,
  operation: string,
  decide: (record: OperationRecord | null) => Result,
  change: (work: WorkRecord) => WorkRecord,
): Promise<Result | { outcome: 'conflict'; code: 'conflict'; reason: string }> {
  const key = operationKey(operation);
  const result = await untilNoConflict(async (): Promise<Result | 'conflict'> => {
    const entry = await store.get(key);
    const record = entry === null ? null : parseRecord(operationSchema, key, entry.value);
    const decided = decide(record);
    if (decided.outcome !== 'applied' || record?.work === undefined || entry === null) return decided;
    const value = formatRecord(operationSchema, key, { ...record, work: change(record.work) });
    const stored = await store.transact({
      compare: [{ key, revision: entry.revision }],
      puts: [{ key, value }],
    });
    return stored.ok ? decided : 'conflict';
  });
  if (result !== 'conflict') return result;
  const reason = `the record of operation ${operation} was changed by others at every attempt; try again`;
  return { outcome: 'conflict', code: 'conflict', reason };
}
