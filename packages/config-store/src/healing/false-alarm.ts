/** What a false alarm does to the one who raised it. */
import type { ClusterState } from './cluster-state.ts';
import type { FalseAlarm, IncidentRecord } from './records.ts';

/** How many false alarms of an engine are remembered. */
export const falseAlarmsKeptMax = 32;
/** False alarms older than this say nothing about a server any more. */
const MEMORY_MS = 3_600_000;
/** The first one is forgiven: a network may break once. */
const FORGIVEN = 1;
const FIRST_DOUBT_MS = 30_000;
const LONGEST_DOUBT_MS = 600_000;

/**
 * For how long a server that raised so many false alarms of one engine leaves that engine alone: 0, 30 s, 1 min, 2 min …
 * at most 10 min. Its vdisks stay on the partner meanwhile, without an error; the engine serves all the others.
 */
export function doubtMs(alarms: number): number {
  if (alarms <= FORGIVEN) return 0;
  return Math.min(LONGEST_DOUBT_MS, FIRST_DOUBT_MS * 2 ** (alarms - FORGIVEN - 1));
}

/** False alarms of an engine by one server that still count, were it to raise another one now. */
export function falseAlarmsOf(state: ClusterState, shard: number, reporter: string, at: number): number {
  return recent(state, shard, at).filter((alarm) => alarm.reporter === reporter).length + 1;
}

/**
 * Writes a false alarm down. It is no failure of the engine, so it does not count as one; a server that raises them again
 * and again is doubted for a while.
 */
export function withFalseAlarm(
  state: ClusterState,
  incident: IncidentRecord,
  reporter: string,
  at: number,
): { state: ClusterState; incident: IncidentRecord } {
  const { shard } = incident;
  const { record } = state;
  const alarms = [...recent(state, shard, at), { reporter, at }].slice(-falseAlarmsKeptMax);
  const failures = record.failures?.[shard];
  const next = {
    ...record,
    falseAlarms: { ...record.falseAlarms, [shard]: alarms },
    ...(failures === undefined ? {} : { failures: { ...record.failures, [shard]: failures.slice(0, -1) } }),
  };
  const forMs = doubtMs(alarms.filter((alarm) => alarm.reporter === reporter).length);
  const others = (incident.doubted ?? []).filter((one) => one.reporter !== reporter);
  const doubted = forMs === 0 ? others : [...others, { reporter, until: at + forMs }];
  return { state: { ...state, record: next }, incident: { ...incident, doubted } };
}

/** Until when a server leaves the engine of an incident alone; null when it does not. */
export function doubtedUntil({ doubted }: IncidentRecord, server: string, nowMs: number): number | null {
  const until = doubted?.find(({ reporter }) => reporter === server)?.until ?? 0;
  return until > nowMs ? until : null;
}

function recent({ record }: ClusterState, shard: number, at: number): readonly FalseAlarm[] {
  return (record.falseAlarms?.[shard] ?? []).filter((alarm) => alarm.at > at - MEMORY_MS);
}
