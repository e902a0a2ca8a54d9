/** The keys of a vdisk, and how far its log is. Pure. */
import {
  type ArchivedRecord,
  archivedSchema,
  ConfigValueError,
  formatVdiskNbd,
  formatVdiskStatic,
  parseKey,
  parseRecord,
  type TlogConfig,
  type TlogState,
  tlogArchivedKey,
  tlogConfigKey,
  tlogConfigSchema,
  tlogSnapshotSchema,
  tlogStateKey,
  tlogStateSchema,
  vdiskLifecycleKey,
  vdiskLifecycleSchema,
  vdiskNbdKey,
  vdiskStaticKey,
  vdiskVolumeKey,
  vdiskVolumeSchema,
  volumeKey,
  volumeSchema,
} from '@salvor/config-store';
import type { Tier1VdiskInit } from '@salvor/contracts';
import { decideExistence, type Existence } from './decide-existence.ts';
import { type KeyDecision, withheld } from './decide-key.ts';
import { decideLog, type LogDecision } from './decide-log.ts';
import { asLeft, lifecycleDoubts } from './left-work.ts';
import { both, logKeysOf, placeKey, type ValuesOf } from './log-keys.ts';
import type { ArchiveTrace, Fact, Tier1Sources } from './tier1-sources.ts';

export interface VdiskDecision {
  readonly keys: readonly KeyDecision[];
  /** Null: it was deleted before, and nothing is to be said. */
  readonly told: Tier1VdiskInit | null;
  /** Of the log. */
  readonly facts: readonly Fact[];
}

export interface VdiskAsked {
  readonly vdisk: string;
  /** Of its own keys, and of the operations that may be about it. */
  readonly decisions: readonly KeyDecision[];
  readonly valuesOf: ValuesOf;
  /** Operation in etcd that deleted it, behind the configuration. */
  readonly removal: string | null;
}

/** @throws ConfigValueError for records that make no sense */
export function decideVdisk(sources: Tier1Sources, asked: VdiskAsked): VdiskDecision {
  const { keys, ...decided } = decideOwn(sources, asked);
  // A later log of this name goes on behind what Tier-2 has, also when the vdisk is not brought back.
  const place = keys.some(({ key }) => key === tlogArchivedKey(asked.vdisk))
    ? []
    : placeKey(asked.vdisk, sources.archives.get(asked.vdisk) ?? [], asked.valuesOf);
  return { ...decided, keys: [...keys, ...place] };
}

function decideOwn(sources: Tier1Sources, asked: VdiskAsked): VdiskDecision {
  const { vdisk, decisions, valuesOf } = asked;
  const archives = sources.archives.get(vdisk) ?? [];
  const tails = sources.tails.get(vdisk) ?? [];
  const fixed = valuesOf(vdiskStaticKey(vdisk));
  const tombstone = valuesOf(vdiskLifecycleKey(vdisk));
  const newest = [...archives.map(({ newest }) => newest), ...tails.map(({ newest }) => newest)];
  const loggedAt = newest.reduce((most, one) => Math.max(most, one?.lastAt ?? 0), 0);
  const existence = decideExistence({
    vdisk,
    inEtcd: fixed.etcd !== null,
    inConfiguration: fixed.configuration !== null,
    configurationAt: sources.configuration?.at ?? null,
    ...{
      events: sources.events?.get(vdisk) ?? null,
      hasEvents: sources.events !== null,
      removal: asked.removal,
    },
    loggedAt: loggedAt === 0 ? null : loggedAt,
    engines: sources.engines.filter(({ epochs }) => epochs.has(vdisk)).map(({ address }) => address),
  });
  const own = decisions.filter(({ key }) => key !== tlogStateKey(vdisk) && key !== tlogArchivedKey(vdisk));
  const isGone = existence.outcome === 'gone' || isBeingRemoved(existence, asked, fixed, tombstone);
  if (isGone) {
    // A vdisk that is being deleted has no more than this: what frees its blocks has to end.
    if (tombstone.configuration === null && tombstone.etcd === null)
      return { keys: [], told: null, facts: [] };
    const reason = 'it is being deleted: the operation that frees its blocks goes on';
    return {
      keys: own.map(asLeft),
      told: told(vdisk, { outcome: 'deleted', reason, doubts: [] }),
      facts: [],
    };
  }
  if (existence.outcome === 'deleted')
    return {
      keys: own.map((one) => withheld(one, existence.reason)),
      told: told(vdisk, existence),
      facts: [],
    };
  if (existence.outcome === 'unknown') return { keys: own, told: told(vdisk, existence), facts: [] };
  const made =
    existence.outcome === 'made-again'
      ? madeAgain(sources, vdisk, existence, own)
      : { keys: own.map(asLeft), config: null };
  if (made === null) {
    const reason = `${existence.reason}, and it cannot be made from that: its type needs more`;
    return { keys: own, told: told(vdisk, { ...existence, outcome: 'unknown', reason }), facts: [] };
  }
  return withLog(sources, asked, { ...made, existence });
}

function withLog(
  sources: Tier1Sources,
  { vdisk, valuesOf }: VdiskAsked,
  {
    keys,
    config: made,
    existence,
  }: { keys: readonly KeyDecision[]; config: TlogConfig | null; existence: Existence },
): VdiskDecision {
  const doubts = [...existence.doubts, ...lifecycleDoubts(vdisk, keys)];
  const chosen = keys.find(({ key }) => key === tlogConfigKey(vdisk))?.value ?? null;
  let config: TlogConfig | null = made;
  let recorded: Pick<Parameters<typeof decideLog>[0], 'state' | 'archived'>;
  try {
    if (chosen !== null) config = parseRecord(tlogConfigSchema, tlogConfigKey(vdisk), chosen);
    recorded = {
      state: both(
        tlogStateKey(vdisk),
        valuesOf,
        (key, value): TlogState => parseRecord(tlogStateSchema, key, value),
      ),
      archived: both(
        tlogArchivedKey(vdisk),
        valuesOf,
        (key, value): ArchivedRecord => parseRecord(archivedSchema, key, value),
      ),
    };
  } catch (error) {
    if (!(error instanceof ConfigValueError)) throw error;
    return { keys, told: { ...told(vdisk, existence), doubts: [...doubts, error.message] }, facts: [] };
  }
  if (config === null) {
    const archive = newestArchive(sources.archives.get(vdisk) ?? [], null);
    if (archive !== null || (sources.tails.get(vdisk) ?? []).length > 0)
      doubts.push(
        "segments of a log are there, and it has none by its configuration: 'salvor tlog enable' gives it one that goes on behind them",
      );
    const reason = `${existence.reason}; it has no log: its blocks are on the engines, and nowhere else`;
    return { keys, told: { ...told(vdisk, { ...existence, reason }), doubts }, facts: [] };
  }
  const { container } = config;
  const archive = newestArchive(sources.archives.get(vdisk) ?? [], container);
  const tail = (sources.tails.get(vdisk) ?? []).find((one) => one.container === container) ?? null;
  const isStreamThere = !sources.lostStreams.includes(`TLOG_${container}`);
  const log = decideLog({
    ...{ config, ...recorded, archive, tail, isStreamThere },
    named: highestNamed(sources, vdisk, keys, valuesOf),
  });
  const logKeys = logKeysOf(vdisk, log, valuesOf);
  doubts.push(...log.doubts, ...snapshotDoubts(vdisk, keys, log, tail?.newest.last ?? archive?.last ?? 0));
  return {
    keys: [...keys, ...logKeys],
    facts: log.facts,
    told: {
      ...told(vdisk, existence),
      ...{
        logged: true,
        container,
        lost: log.lost.map(({ before, ...range }) => ({ ...range, before: before ?? undefined })),
        doubts,
      },
      ...(archive === null ? {} : { archivedTo: archive.to }),
      ...(tail === null ? {} : { tailFrom: tail.oldest.number, tailTo: tail.newest.number }),
      sequence: Math.max(archive?.last ?? 0, tail?.newest.last ?? 0),
      lastAt: Math.max(archive?.newest?.lastAt ?? 0, tail?.newest.lastAt ?? 0) || undefined,
      logStatus: log.state.status,
    },
  };
}

function newestArchive(archives: readonly ArchiveTrace[], container: number | null): ArchiveTrace | null {
  return archives.find((one) => container === null || one.container === container) ?? null;
}

/** An event told of its deletion when that began: what frees its blocks may not have ended. */
function isBeingRemoved(
  { outcome }: Existence,
  { vdisk, removal }: VdiskAsked,
  fixed: ReturnType<ValuesOf>,
  tombstone: ReturnType<ValuesOf>,
): boolean {
  const value = tombstone.etcd ?? tombstone.configuration;
  if (outcome !== 'deleted' || removal !== null || value === null) return false;
  if (fixed.etcd !== null || fixed.configuration !== null) return false;
  return parseRecord(vdiskLifecycleSchema, vdiskLifecycleKey(vdisk), value).state === 'deleting';
}

/** Of the names of its snapshots, and of its volume, by whichever source. */
function highestNamed(
  { etcd, configuration }: Tier1Sources,
  vdisk: string,
  keys: readonly KeyDecision[],
  valuesOf: ValuesOf,
): number {
  const snapshots = keys.flatMap(({ key, value }) =>
    value !== null && parseKey(key)?.kind === 'tlog-snapshot'
      ? [parseRecord(tlogSnapshotSchema, key, value).sequence]
      : [],
  );
  const links = Object.values(valuesOf(vdiskVolumeKey(vdisk))).flatMap((value) =>
    value === null ? [] : [parseRecord(vdiskVolumeSchema, vdiskVolumeKey(vdisk), value).volume],
  );
  const records = links
    .map(volumeKey)
    .flatMap((key) =>
      [etcd.entries.get(key)?.value, configuration?.entries.get(key)].flatMap((value) =>
        value === undefined ? [] : [parseRecord(volumeSchema, key, value)],
      ),
    );
  const named = records.flatMap(({ begins, sequence, point, lineage }) => [
    ...[begins, sequence ?? 0, point?.sequence ?? 0, point?.ownSequence ?? 0],
    ...lineage.map(({ ends }) => ends),
  ]);
  return Math.max(0, ...snapshots, ...named);
}

function snapshotDoubts(
  vdisk: string,
  keys: readonly KeyDecision[],
  { lost }: LogDecision,
  last: number,
): string[] {
  return keys.flatMap(({ key, value }) => {
    if (value === null || !key.startsWith(tlogConfigKey(vdisk).replace(/config$/, 'snapshots/'))) return [];
    const { sequence } = parseRecord(tlogSnapshotSchema, key, value);
    const isLost =
      sequence > last ||
      lost.some(({ after, before }) => sequence > after && (before === null || sequence >= before));
    return isLost
      ? [
          `the snapshot '${key.slice(key.lastIndexOf('/') + 1)}' is at record ${sequence}, which may not be restored any more`,
        ]
      : [];
  });
}

/** Null: the event does not tell enough. */
function madeAgain(
  sources: Tier1Sources,
  vdisk: string,
  { reason }: Existence,
  own: readonly KeyDecision[],
): { keys: KeyDecision[]; config: TlogConfig | null } | null {
  const event = sources.events?.get(vdisk)?.created ?? null;
  const type = (['db', 'cache', 'tmp', 'volume'] as const).find((known) => known === event?.type);
  if (event === null || type === undefined) return null;
  const put = (key: string, value: string): KeyDecision => ({
    ...{ key, action: 'put', value, found: null },
    fact: { fact: key, value: null, from: ['events'], certainty: 'deduced', why: reason },
  });
  const { blockSize, sizeGiB: size, cluster, slaveCluster } = event;
  const keys = [
    put(
      vdiskStaticKey(vdisk),
      formatVdiskStatic({ blockSize, size, type, readOnly: false, templateVdiskID: '' }),
    ),
    put(
      vdiskNbdKey(vdisk),
      formatVdiskNbd({
        ...{ storageClusterID: cluster, slaveStorageClusterID: slaveCluster ?? '' },
        ...{ templateStorageClusterID: '', tlogServerClusterID: '' },
      }),
    ),
    ...own.filter(({ key }) => key !== vdiskStaticKey(vdisk) && key !== vdiskNbdKey(vdisk)),
  ];
  return { keys, config: null };
}

function told(vdisk: string, { outcome, reason, doubts }: Existence): Tier1VdiskInit {
  return { vdisk, outcome, reason, logged: false, lost: [], doubts: [...doubts] };
}
