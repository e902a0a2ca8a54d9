import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bus } from '@salvor/bus';
import { openStore } from '@salvor/config-store';
import { HistoryLoad, type Stack, startStack, type Violation } from '@salvor/testkit';
import { MemoryWatch } from '../bench/resident-memory.ts';
import { compareCopies } from '../history/copies.ts';
import { untilHealthy } from '../history/health.ts';
import { ChaosDriver, type InjectedChaos } from './chaos-driver.ts';
import { Errands } from './errands.ts';
import { ChaosLines } from './lines.ts';
import { type ChaosKind, type PlannedFault, planChaos } from './plan.ts';
import { stuckWork } from './stuck-work.ts';

export interface ChaosOptions {
  readonly seed: number;
  readonly minutes: number;
  /** How much longer than elsewhere engines may take to answer here, and everything to heal at the end; default 1. */
  readonly patience?: number;
  readonly kinds?: readonly ChaosKind[];
  readonly shards?: number;
  readonly nbdServers?: number;
  readonly devices?: number;
  readonly perSecondMax?: number;
  readonly progress?: (line: string) => void;
}

export interface ChaosReport {
  readonly seed: number;
  readonly minutes: number;
  /** Requests that came to an end, and reads among them that were judged. */
  readonly operations: number;
  readonly readsJudged: number;
  readonly copiesCompared: number;
  readonly faults: Readonly<Partial<Record<ChaosKind, number>>>;
  readonly passedOver: Readonly<Partial<Record<ChaosKind, number>>>;
  readonly errands: Readonly<Record<string, number>>;
  /** Violations in which something acknowledged is missing; `flushedLost` of them after a flush, or of FUA writes. */
  readonly lost: number;
  readonly flushedLost: number;
  /** Violations in which a read showed less than an earlier answer had promised, or what nobody wrote. */
  readonly stale: number;
  /** What did not come to its end after everything was brought back, as sentences. */
  readonly stuck: readonly string[];
  readonly longestStallMs: number;
  /** The longest that faults had to leave a pair alone because one of its engines had lost data. */
  readonly longestRebuildMs: number;
  readonly healedAfterMs: number | null;
  /** The most memory of each process, in MB. */
  readonly peakMb: Readonly<Record<string, number | null>>;
  readonly violations: readonly Violation[];
  /** Why the run could not be carried through; null when it was. */
  readonly failure: string | null;
  /** Of a run that was not good: what to run again. */
  readonly plan: readonly PlannedFault[] | null;
  readonly artifacts: string | null;
}

const LEASE_SECONDS = 3;
/** What servers and analyzers grant an engine where nothing else is configured. */
const ENGINE_TIMEOUT_MS = 1_500;
const IMPATIENT_AFTER_MS = 4_500;
/** For each process that is started, also of those that were killed. */
const READY_TIMEOUT_MS = 60_000;
const HEAL_TIMEOUT_MS = 180_000;
const SWEEP_TIMEOUT_MS = 120_000;
const SAMPLE_EVERY_MS = 2_000;
const PROGRESS_EVERY_MS = 10_000;
const LOST: readonly Violation['kind'][] = ['lost-write', 'copies-differ'];

/** A whole stack under a load that is judged, while a plan that follows from the seed breaks one part after the other. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const dir = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'salvor-chaos-'));
  const { shards = 4, nbdServers = 3, patience = 1 } = options;
  const engineTimeoutMs = String(Math.round(ENGINE_TIMEOUT_MS * patience));
  await using lines = new ChaosLines(dir);
  const stack = await startStack({
    dir,
    primaries: shards,
    spares: 4,
    nbdServers,
    appendfsync: 'no',
    readyTimeoutMs: READY_TIMEOUT_MS * patience,
    enginesSurviveFileLimit: true,
    via: lines.via,
    engineSocketsOf: lines.engineSocketsOf,
    nbdServerEnv: {
      SALVOR_LEASE_TTL_SECONDS: String(LEASE_SECONDS),
      SALVOR_ENGINE_COMMAND_TIMEOUT_MS: engineTimeoutMs,
    },
    // Engines fail far more often here than where somebody would look at one that flaps.
    services: {
      'repair-coordinator': { replicas: 2, env: { SALVOR_FLAPPING_FAILURES: '0' } },
      'health-analyzer': { replicas: 2, env: { SALVOR_PROBE_TIMEOUT_MS: engineTimeoutMs } },
    },
  });
  const end = (): void => void stack.destroy().finally(() => process.exit(130));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, end);
  let isGood = false;
  try {
    const report = await underChaos(stack, lines, options, shards);
    isGood = brokenBy(report).length === 0;
    const saved = isGood ? report : { ...report, artifacts: dir };
    if (!isGood) writeFileSync(join(dir, 'chaos.json'), JSON.stringify(saved, null, 1));
    return saved;
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.removeListener(signal, end);
    await stack.destroy();
    if (isGood) rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  }
}

/** A sentence for everything that must not be. */
export function brokenBy({ lost, stale, stuck, failure }: ChaosReport): string[] {
  return [
    ...(lost > 0 ? [`${lost} times something acknowledged was lost`] : []),
    ...(stale > 0 ? [`${stale} reads showed what they must not`] : []),
    ...stuck,
    ...(failure === null ? [] : [failure]),
  ];
}

async function underChaos(
  stack: Stack,
  lines: ChaosLines,
  options: ChaosOptions,
  shards: number,
): Promise<ChaosReport> {
  const { seed, minutes, patience = 1, progress = () => undefined } = options;
  await lines.openEngineSockets(stack);
  const bus = await stack.connectBus('chaos');
  const store = openStore({ endpoints: stack.etcdEndpoints });
  const memory = new MemoryWatch(() => pidsOf(stack), SAMPLE_EVERY_MS);
  try {
    const devices = await createDevices(stack, bus, options.devices ?? 6);
    const plan = planChaos(seed, minutes * 60_000, options.kinds);
    let isOver = false;
    const load = new HistoryLoad({
      devices,
      servers: stack.nbdServers.map((server) => ({ name: server.name, uri: (name) => server.unixUri(name) })),
      clientsPerDevice: 2,
      depth: 16,
      operations: 0,
      goesOn: () => !isOver,
      perSecondMax: options.perSecondMax ?? 1_500,
      seed,
      regions: { hotBlocks: 16, warmBlocks: 64, coldBlocks: 1_024 },
      impatientAfterMs: IMPATIENT_AFTER_MS,
    });
    const driver = new ChaosDriver({
      ...{ stack, lines, bus, store, shards },
      serverGone: (name) => load.serverGone(name),
      injected: ({ kind, target, atMs, overAtMs }) =>
        progress(`${atMs} to ${overAtMs} ms: ${kind} ${target}`),
    });
    const having = driver.having.bind(driver);
    const errands = new Errands({ stack, bus, store, devices, having });
    const teller = setInterval(() => {
      const { operations, longestStallMs } = load.progress;
      progress(
        `${operations} operations, ${load.recorder.violationCount} violations, longest stall ${longestStallMs} ms`,
      );
    }, PROGRESS_EVERY_MS);
    const stopping = new AbortController();
    const loading = load.run();
    loading.catch(() => stopping.abort());
    const erring = errands.run(stopping.signal);
    let failure: string | null = null;
    let healedAfterMs: number | null = null;
    try {
      await driver.run(plan, stopping.signal);
      progress('everything is brought back');
      const backAt = performance.now();
      await untilHealthy(bus, HEAL_TIMEOUT_MS * patience).then(
        () => {
          healedAfterMs = Math.round(performance.now() - backAt);
        },
        // What keeps it from being healthy is told as stuck work.
        (error: unknown) => progress(String(error)),
      );
      isOver = true;
      await loading;
    } catch (error) {
      failure = String(error);
    } finally {
      isOver = true;
      stopping.abort();
      clearInterval(teller);
      await Promise.allSettled([loading, erring]);
    }
    const stuck = await stuckWork(bus, HEAL_TIMEOUT_MS * patience);
    let copiesCompared = 0;
    if (failure === null && stuck.length === 0) {
      try {
        await load.sweep(SWEEP_TIMEOUT_MS * patience);
        copiesCompared = await compareCopies(stack, bus, load.recorder, devices);
      } catch (error) {
        failure = String(error);
      }
    }
    memory.sample();
    const { recorder } = load;
    const lost = recorder.violations.filter(({ kind }) => LOST.includes(kind)).length;
    const report: ChaosReport = {
      ...{ seed, minutes, failure, stuck, copiesCompared, healedAfterMs },
      operations: load.progress.operations,
      readsJudged: recorder.counts.readsJudged,
      faults: byKind(driver.injected),
      passedOver: driver.passedOver,
      errands: errands.counts,
      lost,
      flushedLost: recorder.flushedLost,
      stale: recorder.violationCount - lost,
      longestStallMs: load.progress.longestStallMs,
      longestRebuildMs: driver.longestRebuildMs,
      peakMb: Object.fromEntries(
        Object.entries(memory.summary(0)).map(([name, { peakMb }]) => [name, peakMb]),
      ),
      violations: recorder.violations,
      plan: null,
      artifacts: null,
    };
    return brokenBy(report).length === 0 ? report : { ...report, plan };
  } finally {
    memory.stop();
    store.close();
    await bus.close({ deadlineMs: 1_000 });
  }
}

async function createDevices(stack: Stack, bus: Bus, count: number): Promise<string[]> {
  const devices = Array.from({ length: count }, (_, i) => `h${i + 1}`);
  const place = { cluster: stack.clusters.primary, slaveCluster: stack.clusters.slave };
  for (const vdisk of devices) await bus.request('vdisk.create', { vdisk, type: 'db', sizeGiB: 1, ...place });
  return devices;
}

function pidsOf(stack: Stack): Record<string, number | undefined> {
  const servers = stack.nbdServers.map((server) => [server.name, server.identity()?.pid]);
  const services = [...stack.services].map(([name, { pid }]) => [name, pid]);
  return Object.fromEntries([...servers, ...services]);
}

function byKind(injected: readonly InjectedChaos[]): Partial<Record<ChaosKind, number>> {
  const counts: Partial<Record<ChaosKind, number>> = {};
  for (const { kind } of injected) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}
