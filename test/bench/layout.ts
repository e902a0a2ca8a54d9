import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { nbdcopy, type Stack, startStack } from '@salvor/testkit';
import { cpuTimeUs } from './cpu-time.ts';
import { loads, runFio } from './fio.ts';
import { writeFillImage } from './nbd.ts';

/** The layouts that are compared, by the type of vdisk that has them. */
const types = ['db', 'volume'] as const;
type LayoutType = (typeof types)[number];

interface Round {
  readonly iops: number;
  readonly mbPerS: number;
  readonly serverCpuUs: number;
  readonly engineCpuUs: number;
}

interface Compared {
  readonly db: Round;
  readonly volume: Round;
  /** Medians of volume : db, each taken within one round. Of CPU per operation, server and engines together. */
  readonly ratioOfIops: number;
  readonly ratioOfCpu: number;
}

export interface LayoutBench {
  readonly rounds: number;
  readonly seconds: number;
  readonly loadAverage: number;
  readonly results: Record<string, Compared>;
}

/** Compares the native layout with 0-Disk's, two copies each, on the same engines and server, interleaved. */
export async function benchLayouts(options: {
  rounds: number;
  seconds: number;
  progress: (line: string) => void;
}): Promise<LayoutBench> {
  const dir = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'salvor-bench-'));
  const stack = await startStack({ dir: join(dir, 'stack'), appendonly: false, spares: 0 });
  try {
    await createVdisks(stack);
    const image = writeFillImage(dir);
    for (const type of types) await nbdcopy(image, stack.nbdServer().unixUri(type), { timeoutMs: 120_000 });
    rmSync(image);
    const runs = await measure(stack, options);
    return {
      rounds: options.rounds,
      seconds: options.seconds,
      loadAverage: loadavg()[0] ?? 0,
      results: Object.fromEntries([...runs].map(([load, rounds]) => [load, compare(rounds)])),
    };
  } finally {
    await stack.destroy();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function createVdisks(stack: Stack): Promise<void> {
  const bus = await stack.connectBus('bench');
  for (const type of types)
    await bus.request('vdisk.create', { vdisk: type, type, sizeGiB: 1, cluster: 'p1', slaveCluster: 's1' });
  await bus.close();
}

type Rounds = Record<LayoutType, Round>[];

async function measure(
  stack: Stack,
  { rounds, seconds, progress }: { rounds: number; seconds: number; progress: (line: string) => void },
): Promise<Map<string, Rounds>> {
  const runs = new Map<string, Rounds>(loads.map(({ name }) => [name, []]));
  const server = stack.nbdServer();
  const enginePids = [...stack.engines.primary, ...stack.engines.slave].map(
    ({ process }) => process.pid ?? 0,
  );
  for (let round = 1; round <= rounds; round++) {
    for (const load of loads) {
      const found: Partial<Record<LayoutType, Round>> = {};
      // The one that comes second may find another machine: they take turns.
      for (const type of round % 2 === 0 ? types : [...types].reverse()) {
        const serverPids = [server.identity()?.pid ?? 0];
        const before = { server: cpuTimeUs(serverPids), engine: cpuTimeUs(enginePids) };
        const { iops, mbPerS, errors } = await runFio(server.unixUri(type), load, seconds);
        if (errors > 0) throw new Error(`${type}, ${load.name}: fio reported error ${errors}`);
        const operations = Math.max(1, iops * seconds);
        found[type] = {
          iops,
          mbPerS,
          serverCpuUs: (cpuTimeUs(serverPids) - before.server) / operations,
          engineCpuUs: (cpuTimeUs(enginePids) - before.engine) / operations,
        };
        progress(`round ${round} ${load.name} ${type}: ${Math.round(iops)} IOPS`);
      }
      const { db, volume } = found;
      if (db !== undefined && volume !== undefined) runs.get(load.name)?.push({ db, volume });
    }
  }
  return runs;
}

function compare(rounds: Rounds): Compared {
  const medianOf = (type: LayoutType): Round => ({
    iops: median(rounds.map((round) => round[type].iops)),
    mbPerS: median(rounds.map((round) => round[type].mbPerS)),
    serverCpuUs: median(rounds.map((round) => round[type].serverCpuUs)),
    engineCpuUs: median(rounds.map((round) => round[type].engineCpuUs)),
  });
  const cpu = ({ serverCpuUs, engineCpuUs }: Round): number => serverCpuUs + engineCpuUs;
  return {
    db: medianOf('db'),
    volume: medianOf('volume'),
    ratioOfIops: median(rounds.map(({ db, volume }) => volume.iops / db.iops)),
    ratioOfCpu: median(rounds.map(({ db, volume }) => cpu(volume) / cpu(db))),
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.round((sorted[Math.floor(sorted.length / 2)] ?? Number.NaN) * 100) / 100;
}

export function layoutTable({ results, loadAverage, rounds }: LayoutBench): string {
  const lines = [
    `load average ${loadAverage.toFixed(1)}; medians of ${rounds} rounds; two copies; ratios volume : db within a round`,
  ];
  for (const [load, { db, volume, ratioOfIops, ratioOfCpu }] of Object.entries(results)) {
    for (const [name, m] of [
      ['db', db],
      ['volume', volume],
    ] as const)
      lines.push(
        `${load.padEnd(12)} ${name.padEnd(7)} ${String(Math.round(m.iops)).padStart(8)} IOPS ${m.mbPerS.toFixed(0).padStart(6)} MB/s  cpu us/op: server ${m.serverCpuUs.toFixed(1).padStart(7)}, engines ${m.engineCpuUs.toFixed(1).padStart(7)}`,
      );
    lines.push(
      `${load.padEnd(12)} volume : db  IOPS x${ratioOfIops.toFixed(2)}  CPU per op x${ratioOfCpu.toFixed(2)}`,
    );
  }
  return `${lines.join('\n')}\n`;
}
