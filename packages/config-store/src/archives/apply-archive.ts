/** Decisions about archives, carried out in etcd: each is one compared transaction, with the mark of its operation. */
import { ConfigValueError } from '../errors.ts';
import { type RetryOptions, untilNoConflict } from '../healing/compare-and-set.ts';
import { canonicalRequest, markOf, repeatOf, reusedReason } from '../healing/operation-mark.ts';
import { formatRecord, parseRecord, recordIn } from '../healing/record-text.ts';
import { operationSchema } from '../healing/records.ts';
import { ARCHIVES_PREFIX, archiveKey, operationKey } from '../keys.ts';
import type { Compare, ConfigStore, StoreEntry } from '../types.ts';
import type { ArchiveNamed } from './archive-orders.ts';
import type { ArchiveCode, ArchiveDecision } from './archive-outcome.ts';
import { type ArchiveRecord, archiveSchema } from './archive-records.ts';

export interface ArchiveChange extends RetryOptions, ArchiveNamed {
  /** An operator's order; absent for what a service finds out by itself. */
  readonly order?: {
    readonly operation: string;
    readonly kind: string;
    readonly request: Readonly<Record<string, unknown>>;
  };
  /** Must hold as well: the right of whoever writes the archive. */
  readonly compare?: readonly Compare[];
  readonly now?: () => number;
}

export interface ArchiveResult extends ArchiveNamed {
  readonly outcome: 'applied' | 'already' | 'refused' | 'conflict';
  readonly code: ArchiveCode;
  readonly reason: string;
  readonly operation: string;
  readonly before: ArchiveRecord | null;
  readonly record: ArchiveRecord | null;
  /** Other archives of the volume that changed with it. */
  readonly others: readonly ArchiveRecord[];
}

/**
 * Reads, decides and writes; again when others were faster. The same operation again changes nothing and gives the same answer.
 *
 * @param decide `record` null: the archive does not hold the volume; `others`: the other archives of it
 * @throws StoreError, ConfigValueError
 */
export async function applyArchive(
  store: ConfigStore,
  change: ArchiveChange,
  decide: (
    record: ArchiveRecord | null,
    others: readonly ArchiveRecord[],
    now: number,
  ) => ArchiveDecision | 'forget',
): Promise<ArchiveResult> {
  const { archive, volume, order, now = Date.now } = change;
  const operation = order?.operation ?? '';
  const canonical = order === undefined ? '' : canonicalRequest(order.kind, order.request);
  const key = archiveKey(archive, volume);
  const same = { archive, volume, operation };
  const result = await untilNoConflict(async (): Promise<ArchiveResult | 'conflict'> => {
    const { entries: all } = await store.list(ARCHIVES_PREFIX);
    const found = recordsIn(all).filter(({ record }) => record.volume === volume);
    const before = found.find(({ record }) => record.archive === archive)?.record ?? null;
    const others = found.filter(({ record }) => record.archive !== archive);
    const marked = order === undefined ? null : await store.getMany([operationKey(operation)]);
    const mark = marked === null ? null : recordIn(marked.entries, operationKey(operation), operationSchema);
    if (mark !== null) {
      const isReused = repeatOf(mark, canonical) === 'reused';
      const answer = { ...same, before, record: before, others: [] };
      return isReused
        ? { ...answer, outcome: 'refused', code: 'operation-reused', reason: reusedReason(mark) }
        : { ...answer, outcome: 'already', code: 'same-operation', reason: mark.reason };
    }
    const at = now();
    const decision = decide(
      before,
      others.map(({ record }) => record),
      at,
    );
    const forgets = decision === 'forget';
    const {
      outcome,
      code,
      reason,
      next,
      others: changed = [],
    }: ArchiveDecision = forgets
      ? {
          outcome: before === null ? 'already' : 'applied',
          code: before === null ? 'as-it-was' : 'decided',
          reason: `archive ${archive} does not hold volume ${volume} any more; its files stay`,
        }
      : decision;
    const answer = { ...same, outcome, code, reason, before, others: changed };
    if (outcome === 'refused') return { ...answer, record: before };
    const puts = (next === undefined ? [] : [next, ...changed]).map((record) => {
      const to = archiveKey(record.archive, record.volume);
      return { key: to, value: formatRecord(archiveSchema, to, record) };
    });
    const done =
      order === undefined
        ? []
        : [
            markOf({
              ...{ operation, kind: order.kind, request: canonical, outcome, reason, at },
              ...{ subject: volume, answer: { archive, volume } },
            }),
          ];
    if (puts.length === 0 && done.length === 0 && !forgets) return { ...answer, record: before };
    const known = new Map(found.map((each) => [each.key, each.revision]));
    const compared = [key, ...others.map((each) => each.key)].map((each) => ({
      key: each,
      revision: known.get(each) ?? ('absent' as const),
    }));
    const marks = done.map((each) => ({ key: each.key, revision: 'absent' as const }));
    const stored = await store.transact({
      compare: [...(forgets || puts.length > 0 ? compared : []), ...marks, ...(change.compare ?? [])],
      puts: [...puts, ...done],
      deletes: forgets && before !== null ? [key] : [],
    });
    return stored.ok ? { ...answer, record: next ?? (forgets ? null : before) } : 'conflict';
  }, change);
  if (result !== 'conflict') return result;
  const reason = `archive ${archive} of volume ${volume} was changed by others at every attempt, or another process writes it now; try again`;
  return { ...same, outcome: 'conflict', code: 'conflict', reason, before: null, record: null, others: [] };
}

/** Null: the archive does not hold the volume. Throws StoreError, ConfigValueError. */
export async function readArchive(
  store: Pick<ConfigStore, 'get'>,
  { archive, volume }: ArchiveNamed,
): Promise<ArchiveRecord | null> {
  const key = archiveKey(archive, volume);
  const entry = await store.get(key);
  return entry === null ? null : parseRecord(archiveSchema, key, entry.value);
}

/**
 * All that there are, or those of one volume, by name of archive and volume.
 *
 * @param bad told of each record that cannot be used; without it the first one is thrown
 * @throws StoreError, ConfigValueError
 */
export async function listArchives(
  store: Pick<ConfigStore, 'list'>,
  bad?: (error: ConfigValueError) => void,
): Promise<ArchiveRecord[]> {
  const { entries } = await store.list(ARCHIVES_PREFIX);
  return recordsIn(entries, bad).map(({ record }) => record);
}

function recordsIn(
  entries: readonly StoreEntry[],
  bad?: (error: ConfigValueError) => void,
): { key: string; revision: string; record: ArchiveRecord }[] {
  return entries.flatMap(({ key, value, revision }) => {
    try {
      return [{ key, revision, record: parseRecord(archiveSchema, key, value) }];
    } catch (error) {
      if (!(error instanceof ConfigValueError) || bad === undefined) throw error;
      bad(error);
      return [];
    }
  });
}
