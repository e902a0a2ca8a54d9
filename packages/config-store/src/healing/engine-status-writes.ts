/** What a decision about an engine writes, and the mark by which a repeat of its operation is known. */
import { formatClusterStorage } from '../cluster-storage.ts';
import { closedIncidentKey, clusterStorageKey, incidentKey, ownerKey, salvorClusterKey } from '../keys.ts';
import type { ConfigStore, Put } from '../types.ts';
import type { ClusterState } from './cluster-state.ts';
import { type EngineStatusDecision, type EngineStatusInput, refused } from './engine-status-decision.ts';
import type { EngineStatusChangedPayload, HealingEvent } from './healing-events.ts';
import { canonicalRequest, markOf, repeatOf, reusedReason } from './operation-mark.ts';
import { formatRecord } from './record-text.ts';
import {
  closedIncidentSchema,
  type IncidentRecord,
  incidentSchema,
  type OperationRecord,
  salvorClusterSchema,
} from './records.ts';
import { withStoredRevision } from './step-revision.ts';

/** Owner keys that one transaction compares, or deletes. */
export const ownersComparedMax = 48;

/** What is to be written, put into words only when it is: of several writes of one key in a transaction the last one counts. */
export interface Write {
  readonly key: string;
  readonly text: () => string;
}

export function toPut({ key, text }: Write): Put {
  return { key, value: text() };
}

/** @param stored what etcd holds, when `state` is what earlier writes of the same transaction make of it */
export function writesOf(
  { state, stored = state }: { readonly state: ClusterState; readonly stored?: ClusterState },
  {
    next,
    closed,
    partnerClosed,
    shard,
    outcome,
    code,
    reason,
    incident,
    effects,
    remounted,
  }: EngineStatusDecision,
  input: EngineStatusInput,
  operation: string,
): { writes: Write[]; deletes: string[] } {
  const writes: Write[] = [];
  const deletes: string[] = [];
  if (next === undefined) return { writes, deletes };
  const noted = (open: IncidentRecord): IncidentRecord =>
    withStoredRevision(open, stored.incidents.get(open.shard), stored.recorded?.get(open.shard)?.changedIn);
  const { cluster } = next;
  deletes.push(...(remounted ?? []).slice(0, ownersComparedMax).map(ownerKey));
  const put = (key: string, text: () => string): void => {
    writes.push({ key, text });
  };
  if (outcome === 'applied') {
    put(salvorClusterKey(cluster), () =>
      formatRecord(salvorClusterSchema, salvorClusterKey(cluster), next.record),
    );
  }
  if (next.storage !== state.storage)
    put(clusterStorageKey(cluster), () => formatClusterStorage(next.storage));
  if (shard !== undefined) {
    const open = next.incidents.get(shard);
    const key = incidentKey(cluster, shard);
    if (open !== undefined) put(key, () => formatRecord(incidentSchema, key, noted(open)));
    else if (state.incidents.has(shard)) deletes.push(key);
  }
  if (closed !== undefined) {
    const closedKey = closedIncidentKey(closed.id);
    put(closedKey, () => formatRecord(closedIncidentSchema, closedKey, closed));
  }
  const other = next.partner;
  if (other !== undefined && other.storage !== state.partner?.storage) {
    put(clusterStorageKey(other.cluster), () => formatClusterStorage(other.storage));
    if (
      shard !== undefined &&
      state.partner?.incidents?.has(shard) === true &&
      other.incidents?.has(shard) !== true
    )
      deletes.push(incidentKey(other.cluster, shard));
  }
  if (partnerClosed !== undefined) {
    const closedKey = closedIncidentKey(partnerClosed.id);
    put(closedKey, () => formatRecord(closedIncidentSchema, closedKey, partnerClosed));
  }
  const otherRecord = other?.record;
  if (other !== undefined && otherRecord !== undefined && otherRecord !== state.partner?.record) {
    const otherKey = salvorClusterKey(other.cluster);
    put(otherKey, () => formatRecord(salvorClusterSchema, otherKey, otherRecord));
  }
  // What waits has not had its effect: the same operation may finish it.
  const waits = code === 'waiting-for-spare' || code === 'waiting-for-source' || code === 'spread-hindered';
  if (outcome === 'applied' && !waits) {
    const status = code === 'spare-retired' ? 'retired' : (lastTransition(effects)?.to ?? incident?.status);
    const mark = markOf({
      operation,
      kind: `engine-status.${input.kind}`,
      request: requestOf(input),
      outcome: 'applied',
      reason,
      answer: {
        cluster,
        shard,
        incident: incident?.id,
        attempt: incident?.attempt,
        status,
        replacement: incident?.replacement?.address,
      },
      at: next.record.updatedAt,
    });
    put(mark.key, () => mark.value);
  }
  return { writes, deletes };
}

export function repeated(
  mark: OperationRecord | undefined,
  input: EngineStatusInput,
): EngineStatusDecision | undefined {
  const repeat = repeatOf(mark ?? null, requestOf(input));
  if (mark === undefined || repeat === 'first') return undefined;
  if (repeat === 'reused') return refused('operation-reused', reusedReason(mark));
  return {
    outcome: 'already',
    code: 'same-operation',
    reason: `applied before: ${mark.reason}`,
    effects: [],
  };
}

function requestOf(input: EngineStatusInput): string {
  switch (input.kind) {
    case 'failure-reported':
      return canonicalRequest(input.kind, { address: input.address });
    case 'verdict': {
      const { verdict } = input;
      const about =
        input.operator === true
          ? { address: input.address }
          : { incident: input.incident, attempt: input.attempt };
      return canonicalRequest(input.kind, { ...about, verdict });
    }
    case 'spread':
    case 'repairs-complete':
    case 'writes-lost':
      return canonicalRequest(input.kind, { incident: input.incident, attempt: input.attempt });
    case 'take-offline':
      return canonicalRequest(input.kind, { address: input.address });
    case 'bring-online':
      return canonicalRequest(input.kind, {
        address: input.address,
        accepts: input.accepts === undefined ? undefined : true,
      });
    case 'retire':
      return canonicalRequest(input.kind, { address: input.address, onto: input.onto?.address });
    case 'acknowledge':
    case 'cancel-repair':
      return canonicalRequest(input.kind, { incident: input.incident });
    case 'retry-repair':
      return canonicalRequest(input.kind, {
        ...{ incident: input.incident, vdisk: input.vdisk },
        resumes: input.resumes === true ? true : undefined,
      });
  }
}

export function lastTransition(effects: readonly HealingEvent[]): EngineStatusChangedPayload | undefined {
  return effects.findLast((event) => event.type === 'engine.status-changed')?.payload;
}

/** Those that one transaction has no room for end before it: mounted anew, they find no member that serves yet. */
export async function endOwners(store: ConfigStore, vdisks: readonly string[]): Promise<void> {
  for (let at = 0; at < vdisks.length; at += ownersComparedMax) {
    const deletes = vdisks.slice(at, at + ownersComparedMax).map(ownerKey);
    await store.transact({ compare: [], deletes });
  }
}
