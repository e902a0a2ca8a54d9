import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bus } from '@salvor/bus';
import { NbdClient, nbdcopy, type Stack, startStack, until } from '@salvor/testkit';
import { loads, runFio } from './fio.ts';
import { writeFillImage } from './nbd.ts';

/** Of the write throughput without a log; JetStream runs on the same cores as everything else, the archiver elsewhere. */
const WANTED_RATIO = 0.75;
/** Of a stream: what is written while nobody archives must fit. */
const STREAM_BYTES: number = 4 * 1024 ** 3;
/** Of what was written during a load, what the archiver has behind it when the load ends, up to one chunk. */
const WANTED_ARCHIVED = 0.9;
const CHUNK_BYTES: number = 64 * 1024 * 1024;
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

/** A load on the vdisk with a log while the archiver runs on the same cores; medians over the rounds. */
interface Archiving {
  /** Of the throughput without a log. */
  readonly ratio: number;
  readonly writtenMb: number;
  /** In Tier-1 when the load ended. */
  readonly leftMb: number;
  /** Share of what was written that was archived when the load ended, one chunk aside. */
  readonly archivedShare: number;
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
  readonly archiver: Record<string, Archiving>;
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
    for (const vdisk of vdisks)
      await nbdcopy(image, stack.nbdServer().unixUri(vdisk), { timeoutMs: 120_000 });
    rmSync(image);
    const runs = await measure(stack, options);
    const throughput = Object.fromEntries([...runs].map(([load, rounds]) => [load, compare(rounds)]));
    const archiver = Object.fromEntries(
      [...runs].map(([load, rounds]) => [load, archivedBeside(rounds.map(({ archiving }) => archiving))]),
    );
    const writeAndFlush = { bare: await flushes(stack, 'bare'), logged: await flushes(stack, 'logged') };
    const goals = Object.entries(throughput)
      .filter(([load]) => load !== 'write4kQd1')
      .map(([load, { ratio }]) => ({
        ...{ goal: `${load}: with a log against without`, wanted: WANTED_RATIO, reached: ratio },
        met: ratio >= WANTED_RATIO,
      }));
    for (const [load, { archivedShare }] of Object.entries(archiver))
      goals.push({
        ...{ goal: `${load}: archived as it is written`, wanted: WANTED_ARCHIVED, reached: archivedShare },
        met: archivedShare >= WANTED_ARCHIVED,
      });
    const { rounds, seconds } = options;
    return { rounds, seconds, loadAverage: loadavg()[0] ?? 0, throughput, archiver, writeAndFlush, goals };
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

/** Bytes of the log that Tier-1 holds. */
async function inTier1(bus: Bus): Promise<number> {
  const { logs } = await bus.request('tlog.status', { vdisk: 'logged' });
  return logs.reduce((sum, { streamBytes }) => sum + streamBytes, 0);
}

/** Each load begins with an archiver that has little left to do. */
async function untilArchived(bus: Bus): Promise<void> {
  await until(async () => (await inTier1(bus)) <= CHUNK_BYTES, {
    ...{ what: 'the archiver has all but its last chunk', timeoutMs: 120_000, intervalMs: 200 },
  });
}

type Round = Record<Which, Run> & { readonly archiving: Archiving };

async function measure(
  stack: Stack,
  { rounds, seconds, progress }: { rounds: number; seconds: number; progress: (line: string) => void },
): Promise<Map<string, Round[]>> {
  const writes = loads.filter(({ rw }) => rw.endsWith('write'));
  const runs = new Map<string, Round[]>(writes.map(({ name }) => [name, []]));
  const server = stack.nbdServer();
  const bus = await stack.connectBus('bench');
  const archiver = stack.service('tlog-replayer');
  await bus.applyManifest({ containers: 1, containerBytes: STREAM_BYTES });
  await untilArchived(bus);
  for (let round = 1; round <= rounds; round++) {
    for (const load of writes) {
      const of = async (vdisk: Which): Promise<Run> => {
        const { errors, ...run } = await runFio(server.unixUri(vdisk), load, seconds);
        if (errors > 0) throw new Error(`${vdisk}, ${load.name}: fio reported error ${errors}`);
        return run;
      };
      const withoutArchiver = async (): Promise<Run> => {
        archiver.pause();
        const run = await of('logged').finally(() => archiver.resume());
        await untilArchived(bus);
        return run;
      };
      const withArchiver = async (): Promise<Run & { leftMb: number }> => {
        const run = await of('logged');
        const leftMb = (await inTier1(bus)) / 1e6;
        await untilArchived(bus);
        return { ...run, leftMb };
      };
      // Whoever comes second finds the machine as the first one left it.
      const bareFirst = round % 2 === 1 ? await of('bare') : null;
      const logged = await withoutArchiver();
      const beside = await withArchiver();
      const bare = bareFirst ?? (await of('bare'));
      const archiving = archivingOf(beside, bare, seconds);
      runs.get(load.name)?.push({ bare, logged, archiving });
      const [without, withLog, withBoth] = [bare, logged, beside].map(({ mbPerS }) => Math.round(mbPerS));
      progress(
        `round ${round} ${load.name}: ${without} MB/s, with a log ${withLog} MB/s, with the archiver on the same cores ${withBoth} MB/s`,
      );
    }
  }
  await bus.close();
  return runs;
}

function archivingOf(beside: Run & { leftMb: number }, bare: Run, seconds: number): Archiving {
  const { mbPerS, leftMb } = beside;
  const writtenMb = mbPerS * seconds;
  const behind = Math.max(0, leftMb - CHUNK_BYTES / 1e6);
  const archivedShare = Math.max(0, 1 - behind / writtenMb);
  return { ratio: mbPerS / bare.mbPerS, writtenMb, leftMb, archivedShare };
}

function archivedBeside(runs: readonly Archiving[]): Archiving {
  const middle = (of: keyof Archiving): number => median(runs.map((run) => run[of]));
  return {
    ratio: Math.round(middle('ratio') * 100) / 100,
    writtenMb: Math.round(middle('writtenMb')),
    leftMb: Math.round(middle('leftMb')),
    archivedShare: Math.round(middle('archivedShare') * 100) / 100,
  };
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

export function tlogTable({ throughput, archiver, writeAndFlush, goals, loadAverage }: TlogBench): string {
  const rows = Object.entries(throughput).map(
    ([load, { bare, logged, ratio }]) =>
      `${load.padEnd(14)} ${bare.mbPerS} MB/s (p99 ${bare.p99Us} us), with a log ${logged.mbPerS} MB/s (p99 ${logged.p99Us} us): ${ratio}`,
  );
  const archived = Object.entries(archiver).map(
    ([load, { ratio, writtenMb, leftMb }]) =>
      `${load.padEnd(14)} with the archiver on the same cores ${ratio}: ${writtenMb} MB written, ${leftMb} MB not archived when it ended`,
  );
  const flushed = vdisks.map((which) => {
    const { p50Us, p99Us } = writeAndFlush[which];
    return `write and flush, ${which}: p50 ${p50Us} us, p99 ${p99Us} us`;
  });
  const met = goals.map(
    ({ goal, wanted, reached, met: isMet }) =>
      `${isMet ? 'met' : 'MISSED'} ${goal}: ${reached} (>= ${wanted})`,
  );
  return `${[...rows, ...archived, ...flushed, ...met, `load average ${loadAverage}`].join('\n')}\n`;
}
