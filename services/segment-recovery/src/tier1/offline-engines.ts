/** Writes stale engines offline, each with an incident of its own, and says what their clusters are then. Pure. */
import {
  ConfigValueError,
  clusterStorageKey,
  formatClusterStorage,
  formatRecord,
  incidentKey,
  incidentSchema,
  judgeClusterRecord,
  parseClusterStorage,
  parseRecord,
  type SalvorClusterRecord,
  type ServerEntry,
  type StoreEntry,
  salvorClusterKey,
  salvorClusterSchema,
  stateOfStatus,
} from '@salvor/config-store';
import { deduced, type KeyDecision, writes } from './decide-key.ts';
import type { PlannedGroup } from './decide-recovery.ts';
import type { StaleEngine } from './decide-stale.ts';
import { identityIn } from './engine-identity.ts';
import { incidentOf } from './recovery-incidents.ts';
import type { EngineTrace, Tier1Sources } from './tier1-sources.ts';

/** @returns the groups as they are to be written */
export function withOffline(
  groups: readonly PlannedGroup[],
  stale: readonly StaleEngine[],
  { asked, engines, etcd }: Pick<Tier1Sources, 'asked' | 'engines' | 'etcd'>,
): PlannedGroup[] {
  const foundIn = (key: string): StoreEntry | undefined => etcd.entries.get(key);
  const offline = groups.map((group): PlannedGroup => {
    const own = group.kind === 'cluster' ? stale.filter(({ cluster }) => cluster === group.name) : [];
    const key = clusterStorageKey(group.name);
    const storage = valueIn(group.keys, key);
    if (own.length === 0 || storage === null) return group;
    const { servers, ...more } = parseClusterStorage(storage);
    const entries = [...servers];
    for (const { shard, entry } of own)
      entries[shard] = { ...entry, status: 'offline', state: stateOfStatus.offline };
    const value = formatClusterStorage({ ...more, servers: entries });
    let keys = withValue(group.keys, key, value, foundIn(key), 'its partner or itself says it is stale');
    for (const one of own) {
      const at = incidentKey(one.cluster, one.shard);
      const incident = formatRecord(incidentSchema, at, incidentOf(one, asked));
      keys = withValue(keys, at, incident, foundIn(at), one.why);
    }
    return { ...group, keys };
  });
  return offline.map((group) => fitted(group, offline, asked, engines, foundIn));
}

/** Engines that serve or are filled, and those that say they took a place over: no spare of them is to be filled anew. */
function takenEngines(
  cluster: string,
  servers: readonly ServerEntry[],
  engines: readonly EngineTrace[],
): ReadonlySet<string> {
  const inPlace = servers.flatMap(({ address, db, replacement }) => [
    engineId({ address, db }),
    ...(replacement === undefined ? [] : [engineId(replacement)]),
  ]);
  const later = engines.filter(({ identity }) => {
    const found = identity === null ? null : identityIn(identity);
    return found?.cluster === cluster && found.generation > (servers[found.shard]?.generation ?? 0);
  });
  return new Set([...inPlace, ...later.map(engineId)]);
}

function engineId({ address, db }: { readonly address: string; readonly db: number }): string {
  return `${address}/${db}`;
}

/** The status of a cluster follows from its engines and those of its partner, and a spare that holds blocks is none. */
function fitted(
  group: PlannedGroup,
  groups: readonly PlannedGroup[],
  { operation, at }: Tier1Sources['asked'],
  engines: readonly EngineTrace[],
  foundIn: (key: string) => StoreEntry | undefined,
): PlannedGroup {
  const key = salvorClusterKey(group.name);
  const value = group.kind === 'cluster' && group.keys.some(writes) ? valueIn(group.keys, key) : null;
  const servers = serversOf(groups, group.name);
  if (value === null || servers === null) return group;
  const record = recordOf(key, value);
  if (record === null) return group;
  const taken = takenEngines(group.name, servers, engines);
  const spares = record.spares.filter((spare) => !taken.has(engineId(spare)));
  const partner = record.partner === undefined ? null : serversOf(groups, record.partner);
  const { status, reason } = judgeClusterRecord(record, servers, partner ?? undefined);
  if (status === record.status && spares.length === record.spares.length) return group;
  const changed = status === record.status ? {} : { changed: { from: record.status, to: status, at } };
  const next = { ...record, spares, status, reason, ...changed, updatedAt: at, operation };
  const text = formatRecord(salvorClusterSchema, key, next);
  return {
    ...group,
    keys: withValue(
      group.keys,
      key,
      text,
      foundIn(key),
      'it follows from its engines and those of its partner',
    ),
  };
}

function serversOf(groups: readonly PlannedGroup[], cluster: string): readonly ServerEntry[] | null {
  const group = groups.find(({ kind, name }) => kind === 'cluster' && name === cluster);
  const value = group === undefined ? null : valueIn(group.keys, clusterStorageKey(cluster));
  if (value === null) return null;
  try {
    return parseClusterStorage(value).servers;
  } catch (error) {
    if (error instanceof ConfigValueError) return null;
    throw error;
  }
}

function recordOf(key: string, value: string): SalvorClusterRecord | null {
  try {
    return parseRecord(salvorClusterSchema, key, value);
  } catch (error) {
    // Whoever reads it refuses it.
    if (error instanceof ConfigValueError) return null;
    throw error;
  }
}

function valueIn(keys: readonly KeyDecision[], key: string): string | null {
  return keys.find((one) => one.key === key)?.value ?? null;
}

function withValue(
  keys: readonly KeyDecision[],
  key: string,
  value: string,
  found: StoreEntry | undefined,
  why: string,
): KeyDecision[] {
  const none: KeyDecision = {
    ...{ key, action: 'put', value: null, found: found?.revision ?? null },
    fact: { fact: key, value: null, from: [], certainty: 'deduced' },
  };
  const before = keys.find((one) => one.key === key) ?? none;
  const written = deduced(before, value, ['engines'], why);
  const decided: KeyDecision = found?.value === value ? { ...written, action: 'kept' } : written;
  return keys.some((one) => one.key === key)
    ? keys.map((one) => (one.key === key ? decided : one))
    : [...keys, decided];
}
