import type { OperationRecord } from '../healing/records.ts';

export interface PauseResult {
  readonly outcome: 'applied' | 'already' | 'refused' | 'conflict';
  readonly code:
    | 'paused'
    | 'resumed'
    | 'unknown-operation'
    | 'operation-ended'
    | 'cancel-requested'
    | 'conflict';
  /** A sentence for the reply. */
  readonly reason: string;
}

/** Whether an operation may be made to wait, or to go on, now. What it did so far stays done either way. Pure. */
export function decidePause(
  record: OperationRecord | null,
  operation: string,
  wanted: 'paused' | 'resumed',
): PauseResult {
  if (record === null) {
    return { outcome: 'refused', code: 'unknown-operation', reason: `there is no operation ${operation}` };
  }
  const { kind, work } = record;
  const status = work?.status ?? 'completed';
  if (status !== 'running') {
    const reason = `operation ${operation} (${kind}) has ${status === 'cancelled' ? 'been cancelled' : status}`;
    return { outcome: 'refused', code: 'operation-ended', reason };
  }
  if (work?.cancel !== undefined) {
    const reason = `operation ${operation} (${kind}) was asked to stop by ${work.cancel.by}`;
    return { outcome: 'refused', code: 'cancel-requested', reason };
  }
  if ((work?.pause !== undefined) === (wanted === 'paused')) {
    const reason = `operation ${operation} (${kind}) ${wanted === 'paused' ? 'is paused' : 'is not paused'}`;
    return { outcome: 'already', code: wanted, reason };
  }
  const how = wanted === 'paused' ? 'is paused; operation.resume lets it go on' : 'goes on where it was';
  return { outcome: 'applied', code: wanted, reason: `operation ${operation} (${kind}) ${how}` };
}
