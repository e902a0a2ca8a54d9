import {
  ALERTS_PREFIX,
  AVAILABLE_AGAIN_PREFIX,
  alertSchema,
  availableAgainSchema,
  type Change,
  CLOSED_INCIDENTS_PREFIX,
  type ClosedIncident,
  closedIncidentSchema,
  INCIDENTS_PREFIX,
  INSTANCES_PREFIX,
  type IncidentRecord,
  incidentSchema,
  instanceSchema,
  OPERATIONS_PREFIX,
  operationSchema,
  parseKey,
  parseRecord,
  RECOVERIES_PREFIX,
  recoverySchema,
  SALVOR_CLUSTERS_PREFIX,
  type StoreEntry,
  salvorClusterSchema,
  UNAVAILABLE_PREFIX,
  unavailableShardSchema,
} from '@salvor/config-store';
import type { EventInits, EventType } from '@salvor/contracts';
import type { z } from 'zod';

/** An event that tells what etcd holds. The id follows from the content, so every coordinator announces it under the same one. */
export type Announcement = {
  [T in EventType]: { readonly id: string; readonly type: T; readonly payload: EventInits[T] };
}[EventType];

/** The keys whose changes are announced. */
export const announcedPrefixes = [
  INCIDENTS_PREFIX,
  CLOSED_INCIDENTS_PREFIX,
  SALVOR_CLUSTERS_PREFIX,
  OPERATIONS_PREFIX,
  UNAVAILABLE_PREFIX,
  AVAILABLE_AGAIN_PREFIX,
  ALERTS_PREFIX,
  INSTANCES_PREFIX,
  RECOVERIES_PREFIX,
] as const;

/** Incidents remembered, open and ended, so that nothing is told twice by one announcer. */
const REMEMBERED_INCIDENTS_MAX = 1_024;

/**
 * What a change of one key means to the world. Derived from what is stored, not from who stored it: so a transition is
 * announced even when whoever made it died right after, and when several changes were seen as one.
 */
export class Announcements {
  /** Open incidents as last seen: the key of one that ends may be gone before its end is seen. */
  readonly #open = new Map<string, IncidentRecord>();
  /** Ended ones: what is seen late of an incident, its end has told already. */
  readonly #ended = new Set<string>();

  of({ key, entry, previous }: Pick<Change, 'key' | 'entry' | 'previous'>): Announcement[] {
    const about = parseKey(key);
    if (entry === null || about === null) return [];
    switch (about.kind) {
      case 'incident': {
        const incident = parseRecord(incidentSchema, key, entry.value);
        if (this.#ended.has(incident.id)) return [];
        const before = this.#open.get(incident.id);
        this.#remember(incident);
        return incidentAnnouncements(incident, before);
      }
      case 'closed-incident': {
        if (previous !== null) return [];
        const incident = parseRecord(closedIncidentSchema, key, entry.value);
        const before = this.#open.get(incident.id);
        this.#open.delete(incident.id);
        this.#ended.add(incident.id);
        forgetOldest(this.#ended);
        return [
          ...incidentAnnouncements(incident, before),
          ...survivorAnnouncements(incident),
          closedAnnouncement(incident),
        ];
      }
      case 'salvor-cluster':
        return clusterAnnouncements(about.cluster, { key, entry, previous });
      case 'operation':
        return operationAnnouncements(key, entry.value);
      case 'instance':
        return instanceAnnouncements({ key, entry, previous });
      case 'alert':
        return alertAnnouncements({ key, entry, previous });
      case 'unavailable':
        return unavailableAnnouncements({ key, entry, previous });
      case 'available-again':
        return availableAnnouncements({ key, entry, previous });
      case 'recovery':
        return recoveryAnnouncements({ key, entry, previous });
      default:
        return [];
    }
  }

  #remember(incident: IncidentRecord): void {
    this.#open.delete(incident.id);
    this.#open.set(incident.id, incident);
    forgetOldest(this.#open);
  }
}

function forgetOldest(remembered: Map<string, unknown> | Set<string>): void {
  const [oldest] = remembered.keys();
  if (remembered.size > REMEMBERED_INCIDENTS_MAX && oldest !== undefined) remembered.delete(oldest);
}

function clusterAnnouncements(
  cluster: string,
  { key, entry, previous }: Pick<Change, 'key' | 'entry' | 'previous'>,
): Announcement[] {
  if (entry === null) return [];
  const before = readableBefore(salvorClusterSchema, previous);
  const { status: to, changed, updatedAt, reason: why } = parseRecord(salvorClusterSchema, key, entry.value);
  // Written by an admission, or by an earlier version: only who saw the status before knows of a change.
  const change =
    changed?.to === to
      ? changed
      : before === null || before.status === to
        ? null
        : { from: before.status, at: updatedAt };
  if (change === null || (before?.status === to && before.changed?.at === change.at)) return [];
  const { from, at } = change;
  const reason = why ?? `the cluster went from ${from} to ${to}`;
  const payload = { cluster, from, to, reason, at };
  return [{ id: `${cluster}-${at}-${from}-${to}`, type: 'cluster.status-changed', payload }];
}

/** Of an operation that goes on after its command was answered: each stored step of it, and its end. */
function operationAnnouncements(key: string, value: string): Announcement[] {
  const { operation, kind, at: begunAt, work } = parseRecord(operationSchema, key, value);
  if (work === undefined) return [];
  const { status, message, done, total, updatedAt: at } = work;
  const basics = { operation, kind, message, at };
  if (status === 'running') {
    const steps = { ...(done === undefined ? {} : { done }), ...(total === undefined ? {} : { total }) };
    return [
      { id: `${operation}-${at}-progress`, type: 'operation.progress', payload: { ...basics, ...steps } },
    ];
  }
  if (status === 'completed') {
    const payload = { ...basics, durationMs: Math.max(0, at - begunAt) };
    return [{ id: `${operation}-completed`, type: 'operation.completed', payload }];
  }
  const payload = { ...basics, code: status === 'cancelled' ? 'cancelled' : (work.code ?? 'failed') };
  return [{ id: `${operation}-failed`, type: 'operation.failed', payload }];
}

/** That it was raised, also when it is seen cleared already; and that it was cleared. */
function alertAnnouncements({
  key,
  entry,
  previous,
}: Pick<Change, 'key' | 'entry' | 'previous'>): Announcement[] {
  if (entry === null) return [];
  const { raisedAt, clearedAt, since, ...record } = parseRecord(alertSchema, key, entry.value);
  const { alert, kind, subject, message, incident, cluster, vdisk } = record;
  const about = {
    ...{ alert, kind, subject, message },
    ...(incident === undefined ? {} : { incident }),
    ...(cluster === undefined ? {} : { cluster }),
    ...(vdisk === undefined ? {} : { vdisk }),
  };
  const before = readableBefore(alertSchema, previous);
  const told: Announcement[] = [];
  if (before?.raisedAt !== raisedAt)
    told.push({
      id: `${alert}-${raisedAt}-raised`,
      type: 'alert.raised',
      payload: { ...about, since, at: raisedAt },
    });
  if (clearedAt !== undefined && (before?.raisedAt !== raisedAt || before.clearedAt === undefined))
    told.push({
      id: `${alert}-${raisedAt}-cleared`,
      type: 'alert.cleared',
      payload: { ...about, durationMs: clearedAt - raisedAt, at: clearedAt },
    });
  return told;
}

/** The last change of its status; of earlier ones the hook runs tell. */
function instanceAnnouncements({
  key,
  entry,
  previous,
}: Pick<Change, 'key' | 'entry' | 'previous'>): Announcement[] {
  if (entry === null) return [];
  const { instance, changed, reason, cause } = parseRecord(instanceSchema, key, entry.value);
  const before = readableBefore(instanceSchema, previous)?.changed;
  if (changed === undefined || (before?.at === changed.at && before.to === changed.to)) return [];
  const { from, to, at } = changed;
  const incident = cause?.incident === undefined ? {} : { incident: cause.incident };
  const payload = { instance, from, to, reason, ...incident, at };
  return [{ id: `${instance}-${at}-${to}`, type: 'instance.status-changed', payload }];
}

/** Each change of its status that was not seen before. */
function recoveryAnnouncements({
  key,
  entry,
  previous,
}: Pick<Change, 'key' | 'entry' | 'previous'>): Announcement[] {
  if (entry === null) return [];
  const { id: recovery, cluster, history, pairs, vdisks } = parseRecord(recoverySchema, key, entry.value);
  const before = readableBefore(recoverySchema, previous);
  const stepText = (of: string, { at, to }: (typeof history)[number]) => `${of}-${at}-${to}`;
  const told = new Set(before?.history.map((step) => stepText(before.id, step)));
  return history
    .filter((step) => !told.has(stepText(recovery, step)))
    .map((step) => ({
      id: stepText(recovery, step),
      type: 'recovery.status-changed' as const,
      payload: {
        ...{ recovery, cluster, to: step.to, reason: step.reason, by: step.by, operation: step.operation },
        ...(step.from === undefined ? {} : { from: step.from }),
        pairs: pairs.map(({ shard }) => shard),
        vdisks: vdisks.length,
        unrecoverable: vdisks.filter(({ recoverable }) => recoverable !== 'all').length,
        at: step.at,
      },
    }));
}

/** One for each vdisk and outage: a statement that is made again, with other counts, is not told again. */
function unavailableAnnouncements({
  key,
  entry,
  previous,
}: Pick<Change, 'key' | 'entry' | 'previous'>): Announcement[] {
  if (entry === null) return [];
  const now = parseRecord(unavailableShardSchema, key, entry.value);
  const before = readableBefore(unavailableShardSchema, previous);
  const told = new Set(before?.since === now.since ? before.vdisks.map(({ vdisk }) => vdisk) : []);
  const { cluster, shard, reason, since: at, incidents } = now;
  const [incident] = incidents;
  const left = new Set(now.vdisks.map(({ vdisk }) => vdisk));
  // Where several slave clusters share a primary, one of them may be back before the others.
  const back = [...told]
    .filter((vdisk) => !left.has(vdisk))
    .map((vdisk) => ({
      id: `${cluster}-${shard}-${now.updatedAt}-${vdisk}-available`,
      type: 'vdisk.data-available' as const,
      payload: {
        ...{ vdisk, cluster, shard, server: 'repair-coordinator', since: at, at: now.updatedAt },
        reason: `shard ${shard} has a live member for it again`,
      },
    }));
  const dark = now.vdisks
    .filter(({ vdisk }) => !told.has(vdisk))
    .map(({ vdisk, blocks, counted, detail }) => ({
      id: `${cluster}-${shard}-${at}-${vdisk}-unavailable`,
      type: 'vdisk.data-unavailable' as const,
      payload: {
        ...{ vdisk, cluster, shard, reason, server: 'repair-coordinator', blocks, counted, detail },
        ...(incident === undefined ? {} : { incident }),
        at,
      },
    }));
  return [...dark, ...back];
}

/** The end of each of those: the record is written once for each end. */
function availableAnnouncements({
  key,
  entry,
  previous,
}: Pick<Change, 'key' | 'entry' | 'previous'>): Announcement[] {
  if (entry === null) return [];
  const now = parseRecord(availableAgainSchema, key, entry.value);
  if (readableBefore(availableAgainSchema, previous)?.at === now.at) return [];
  const { cluster, shard, since, at, reason, incident, vdisks } = now;
  return vdisks.map((vdisk) => ({
    id: `${cluster}-${shard}-${at}-${vdisk}-available`,
    type: 'vdisk.data-available' as const,
    payload: {
      ...{ vdisk, cluster, shard, reason, server: 'repair-coordinator', since, at },
      ...(incident === undefined ? {} : { incident }),
    },
  }));
}

/** What was seen before; null when that told nothing. A bad record must not hide the good one that follows it. */
function readableBefore<S extends z.ZodType>(schema: S, previous: StoreEntry | null): z.output<S> | null {
  if (previous === null) return null;
  try {
    return parseRecord(schema, previous.key, previous.value);
  } catch {
    return null;
  }
}

function incidentAnnouncements(incident: IncidentRecord, before: IncidentRecord | undefined): Announcement[] {
  const announcements: Announcement[] = [];
  if (before === undefined) {
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
  // Not by counting: a long history keeps its length and drops its middle.
  const told = new Set(before?.history.map((step) => stepId(incident, step)));
  announcements.push(...transitions(incident).filter(({ id }) => !told.has(id)));
  return announcements;
}

/** The member that was left of a pair goes with the other one; where it had an incident of its own, that tells it. */
function survivorAnnouncements(incident: ClosedIncident): Announcement[] {
  const { id, shard, attempt, survivor, outcome, closedAt: at, history } = incident;
  if (outcome !== 'spread' || survivor === undefined || survivor.failed === true) return [];
  const { cluster, address } = survivor;
  const { reason = '', by = '', operation = '' } = history.at(-1) ?? {};
  const payload = {
    ...{ cluster, shard, address, from: 'online', to: 'rip', incident: id, attempt },
    ...{ reason, by, operation, at },
  };
  return [{ id: `${id}-${at}-survivor`, type: 'engine.status-changed', payload }];
}

function closedAnnouncement(incident: ClosedIncident): Announcement {
  const { id, cluster, shard, address, outcome, durationMs, closedAt: at } = incident;
  return {
    id: `${id}-closed`,
    type: 'incident.closed',
    payload: { incident: id, cluster, shard, address, outcome, durationMs, at },
  };
}

function transitions(incident: IncidentRecord): Announcement[] {
  return incident.history.map((step, index) => {
    const previous = incident.history[index - 1];
    const { at, from: was, to, attempt, reason, by, operation } = step;
    // A spare belongs to the steps of its own attempt.
    const isRebuild = [was, to].includes('repair-final-outage') && attempt === incident.attempt;
    const replacement = isRebuild ? incident.replacement?.address : undefined;
    return {
      id: stepId(incident, step),
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
        ...(replacement === undefined ? {} : { replacement }),
      },
    };
  });
}

function stepId({ id }: IncidentRecord, { at, to, attempt }: IncidentRecord['history'][number]): string {
  return `${id}-${at}-${to}-${attempt}`;
}
