/** The incidents of engines that a recovery has taken offline. Pure. */
import {
  ConfigValueError,
  type IncidentRecord,
  incidentId,
  incidentKey,
  incidentSchema,
  OPENED_BEFORE_ALL,
  parseRecord,
  type ServerEntry,
} from '@salvor/config-store';
import type { StaleEngine } from './decide-stale.ts';
import type { RecoveryAsked } from './tier1-sources.ts';

export const RECOVERY = 'segment-recovery';
/** No verdict lets it back as it is: in a first attempt that would be possible. */
const ATTEMPT = 2;

/** One that is there already stays, and gets what is known beyond it. */
export function incidentOf(stale: StaleEngine, { operation, at }: RecoveryAsked): IncidentRecord {
  const { cluster, shard, entry, taken, why, isHeld, rebuildBegun, lastGeneration } = stale;
  const reason = `Tier-1 was brought back, and the engine is not known to be current: ${why}`;
  const by = RECOVERY;
  const held = isHeld ? { hold: { kind: 'planned' as const, by, at, reason, operation } } : {};
  if (taken !== null)
    return {
      ...taken,
      ...(taken.hold === undefined ? held : {}),
      rebuildBegun: taken.rebuildBegun || rebuildBegun,
      lastGeneration: Math.max(taken.lastGeneration ?? 0, lastGeneration),
    };
  return {
    ...{ id: incidentId(cluster, shard, at), cluster, shard, address: entry.address, db: entry.db },
    ...{ status: 'offline', attempt: ATTEMPT, openedAt: at, openedIn: OPENED_BEFORE_ALL },
    ...{ reporters: [{ reporter: by, at, reason }], reportedTimes: 1, rebuildBegun, lastGeneration },
    ...held,
    history: [{ at, from: 'online', to: 'offline', attempt: ATTEMPT, reason, by, operation }],
  };
}

/**
 * The incident by which a recovery that has not ended took an engine offline: what spoke against that engine, and for its partner, is
 * decided again as if it were online still. Null: it is what it is for another reason.
 */
export function takenBy(
  {
    cluster,
    shard,
    entry,
  }: { readonly cluster: string; readonly shard: number; readonly entry: ServerEntry },
  incident: string | undefined,
  since: number | null,
): IncidentRecord | null {
  if (incident === undefined || since === null || entry.status !== 'offline') return null;
  const record = incidentIn(incidentKey(cluster, shard), incident);
  if (record === null || record.address !== entry.address || record.db !== entry.db) return null;
  const { openedAt, openedIn, status, history } = record;
  const isOurs = openedIn === OPENED_BEFORE_ALL && status === 'offline' && history[0]?.by === RECOVERY;
  return isOurs && openedAt >= since ? record : null;
}

function incidentIn(key: string, value: string): IncidentRecord | null {
  try {
    return parseRecord(incidentSchema, key, value);
  } catch (error) {
    // Whoever reads it refuses it.
    if (error instanceof ConfigValueError) return null;
    throw error;
  }
}
