import { untilNoConflict } from '../healing/compare-and-set.ts';
import { formatRecord, parseRecord } from '../healing/record-text.ts';
import { operationSchema } from '../healing/records.ts';
import { operationKey } from '../keys.ts';
import type { ConfigStore } from '../types.ts';
import { type CancelResult, decideCancel } from './cancel-decision.ts';

/** Asks whoever carries an operation out to stop. Throws StoreError, and ConfigValueError for a record it cannot read. */
export async function cancelOperation(
  store: ConfigStore,
  operation: string,
  by: string,
  now: () => number = Date.now,
): Promise<CancelResult> {
  const key = operationKey(operation);
  const result = await untilNoConflict(async (): Promise<CancelResult | 'conflict'> => {
    const entry = await store.get(key);
    const record = entry === null ? null : parseRecord(operationSchema, key, entry.value);
    const decided = decideCancel(record, operation);
    if (decided.outcome !== 'applied' || record?.work === undefined || entry === null) return decided;
    const changed = { ...record, work: { ...record.work, cancel: { by, at: now() } } };
    const value = formatRecord(operationSchema, key, changed);
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
