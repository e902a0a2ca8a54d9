/** Carries out `dr.recover` of Salvor's own Tier-2. May be killed anywhere, and done again: what is there already stays. */
import { stat } from 'node:fs/promises';
import type { Bus } from '@salvor/bus';
import {
  type Compare,
  type ConfigStore,
  ConfigValueError,
  formatRecord,
  installationKey,
  type OperationEnding,
  type OperationRun,
  parseRecord,
  raiseRevision,
  type SegmentClaim,
  segmentRecoveryKey,
  tier1RecoveryKey,
  tier1RecoveryMarkSchema,
  tier1RecoverySchema,
} from '@salvor/config-store';
import type { Tier1RecoveryInit } from '@salvor/contracts';
import { type Logger, pause, SalvorError } from '@salvor/service-kit';
import { CONFIGURATION_FOLDER, openDirectoryStore } from '@salvor/tlog';
import { backupFolder } from '../recovery/backup.ts';
import type { RecoveryRequest } from '../recovery/recovery-request.ts';
import { decideInstallation, installationId } from './decide-installation.ts';
import { writes } from './decide-key.ts';
import { decideRecovery, type Tier1Plan } from './decide-recovery.ts';
import { isSalvorTree } from './read-archives.ts';
import { type EngineAccess, readEngines } from './read-engines.ts';
import { ReadOnlyStore } from './read-only-store.ts';
import { configurationsIn, type ReadTier1, readEtcd, readTier1 } from './read-tier1.ts';
import { backUpTier1, readBackup } from './tier1-backup.ts';
import { writeTier1Report } from './tier1-report.ts';
import type { Tier1Sources } from './tier1-sources.ts';
import { sentenceOf, sumsOf } from './tier1-sums.ts';
import { writeGroup } from './tier1-writing.ts';

export interface Tier1Options {
  readonly store: ConfigStore;
  readonly bus: Pick<Bus, 'logStreams' | 'applyManifest'>;
  readonly log: Logger;
  readonly engines: EngineAccess;
}

/** Times that a recovery decides anew because somebody else writes the same keys. */
const ROUNDS_MAX = 8;
const ENGINES_NAMED = 8;
/** Longer than any lease of an owner, with what it takes to see its end. */
const OWNERS_LEAVE_MS = 45_000;
const OWNERS_LOOK_MS = 500;

interface Recovery {
  readonly options: Tier1Options;
  readonly run: OperationRun;
  readonly request: RecoveryRequest;
  readonly tier2: ReadOnlyStore;
  readonly assertWanted: () => void;
  /** See `RecoveryAsked`. */
  since: number | null;
}

/**
 * Without a claim it only looks.
 *
 * @throws SalvorError `no-tree`, `other-installation`, `backup-failed`, `backup-in-tree`, `revision-too-far`, `lease-lost`,
 * `no-configuration`, `unknown-configuration`, `engines-unreachable`, `etcd-changes`
 */
export async function recoverTier1(
  options: Tier1Options,
  run: OperationRun,
  request: RecoveryRequest,
  claim: SegmentClaim | null,
): Promise<OperationEnding> {
  const { root } = request;
  const isThere = await stat(root).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isThere) throw new SalvorError('no-tree', `${root}: expected the directory of Tier-2, found none`);
  const stop = new AbortController();
  claim?.lease.onLost((reason) => stop.abort(new SalvorError('lease-lost', reason)));
  const assertWanted = (): void => {
    run.signal.throwIfAborted();
    stop.signal.throwIfAborted();
  };
  const tier2 = new ReadOnlyStore(root, await openDirectoryStore({ root }));
  try {
    if (!(await isSalvorTree(tier2)))
      throw new SalvorError(
        'no-tree',
        `${root}: expected '${CONFIGURATION_FOLDER}' or 'tlog/', as Salvor archives them, found neither; of a Pravega directory, name the layout`,
      );
    const recovery: Recovery = {
      options,
      run,
      request,
      tier2,
      assertWanted,
      since: await unfinishedSince(options),
    };
    return claim === null ? await look(recovery) : await bringBack(recovery, claim.proof);
  } finally {
    await tier2.close();
  }
}

/** A dry run writes nothing into the tree; it has a report only where a folder is named. */
async function look(recovery: Recovery): Promise<OperationEnding> {
  const { request, run } = recovery;
  const { sources, damage } = await read(recovery, null);
  const doubt = decideInstallation(sources);
  const decided = decideRecovery(sources);
  const plan = doubt === null ? decided : { ...decided, doubts: [doubt.reason, ...decided.doubts] };
  const told = { operation: run.record.operation, root: request.root, dryRun: true, sources, plan, damage };
  const { backupDir } = request;
  const report =
    backupDir === undefined
      ? null
      : await writeTier1Report(await backupFolder(request.root, backupDir), told);
  return ending(recovery, sumsOf({ ...told, report, backup: null, streamsMade: 0, at: Date.now() }));
}

async function bringBack(recovery: Recovery, proof: Compare): Promise<OperationEnding> {
  const { request, run, options } = recovery;
  const { root } = request;
  const { operation } = run.record;
  const folder = await backupFolder(root, request.backupDir);
  const isNew = await mark(recovery, proof);
  const earlier = await readBackup(folder, operation);
  let found: ReadTier1;
  let plan: Tier1Plan;
  let backup: string;
  try {
    found = await readOurs(recovery, earlier);
    assertConfigured(found.sources, root);
    plan = planOf(recovery, found.sources);
    await run.report({ message: 'copies what is there' }, { now: true });
    backup = earlier?.folder ?? (await backUpTier1(folder, { operation, ...found.sources }));
  } catch (error) {
    // Nothing was written: what etcd has is what it had.
    if (isNew && earlier === null) await unmark(recovery, proof).catch(() => undefined);
    throw error;
  }
  recovery.assertWanted();
  const applied = await options.bus.applyManifest({ containers: found.containers, missingOnly: true });
  const streamsMade = applied.filter(({ kind, action }) => kind !== 'schema' && action === 'created').length;
  await raise(recovery, plan, proof);
  // All this may have taken long, and owners write meanwhile where there are any.
  const { damage } = found;
  const sources = await withEnginesOfNow(recovery, found.sources);
  plan = planOf(recovery, sources);
  if ((await write(recovery, sources, plan, proof)) === 'cancelled')
    return {
      status: 'cancelled',
      message:
        'cancelled: what was written stays, and no configuration is kept in Tier-2 until a recovery has ended',
    };
  const told = { operation, root, dryRun: false, sources, plan, damage };
  const report = await writeTier1Report(folder, told);
  const ended = await ending(recovery, sumsOf({ ...told, report, backup, streamsMade, at: Date.now() }));
  await unmark(recovery, proof);
  options.log.info({ operation, root, loss: plan.loss }, 'Tier-1 was brought back');
  return ended;
}

/**
 * Owners at the engines let go within the time of their leases where their etcd is the lost one. What was begun before is ours, and
 * so are those that follow what it has written.
 *
 * @throws SalvorError `other-installation`
 */
async function readOurs(
  recovery: Recovery,
  earlier: Parameters<typeof readTier1>[0]['earlier'],
): Promise<ReadTier1> {
  const { request, run } = recovery;
  const begun = performance.now();
  for (;;) {
    const found = await read(recovery, earlier);
    const doubt = earlier === null ? decideInstallation(found.sources) : null;
    const kept = found.sources.configuration?.entries.get(installationKey) ?? '';
    if (doubt === null || request.installation === installationId(kept)) return found;
    if (doubt.kind !== 'owners' || performance.now() - begun > OWNERS_LEAVE_MS)
      throw new SalvorError(
        'other-installation',
        `${doubt.reason}: is ${request.root} the right directory? --installation ${installationId(kept)} takes it all the same`,
      );
    await run.report({ message: `waits for servers to let go: ${doubt.reason}` }, { now: true });
    recovery.assertWanted();
    await pause(OWNERS_LOOK_MS, run.signal);
  }
}

function read(
  { options, request, tier2, run, since }: Recovery,
  earlier: Parameters<typeof readTier1>[0]['earlier'],
): Promise<ReadTier1> {
  return readTier1({
    ...{ store: options.store, streams: options.bus.logStreams, tier2, engines: options.engines },
    ...{ replace: request.replace, choice: request.configuration, earlier, signal: run.signal },
    asked: { operation: run.record.operation, at: run.record.at, since },
    told: (message) => run.report({ message }),
  });
}

async function withEnginesOfNow({ options, run }: Recovery, sources: Tier1Sources): Promise<Tier1Sources> {
  return { ...sources, engines: await readEngines(configurationsIn(sources), options.engines, run.signal) };
}

/** @throws SalvorError `engines-unreachable`, `revision-too-far` */
function planOf({ request }: Recovery, sources: Tier1Sources): Tier1Plan {
  const plan = decideRecovery(sources);
  if (request.acceptUnreachable !== true) assertReachable(plan);
  return plan;
}

/** @throws SalvorError `engines-unreachable` */
function assertReachable({ unreachable }: Tier1Plan): void {
  const [first] = unreachable;
  if (first === undefined) return;
  const named = unreachable.slice(0, ENGINES_NAMED).join(', ');
  const more = unreachable.length > ENGINES_NAMED ? ` and ${unreachable.length - ENGINES_NAMED} more` : '';
  throw new SalvorError(
    'engines-unreachable',
    `expected every engine that is online by the plan to answer, found none at ${named}${more}: it may have served alone behind the configuration, and hold the only current blocks of its pair. Bring it up and give the command again; --accept-unreachable goes on without, and writes the engines offline that may be stale then`,
  );
}

/** Nothing is to be written by guesses while a file that would tell may only be away. */
function assertConfigured({ configuration, damaged }: Tier1Sources, root: string): void {
  const [first] = damaged;
  if (configuration !== null || first === undefined) return;
  throw new SalvorError(
    'no-configuration',
    `expected one of ${damaged.length} configurations in ${root} to be readable, found none: ${first.path}: ${first.what}; bring one of them back, or move them away to go on without any`,
  );
}

/** From here on nobody takes what etcd has for the configuration: it outlives this process. @returns whether that is new */
async function mark({ options, run, request, since }: Recovery, proof: Compare): Promise<boolean> {
  const value = formatRecord(tier1RecoveryMarkSchema, tier1RecoveryKey, {
    ...{ operation: run.record.operation, root: request.root, at: run.record.at },
    ...(since === null ? {} : { since }),
  });
  const isNew = since === null;
  const done = await options.store.transact({ compare: [proof], puts: [{ key: tier1RecoveryKey, value }] });
  if (!done.ok) throw new SalvorError('lease-lost', 'another process carries the recovery out now');
  return isNew;
}

/** Null: the last recovery has ended. */
async function unfinishedSince({ store }: Tier1Options): Promise<number | null> {
  const found = await store.get(tier1RecoveryKey);
  if (found === null) return null;
  try {
    const { at, since } = parseRecord(tier1RecoveryMarkSchema, tier1RecoveryKey, found.value);
    return since ?? at;
  } catch (error) {
    if (!(error instanceof ConfigValueError)) throw error;
    // It is there: whatever a recovery took offline counts.
    return 0;
  }
}

async function unmark({ options }: Recovery, proof: Compare): Promise<void> {
  await options.store.transact({ compare: [proof], deletes: [tier1RecoveryKey] });
}

async function raise(
  { options, run, assertWanted }: Recovery,
  { revision }: Tier1Plan,
  proof: Compare,
): Promise<void> {
  const { raiseTo: to } = revision;
  if (to === null) return;
  const { operation } = run.record;
  await run.report({ message: `raises the revision of etcd to ${to}: ${revision.reason}` }, { now: true });
  await raiseRevision({
    ...{ store: options.store, to, operation, proof, assertWanted },
    reached: (reached) => run.report({ message: `raises the revision of etcd: ${reached} of ${to}` }),
  });
}

/** Until etcd has everything: who else writes there meanwhile is decided about again. */
async function write(
  recovery: Recovery,
  sources: Tier1Sources,
  first: Tier1Plan,
  proof: Compare,
): Promise<'all' | 'cancelled'> {
  const { options, run, assertWanted } = recovery;
  let plan = first;
  let changed = '';
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const due = plan.groups.filter(({ keys }) => keys.some(writes));
    if (due.length === 0) return 'all';
    for (const [done, group] of due.entries()) {
      if (run.cancelRequested()) return 'cancelled';
      assertWanted();
      const written = await writeGroup(options.store, group, [proof]);
      if (written.kind === 'changed') {
        changed = written.key;
        break;
      }
      const message = `${group.kind} ${group.name}: ${written.keys} keys are in etcd`;
      await run.report({ message, done: done + 1, total: due.length });
    }
    // What was written is read again, and the engines are asked what became of it.
    const { asked } = sources;
    plan = planOf(
      recovery,
      await withEnginesOfNow(recovery, {
        ...{ ...sources, etcd: await readEtcd(options.store) },
        asked: { ...asked, since: asked.since ?? asked.at },
      }),
    );
  }
  throw new SalvorError(
    'etcd-changes',
    `etcd was changed by others ${ROUNDS_MAX} times in a row, last ${changed}: stop what writes there`,
  );
}

async function ending({ options, run }: Recovery, sums: Tier1RecoveryInit): Promise<OperationEnding> {
  const key = segmentRecoveryKey(run.record.operation);
  const value = formatRecord(tier1RecoverySchema, key, { ...sums });
  await options.store.transact({ compare: [], puts: [{ key, value }] });
  return { status: 'completed', message: sentenceOf(sums) };
}
