import { SalvorError } from '@salvor/service-kit';
import { raiseRevision } from '../raise-revision.ts';
import { MAX_OPERATIONS } from '../transaction.ts';
import type { ConfigStore } from '../types.ts';
import type { ConfigurationFile } from './configuration-file.ts';
import {
  decideImport,
  type ImportedKey,
  type ImportOptions,
  type ImportPlan,
  subjectOf,
} from './decide-import.ts';

/** etcd takes requests of 1.5 MiB unless it is told otherwise. */
const MAX_REQUEST_BYTES: number = 1024 * 1024;
/** Each takes a write. */
const RAISE_MAX = 1_000_000n;

export interface ImportOutcome extends ImportPlan {
  /** Transactions that it took: each is whole, or not there at all. */
  readonly transactions: number;
  /** The revision was raised to that of the file, so that servers of before cannot be taken for newer ones. */
  readonly raisedTo: string | null;
}

/** What an import would write. Throws as `importConfiguration`. */
export async function planImport(
  store: ConfigStore,
  file: ConfigurationFile,
  options: ImportOptions,
): Promise<ImportPlan> {
  return (await lookedAt(store, file, options)).plan;
}

/**
 * Writes what the file has and etcd has not. Nothing is written when anything is refused; one that was interrupted is given again and goes on.
 *
 * @throws SalvorError `newer-in-etcd`, `secret-missing`, `vdisk-owned`, `unknown-cluster`, `revision-too-far`, `conflict`; StoreError
 */
export async function importConfiguration(
  store: ConfigStore,
  file: ConfigurationFile,
  options: ImportOptions,
): Promise<ImportOutcome> {
  const { plan, revision } = await lookedAt(store, file, options);
  if (plan.newer.length > 0)
    throw new SalvorError(
      'newer-in-etcd',
      `expected etcd to have what was exported, or nothing, found other values of ${plan.newer.join(', ')}; --overwrite replaces them`,
    );
  const to = BigInt(file.revision);
  const raises = plan.writes.length > 0 && revision < to;
  if (raises && to - revision > RAISE_MAX)
    throw new SalvorError(
      'revision-too-far',
      `etcd is at revision ${revision}, and was at ${to} when the file was exported, more than ${RAISE_MAX} writes away; raise it with 'etcdutl snapshot restore --bump-revision'`,
    );
  // First: a server that mounts as soon as the configuration is there has an epoch above all earlier ones.
  if (raises) await raiseRevision({ store, to, operation: 'config import' });
  const transactions = inTransactions(plan.writes);
  for (const [done, writes] of transactions.entries()) {
    const result = await store.transact({
      compare: writes.map(({ key, found }) => ({ key, revision: found?.revision ?? 'absent' })),
      puts: writes.map(({ key, value }) => ({ key, value })),
    });
    if (!result.ok)
      throw new SalvorError(
        'conflict',
        `etcd was changed meanwhile; ${done} of ${transactions.length} transactions are done; import again`,
      );
  }
  return { ...plan, transactions: transactions.length, raisedTo: raises ? file.revision : null };
}

async function lookedAt(
  store: ConfigStore,
  file: ConfigurationFile,
  options: ImportOptions,
): Promise<{ plan: ImportPlan; revision: bigint }> {
  const { entries, revision } = await store.list('');
  const all = new Map(entries.map((entry) => [entry.key, entry]));
  return { plan: decideImport(file, all, options), revision: BigInt(revision) };
}

/** As few as etcd takes; keys of one subject are together where they fit into one. */
function inTransactions(writes: readonly ImportedKey[]): ImportedKey[][] {
  const done: ImportedKey[][] = [];
  let open: ImportedKey[] = [];
  for (const group of bySubject(writes)) {
    if (open.length > 0 && !fits([...open, ...group])) {
      done.push(open);
      open = [];
    }
    for (const write of group) {
      if (!fits([...open, write])) {
        done.push(open);
        open = [];
      }
      open.push(write);
    }
  }
  return open.length > 0 ? [...done, open] : done;
}

function bySubject(writes: readonly ImportedKey[]): ImportedKey[][] {
  const groups = new Map<string, ImportedKey[]>();
  for (const write of writes) {
    const subject = subjectOf(write.key);
    groups.set(subject, [...(groups.get(subject) ?? []), write]);
  }
  return [...groups.values()];
}

function fits(writes: readonly ImportedKey[]): boolean {
  const bytes = writes.reduce((sum, { key, value }) => sum + 2 * key.length + Buffer.byteLength(value), 0);
  return writes.length <= MAX_OPERATIONS && (writes.length === 1 || bytes <= MAX_REQUEST_BYTES);
}
