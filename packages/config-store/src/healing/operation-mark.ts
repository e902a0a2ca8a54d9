/** The mark an operation leaves in the transaction of its effect, so that a repeat finds the answer. */
import { operationKey } from '../keys.ts';
import type { Put } from '../types.ts';
import { formatRecord } from './record-text.ts';
import { type OperationRecord, operationSchema } from './records.ts';

export function markOf(mark: OperationRecord): Put {
  const key = operationKey(mark.operation);
  return { key, value: formatRecord(operationSchema, key, mark) };
}

/** How a request reads in a mark: the same members make the same text, in whatever order they came. */
export function canonicalRequest(kind: string, request: Readonly<Record<string, unknown>>): string {
  const members = Object.entries(request).filter(([, value]) => value !== undefined);
  return JSON.stringify({ kind, ...Object.fromEntries(members.toSorted(([a], [b]) => (a < b ? -1 : 1))) });
}

export type Repeat = 'first' | 'repeated' | 'reused';

/** Whether an operation is new, was applied before, or had its id used for something else. */
export function repeatOf(mark: OperationRecord | null, request: string): Repeat {
  if (mark === null) return 'first';
  return mark.request === request ? 'repeated' : 'reused';
}

export function reusedReason(mark: OperationRecord): string {
  return `operation ${mark.operation} was used for another request (${mark.request}); give each request its own id`;
}
