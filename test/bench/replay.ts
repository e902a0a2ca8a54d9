import { mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EngineLink, type RedisHandle, runTool, until } from '@salvor/testkit';
import { openDirectoryStore } from '../../packages/tlog/src/index.ts';
import { Frame } from '../../packages/vdisk/src/resp.ts';
import { RespLink } from '../../packages/vdisk/src/resp-link.ts';
import { DataPlane } from '../../packages/vdisk/test/data-plane.ts';
import { BLOCK_BYTES, Contents, type WrittenHistory, writeHistory } from './replay-history.ts';
import type { WorkerReport, WorkerTask } from './replay-worker.ts';

/** Options of `bench -- replay`, as given on the command line. */
export const replayOptions = {
  'size-mib': { type: 'string' },
  times: { type: 'string' },
} as const;

const SHARDS = 4;
const VDISK = 'v1';
const CONTAINER = 0;
const WORKER_TIMEOUT_MS = 590_000;
/** As the pairs do: blocks of a command, and commands on their way to an engine. */
const RAW_RUN = 256;
const RAW_IN_FLIGHT = 4;

const READ_MAX = 1.15;
const WRITTEN_MAX = 1.02;
const WALL_MAX = 0.2;
const RATE_MIN = 0.7;
const MEMORY_MAX_MB = 400;

interface Round {
  readonly rawMs: number;
  readonly newestFirst: WorkerReport;
  /** Of one shard, both members of which are lost. */
  readonly oneShard: WorkerReport;
  readonly forward: WorkerReport;
  readonly wallToForward: number;
  readonly rateToRaw: number;
}

export interface ReplayBench {
  readonly sizeMib: number;
  readonly times: number;
  readonly loadAverage: number;
  readonly liveMib: number;
  /** Medians over the rounds; every ratio is taken within one. */
  readonly readToLive: number;
  readonly writtenToLost: number;
  readonly oneShardReadToLive: number;
  readonly oneShardWrittenToLost: number;
  readonly wallToForward: number;
  readonly restoreMbPerS: number;
  readonly rawMbPerS: number;
  readonly rateToRaw: number;
  readonly verifyMbPerS: number;
  readonly peakMb: number;
  readonly rounds: readonly Round[];
  /** Goals that were missed. */
  readonly broken: readonly string[];
}

/**
 * Restores a vdisk from a log that overwrites it several times: newest first, beside every record in its order, and beside the
 * same blocks written to the same engines by bare pipelines.
 */
export async function benchReplay(options: {
  sizeMib: number;
  times: number;
  rounds: number;
  progress: (line: string) => void;
}): Promise<ReplayBench> {
  const { sizeMib, times, progress } = options;
  const blocks = (sizeMib << 20) / BLOCK_BYTES;
  // On disk: a log is larger than memory is meant for.
  const root = mkdtempSync(join(tmpdir(), 'salvor-bench-replay-'));
  try {
    const files = await openDirectoryStore({ root });
    const history = await writeHistory(
      files,
      { vdisk: VDISK, container: CONTAINER, blocks, times },
      progress,
    );
    await files.close();
    await using plane = await DataPlane.start({ shards: SHARDS });
    await plane.addVdisk(VDISK);
    const rounds: Round[] = [];
    for (let round = 1; round <= options.rounds; round++) {
      const result = await oneRound(plane, root, blocks, history);
      rounds.push(result);
      progress(`round ${round}: ${JSON.stringify(result)}`);
    }
    return summarise(options, history, rounds);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

async function oneRound(
  plane: DataPlane,
  root: string,
  blocks: number,
  { sequence, liveBlocks }: WrittenHistory,
): Promise<Round> {
  const engines = [...plane.primaries, ...plane.slaves];
  const task = {
    etcd: plane.etcd.endpoint,
    root,
    vdisk: VDISK,
    container: CONTAINER,
    upTo: sequence,
    blocks,
  };
  const run = async (how: WorkerTask['how'], lost: WorkerTask['lost'] = null): Promise<WorkerReport> => {
    await empty(engines);
    return work({ ...task, how, lost, shards: SHARDS });
  };
  const newestFirst = await run('newest-first');
  await empty(engines);
  const rawMs = await writeRaw(plane, liveBlocks);
  const oneShard = await run('newest-first', [1]);
  const forward = await run('forward');
  return {
    ...{ rawMs, newestFirst, oneShard, forward },
    wallToForward: newestFirst.restoreMs / forward.restoreMs,
    rateToRaw: rawMs / newestFirst.restoreMs,
  };
}

async function work(task: WorkerTask): Promise<WorkerReport> {
  const worker = fileURLToPath(new URL('./replay-worker.ts', import.meta.url));
  const { stdout } = await runTool(process.execPath, ['--import', 'tsx', worker, JSON.stringify(task)], {
    timeoutMs: WORKER_TIMEOUT_MS,
  });
  return JSON.parse(stdout) as WorkerReport;
}

/**
 * Removes the blocks, from the append-only files, too: they would fill the memory that the log is read through, and an engine
 * that rewrites its file in the middle of a round works for that and not for the round.
 */
async function empty(engines: readonly RedisHandle[]): Promise<void> {
  for (const { port } of engines) {
    using link = await EngineLink.open(port);
    await link.send('CONFIG', 'SET', 'auto-aof-rewrite-percentage', '0');
    await link.send('DEL', `nondedup:${VDISK}`);
    await link.send('BGREWRITEAOF');
    const isRewritten = async (): Promise<boolean> => {
      const info = String(await link.send('INFO', 'persistence'));
      return info.includes('aof_rewrite_in_progress:0') && info.includes('aof_rewrite_scheduled:0');
    };
    await until(isRewritten, { what: 'the append-only file is rewritten', timeoutMs: 60_000 });
  }
}

/** The same blocks to the same engines, by HSET of many fields in pipelines: no mount, fence, history or checksums. */
async function writeRaw(plane: DataPlane, liveBlocks: readonly number[]): Promise<number> {
  const byShard = Array.from({ length: SHARDS }, (_, shard) =>
    liveBlocks.filter((block) => block % SHARDS === shard),
  );
  const contents = new Contents(20_260);
  const startedAt = performance.now();
  await Promise.all(
    byShard.map(async (blocks, shard) => {
      const links = await Promise.all(
        [plane.primaries[shard], plane.slaves[shard]].map((engine) =>
          RespLink.connect({
            ...{ address: engine?.address ?? '', db: 0, connectTimeoutMs: 5_000 },
            ...{ commandTimeoutMs: 30_000, clientName: 'bench' },
          }),
        ),
      );
      let next = 0;
      const lane = async (): Promise<void> => {
        const data = Buffer.allocUnsafe(RAW_RUN * BLOCK_BYTES);
        while (next < blocks.length) {
          const run = blocks.slice(next, next + RAW_RUN);
          next += run.length;
          for (const [i, block] of run.entries()) contents.of(block + 1, data, i * BLOCK_BYTES);
          const frame = (): Frame => {
            const hset = new Frame()
              .begin(2 + 2 * run.length)
              .arg('HSET')
              .arg(`nondedup:${VDISK}`);
            for (const [i, block] of run.entries())
              hset.arg(block).arg(data.subarray(i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES));
            return hset;
          };
          await Promise.all(links.map((link) => link.request(frame())));
        }
      };
      await Promise.all(Array.from({ length: RAW_IN_FLIGHT }, lane));
      for (const link of links) link.close();
    }),
  );
  return performance.now() - startedAt;
}

function summarise(
  { sizeMib, times }: { sizeMib: number; times: number },
  { liveBlocks }: WrittenHistory,
  rounds: readonly Round[],
): ReplayBench {
  const of = (pick: (round: Round) => number): number => median(rounds.map(pick));
  const liveBytes = liveBlocks.length * BLOCK_BYTES;
  const shardBytes = liveBlocks.filter((block) => block % SHARDS === 1).length * BLOCK_BYTES;
  const mbPerS = (ms: number): number => liveBytes / 1e3 / ms;
  const figures = {
    readToLive: of(({ newestFirst }) => newestFirst.bytesRead / liveBytes),
    writtenToLost: of(({ newestFirst }) => newestFirst.bytesWritten / liveBytes),
    oneShardReadToLive: of(({ oneShard }) => oneShard.bytesRead / shardBytes),
    oneShardWrittenToLost: of(({ oneShard }) => oneShard.bytesWritten / shardBytes),
    wallToForward: of(({ wallToForward }) => wallToForward),
    restoreMbPerS: of(({ newestFirst }) => mbPerS(newestFirst.restoreMs)),
    rawMbPerS: of(({ rawMs }) => mbPerS(rawMs)),
    rateToRaw: of(({ rateToRaw }) => rateToRaw),
    verifyMbPerS: of(({ newestFirst }) => mbPerS(newestFirst.verifyMs)),
    peakMb: Math.max(...rounds.map(({ newestFirst }) => newestFirst.peakMb)),
  };
  const broken = [
    [
      figures.readToLive > READ_MAX,
      `read ${figures.readToLive} of what is live, expected ${READ_MAX} at most`,
    ],
    [
      figures.writtenToLost > WRITTEN_MAX,
      `wrote ${figures.writtenToLost} of what was lost, expected ${WRITTEN_MAX} at most`,
    ],
    [
      figures.wallToForward > WALL_MAX,
      `took ${figures.wallToForward} of a forward replay, expected ${WALL_MAX} at most`,
    ],
    [figures.rateToRaw < RATE_MIN, `${figures.rateToRaw} of the bare rate, expected ${RATE_MIN} at least`],
    [figures.peakMb > MEMORY_MAX_MB, `${figures.peakMb} MB of memory, expected ${MEMORY_MAX_MB} at most`],
  ].flatMap(([isBroken, what]) => (isBroken === true ? [String(what)] : []));
  const liveMib = Math.round(liveBytes / (1 << 20));
  return { sizeMib, times, loadAverage: loadavg()[0] ?? 0, liveMib, ...figures, rounds, broken };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.round((sorted[Math.floor(sorted.length / 2)] ?? Number.NaN) * 1_000) / 1_000;
}

export function replayTable(result: ReplayBench): string {
  return `${[
    `load average ${result.loadAverage.toFixed(1)}; medians of ${result.rounds.length} rounds; ${result.sizeMib} MiB overwritten ${result.times} times, ${result.liveMib} MiB live`,
    `read      x${result.readToLive} of what is live; one shard x${result.oneShardReadToLive} of its part`,
    `written   x${result.writtenToLost} of what was lost; one shard x${result.oneShardWrittenToLost}`,
    `wall      x${result.wallToForward} of a forward replay`,
    `rate      ${result.restoreMbPerS} MB/s, bare ${result.rawMbPerS} MB/s: ${result.rateToRaw}; then read back at ${result.verifyMbPerS} MB/s`,
    `memory    ${Math.round(result.peakMb)} MB at most`,
    ...result.broken.map((what) => `MISSED    ${what}`),
  ].join('\n')}\n`;
}
