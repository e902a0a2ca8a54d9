import { loadavg } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import {
  EngineFaultDriver,
  type InjectedFault,
  type LoadOptions,
  testSeed,
  until,
  type Verification,
  VerifyingLoad,
} from '@salvor/testkit';
import { HealingStack } from '../e2e/healing-stack.ts';
import { type MemorySummary, MemoryWatch } from './resident-memory.ts';

/** Options of `bench -- soak`, as given on the command line. */
export const soakOptions = {
  minutes: { type: 'string' },
  /** Kill the NBD server too, every minute: its clients see that, and reconnect. */
  'kill-server': { type: 'boolean' },
} as const;

/** Growth that counts as flat, in MB per minute. */
const SLOPE_MAX_MB_PER_MIN = 1;
const SAMPLE_EVERY_MS = 5_000;
/** The first part of the run, in which caches and heaps find their size. */
const WARM_UP_SHARE = 0.2;
const KILL_SERVER_EVERY_MS = 60_000;
const HEAL_TIMEOUT_MS = 180_000;
const REPORT_EVERY_MS = 60_000;

/** Four connections to two vdisks: small and large blocks, reads and writes, some of them with FUA. */
const LOADS: readonly (Partial<LoadOptions> & { vdisk: string; blockCount: number })[] = [
  { vdisk: 'soak-1', blockCount: 8_192, queueDepth: 16, requestsPerSecond: 400, readShare: 0.5 },
  { vdisk: 'soak-1', firstBlock: 8_192, blockCount: 2_048, queueDepth: 1, readShare: 0.3, fuaShare: 0.3 },
  { vdisk: 'soak-2', blockCount: 8_192, queueDepth: 32, requestsPerSecond: 400, readShare: 0.2 },
  { vdisk: 'soak-2', blockSize: 65_536, firstBlock: 1_024, blockCount: 256, queueDepth: 4, readShare: 0.5 },
];
/** For the loads that name no rate of their own: as fast as one after the other goes, but not faster. */
const REQUESTS_PER_SECOND = 100;

export interface SoakReport {
  readonly minutes: number;
  readonly seed: number;
  readonly loadAverage: number;
  readonly faults: Record<string, number>;
  readonly longestHealMs: number;
  readonly repairs: Record<string, number>;
  readonly incidentsOpen: number;
  readonly writesAcknowledged: number;
  readonly readsCompared: number;
  readonly longestWriteMs: number;
  /** Errors that a client saw; with `--kill-server` lost connections are expected and not among them. */
  readonly clientErrors: number;
  readonly connectionsLost: number;
  readonly serverKills: number;
  readonly blocksCompared: number;
  readonly blocksLost: number;
  readonly memory: Record<string, MemorySummary>;
  /** What was not as it must be; empty for a good run. */
  readonly broken: readonly string[];
}

export async function benchSoak(options: {
  minutes: number;
  faultEveryMs: number;
  killServer: boolean;
  progress: (line: string) => void;
}): Promise<SoakReport> {
  const { minutes, progress } = options;
  const seed = testSeed();
  await using healing = await HealingStack.start({
    spares: 4,
    // Engines fail far more often here than where somebody would look at one that flaps.
    services: { 'repair-coordinator': { env: { SALVOR_FLAPPING_FAILURES: '0' } } },
  });
  const { stack, bus } = healing;
  const uris = new Map<string, string>();
  for (const { vdisk } of LOADS) {
    if (!uris.has(vdisk)) uris.set(vdisk, await healing.createVdisk(vdisk));
  }
  const repairs: Record<string, number> = {};
  bus.watchEvents({
    types: ['repair.completed'],
    handler: ({ payload }) => count(repairs, payload.kind),
  });
  const errors: string[] = [];
  const loads = LOADS.map(
    ({ vdisk, ...load }, i) =>
      new VerifyingLoad({
        requestsPerSecond: REQUESTS_PER_SECOND,
        ...load,
        targets: uris.get(vdisk) ?? '',
        seed: seed + i,
        onIoError: (block, error) => errors.push(`${vdisk} block ${block}: ${error.message}`),
      }),
  );
  const memory = new MemoryWatch(
    () => ({
      'nbd-server': stack.nbdServer().identity()?.pid,
      ...Object.fromEntries([...stack.services].map(([name, { pid }]) => [name, pid])),
    }),
    SAMPLE_EVERY_MS,
  );
  const driver = new EngineFaultDriver({
    stack,
    bus,
    seed,
    faults: ['kill', 'kill', 'pause', 'stutter', 'lose'],
    everyMs: options.faultEveryMs,
    healTimeoutMs: HEAL_TIMEOUT_MS,
    onFault: ({ fault, address, healedAfterMs }) =>
      progress(`${fault} of ${address}: healed after ${healedAfterMs} ms`),
  });
  for (const load of loads) await load.start();
  driver.start();
  const startedAt = performance.now();
  const endsAt = startedAt + minutes * 60_000;
  let serverKills = 0;
  let nextKillAt = startedAt + KILL_SERVER_EVERY_MS;
  let nextReportAt = startedAt + REPORT_EVERY_MS;
  while (performance.now() < endsAt && driver.failure === null && !loads.some(({ gaveUp }) => gaveUp)) {
    await pause(250);
    if (options.killServer && performance.now() > nextKillAt) {
      nextKillAt += KILL_SERVER_EVERY_MS;
      serverKills++;
      await healing.server.kill('SIGKILL');
    }
    if (performance.now() > nextReportAt) {
      nextReportAt += REPORT_EVERY_MS;
      progress(reportLine((performance.now() - startedAt) / 60_000, memory, errors.length));
    }
  }
  const broken: string[] = [];
  const injected = await driver.stop().catch((error: unknown) => {
    broken.push(`the fault driver ended: ${String(error)}`);
    return driver.injected;
  });
  memory.stop();
  const stats = await Promise.all(loads.map((load) => load.stop()));
  const verified: Verification[] = [];
  for (const load of loads) verified.push(await load.verifyOverNbd());
  await until(() => healing.untilHealed(1_000).then(() => true), {
    what: 'everything is healthy',
    timeoutMs: HEAL_TIMEOUT_MS,
  }).catch((error: unknown) => broken.push(String(error)));
  const { incidents } = await bus.request('incident.list', { all: false });
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  const figures = {
    minutes: Math.round((performance.now() - startedAt) / 6_000) / 10,
    seed,
    loadAverage: Math.round((loadavg()[0] ?? 0) * 10) / 10,
    faults: byKind(injected),
    longestHealMs: Math.max(0, ...injected.map(({ healedAfterMs }) => healedAfterMs ?? 0)),
    repairs,
    incidentsOpen: incidents.length,
    writesAcknowledged: sum(stats.map((each) => each.writesAcknowledged)),
    readsCompared: sum(stats.map((each) => each.readsCompared)),
    longestWriteMs: Math.round(Math.max(...stats.map((each) => each.longestWriteMs))),
    clientErrors: sum(stats.map((each) => each.ioErrors)),
    connectionsLost: sum(stats.map((each) => each.connectionsLost)),
    serverKills,
    blocksCompared: sum(verified.map((each) => each.blocksCompared)),
    blocksLost: sum(verified.map((each) => each.blocksLost)),
    memory: memory.summary(minutes * 60_000 * WARM_UP_SHARE),
  };
  broken.push(
    ...errors.slice(0, 10),
    ...verified.flatMap(({ details }) => details.map(({ reason }) => reason)),
  );
  return { ...figures, broken: [...broken, ...brokenLimits(figures)] };
}

/** A sentence for each limit that the figures break. */
export function brokenLimits(figures: Omit<SoakReport, 'broken'>): string[] {
  const { clientErrors, connectionsLost, serverKills, blocksLost, incidentsOpen, memory } = figures;
  const broken: string[] = [];
  if (clientErrors > 0) broken.push(`clients saw ${clientErrors} errors`);
  if (connectionsLost > 0 && serverKills === 0) broken.push(`clients lost ${connectionsLost} connections`);
  if (blocksLost > 0) broken.push(`${blocksLost} blocks do not hold what they must`);
  if (incidentsOpen > 0) broken.push(`${incidentsOpen} incidents are open at the end`);
  for (const [name, { slopeMbPerMin }] of Object.entries(memory)) {
    if (slopeMbPerMin !== null && slopeMbPerMin > SLOPE_MAX_MB_PER_MIN)
      broken.push(`${name} grows by ${slopeMbPerMin} MB a minute, at most ${SLOPE_MAX_MB_PER_MIN} is flat`);
  }
  return broken;
}

export function soakTable(report: SoakReport): string {
  const lines = Object.entries(report).map(
    ([name, value]) => `${name.padEnd(20)} ${typeof value === 'object' ? JSON.stringify(value) : value}`,
  );
  return `${lines.join('\n')}\n`;
}

function reportLine(minute: number, memory: MemoryWatch, errors: number): string {
  const sizes = Object.entries(memory.summary(0)).map(([name, { lastMb }]) => `${name} ${lastMb} MB`);
  return `minute ${minute.toFixed(0)}: ${errors} errors; ${sizes.join(', ')}`;
}

function byKind(injected: readonly InjectedFault[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { fault } of injected) count(counts, fault);
  return counts;
}

function count(counts: Record<string, number>, kind: string): void {
  counts[kind] = (counts[kind] ?? 0) + 1;
}
