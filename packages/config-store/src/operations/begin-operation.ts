import { type RetryOptions, untilNoConflict } from '../healing/compare-and-set.ts';
import { canonicalRequest, markOf, repeatOf, reusedReason } from '../healing/operation-mark.ts';
import { parseRecord } from '../healing/record-text.ts';
import { type OperationRecord, operationSchema } from '../healing/records.ts';
import { operationKey } from '../keys.ts';
import type { ConfigStore } from '../types.ts';
import { runningWork } from './running-work.ts';

export interface BeginOptions extends RetryOptions {
  readonly operation: string;
  /** The command, such as `vdisk.scrub`. */
  readonly kind: string;
  /** What was asked for; the same operation id with another request is refused. */
  readonly request: Readonly<Record<string, unknown>>;
  /** The id of what it is about. */
  readonly subject: string;
  /** What it does first, as a sentence. */
  readonly message: string;
  readonly total?: number;
  readonly checkpoint?: unknown;
  /** Unix milliseconds; default the clock of this process. */
  readonly now?: () => number;
}

export interface BegunOperation {
  readonly outcome: 'applied' | 'already' | 'refused' | 'conflict';
  readonly code: 'begun' | 'same-operation' | 'operation-reused' | 'conflict';
  /** A sentence for the reply. */
  readonly reason: string;
  readonly operation: string;
}

/**
 * Records an operation that goes on after its command was answered; {@link OperationWorkers} take it up. The same
 * operation id again changes nothing and gives the same answer.
 *
 * @throws StoreError when etcd does not answer, ConfigValueError when the stored record cannot be used.
 */
export async function beginOperation(store: ConfigStore, options: BeginOptions): Promise<BegunOperation> {
  const { operation, kind, subject, message, total, checkpoint, now = Date.now, ...retry } = options;
  const request = canonicalRequest(kind, options.request);
  const key = operationKey(operation);
  const result = await untilNoConflict(async (): Promise<BegunOperation | 'conflict'> => {
    const entry = await store.get(key);
    const mark = entry === null ? null : parseRecord(operationSchema, key, entry.value);
    if (mark !== null) return repeated(mark, request);
    const at = now();
    const work = runningWork(message, at, { ...(total === undefined ? {} : { total }), checkpoint });
    const record = {
      operation,
      kind,
      request,
      outcome: 'applied' as const,
      reason: message,
      at,
      subject,
      work,
    };
    const stored = await store.transact({ compare: [{ key, revision: 'absent' }], puts: [markOf(record)] });
    return stored.ok ? { outcome: 'applied', code: 'begun', reason: message, operation } : 'conflict';
  }, retry);
  if (result !== 'conflict') return result;
  const reason = `the record of operation ${operation} was changed by others at every attempt; try again`;
  return { outcome: 'conflict', code: 'conflict', reason, operation };
}

function repeated(mark: OperationRecord, request: string): BegunOperation {
  const { operation, reason } = mark;
  return repeatOf(mark, request) === 'reused'
    ? { outcome: 'refused', code: 'operation-reused', reason: reusedReason(mark), operation }
    : { outcome: 'already', code: 'same-operation', reason, operation };
}
