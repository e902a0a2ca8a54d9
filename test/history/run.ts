import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  HistoryLoad,
  type HistoryProgress,
  type RecorderCounts,
  type Regions,
  type Stack,
  startStack,
  type Violation,
} from '@salvor/testkit';
import { compareCopies } from './copies.ts';
import { FaultDriver, type FaultKind, type FaultRecord } from './faults.ts';
import { untilHealthy } from './health.ts';

export interface HistoryRunOptions {
  readonly operations: number;
  readonly seed: number;
  readonly faultEveryMs: number;
  /** Exactly these, in this order; the run does not end before them. Default: any, drawn at random. */
  readonly faults?: readonly FaultKind[];
  readonly devices?: number;
  readonly clientsPerDevice?: number;
  readonly nbdServers?: number;
  readonly depth?: number;
  readonly regions?: Regions;
  readonly shards?: number;
  readonly spares?: number;
  readonly healTimeoutMs?: number;
  /** When all is healed and quiet, before everything is read once more. */
  readonly beforeSweep?: (stack: Stack) => Promise<void>;
  readonly progress?: (line: string) => void;
}

export interface HistoryReport extends HistoryProgress, RecorderCounts {
  readonly seed: number;
  readonly seconds: number;
  readonly operationsPerSecond: number;
  readonly faults: Record<string, number>;
  readonly faultsPassedOver: number;
  readonly violationCount: number;
  /** Violations whose missing write had been covered by a flush, or was a FUA write. */
  readonly flushedLost: number;
  /** Blocks that were compared on the two engines of their pair, after everything was healed. */
  readonly copiesCompared: number;
  readonly violations: readonly Violation[];
  /** Folder with the violations, the faults, the logs of the services and the data of the engines; null when all is well. */
  readonly artifacts: string | null;
}

/**
 * The first one ends the run early, with a report of what it has done; the second one ends it at once. NBD servers
 * outlive the log-watcher that started them, so in neither case may they be left behind.
 */
const ENDING_SIGNALS = ['SIGINT', 'SIGTERM'] as const;
const LEASE_SECONDS = 3;
const IMPATIENT_AFTER_MS = 4_500;
const SWEEP_TIMEOUT_MS = 120_000;
const PROGRESS_EVERY_MS = 10_000;

/** A stack of its own under load and faults; its history is judged while it is made. */
export async function runHistory(options: HistoryRunOptions): Promise<HistoryReport> {
  const { operations, seed, progress = () => undefined, shards = 2, spares = 4 } = options;
  const dir = mkdtempSync(join(tmpdir(), 'salvor-history-'));
  const stack = await startStack({
    dir,
    primaries: shards,
    spares,
    nbdServers: options.nbdServers ?? 3,
    appendfsync: 'no',
    // Engines fail far more often here than where somebody would look at one that flaps.
    services: { 'repair-coordinator': { env: { SALVOR_FLAPPING_FAILURES: '0' } } },
    nbdServerEnv: { SALVOR_LEASE_TTL_SECONDS: String(LEASE_SECONDS) },
  });
  let endEarly: (() => void) | null = null;
  const endBySignal = (): void => {
    if (endEarly === null) stack.destroy().finally(() => process.exit(130));
    else endEarly();
    endEarly = null;
  };
  for (const signal of ENDING_SIGNALS) process.on(signal, endBySignal);
  const bus = await stack.connectBus('history');
  let keep = false;
  try {
    const devices = Array.from({ length: options.devices ?? 6 }, (_, i) => `h${i + 1}`);
    for (const vdisk of devices) {
      const place = { cluster: stack.clusters.primary, slaveCluster: stack.clusters.slave };
      await bus.request('vdisk.create', { vdisk, type: 'db', sizeGiB: 1, ...place });
    }
    let faultsDue = options.faults?.length ?? 0;
    const load = new HistoryLoad({
      devices,
      servers: stack.nbdServers.map((server) => ({ name: server.name, uri: (name) => server.unixUri(name) })),
      clientsPerDevice: options.clientsPerDevice ?? 3,
      depth: options.depth ?? 100,
      operations,
      goesOn: () => faultsDue > 0,
      seed,
      regions: options.regions ?? { hotBlocks: 16, warmBlocks: 64, coldBlocks: 1_024 },
      impatientAfterMs: IMPATIENT_AFTER_MS,
    });
    const faults = new FaultDriver({
      stack,
      bus,
      load,
      seed,
      everyMs: options.faultEveryMs,
      leaseMs: LEASE_SECONDS * 1_000,
      ...(options.faults === undefined ? {} : { kinds: options.faults }),
      carriedOut: ({ kind, target, atMs, overAtMs }) => {
        faultsDue--;
        progress(`fault: ${kind} ${target}, ${Math.round(overAtMs - atMs)} ms`);
      },
    });
    const startedAt = performance.now();
    let [lastOperations, lastAt] = [0, startedAt];
    const teller = setInterval(() => {
      const [done, now] = [load.progress.operations, performance.now()];
      const rate = Math.round((1_000 * (done - lastOperations)) / (now - lastAt));
      [lastOperations, lastAt] = [done, now];
      progress(`${done} operations, ${rate}/s, ${load.recorder.violationCount} violations`);
    }, PROGRESS_EVERY_MS);
    const breaking = faults.run();
    breaking.catch((error: unknown) => load.fail(error instanceof Error ? error : new Error(String(error))));
    let seconds: number;
    try {
      endEarly = () => load.endEarly();
      await load.run();
      seconds = (performance.now() - startedAt) / 1_000;
    } finally {
      clearInterval(teller);
      faults.stop();
      await breaking.catch(() => undefined);
    }
    await untilHealthy(bus, options.healTimeoutMs ?? 120_000);
    await options.beforeSweep?.(stack);
    await load.sweep(SWEEP_TIMEOUT_MS);
    const copiesCompared = await compareCopies(stack, bus, load.recorder, devices);
    const { recorder } = load;
    const bad = recorder.violationCount > 0;
    keep = bad;
    if (bad) saveArtifacts(dir, recorder.violations, faults.records);
    return {
      seed,
      seconds: Math.round(seconds * 10) / 10,
      operationsPerSecond: Math.round(load.progress.operations / seconds),
      ...load.progress,
      ...recorder.counts,
      faults: byKind(faults.records),
      faultsPassedOver: faults.passedOver,
      violationCount: recorder.violationCount,
      flushedLost: recorder.flushedLost,
      copiesCompared,
      violations: recorder.violations,
      artifacts: bad ? dir : null,
    };
  } catch (error) {
    keep = true;
    if (error instanceof Error) error.message += ` (the folder of the stack is kept: ${dir})`;
    throw error;
  } finally {
    for (const signal of ENDING_SIGNALS) process.removeListener(signal, endBySignal);
    await bus.close({ deadlineMs: 1_000 });
    await stack.destroy();
    if (!keep) rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  }
}

/** Beside the logs of the services and the data of the engines, which are in the folder of the stack. */
function saveArtifacts(dir: string, violations: readonly Violation[], faults: readonly FaultRecord[]): void {
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'violations.json'), JSON.stringify(violations, null, 1));
  writeFileSync(join(dir, 'faults.json'), JSON.stringify(faults, null, 1));
}

function byKind(records: readonly FaultRecord[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { kind } of records) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}
