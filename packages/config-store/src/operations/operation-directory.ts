import { ConfigValueError } from '../errors.ts';
import { parseRecord } from '../healing/record-text.ts';
import { type OperationRecord, operationSchema } from '../healing/records.ts';
import { OPERATIONS_PREFIX, operationKey } from '../keys.ts';
import type { ConfigStore } from '../types.ts';

export interface OperationFilter {
  readonly kind?: string;
  readonly subject?: string;
  /** Only those that go on after their command was answered and have not ended. */
  readonly running?: boolean;
}

export interface OperationListing {
  /** The latest first. */
  readonly operations: readonly OperationRecord[];
  /** Keys whose record this version cannot read. */
  readonly unreadable: readonly string[];
}

/** The record of an operation, null when there is none. Throws ConfigValueError when it cannot be used. */
export async function readOperation(store: ConfigStore, operation: string): Promise<OperationRecord | null> {
  const key = operationKey(operation);
  const entry = await store.get(key);
  return entry === null ? null : parseRecord(operationSchema, key, entry.value);
}

export async function listOperations(
  store: ConfigStore,
  { kind, subject, running = false }: OperationFilter = {},
): Promise<OperationListing> {
  const operations: OperationRecord[] = [];
  const unreadable: string[] = [];
  for (const { key, value } of (await store.list(OPERATIONS_PREFIX)).entries) {
    const record = readable(key, value);
    if (record === null) unreadable.push(key);
    else if (
      (kind === undefined || record.kind === kind) &&
      (subject === undefined || record.subject === subject) &&
      (!running || record.work?.status === 'running')
    ) {
      operations.push(record);
    }
  }
  return { operations: operations.sort((a, b) => b.at - a.at), unreadable };
}

function readable(key: string, value: string): OperationRecord | null {
  try {
    return parseRecord(operationSchema, key, value);
  } catch (error) {
    if (error instanceof ConfigValueError) return null;
    throw error;
  }
}
