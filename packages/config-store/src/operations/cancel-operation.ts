import type { ConfigStore } from '../types.ts';
import { type CancelResult, decideCancel } from './cancel-decision.ts';
import { requestChange } from './request-change.ts';

/** Asks whoever carries an operation out to stop. Throws StoreError, and ConfigValueError for a record it cannot read. */
export function cancelOperation(
  store: ConfigStore,
  operation: string,
  by: string,
  now: () => number = Date.now,
): Promise<CancelResult> {
  return requestChange(
    store,
    operation,
    (record): CancelResult => decideCancel(record, operation),
    (work) => ({ ...work, cancel: { by, at: now() } }),
  );
}
