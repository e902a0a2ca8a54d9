import {
  type Change,
  CLOSED_INCIDENTS_PREFIX,
  type ClosedIncident,
  closedIncidentSchema,
  INCIDENTS_PREFIX,
  type IncidentRecord,
  incidentSchema,
  parseKey,
  parseRecord,
  SALVOR_CLUSTERS_PREFIX,
  salvorClusterSchema,
} from '@salvor/config-store';
import type { EventInits, EventType } from '@salvor/contracts';

/** An event that tells what etcd holds. The id follows from the content, so every coordinator announces it under the same one. */
export type Announcement = {
  [T in EventType]: { readonly id: string; readonly type: T; readonly payload: EventInits[T] };
}[EventType];

/** The keys whose changes are announced. */
export const announcedPrefixes = [INCIDENTS_PREFIX, CLOSED_INCIDENTS_PREFIX, SALVOR_CLUSTERS_PREFIX] as const;

/**
 * What a change of one key means to the world. Derived from what is stored, not from who stored it: so a transition is
 * announced even when whoever made it died right after.
 */
export function announcementsOf({
  key,
  entry,
  previous,
}: Pick<Change, 'key' | 'entry' | 'previous'>): Announcement[] {
  const about = parseKey(key);
  if (entry === null || about === null) return [];
  switch (about.kind) {
    case 'incident': {
      const before = previous === null ? null : parseRecord(incidentSchema, key, previous.value);
      return incidentAnnouncements(parseRecord(incidentSchema, key, entry.value), before);
    }
    case 'closed-incident':
      return previous === null
        ? closedAnnouncements(parseRecord(closedIncidentSchema, key, entry.value))
        : [];
    case 'salvor-cluster': {
      const before = previous === null ? null : parseRecord(salvorClusterSchema, key, previous.value);
      const { status, updatedAt, reason: why } = parseRecord(salvorClusterSchema, key, entry.value);
      if (before === null || before.status === status) return [];
      const { cluster } = about;
      const reason = why ?? `the cluster went from ${before.status} to ${status}`;
      const payload = { cluster, from: before.status, to: status, reason, at: updatedAt };
      return [{ id: `${cluster}-${entry.revision}`, type: 'cluster.status-changed', payload }];
    }
    default:
      return [];
  }
}

function incidentAnnouncements(incident: IncidentRecord, before: IncidentRecord | null): Announcement[] {
  const known = before?.id === incident.id ? before.history.length : 0;
  const announcements: Announcement[] = [];
  if (known === 0) {
    const { id, cluster, shard, address, openedAt: at } = incident;
    const [first] = incident.reporters;
    const payload = {
      incident: id,
      cluster,
      shard,
      address,
      reason: first?.reason ?? '',
      reporter: first?.reporter ?? '',
      at,
    };
    announcements.push({ id: `${id}-opened`, type: 'incident.opened', payload });
  }
  announcements.push(...transitions(incident, known));
  return announcements;
}

function closedAnnouncements(incident: ClosedIncident): Announcement[] {
  const { id, cluster, shard, address, outcome, durationMs, closedAt: at } = incident;
  // Earlier steps were announced when they happened; their ids make a repeat harmless.
  return [
    ...transitions(incident, Math.max(0, incident.history.length - 1)),
    {
      id: `${id}-closed`,
      type: 'incident.closed',
      payload: { incident: id, cluster, shard, address, outcome, durationMs, at },
    },
  ];
}

function transitions(incident: IncidentRecord, from: number): Announcement[] {
  return incident.history.slice(from).map((step, i) => {
    const previous = incident.history[from + i - 1];
    const { at, from: was, to, attempt, reason, by, operation } = step;
    return {
      id: `${incident.id}-${at}-${to}-${attempt}`,
      type: 'engine.status-changed' as const,
      payload: {
        cluster: incident.cluster,
        shard: incident.shard,
        address: incident.address,
        from: was,
        to,
        incident: incident.id,
        attempt,
        reason,
        by,
        operation,
        at,
        ...(previous === undefined ? {} : { durationMs: at - previous.at }),
        ...(incident.replacement === undefined ? {} : { replacement: incident.replacement.address }),
      },
    };
  });
}
