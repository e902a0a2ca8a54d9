import { doubtedUntil, type IncidentRecord } from '@salvor/config-store';
import type { MemberRecord } from './pair-context.ts';

/** What is left of the records of a cluster for a server, once it leaves alone what it is doubted about. */
export interface DoubtedRecords {
  readonly records: readonly MemberRecord[];
  /** When the first of these doubts is over, Unix milliseconds; null when there is none. */
  readonly until: number | null;
}

/**
 * A server whose alarms about an engine were false again and again does not repair its vdisks there for a while: its next
 * failure would take the engine from all the others once more. They stay on the partner, so only while there is one.
 */
export function withoutDoubted(
  records: readonly MemberRecord[],
  partners: readonly MemberRecord[] | null,
  incidents: ReadonlyMap<number, IncidentRecord>,
  { server, nowMs }: { readonly server: string; readonly nowMs: number },
): DoubtedRecords {
  let first: number | null = null;
  const left = records.map((record, shard) => {
    const incident = incidents.get(shard);
    const { repair } = record;
    if (incident === undefined || repair === null || repair.completed) return record;
    if (partners?.[shard]?.status !== 'online') return record;
    const until = doubtedUntil(incident, server, nowMs);
    if (until === null) return record;
    first = Math.min(first ?? until, until);
    return { ...record, repair: null };
  });
  return { records: left, until: first };
}
