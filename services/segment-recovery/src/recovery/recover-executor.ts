/** Carries out `dr.recover`: from a tree that is only read to segments in Tier-1. May be killed anywhere, and done again. */
import { setMaxListeners } from 'node:events';
import type { Bus } from '@salvor/bus';
import {
  type ConfigStore,
  claimSegmentRecovery,
  type Executor,
  formatRecord,
  type OperationEnding,
  type OperationRun,
  type SegmentClaim,
  segmentRecoveryKey,
  segmentRecoverySchema,
} from '@salvor/config-store';
import { TreeReader } from '@salvor/pravega';
import { type Logger, messageOf, SalvorError } from '@salvor/service-kit';
import type { AllowedRoots } from '../allowed-roots.ts';
import type { EngineAccess } from '../tier1/read-engines.ts';
import { recoverTier1 } from '../tier1/recover-tier1.ts';
import { backUp, backupFolder } from './backup.ts';
import { recordContainers } from './container-records.ts';
import { type RecoveryRequest, recoveryRequestSchema } from './recovery-request.ts';
import { RecoverySums } from './recovery-sums.ts';
import { ReportFile } from './report-file.ts';
import { describeSegment } from './segment-description.ts';
import { prepareStreams } from './segment-streams.ts';
import { SegmentWriting } from './segment-writing.ts';
import { timeLeft } from './time-left.ts';

export interface RecoverOptions {
  readonly store: ConfigStore;
  readonly bus: Pick<Bus, 'logStreams' | 'applySegmentStreams' | 'applyManifest'>;
  readonly log: Logger;
  /** Names this process, for whoever looks. */
  readonly worker: string;
  readonly atOnce: number;
  readonly treeMemoryMib: number;
  /** For a recovery of Salvor's own. */
  readonly engines: EngineAccess;
  readonly streams: { readonly leastBytes: number; readonly replicas: number };
  /** Where trees and folders for backups may be. */
  readonly allowedRoots: AllowedRoots;
  readonly leaseTtlSeconds?: number;
}

const LEASE_TTL_SECONDS = 5;
const MAX_CONTAINERS = 1_024;
const SUMS_INTERVAL_MS = 1_000;
/** What will not be otherwise when it is tried again. */
export const FINAL_OF_TREES: ReadonlySet<string> = new Set([
  ...['no-tree', 'unknown-layout', 'both-layouts', 'tree-too-large', 'tree-failed', 'root-not-allowed'],
]);
const FINAL: ReadonlySet<string> = new Set([
  ...FINAL_OF_TREES,
  ...['backup-in-tree', 'backup-failed', 'backup-differs', 'too-many-containers'],
  ...['no-stream', 'manifest-refused', 'manifest-drift', 'recovery-busy'],
  ...['other-installation', 'revision-too-far', 'etcd-changes', 'no-configuration'],
  'engines-unreachable',
  'unknown-configuration',
]);
/** What keeps one segment out, and no other. */
const OF_ONE_SEGMENT: ReadonlySet<string> = new Set([
  ...['stream-full', 'payload-too-large', 'invalid-config', 'invalid-value'],
]);

export function recoverExecutor(options: RecoverOptions): Executor {
  return async (run) => {
    try {
      return await recover(options, run, recoveryRequestSchema.parse(run.checkpoint));
    } catch (error) {
      if (!(error instanceof SalvorError) || !FINAL.has(error.code)) throw error;
      return { status: 'failed', code: error.code, message: error.message };
    }
  };
}

async function recover(
  options: RecoverOptions,
  run: OperationRun,
  request: RecoveryRequest,
): Promise<OperationEnding> {
  const { operation } = run.record;
  await options.allowedRoots.check('root', request.root);
  if (request.backupDir !== undefined) await options.allowedRoots.check('backupDir', request.backupDir);
  const bring = request.layout === 'salvor' ? recoverTier1 : withTree;
  if (request.dryRun) return bring(options, run, request, null);
  const { store, worker, leaseTtlSeconds = LEASE_TTL_SECONDS } = options;
  const result = await claimSegmentRecovery(store, { operation, worker, ttlSeconds: leaseTtlSeconds });
  if ('heldBy' in result) {
    const { heldBy, ttlMs } = result;
    const holder = `operation ${heldBy.operation}, carried out by ${heldBy.worker} since ${new Date(heldBy.since).toISOString()}`;
    // Of a process that died: its lease runs out soon.
    if (heldBy.operation === operation)
      throw new SalvorError('lease-not-over', `the lease of ${holder} ends within ${ttlMs} ms`);
    throw new SalvorError(
      'recovery-busy',
      `expected no other recovery of segments, found ${holder}; wait for its end, or cancel it`,
    );
  }
  try {
    return await bring(options, run, request, result.claim);
  } finally {
    await result.claim.release().catch(() => result.claim.lease.release());
  }
}

async function withTree(
  options: RecoverOptions,
  run: OperationRun,
  request: RecoveryRequest,
  claim: SegmentClaim | null,
): Promise<OperationEnding> {
  await run.report({ message: `reads ${request.root}` }, { now: true });
  const { layout } = request;
  const tree = await TreeReader.open(request.root, {
    ...(layout === undefined || layout === 'salvor' ? {} : { layout }),
    ...(request.containers === undefined ? {} : { containerCount: request.containers }),
    maxHeapMib: options.treeMemoryMib,
  });
  try {
    return await bringAll(options, { run, request, claim, tree });
  } finally {
    await tree.close();
  }
}

interface Recovery {
  readonly run: OperationRun;
  readonly request: RecoveryRequest;
  readonly claim: SegmentClaim | null;
  readonly tree: TreeReader;
}

async function bringAll(options: RecoverOptions, recovery: Recovery): Promise<OperationEnding> {
  const { store, bus, log } = options;
  const { run, request, claim, tree } = recovery;
  const { outline } = tree;
  const { operation } = run.record;
  if (outline.containers.length > MAX_CONTAINERS)
    throw new SalvorError(
      'too-many-containers',
      `expected at most ${MAX_CONTAINERS} containers, found traces of ${outline.containers.length}; is this the root of Tier-2?`,
    );
  const sums = new RecoverySums(operation, request.root, claim === null, outline);
  const folder = await reportFolder(request, claim, outline.root);
  if (claim !== null && folder !== null) {
    await run.report({ message: `copies the metadata of containers to ${folder}` }, { now: true });
    const { unreadable } = await backUp(outline, folder);
    for (const path of unreadable) sums.tell(`not in the backup, since it cannot be read: ${path}`);
    sums.backup = `${folder}/containers`;
    await prepareStreams(bus, outline.containers, options.streams);
    await recordContainers(store, outline, { operation, proof: claim.proof });
  }
  const report = folder === null ? null : await ReportFile.begin(folder, operation);
  try {
    const { layout, containerCount, containers, root } = outline;
    await report?.head({ operation, root, layout, containerCount, containers, dryRun: claim === null });
    const ended = await goThrough(options, recovery, sums, report);
    const findings = await tree.findings();
    sums.findings(findings);
    for (const finding of findings) await report?.finding(finding);
    if (ended !== 'all') {
      await report?.abandon();
      await putSums(store, sums);
      return {
        status: 'cancelled',
        message: `cancelled after ${sums.looked} of ${outline.segments} segments`,
      };
    }
    if (report !== null) sums.report = report.path;
    await report?.finish({ ...sums.sums });
  } catch (error) {
    await report?.abandon().catch(() => undefined);
    throw error;
  }
  await putSums(store, sums);
  log.info({ operation, root: request.root, segments: outline.segments }, 'segments were gone through');
  return sums.failed > 0
    ? { status: 'failed', code: 'segments-failed', message: sums.sentence }
    : { status: 'completed', message: sums.sentence };
}

/** A dry run writes nothing into the tree; it has a report only where a folder is named. */
async function reportFolder(
  { backupDir }: RecoveryRequest,
  claim: SegmentClaim | null,
  root: string,
): Promise<string | null> {
  return claim === null && backupDir === undefined ? null : backupFolder(root, backupDir);
}

async function goThrough(
  options: RecoverOptions,
  { run, request, claim, tree }: Recovery,
  sums: RecoverySums,
  report: ReportFile | null,
): Promise<'all' | 'cancelled'> {
  const { store, bus, atOnce } = options;
  const total = tree.outline.segments;
  const writing = new SegmentWriting({
    ...{ store, streams: bus.logStreams, tree, operation: run.record.operation },
    ...{ replace: request.replace, proof: claim?.proof ?? null },
  });
  let next = 0;
  const begun = performance.now();
  let told = begun;
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);
  claim?.lease.onLost((reason) => stop.abort(new SalvorError('lease-lost', reason)));
  const hand = async () => {
    while (next < total && !run.cancelRequested()) {
      run.signal.throwIfAborted();
      stop.signal.throwIfAborted();
      const index = next++;
      await bringOne(index);
      if (performance.now() - told < SUMS_INTERVAL_MS) continue;
      told = performance.now();
      await putSums(store, sums);
      const left = timeLeft(sums.looked, total, performance.now() - begun);
      const message = `${sums.looked} of ${total} segments of ${request.root}${left}`;
      await run.report({ message, done: sums.looked, total });
    }
  };
  const bringOne = async (index: number) => {
    const account = await tree.account(index);
    const described = describeSegment(account);
    try {
      const { outcome, why, entries } = await writing.bring(index, account, described);
      sums.add(described, outcome, entries, why);
      await report?.segment(described, account, { action: outcome, why });
    } catch (error) {
      if (!(error instanceof SalvorError) || !OF_ONE_SEGMENT.has(error.code)) throw error;
      sums.add(described, 'failed', 0, messageOf(error));
      await report?.segment(described, account, { action: 'failed', why: messageOf(error) });
    }
  };
  await run.report({ message: `goes through ${total} segments`, done: 0, total }, { now: true });
  const hands = Array.from({ length: Math.min(atOnce, Math.max(1, total)) }, async () => {
    try {
      await hand();
    } catch (error) {
      stop.abort(error);
      throw error;
    }
  });
  // All of them have to be done with the tree and the report, also when one has failed.
  const settled = await Promise.allSettled(hands);
  const failed = settled.find((one) => one.status === 'rejected');
  if (failed !== undefined && !run.cancelRequested()) throw stop.signal.reason ?? failed.reason;
  return run.cancelRequested() ? 'cancelled' : 'all';
}

async function putSums(store: ConfigStore, sums: RecoverySums): Promise<void> {
  const value = sums.sums;
  const key = segmentRecoveryKey(value.operation);
  await store.transact({
    compare: [],
    puts: [{ key, value: formatRecord(segmentRecoverySchema, key, { ...value }) }],
  });
}
