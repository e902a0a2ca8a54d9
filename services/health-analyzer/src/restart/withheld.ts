import {
  type ConfigStore,
  downtimeOf,
  healingClusterKey,
  healingControlsSchema,
  healingEverywhereKey,
  type IncidentRecord,
  incidentKey,
  incidentSchema,
  recordIn,
} from '@salvor/config-store';

/**
 * Why an engine is not to be restarted now, by what etcd holds at this moment; null when nothing is in the way.
 *
 * @throws ConfigValueError when a record cannot be read: it may be a pause
 */
export async function withheld(
  store: ConfigStore,
  { id, attempt, cluster, shard, address }: IncidentRecord,
  nowMs: number,
): Promise<string | null> {
  const keys = [incidentKey(cluster, shard), healingEverywhereKey, healingClusterKey(cluster)] as const;
  const { entries } = await store.getMany(keys);
  const [incident, everywhere, own] = [
    recordIn(entries, keys[0], incidentSchema),
    recordIn(entries, keys[1], healingControlsSchema),
    recordIn(entries, keys[2], healingControlsSchema),
  ];
  if (incident?.id !== id || incident.attempt !== attempt || incident.status !== 'offline')
    return `the outage of ${address} has moved on`;
  if (incident.verdict?.operator === true) return `${incident.verdict.by} has judged ${address}`;
  if (incident.rebuildBegun) return `${address} is being replaced`;
  if (incident.hold !== undefined) return `${address} is held offline: ${incident.hold.reason}`;
  const pause = everywhere?.pause ?? own?.pause;
  if (pause !== undefined) return `${pause.by} has paused healing: ${pause.reason}`;
  const downtime = downtimeOf(own?.downtimes ?? [], address, nowMs);
  return downtime === undefined ? null : `${downtime.by} announced a downtime: ${downtime.reason}`;
}
