/** Who wrote to the engines: they normally survive, and refuse owners with lower epochs. */

import {
  ConfigValueError,
  clusterStorageKey,
  parseClusterStorage,
  parseKey,
  parseRecord,
  salvorClusterSchema,
} from '@salvor/config-store';
import { messageOf } from '@salvor/service-kit';
import type { EngineLogin } from '@salvor/vdisk';
import { EngineError, EngineReader, engineTraces, memberHistories } from '@salvor/vdisk';
import type { EngineTrace } from './tier1-sources.ts';

export interface EngineAccess {
  readonly login: EngineLogin | undefined;
  readonly timeoutMs: number;
}

interface Place {
  readonly address: string;
  readonly db: number;
  readonly cluster: string;
  readonly shard: number | null;
}

/** Keys of an engine that are looked at: what is beyond is said to be unknown. */
const KEYS_MAX = 200_000;
const AT_ONCE = 8;

/** @param values of the configuration, by key: every source that there is */
export async function readEngines(
  values: readonly ReadonlyMap<string, string>[],
  access: EngineAccess,
  signal: AbortSignal,
): Promise<EngineTrace[]> {
  const places = new Map<string, Place>();
  const vdisks = new Set<string>();
  for (const entries of values)
    for (const [key, value] of entries) {
      const about = parseKey(key);
      if (about?.kind === 'vdisk-static') vdisks.add(about.vdisk);
      for (const place of placesIn(key, value)) places.set(`${place.address}/${place.db}`, place);
    }
  const due = [...places.values()];
  const traces: EngineTrace[] = [];
  const hand = async (): Promise<void> => {
    for (let place = due.shift(); place !== undefined; place = due.shift()) {
      signal.throwIfAborted();
      traces.push(await traceOf(place, [...vdisks], access));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, hand));
  // Only what is true both times is no moment of a write that is on its way.
  const again = traces.map((trace) => askedAgain(trace, access));
  return (await Promise.all(again)).sort((a, b) => (a.address < b.address ? -1 : 1));
}

function placesIn(key: string, value: string): Place[] {
  const about = parseKey(key);
  try {
    if (about?.kind === 'cluster-storage' && key === clusterStorageKey(about.cluster))
      return parseClusterStorage(value).servers.flatMap(({ address, db, status, replacement }, shard) => {
        const { cluster } = about;
        if (status === 'rip') return [];
        const spare =
          replacement === undefined
            ? []
            : [{ address: replacement.address, db: replacement.db, cluster, shard }];
        return [{ address, db, cluster, shard }, ...spare];
      });
    if (about?.kind !== 'salvor-cluster') return [];
    const { spares } = parseRecord(salvorClusterSchema, key, value);
    return spares.map(({ address, db }) => ({ address, db, cluster: about.cluster, shard: null }));
  } catch (error) {
    // It is told where the cluster is decided.
    if (error instanceof ConfigValueError) return [];
    throw error;
  }
}

async function traceOf(
  place: Place,
  vdisks: readonly string[],
  { login, timeoutMs }: EngineAccess,
): Promise<EngineTrace> {
  const { address, db, cluster, shard } = place;
  try {
    using reader = await EngineReader.open({ address, db, login, timeoutMs }, null);
    return { address, db, cluster, shard, trouble: null, ...(await engineTraces(reader, vdisks, KEYS_MAX)) };
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    return silent(place, messageOf(error));
  }
}

async function askedAgain(trace: EngineTrace, { login, timeoutMs }: EngineAccess): Promise<EngineTrace> {
  if (trace.trouble !== null) return trace;
  const { address, db, epochs, histories = new Map<string, never>() } = trace;
  try {
    using reader = await EngineReader.open({ address, db, login, timeoutMs }, null);
    const vdisks = [...new Set([...epochs.keys(), ...histories.keys()])];
    return { ...trace, later: await memberHistories(reader, vdisks) };
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    return { ...trace, ...silent(trace, messageOf(error)), epochs };
  }
}

function silent({ address, db, cluster, shard }: Place, trouble: string): EngineTrace {
  return {
    ...{ address, db, cluster, shard, trouble },
    ...{ identity: null, epochs: new Map(), isComplete: false },
  };
}
