import type { OperationRecord } from '../healing/records.ts';

export interface CancelResult {
  readonly outcome: 'applied' | 'already' | 'refused' | 'conflict';
  readonly code:
    | 'cancel-requested'
    | 'cancelled'
    | 'unknown-operation'
    | 'operation-ended'
    | 'cannot-cancel'
    | 'conflict';
  /** A sentence for the reply. */
  readonly reason: string;
}

/** Kinds that only lead forwards: what they began to remove is gone. */
const irrevocableKinds: ReadonlySet<string> = new Set(['vdisk.delete', 'vdisk.delete-orphan']);

/** Whether an operation may be asked to stop now. Pure. */
export function decideCancel(record: OperationRecord | null, operation: string): CancelResult {
  if (record === null) {
    return { outcome: 'refused', code: 'unknown-operation', reason: `there is no operation ${operation}` };
  }
  const { kind, work } = record;
  const status = work?.status ?? 'completed';
  if (status === 'cancelled') {
    return {
      outcome: 'already',
      code: 'cancelled',
      reason: `operation ${operation} (${kind}) was cancelled`,
    };
  }
  if (status !== 'running') {
    const reason = `operation ${operation} (${kind}) has ${status}: there is nothing to cancel`;
    return { outcome: 'refused', code: 'operation-ended', reason };
  }
  if (irrevocableKinds.has(kind)) {
    const reason = `operation ${operation} (${kind}) cannot be cancelled: part of the data may be gone already`;
    return { outcome: 'refused', code: 'cannot-cancel', reason };
  }
  if (work?.cancel !== undefined) {
    const reason = `operation ${operation} (${kind}) was asked to stop by ${work.cancel.by}`;
    return { outcome: 'already', code: 'cancel-requested', reason };
  }
  return {
    outcome: 'applied',
    code: 'cancel-requested',
    reason: `operation ${operation} (${kind}) is asked to stop; ask for it again to see when it has`,
  };
}
