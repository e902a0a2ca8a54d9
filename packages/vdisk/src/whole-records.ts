import { attemptOf, isSameEngine } from './member-record.ts';
import type { MemberRecord } from './pair-context.ts';

/**
 * The records of a cluster that are in force, given those before and what etcd tells now. The cluster and the incident change
 * in one transaction, but a watch tells of one after the other: an incident that is gone, or has moved on, while the engine is
 * still shown under repair, says nothing yet. To take it for an engine that nobody has repaired would be to write without it
 * although etcd calls it online.
 *
 * `before` is null only for records that were listed, which are of one revision. Each change must be taken through here, or
 * the one that tells the end of a repair has nothing before it that it could be held against. `completed` names the repairs
 * that are on record, as `incident/attempt`.
 */
export function decideWholeRecords(
  before: readonly MemberRecord[] | null,
  told: readonly MemberRecord[],
  completed: ReadonlySet<string>,
): readonly MemberRecord[] {
  return told.map((record, shard) => {
    const earlier = before?.[shard];
    return earlier !== undefined && isEndHalfSeen(earlier, record) ? asOnRecord(earlier, completed) : record;
  });
}

function isEndHalfSeen(before: MemberRecord, told: MemberRecord): boolean {
  return (
    told.repair === null &&
    before.repair !== null &&
    told.status === before.repair.kind &&
    before.status === told.status &&
    isSameEngine(before, told)
  );
}

/** What was seen before may be older than what is known of finished repairs by now. */
function asOnRecord(record: MemberRecord, completed: ReadonlySet<string>): MemberRecord {
  const attempt = attemptOf(record);
  if (record.repair === null || attempt === null) return record;
  return { ...record, repair: { ...record.repair, completed: completed.has(attempt) } };
}
