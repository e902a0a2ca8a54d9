import {
  type ConfigStore,
  type IncidentRecord,
  incidentKey,
  incidentSchema,
  parseRecord,
} from '@salvor/config-store';

/** Why an engine is not to be restarted now, by what etcd holds at this moment; null when nothing is in the way. */
export async function withheld(
  store: ConfigStore,
  incident: IncidentRecord,
  _now: number,
): Promise<string | null> {
  const { id, attempt, cluster, shard, address } = incident;
  const key = incidentKey(cluster, shard);
  const entry = await store.get(key);
  const current = entry === null ? null : parseRecord(incidentSchema, key, entry.value);
  if (current === null || current.id !== id || current.attempt !== attempt || current.status !== 'offline')
    return `the outage of ${address} has moved on`;
  if (current.verdict?.operator === true) return `${current.verdict.by} has judged ${address}`;
  if (current.rebuildBegun) return `${address} is being replaced`;
  return null;
}
