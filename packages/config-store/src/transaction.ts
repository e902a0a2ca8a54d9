/** One atomic change: conditions, puts and deletes, and recognising a change whose answer was lost. */
import { CompareResult, CompareTarget, type ICompare, type IRequestOp, type ITxnResponse } from 'etcd3';
import { StoreError } from './errors.ts';
import type { AttemptOptions, EtcdCalls } from './etcd-calls.ts';
import { entryOf } from './ranges.ts';
import type { Compare, Put, Snapshot, StoreEntry, Transaction, TransactionResult } from './types.ts';

/** etcd's own default limit of operations in one transaction. */
export const MAX_OPERATIONS = 128;

export async function transact(etcd: EtcdCalls, transaction: Transaction): Promise<TransactionResult> {
  const { compare, puts = [], deletes = [] } = transaction;
  const touched = [...new Set([...compare.map(({ key }) => key), ...puts.map(({ key }) => key), ...deletes])];
  checkLimits(transaction, touched);
  const request = {
    compare: compare.map(compareOf),
    success: [
      ...puts.map(putOf),
      ...deletes.map((key) => ({ request_delete_range: { key: Buffer.from(key) } })),
    ],
    failure: touched.map(rangeOf),
  };
  let answerLost = false;
  const attempt = async (options: AttemptOptions) => {
    try {
      return await etcd.kv.txn(request, options);
    } catch (error) {
      answerLost = true;
      throw error;
    }
  };
  const answer = await etcd.call(`transaction on ${touched.join(', ')}`, attempt);
  const { revision } = answer.header;
  if (answer.succeeded) return { ok: true, revision };

  const found = entriesOf(answer, touched);
  const appliedAt = answerLost ? revisionOfPuts(puts, deletes, found) : null;
  if (appliedAt !== null) return { ok: true, revision: appliedAt };
  return { ok: false, revision, current: new Map(compare.map(({ key }) => [key, found.get(key) ?? null])) };
}

/** Reads several keys at one revision: the newest, or the one named. */
export async function readKeys(
  etcd: EtcdCalls,
  keys: readonly string[],
  revision?: string,
): Promise<Snapshot> {
  const distinct = [...new Set(keys)];
  if (distinct.length > MAX_OPERATIONS) {
    throw new StoreError(
      'invalid-transaction',
      `expected at most ${MAX_OPERATIONS} keys, found ${distinct.length}`,
    );
  }
  const at = revision === undefined ? {} : { revision };
  const success = distinct.map((key) => ({ request_range: { key: Buffer.from(key), ...at } }));
  const request = { success };
  const answer = await etcd.call(`read of ${distinct.join(', ')}`, (options) =>
    etcd.kv.txn(request, options),
  );
  return { revision: revision ?? answer.header.revision, entries: entriesOf(answer, distinct) };
}

function checkLimits({ compare, puts = [], deletes = [] }: Transaction, touched: readonly string[]): void {
  const most = Math.max(compare.length, puts.length + deletes.length, touched.length);
  if (most > MAX_OPERATIONS) {
    throw new StoreError(
      'invalid-transaction',
      `expected at most ${MAX_OPERATIONS} keys in a transaction, found ${most}`,
    );
  }
  const written = [...puts.map(({ key }) => key), ...deletes];
  const twice = written.find((key, index) => written.indexOf(key) !== index);
  if (twice !== undefined) {
    throw new StoreError('invalid-transaction', `expected each key to be written once, found ${twice} twice`);
  }
}

function compareOf(condition: Compare): ICompare {
  const key = Buffer.from(condition.key);
  if ('createRevision' in condition) return createdAt(key, condition.createRevision);
  if (condition.revision === 'absent') return createdAt(key, '0');
  return {
    key,
    result: CompareResult.Equal,
    target: CompareTarget.Mod,
    mod_revision: condition.revision,
  };
}

function createdAt(key: Buffer, createRevision: string): ICompare {
  return {
    key,
    result: CompareResult.Equal,
    target: CompareTarget.Create,
    create_revision: createRevision,
  };
}

function putOf({ key, value, lease }: Put): IRequestOp {
  return {
    request_put: {
      key: Buffer.from(key),
      value: Buffer.from(value),
      ...(lease === undefined ? {} : { lease }),
    },
  };
}

function rangeOf(key: string): IRequestOp {
  return { request_range: { key: Buffer.from(key) } };
}

function entriesOf(answer: ITxnResponse, keys: readonly string[]): Map<string, StoreEntry | null> {
  return new Map(
    keys.map((key, index) => {
      const kv = answer.responses[index]?.response_range?.kvs[0];
      return [key, kv === undefined ? null : entryOf(kv)];
    }),
  );
}

/** The one revision at which exactly these puts and deletes were made, if the store still shows them; else null. */
function revisionOfPuts(
  puts: readonly Put[],
  deletes: readonly string[],
  found: ReadonlyMap<string, StoreEntry | null>,
): string | null {
  const revision = found.get(puts[0]?.key ?? '')?.revision;
  if (revision === undefined) return null;
  const allPut = puts.every(({ key, value, lease }) => {
    const entry = found.get(key);
    return entry?.revision === revision && entry.value === value && entry.lease === (lease ?? null);
  });
  return allPut && deletes.every((key) => found.get(key) === null) ? revision : null;
}
