/** What is to be written to bring Tier-1 back, from everything that is left. Pure: the same sources give the same plan. */
import {
  ConfigValueError,
  clusterStorageKey,
  installationKey,
  isConfiguration,
  operationKey,
  operationSchema,
  parseKey,
  parseRecord,
  vdiskLifecycleSchema,
} from '@salvor/config-store';
import type { Tier1VdiskInit } from '@salvor/contracts';
import { decideArchiveKey } from './decide-archive.ts';
import { decideCluster } from './decide-cluster.ts';
import { decideEngines } from './decide-engines.ts';
import { decideKey, type KeyDecision, timeText, withheld, writes } from './decide-key.ts';
import { decideRevision, type RevisionDecision, type RevisionTrace } from './decide-revision.ts';
import { decideVdisk, type VdiskAsked, type VdiskDecision } from './decide-vdisk.ts';
import { type GroupKind, groupId, groupOf, HEALING, type KeyGroup } from './key-groups.ts';
import { withOffline } from './offline-engines.ts';
import { type OpenOutage, outagesIn } from './old-incidents.ts';
import { HEALING_IS_PAUSED, isPausedByRecovery, pausedHealing } from './paused-healing.ts';
import type { Fact, Tier1Sources } from './tier1-sources.ts';

/** Keys that are written together. */
export interface PlannedGroup {
  readonly kind: GroupKind | 'installation';
  readonly name: string;
  readonly keys: readonly KeyDecision[];
  readonly facts: readonly Fact[];
}

export interface Tier1Plan {
  /** In the order in which they are written. */
  readonly groups: readonly PlannedGroup[];
  readonly vdisks: readonly Tier1VdiskInit[];
  readonly revision: RevisionDecision;
  /** A sentence. */
  readonly loss: string;
  /** Engines that are online by it, and were not asked. */
  readonly unreachable: readonly string[];
  /** Beside those of vdisks. */
  readonly doubts: readonly string[];
}

/** A configuration is stored again every minute while tlog-replayer and Tier-2 are there. */
const OLD_MS = 600_000;

/** @throws SalvorError `revision-too-far` */
export function decideRecovery(sources: Tier1Sources): Tier1Plan {
  const { configuration, etcd, engines } = sources;
  const configured = configuration?.entries ?? new Map<string, string>();
  const name = configured.get(installationKey);
  const isSameHistory =
    name === undefined
      ? etcd.entries.size > 0 && configuration !== null && etcd.revision >= configuration.revision
      : etcd.entries.get(installationKey)?.value === name;
  const decide = (key: string): KeyDecision | null => {
    const found = etcd.entries.get(key);
    return decideKey({
      key,
      configured: configured.get(key),
      found,
      configuration,
      isSameHistory,
      replace: sources.replace,
    });
  };
  const keys = new Set([
    ...configured.keys(),
    ...[...etcd.entries].filter(([key, { value }]) => isConfiguration(key, value)).map(([key]) => key),
  ]);
  const outages = outagesIn(configured, new Map([...etcd.entries].map(([key, { value }]) => [key, value])));
  const byGroup = new Map<string, { kind: GroupKind; name: string; keys: KeyDecision[] }>();
  for (const key of [...keys].sort()) {
    const repair = repairIn(key, outages);
    const group = repair === null ? groupOf(key) : repair.group;
    const found = group === null ? null : decide(key);
    const decision = found !== null && repair?.isOfNow === true ? withheld(found, REPAIR_OF_NOW) : found;
    if (group === null || decision === null) continue;
    const id = groupId(group);
    const known = byGroup.get(id) ?? { ...group, keys: [] };
    known.keys.push(decision);
    byGroup.set(id, known);
  }
  for (const vdisk of tracedVdisks(sources)) {
    const group = { kind: 'vdisk' as const, name: vdisk };
    if (!byGroup.has(groupId(group))) byGroup.set(groupId(group), { ...group, keys: [] });
  }
  const removals = removalsOf(sources);
  const healing = byGroup.get(groupId(HEALING));
  byGroup.delete(groupId(HEALING));
  const doubts: string[] = [];
  const groups: PlannedGroup[] = [];
  const vdisks: Tier1VdiskInit[] = [];
  const inOrder = [...byGroup.values()].sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1));
  for (const group of inOrder) {
    if (group.kind === 'cluster') {
      const storage = clusterStorageKey(group.name);
      const found = etcd.entries.get(storage);
      const decided = decideCluster(group.name, group.keys, {
        etcd: found?.value ?? null,
        configuration: configured.get(storage) ?? null,
        isNewerInEtcd:
          found !== undefined &&
          (configuration === null || (isSameHistory && BigInt(found.revision) > configuration.revision)),
      });
      doubts.push(...decided.doubts);
      groups.push({ ...group, keys: decided.keys, facts: [] });
    } else if (group.kind === 'vdisk') {
      const operations = operationsOf(group.keys).flatMap(
        (operation) => decide(operationKey(operation)) ?? [],
      );
      const decided = vdiskOr(sources, doubts, {
        vdisk: group.name,
        decisions: [...group.keys, ...operations],
        valuesOf: (key) => ({
          etcd: etcd.entries.get(key)?.value ?? null,
          configuration: configured.get(key) ?? null,
        }),
        removal: removals.get(group.name) ?? null,
      });
      const withRevisions = decided.keys.map((one) => ({
        ...one,
        found: etcd.entries.get(one.key)?.revision ?? null,
      }));
      groups.push({ ...group, keys: withRevisions, facts: decided.facts });
      if (decided.told !== null) vdisks.push(decided.told);
    } else {
      const decided = group.keys.map((one) => decideArchiveKey(one, sources, doubts));
      groups.push({ ...group, keys: decided, facts: [] });
    }
  }
  const installation = decide(installationKey);
  if (installation !== null)
    groups.push({ kind: 'installation', name: 'installation', keys: [installation], facts: [] });
  doubts.push(...generalDoubts(sources, groups));
  const loss = lossText(sources, groups);
  const asked = decideEngines(groups, engines, sources.asked.since);
  const fitted = withOffline(groups, asked.stale, sources).sort((a, b) => haste(a) - haste(b));
  const paused = pausedHealing(sources, healing?.keys[0] ?? null, fitted);
  if (paused !== null) fitted.unshift({ ...HEALING, keys: [paused], facts: [] });
  if (isPausedByRecovery(paused)) doubts.push(HEALING_IS_PAUSED);
  doubts.push(...asked.doubts);
  return {
    groups: fitted,
    vdisks,
    revision: decideRevision(etcd.revision, revisionTraces(sources), isSameHistory),
    loss,
    unreachable: asked.unreachable,
    doubts,
  };
}

const REPAIR_OF_NOW =
  'whether its engine failed again since is not known: it is repaired by the marks that the engines have';

/** What is on record of attempts that are over stays true, and tells who served last. */
function repairIn(
  key: string,
  outages: ReadonlyMap<string, OpenOutage>,
): { readonly group: KeyGroup; readonly isOfNow: boolean } | null {
  const about = parseKey(key);
  const outage = about?.kind === 'repair' ? outages.get(about.incident) : undefined;
  if (about?.kind !== 'repair' || outage === undefined) return null;
  return {
    group: { kind: 'cluster', name: outage.cluster },
    isOfNow: about.attempt >= outage.attempt,
  };
}

/** A record that makes no sense is brought back as it is, and told: whoever reads it refuses it. */
function vdiskOr(sources: Tier1Sources, doubts: string[], asked: VdiskAsked): VdiskDecision {
  try {
    return decideVdisk(sources, asked);
  } catch (error) {
    if (!(error instanceof ConfigValueError)) throw error;
    doubts.push(`vdisk ${asked.vdisk}: ${error.message}`);
    return { keys: asked.decisions, told: null, facts: [] };
  }
}

/**
 * Whoever follows etcd meanwhile must find what holds it back before what it would go on with: no vdisk of a volume without the
 * volume, which says whether the other zone is to be asked; no incident without the vdisks that are to be repaired.
 */
function rank({ kind, name }: Pick<PlannedGroup, 'kind' | 'name'>): number {
  if (kind === 'rest' && name.startsWith('volume ')) return 0;
  return { vdisk: 1, cluster: 2, rest: 3, installation: 4 }[kind];
}

/** An engine that etcd has online still, and that is not to be served from, before all others. */
function haste({ kind, name, keys }: PlannedGroup): number {
  const storage = kind === 'cluster' ? clusterStorageKey(name) : null;
  return keys.some((one) => one.key === storage && one.found !== null && writes(one)) ? 0 : 1;
}

function tracedVdisks({ archives, tails, events, engines }: Tier1Sources): Set<string> {
  return new Set([
    ...archives.keys(),
    ...tails.keys(),
    ...(events?.keys() ?? []),
    ...engines.flatMap(({ epochs }) => [...epochs.keys()]),
  ]);
}

function operationsOf(keys: readonly KeyDecision[]): string[] {
  return keys.flatMap(({ key, value }) => {
    if (value === null || parseKey(key)?.kind !== 'vdisk-lifecycle') return [];
    try {
      const { operations, rollback } = parseRecord(vdiskLifecycleSchema, key, value);
      return [...operations, ...(rollback === undefined ? [] : [rollback])];
    } catch (error) {
      if (error instanceof ConfigValueError) return [];
      throw error;
    }
  });
}

/** By vdisk: the operation that deleted it, survived in etcd, and came behind the configuration. */
function removalsOf({ etcd, configuration }: Tier1Sources): Map<string, string> {
  const removals = new Map<string, string>();
  for (const [key, { value, revision }] of etcd.entries) {
    if (parseKey(key)?.kind !== 'operation' || !value.includes('vdisk.delete')) continue;
    if (configuration !== null && BigInt(revision) <= configuration.revision) continue;
    try {
      const { kind, subject, outcome, operation } = parseRecord(operationSchema, key, value);
      if (kind === 'vdisk.delete' && subject !== undefined && outcome === 'applied')
        removals.set(subject, operation);
    } catch (error) {
      if (!(error instanceof ConfigValueError)) throw error;
    }
  }
  return removals;
}

function revisionTraces({
  configuration,
  damaged,
  archives,
  tails,
  eventEpoch,
  keptRevision,
  engines,
}: Tier1Sources): RevisionTrace[] {
  const epochs = [
    ...[...archives.values()]
      .flat()
      .map(({ newest }) => ({ what: 'a chunk of the log', revision: BigInt(newest?.epoch ?? 0) })),
    ...[...tails.values()]
      .flat()
      .map(({ newest }) => ({ what: 'a segment in JetStream', revision: BigInt(newest.epoch) })),
    ...engines.flatMap(({ address, epochs }) =>
      [...epochs].map(([vdisk, epoch]) => ({
        what: `the epoch of vdisk ${vdisk} on engine ${address}`,
        revision: epoch ?? 0n,
      })),
    ),
  ];
  return [
    ...(configuration === null ? [] : [{ what: 'the configuration', revision: configuration.revision }]),
    ...damaged.map(({ path, revision }) => ({ what: `the name of ${path}`, revision: revision ?? 0n })),
    { what: 'the newest configuration', revision: keptRevision },
    { what: 'an event', revision: eventEpoch },
    ...epochs,
  ].filter(({ revision }) => revision > 0n);
}

function generalDoubts(
  { configuration, damaged, keptRevision, events, lostStreams, etcd, asked }: Tier1Sources,
  groups: readonly PlannedGroup[],
): string[] {
  const doubts = damaged.map(({ path, what }) => `${path} cannot be read: ${what}`);
  if (configuration === null)
    doubts.push(
      'Tier-2 has no configuration that can be read: clusters and vdisks that etcd does not have are to be made again by hand',
    );
  else if (configuration.revision < keptRevision)
    doubts.push(
      `the configuration of ${timeText(configuration.at)} was named, and Tier-2 has younger ones, up to revision ${keptRevision}: what changed between them is left out where etcd does not have it`,
    );
  else if (damaged.some(({ revision }) => revision !== null && revision > configuration.revision))
    doubts.push(
      `younger configurations than the one of ${timeText(configuration.at)} cannot be read: what changed between them is not known`,
    );
  if (configuration !== null && !etcd.entries.has(installationKey))
    doubts.push(
      `etcd has no name to compare: is this the directory of the installation ${configuration.entries.get(installationKey) ?? 'without a name'}?`,
    );
  const ageMs = configuration === null ? 0 : asked.at - configuration.at;
  if (configuration !== null && ageMs > OLD_MS)
    doubts.push(
      `the configuration is of ${timeText(configuration.at)}, ${Math.round(ageMs / 60_000)} minutes before this: which engines failed since is not known`,
    );
  if (events === null)
    doubts.push(
      'the stream of events is gone: what was made or deleted behind the configuration left no trace there',
    );
  if (lostStreams.some((stream) => stream.startsWith('TLOG_')))
    doubts.push(`streams that were gone: ${lostStreams.join(', ')}`);
  for (const { keys } of groups)
    for (const { key, action, fact } of keys)
      if (action === 'kept' && fact.certainty === 'unknown') doubts.push(`${key}: ${fact.why}`);
  if (groups.some(({ name }) => name.startsWith('volume ')))
    doubts.push(
      "volumes: a promote in the other zone behind the configuration is not known here; 'salvor volume status' compares the two",
    );
  return doubts;
}

function lossText({ etcd, lostStreams }: Tier1Sources, groups: readonly PlannedGroup[]): string {
  const keys = groups.flatMap((group) => group.keys);
  const missing = keys.filter(writes).length;
  const there = keys.length - missing - keys.filter(({ action }) => action === 'withheld').length;
  const ofEtcd = missing === 0 ? 'nothing of etcd' : there === 0 ? 'all of etcd' : `${missing} keys of etcd`;
  const ofStreams = lostStreams.length === 0 ? 'no stream' : `the streams ${lostStreams.join(', ')}`;
  return `${ofEtcd} (revision ${etcd.revision}) and ${ofStreams}`;
}
