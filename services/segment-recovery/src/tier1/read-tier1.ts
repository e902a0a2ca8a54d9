/** Reads everything that is left of Tier-1, and of Tier-2 what tells about it. */
import { type LogStreamPort, MAX_LOG_CONTAINERS } from '@salvor/bus';
import {
  type ConfigStore,
  ConfigValueError,
  parseKey,
  parseRecord,
  type StoreEntry,
  tlogConfigSchema,
} from '@salvor/config-store';
import { newestConfiguration } from '@salvor/tlog';
import { chooseConfiguration } from './choose-configuration.ts';
import { withOldOrder } from './old-incidents.ts';
import { readArchives } from './read-archives.ts';
import { type EngineAccess, readEngines } from './read-engines.ts';
import type { ReadOnlyStore } from './read-only-store.ts';
import { readEvents, readTails } from './read-streams.ts';
import type { EarlierBackup } from './tier1-backup.ts';
import type { EtcdSource, KeptConfiguration, Tier1Sources } from './tier1-sources.ts';

export interface ReadOptions {
  readonly store: ConfigStore;
  readonly streams: LogStreamPort;
  readonly tier2: ReadOnlyStore;
  readonly engines: EngineAccess;
  readonly replace: boolean;
  /** As {@link chooseConfiguration} takes it. */
  readonly choice: string | undefined;
  readonly asked: Tier1Sources['asked'];
  /** What an earlier process of the same operation had found. */
  readonly earlier: EarlierBackup | null;
  readonly signal: AbortSignal;
  readonly told: (message: string) => Promise<void>;
}

export interface ReadTier1 {
  readonly sources: Tier1Sources;
  readonly damage: readonly string[];
  /** Containers of the log that anything tells of. */
  readonly containers: number;
}

/** Looked for where nothing else tells of more. */
const CONTAINERS_LEAST = 4;

/** @throws LogError `store`; BusError; StoreError */
export async function readTier1(options: ReadOptions): Promise<ReadTier1> {
  const { store, streams, tier2, engines, replace, asked, earlier, signal, told } = options;
  await told('reads etcd and the configuration in Tier-2');
  const damaged: { path: string; revision: bigint | null; what: string }[] = [];
  const noticed = (path: string, what: string): void => {
    damaged.push({ path, revision: revisionIn(path), what });
  };
  const etcd = await readEtcd(store);
  const newest = await newestConfiguration(tier2, noticed);
  const { choice } = options;
  const chosen = choice === undefined ? newest : await chooseConfiguration(tier2, choice, noticed);
  const stored: KeptConfiguration | null = chosen && {
    ...chosen,
    revision: BigInt(chosen.revision),
    entries: withOldOrder(chosen, etcd.entries),
  };
  const configuration = earlier === null ? stored : earlier.configuration;
  let looked = 0;
  const { archives, damage } = await readArchives(tier2, signal, () =>
    told(`reads the logs in Tier-2: ${++looked} so far`),
  );
  const values = configurationsIn({ configuration, etcd });
  const containers = containersIn(
    values,
    [...archives.values()].flat().map(({ container }) => container),
  );
  await told(`reads what JetStream has of ${containers} containers`);
  const tails = await readTails(streams, containers, signal);
  const { events, epoch } = await readEvents(streams, signal);
  await told('asks the engines who wrote to them');
  const traces = await readEngines(values, engines, signal);
  return {
    sources: {
      ...{ configuration, damaged, etcd, archives, events, replace, asked },
      tails: tails.tails,
      // What an earlier process made is empty, not there.
      lostStreams: [
        ...new Set([
          ...(earlier?.lostStreams ?? []),
          ...tails.lostStreams,
          ...(events === null ? ['SALVOR_EVT'] : []),
        ]),
      ],
      eventEpoch: epoch,
      keptRevision: newest === null ? 0n : BigInt(newest.revision),
      engines: traces,
    },
    damage: [...damage, ...tier2.damage, ...tails.damage],
    containers,
  };
}

export async function readEtcd(store: ConfigStore): Promise<EtcdSource> {
  const { revision, entries } = await store.list('');
  return {
    revision: BigInt(revision),
    entries: new Map(entries.map((entry): [string, StoreEntry] => [entry.key, entry])),
  };
}

/** Every source of keys and values that there is. */
export function configurationsIn({
  configuration,
  etcd,
}: Pick<Tier1Sources, 'configuration' | 'etcd'>): ReadonlyMap<string, string>[] {
  return [
    configuration?.entries ?? new Map<string, string>(),
    new Map([...etcd.entries].map(([key, { value }]) => [key, value])),
  ];
}

function containersIn(values: readonly ReadonlyMap<string, string>[], archived: readonly number[]): number {
  const named = values.flatMap((entries) =>
    [...entries].flatMap(([key, value]) => {
      if (parseKey(key)?.kind !== 'tlog-config') return [];
      try {
        const { container, containers } = parseRecord(tlogConfigSchema, key, value);
        return [container + 1, containers];
      } catch (error) {
        if (error instanceof ConfigValueError) return [];
        throw error;
      }
    }),
  );
  return Math.min(
    MAX_LOG_CONTAINERS,
    Math.max(CONTAINERS_LEAST, ...named, ...archived.map((container) => container + 1)),
  );
}

function revisionIn(path: string): bigint | null {
  const digits = /(\d{16})-[0-9a-f]{16}\.json\.gz$/.exec(path)?.[1];
  return digits === undefined ? null : BigInt(digits);
}
