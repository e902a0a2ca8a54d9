import { untilNoConflict } from '../healing/compare-and-set.ts';
import { formatRecord, parseRecord } from '../healing/record-text.ts';
import { operationSchema, type WorkRecord } from '../healing/records.ts';
import { operationKey } from '../keys.ts';
import type { ConfigStore } from '../types.ts';
import { decidePause, type PauseResult } from './pause-decision.ts';

/**
 * Makes an operation wait, or go on from its checkpoint. Whoever carries it out lets it go as soon as that is safe.
 * Throws StoreError, and ConfigValueError for a record it cannot read.
 */
export async function pauseOperation(
  store: ConfigStore,
  operation: string,
  wanted: 'paused' | 'resumed',
  by: string,
  now: () => number = Date.now,
): Promise<PauseResult> {
  const key = operationKey(operation);
  const result = await untilNoConflict(async (): Promise<PauseResult | 'conflict'> => {
    const entry = await store.get(key);
    const record = entry === null ? null : parseRecord(operationSchema, key, entry.value);
    const decided = decidePause(record, operation, wanted);
    if (decided.outcome !== 'applied' || record?.work === undefined || entry === null) return decided;
    const changed = { ...record, work: changedWork(record.work, wanted, by, now()) };
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

function changedWork(work: WorkRecord, wanted: 'paused' | 'resumed', by: string, at: number): WorkRecord {
  const { pause: _, ...rest } = work;
  return { ...rest, ...(wanted === 'paused' ? { pause: { by, at } } : {}), updatedAt: at };
}

/** Whether nobody is to work on it now. One that is to be cancelled has to be taken up for that. */
export function isPaused(work: WorkRecord | undefined): boolean {
  return work?.pause !== undefined && work.cancel === undefined;
}
