import type { WorkRecord } from '../healing/records.ts';
import type { ConfigStore } from '../types.ts';
import { decidePause, type PauseResult } from './pause-decision.ts';
import { requestChange } from './request-change.ts';

/**
 * Makes an operation wait, or go on from its checkpoint. Whoever carries it out lets it go as soon as that is safe.
 * Throws StoreError, and ConfigValueError for a record it cannot read.
 */
export function pauseOperation(
  store: ConfigStore,
  operation: string,
  wanted: 'paused' | 'resumed',
  by: string,
  now: () => number = Date.now,
): Promise<PauseResult> {
  return requestChange(
    store,
    operation,
    (record): PauseResult => decidePause(record, operation, wanted),
    (work) => changedWork(work, wanted, by, now()),
  );
}

function changedWork(work: WorkRecord, wanted: 'paused' | 'resumed', by: string, at: number): WorkRecord {
  const { pause: _, ...rest } = work;
  return { ...rest, ...(wanted === 'paused' ? { pause: { by, at } } : {}), updatedAt: at };
}

/** Whether nobody is to work on it now. One that is to be cancelled has to be taken up for that. */
export function isPaused(work: WorkRecord | undefined): boolean {
  return work?.pause !== undefined && work.cancel === undefined;
}
