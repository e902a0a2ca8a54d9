import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { nbdcopy, type Stack, startStack, until } from '@salvor/testkit';
import { cpuTimeUs } from './cpu-time.ts';
import { type FioLoad, type FioResult, loads, runFio } from './fio.ts';
import { type Goal, nbdGoals } from './nbd-goals.ts';
import { RawEngines } from './raw-engines.ts';

const SIZE_MIB = 256;

interface Target {
  readonly name: string;
  /** Null for what is no NBD server: it brings its own load. */
  readonly uri: string | null;
  readonly measure: (load: FioLoad, seconds: number) => Promise<FioResult>;
  /** Processes whose CPU time counts as the server's. */
  readonly pids: () => number[];
}

interface Measured {
  /** Medians over the rounds. */
  readonly iops: number;
  readonly mbPerS: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly minIops: number;
  readonly maxIops: number;
  readonly serverCpuUsPerOp: number;
  /** Median of the ratios to qemu-nbd, each taken within one round. */
  readonly ratioToQemuNbd: number;
}

export interface NbdBench {
  readonly rounds: number;
  readonly seconds: number;
  readonly loadAverage: number;
  readonly results: Record<string, Record<string, Measured>>;
  readonly goals: readonly Goal[];
}

/**
 * Compares Salvor (two copies, one copy) with qemu-nbd on a raw file in memory, nbdkit's memory plugin and the engines
 * themselves, interleaved.
 */
export async function benchNbd(options: {
  rounds: number;
  seconds: number;
  progress: (line: string) => void;
}): Promise<NbdBench> {
  const dir = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'salvor-bench-'));
  const peers: ChildProcess[] = [];
  const stack = await startStack({ dir: join(dir, 'stack'), appendonly: false, spares: 0 });
  const raw = await RawEngines.start(dir);
  try {
    const targets = [...(await salvorTargets(stack)), ...(await peerTargets(dir, peers)), rawTarget(raw)];
    await prefill(dir, targets, options.progress);
    const results = summarise(await measure(targets, options));
    return {
      rounds: options.rounds,
      seconds: options.seconds,
      loadAverage: loadavg()[0] ?? 0,
      results,
      goals: nbdGoals(results),
    };
  } finally {
    for (const peer of peers) peer.kill('SIGKILL');
    await raw.stop();
    await stack.destroy();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function salvorTargets(stack: Stack): Promise<Target[]> {
  const bus = await stack.connectBus('bench');
  await bus.request('vdisk.create', {
    vdisk: 'two',
    type: 'db',
    sizeGiB: 1,
    cluster: 'p1',
    slaveCluster: 's1',
  });
  await bus.request('vdisk.create', {
    vdisk: 'native',
    type: 'volume',
    sizeGiB: 1,
    cluster: 'p1',
    slaveCluster: 's1',
  });
  await bus.request('vdisk.create', { vdisk: 'one', type: 'db', sizeGiB: 1, cluster: 'p1' });
  await bus.close();
  const server = stack.nbdServer();
  const pids = (): number[] => [server.identity()?.pid ?? 0];
  return [
    nbdTarget('salvor two copies', server.unixUri('two'), pids),
    nbdTarget('salvor volume two copies', server.unixUri('native'), pids),
    nbdTarget('salvor one copy', server.unixUri('one'), pids),
  ];
}

function nbdTarget(name: string, uri: string, pids: () => number[]): Target {
  return { name, uri, pids, measure: (load, seconds) => runFio(uri, load, seconds) };
}

function rawTarget(raw: RawEngines): Target {
  const measure = (load: FioLoad, seconds: number): Promise<FioResult> => raw.measure(load, seconds);
  return { name: 'raw engines', uri: null, pids: () => raw.pids, measure };
}

async function peerTargets(dir: string, peers: ChildProcess[]): Promise<Target[]> {
  const raw = join(dir, 'qemu.raw');
  writeFileSync(raw, '');
  truncateSync(raw, SIZE_MIB << 20);
  const launch = async (name: string, socket: string, command: string, args: string[]): Promise<Target> => {
    const child = spawn(command, args, { stdio: 'ignore' });
    peers.push(child);
    await until(() => existsSync(socket), { what: `${name} listens`, timeoutMs: 10_000 });
    return nbdTarget(name, `nbd+unix:///?socket=${socket}`, () => [child.pid ?? 0]);
  };
  const [qemu, kit] = [join(dir, 'qemu.sock'), join(dir, 'kit.sock')];
  return [
    await launch('qemu-nbd', qemu, 'qemu-nbd', [
      '-f',
      'raw',
      '-k',
      qemu,
      '-e',
      '16',
      '-t',
      '--cache=writeback',
      '--aio=threads',
      raw,
    ]),
    await launch('nbdkit memory', kit, 'nbdkit', ['-f', '-U', kit, '--threads=4', 'memory', `${SIZE_MIB}M`]),
  ];
}

/** Absent blocks read faster than stored ones: everything is written once before anything is measured. */
async function prefill(
  dir: string,
  targets: readonly Target[],
  progress: (line: string) => void,
): Promise<void> {
  const image = writeFillImage(dir);
  for (const { name, uri } of targets) {
    if (uri === null) continue;
    await nbdcopy(image, uri, { timeoutMs: 120_000 });
    progress(`filled ${name}`);
  }
  rmSync(image);
}

/** A raw image without holes, as large as what is measured. */
export function writeFillImage(dir: string): string {
  const image = join(dir, 'fill.raw');
  const chunk = Buffer.alloc(1 << 20);
  for (let at = 0; at < chunk.length; at += 4) chunk.writeUInt32LE((at * 2_654_435_761) >>> 0, at);
  writeFileSync(image, Buffer.concat(Array.from({ length: SIZE_MIB }, () => chunk)));
  return image;
}

type Runs = Map<string, Map<string, (FioResult & { cpuUsPerOp: number })[]>>;

async function measure(
  targets: readonly Target[],
  options: { rounds: number; seconds: number; progress: (line: string) => void },
): Promise<Runs> {
  const runs: Runs = new Map(
    loads.map(({ name }) => [name, new Map(targets.map((target) => [target.name, []]))]),
  );
  for (let round = 1; round <= options.rounds; round++) {
    for (const load of loads) {
      for (const { name, measure: run, pids } of targets) {
        const before = cpuTimeUs(pids());
        const result = await run(load, options.seconds);
        const cpuUs = cpuTimeUs(pids()) - before;
        if (result.errors > 0) throw new Error(`${name}, ${load.name}: fio reported error ${result.errors}`);
        runs
          .get(load.name)
          ?.get(name)
          ?.push({ ...result, cpuUsPerOp: cpuUs / Math.max(1, result.iops * options.seconds) });
        options.progress(`round ${round} ${load.name} ${name}: ${Math.round(result.iops)} IOPS`);
      }
    }
  }
  return runs;
}

function summarise(runs: Runs): NbdBench['results'] {
  const results: NbdBench['results'] = {};
  for (const [load, byTarget] of runs) {
    const peer = byTarget.get('qemu-nbd') ?? [];
    results[load] = {};
    for (const [name, rounds] of byTarget) {
      const iops = rounds.map((round) => round.iops);
      results[load][name] = {
        iops: median(iops),
        mbPerS: median(rounds.map((round) => round.mbPerS)),
        p50Us: median(rounds.map((round) => round.p50Us)),
        p99Us: median(rounds.map((round) => round.p99Us)),
        minIops: Math.round(Math.min(...iops)),
        maxIops: Math.round(Math.max(...iops)),
        serverCpuUsPerOp: median(rounds.map((round) => round.cpuUsPerOp)),
        ratioToQemuNbd: median(iops.map((value, i) => value / (peer[i]?.iops ?? Number.NaN))),
      };
    }
  }
  return results;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  return Math.round(middle * 100) / 100;
}

export function nbdTable({ results, goals, loadAverage }: NbdBench): string {
  const lines = [`load average ${loadAverage.toFixed(1)}; medians; ratio to qemu-nbd in the same round`];
  for (const [load, byTarget] of Object.entries(results)) {
    for (const [name, m] of Object.entries(byTarget)) {
      lines.push(
        `${load.padEnd(12)} ${name.padEnd(24)} ${String(Math.round(m.iops)).padStart(8)} IOPS ${m.mbPerS.toFixed(0).padStart(6)} MB/s  p50 ${m.p50Us.toFixed(0).padStart(6)} us  cpu ${m.serverCpuUsPerOp.toFixed(1).padStart(7)} us/op  x${m.ratioToQemuNbd.toFixed(2)}`,
      );
    }
  }
  for (const { goal, wanted, reached, met } of goals)
    lines.push(`${met ? 'met    ' : 'missed '} ${goal}: ${reached}, wanted ${wanted}`);
  return `${lines.join('\n')}\n`;
}
