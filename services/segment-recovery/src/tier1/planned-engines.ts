/** The engines and pairs of a plan, with what was heard from each. Pure. */
import {
  ConfigValueError,
  clusterStorageKey,
  type IncidentRecord,
  incidentKey,
  parseClusterStorage,
  parseVdiskNbd,
  type ServerEntry,
  stateOfStatus,
  vdiskNbdKey,
} from '@salvor/config-store';
import type { PlannedGroup } from './decide-recovery.ts';
import { takenBy } from './recovery-incidents.ts';
import type { EngineTrace } from './tier1-sources.ts';

export interface PlannedPlace {
  readonly cluster: string;
  readonly shard: number;
  /** Of an engine that was taken offline by a recovery that has not ended: as it was online before. */
  readonly entry: ServerEntry;
  /** The incident of that. */
  readonly taken: IncidentRecord | null;
}

/** Two engines that hold the same blocks. Pairs that were given up are none. */
export interface PlannedPair {
  readonly primary: PlannedPlace;
  readonly slave: PlannedPlace;
  /** Of the primary and of the slave; undefined: it was not looked for. */
  readonly traces: readonly [EngineTrace | undefined, EngineTrace | undefined];
  readonly vdisks: readonly string[];
}

export interface PlannedEngines {
  readonly places: readonly PlannedPlace[];
  readonly pairs: readonly PlannedPair[];
  readonly traces: readonly EngineTrace[];
}

export type GroupsOfKeys = readonly Pick<PlannedGroup, 'kind' | 'name' | 'keys'>[];

/** @param since as in `RecoveryAsked` */
export function plannedEngines(
  groups: GroupsOfKeys,
  traces: readonly EngineTrace[],
  since: number | null,
): PlannedEngines {
  const values = new Map(
    groups.flatMap(({ keys }) =>
      keys.flatMap(({ key, value }) => (value === null ? [] : [[key, value] as const])),
    ),
  );
  const places = new Map<string, PlannedPlace[]>();
  for (const { kind, name } of groups)
    if (kind === 'cluster')
      places.set(
        name,
        serversIn(values.get(clusterStorageKey(name))).map((entry, shard) =>
          asBefore({ cluster: name, shard, entry }, values.get(incidentKey(name, shard)), since),
        ),
      );
  const traceOf = ({ entry: { address, db } }: PlannedPlace): EngineTrace | undefined =>
    traces.find((one) => one.address === address && one.db === db);
  const pairs = new Map<string, Omit<PlannedPair, 'vdisks'> & { vdisks: string[] }>();
  for (const { kind, name } of groups) {
    const nbd = kind === 'vdisk' ? values.get(vdiskNbdKey(name)) : undefined;
    const clusters = nbd === undefined ? null : clustersIn(nbd);
    if (clusters === null) continue;
    const slaves = places.get(clusters.slave) ?? [];
    (places.get(clusters.primary) ?? []).forEach((primary, shard) => {
      const slave = slaves[shard];
      if (slave === undefined || primary.entry.status === 'rip' || slave.entry.status === 'rip') return;
      const id = `${clusters.primary} ${clusters.slave} ${shard}`;
      const known = pairs.get(id);
      if (known !== undefined) known.vdisks.push(name);
      else
        pairs.set(id, {
          primary,
          slave,
          traces: [traceOf(primary), traceOf(slave)] as const,
          vdisks: [name],
        });
    });
  }
  return { places: [...places.values()].flat(), pairs: [...pairs.values()], traces };
}

function asBefore(
  place: Omit<PlannedPlace, 'taken'>,
  incident: string | undefined,
  since: number | null,
): PlannedPlace {
  const taken = takenBy(place, incident, since);
  if (taken === null) return { ...place, taken };
  return { ...place, entry: { ...place.entry, status: 'online', state: stateOfStatus.online }, taken };
}

function serversIn(value: string | undefined): readonly ServerEntry[] {
  return value === undefined ? [] : (orNull(() => parseClusterStorage(value).servers) ?? []);
}

function clustersIn(nbd: string): { primary: string; slave: string } | null {
  const found = orNull(() => parseVdiskNbd(nbd));
  return found === null || found.slaveStorageClusterID === ''
    ? null
    : { primary: found.storageClusterID, slave: found.slaveStorageClusterID };
}

/** What cannot be read is told where it is decided. */
function orNull<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof ConfigValueError) return null;
    throw error;
  }
}
