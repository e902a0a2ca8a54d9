import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { NbdClient, nbdcopy, type Stack, startStack } from '@salvor/testkit';
import { loads, runFio } from './fio.ts';
import { writeFillImage } from './nbd.ts';

/** Of the write throughput without a log; JetStream runs on the same cores as everything else. */
const WANTED_RATIO = 0.75;
const FLUSHES = 300;
const BLOCK_BYTES = 4096;

const vdisks = ['bare', 'logged'] as const;
type Which = (typeof vdisks)[number];

interface Run {
  readonly iops: number;
  readonly mbPerS: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

interface Compared {
  /** Medians over the rounds. */
  readonly bare: Run;
  readonly logged: Run;
  /** Median of logged : bare, each taken within one round. */
  readonly ratio: number;
}

interface FlushLatency {
  readonly p50Us: number;
  readonly p99Us: number;
}

export interface TlogBench {
  readonly rounds: number;
  readonly seconds: number;
  readonly loadAverage: number;
  readonly throughput: Record<string, Compared>;
  /** A write of one block and a flush behind it, one after the other. */
  readonly writeAndFlush: Record<Which, FlushLatency>;
  readonly goals: readonly { goal: string; wanted: number; reached: number; met: boolean }[];
}

/** Writes to a vdisk with a transaction log and to one without, two copies each, on the same engines and server, interleaved. */
export async function benchTlog(options: {
  rounds: number;
  seconds: number;
  progress: (line: string) => void;
}): Promise<TlogBench> {
  const dir = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'salvor-bench-'));
  const stack = await startStack({ dir: join(dir, 'stack'), appendonly: false, spares: 0 });
  try {
    await create(stack);
    const image = writeFillImage(dir);
    for (const vdisk of vdisks) {
      await nbdcopy(image, stack.nbdServer().unixUri(vdisk), { timeoutMs: 120_000 });
      await letGo(stack);
    }
    rmSync(image);
    const runs = await measure(stack, options);
    const throughput = Object.fromEntries([...runs].map(([load, rounds]) => [load, compare(rounds)]));
    const writeAndFlush = { bare: await flushes(stack, 'bare'), logged: await flushes(stack, 'logged') };
    const goals = Object.entries(throughput)
      .filter(([load]) => load !== 'write4kQd1')
      .map(([load, { ratio }]) => ({
        ...{ goal: `${load}: with a log against without`, wanted: WANTED_RATIO, reached: ratio },
        met: ratio >= WANTED_RATIO,
      }));
    const { rounds, seconds } = options;
    return { rounds, seconds, loadAverage: loadavg()[0] ?? 0, throughput, writeAndFlush, goals };
  } finally {
    await stack.destroy();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function create(stack: Stack): Promise<void> {
  const bus = await stack.connectBus('bench');
  for (const vdisk of vdisks)
    await bus.request('vdisk.create', {
      ...{ vdisk, type: 'db', sizeGiB: 1, cluster: 'p1', slaveCluster: 's1' },
      ...(vdisk === 'logged' ? { tlog: 'block' } : {}),
    });
  await bus.close();
}

/** What an archiver would do in time: the stream must not fill up. */
async function letGo(stack: Stack): Promise<void> {
  const bus = await stack.connectBus('bench');
  const { logs } = await bus.request('tlog.status', { vdisk: 'logged' });
  for (const { stream, container } of logs) {
    const subject = `salvor.tlog.v1.${container}.logged`;
    const last = await bus.logStreams.last(stream, subject);
    if (last !== null) await bus.logStreams.purge(stream, subject, last.sequence);
  }
  await bus.close();
}

type Round = Record<Which, Run>;

async function measure(
  stack: Stack,
  { rounds, seconds, progress }: { rounds: number; seconds: number; progress: (line: string) => void },
): Promise<Map<string, Round[]>> {
  const writes = loads.filter(({ rw }) => rw.endsWith('write'));
  const runs = new Map<string, Round[]>(writes.map(({ name }) => [name, []]));
  const server = stack.nbdServer();
  for (let round = 1; round <= rounds; round++) {
    for (const load of writes) {
      const of = async (vdisk: Which): Promise<Run> => {
        const { errors, ...run } = await runFio(server.unixUri(vdisk), load, seconds);
        if (errors > 0) throw new Error(`${vdisk}, ${load.name}: fio reported error ${errors}`);
        return run;
      };
      // Whoever comes second finds the machine as the first one left it.
      const bareFirst = round % 2 === 1 ? await of('bare') : null;
      const logged = await of('logged');
      const bare = bareFirst ?? (await of('bare'));
      await letGo(stack);
      runs.get(load.name)?.push({ bare, logged });
      const [without, withLog] = [bare.mbPerS, logged.mbPerS].map(Math.round);
      progress(`round ${round} ${load.name}: ${without} MB/s, with a log ${withLog} MB/s`);
    }
  }
  return runs;
}

async function flushes(stack: Stack, vdisk: Which): Promise<FlushLatency> {
  const client = await NbdClient.connect(stack.nbdServer().unixUri(vdisk));
  const data = Buffer.alloc(BLOCK_BYTES, 7);
  const took: number[] = [];
  for (let i = 0; i < FLUSHES; i++) {
    const from = performance.now();
    await client.write((i % 1_000) * BLOCK_BYTES, data);
    await client.flush();
    took.push((performance.now() - from) * 1_000);
  }
  await client.disconnect();
  took.sort((a, b) => a - b);
  const at = (share: number): number => Math.round(took[Math.floor(took.length * share)] ?? 0);
  return { p50Us: at(0.5), p99Us: at(0.99) };
}

function compare(rounds: readonly Round[]): Compared {
  const middle = (which: Which): Run => ({
    iops: Math.round(median(rounds.map((round) => round[which].iops))),
    mbPerS: Math.round(median(rounds.map((round) => round[which].mbPerS))),
    p50Us: Math.round(median(rounds.map((round) => round[which].p50Us))),
    p99Us: Math.round(median(rounds.map((round) => round[which].p99Us))),
  });
  const ratio = median(rounds.map(({ bare, logged }) => logged.mbPerS / bare.mbPerS));
  return { bare: middle('bare'), logged: middle('logged'), ratio: Math.round(ratio * 100) / 100 };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

export function tlogTable({ throughput, writeAndFlush, goals, loadAverage }: TlogBench): string {
  const rows = Object.entries(throughput).map(
    ([load, { bare, logged, ratio }]) =>
      `${load.padEnd(14)} ${bare.mbPerS} MB/s (p99 ${bare.p99Us} us), with a log ${logged.mbPerS} MB/s (p99 ${logged.p99Us} us): ${ratio}`,
  );
  const flushed = vdisks.map((which) => {
    const { p50Us, p99Us } = writeAndFlush[which];
    return `write and flush, ${which}: p50 ${p50Us} us, p99 ${p99Us} us`;
  });
  const met = goals.map(
    ({ goal, wanted, reached, met: isMet }) =>
      `${isMet ? 'met' : 'MISSED'} ${goal}: ${reached} (>= ${wanted})`,
  );
  return `${[...rows, ...flushed, ...met, `load average ${loadAverage}`].join('\n')}\n`;
}
