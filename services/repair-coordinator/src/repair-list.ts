import {
  type ConfigStore,
  healingPause,
  healingPauseKeys,
  holdSentence,
  type IncidentRecord,
  listRepairRecords,
  ownerKey,
  ownerSchema,
  parseRecord,
  type RepairRecord,
  vdisksOfCluster,
} from '@salvor/config-store';
import type { RepairStateInit } from '@salvor/contracts';

/** The repairs that open incidents wait for. */
export async function describeRepairs(
  store: ConfigStore,
  incidents: readonly IncidentRecord[],
  cluster: string | undefined,
): Promise<RepairStateInit[]> {
  const open = incidents.filter(
    (incident) =>
      (cluster === undefined || incident.cluster === cluster) &&
      (incident.status !== 'offline' || incident.hold?.kind === 'cancelled'),
  );
  return (await Promise.all(open.map((incident) => repairsOfIncident(store, incident)))).flat();
}

/** One for each vdisk with blocks on the engine, in the order of their ids. */
export async function repairsOfIncident(
  store: ConfigStore,
  incident: IncidentRecord,
): Promise<RepairStateInit[]> {
  const { id, attempt, cluster, shard, address, status, replacement } = incident;
  const { primary, slave } = await vdisksOfCluster(store, cluster);
  const records = new Map((await listRepairRecords(store, id, attempt)).map((one) => [one.vdisk, one]));
  const paused = healingPause((await store.getMany(healingPauseKeys(cluster))).entries, cluster);
  const about = {
    ...{ incident: id, attempt, cluster, shard, address, kind: status },
    ...(replacement === undefined ? {} : { replacement: replacement.address }),
  };
  const vdisks = [...new Set([...primary, ...slave])].sort();
  return Promise.all(
    vdisks.map(async (vdisk) => {
      const record = records.get(vdisk);
      if (record !== undefined) return { ...about, vdisk, ...repaired(record) };
      return { ...about, vdisk, ...(await waiting(store, incident, vdisk, paused)) };
    }),
  );
}

function repaired({ server, dirtyBlocks, copiedBlocks, repairMs }: RepairRecord): Progress {
  return { state: 'repaired', server, dirtyBlocks, copiedBlocks, repairMs, waitsFor: '' };
}

async function waiting(
  store: ConfigStore,
  incident: IncidentRecord,
  vdisk: string,
  paused: string | undefined,
): Promise<Progress> {
  const key = ownerKey(vdisk);
  const entry = await store.get(key);
  const owner = entry === null ? undefined : parseRecord(ownerSchema, key, entry.value).server;
  const server = owner === undefined ? {} : { server: owner };
  if (incident.hold !== undefined)
    return { ...server, state: 'cancelled', waitsFor: holdSentence(incident, incident.hold) };
  if (paused !== undefined) return { ...server, state: 'paused', waitsFor: paused };
  return owner === undefined
    ? {
        state: 'waiting',
        waitsFor: 'nobody owns it: an NBD server with SALVOR_REPAIR_IDLE takes it for its repair',
      }
    : { ...server, state: 'repairing', waitsFor: `${owner} owns it and copies` };
}

/** What is said of a repair, beside which one it is. */
type Progress = Pick<
  RepairStateInit,
  'state' | 'server' | 'dirtyBlocks' | 'copiedBlocks' | 'repairMs' | 'waitsFor'
>;
