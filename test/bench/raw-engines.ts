import { join } from 'node:path';
import { type RedisHandle, runTool, startRedis } from '@salvor/testkit';
import type { FioLoad, FioResult } from './fio.ts';

const ENGINES = 4;
/** Fields that the load goes over: 64 MiB of blocks an engine, as much as a vdisk of 256 MiB puts on each. */
const FIELDS = 16_384;
const BLOCK_BYTES = 4096;
/** Commands of the run that finds out how fast it goes. */
const PROBE_COMMANDS = 20_000;

/**
 * What the engines themselves can do with blocks: redis-benchmark on hash fields of 4 KiB through unix sockets, without
 * NBD, fence or second copy.
 */
export class RawEngines {
  readonly #engines: readonly RedisHandle[];
  readonly #sockets: readonly string[];

  private constructor(engines: readonly RedisHandle[], template: string) {
    this.#engines = engines;
    this.#sockets = engines.map(({ port }) => template.replaceAll('{port}', String(port)));
  }

  /** Starts engines of their own and writes every field. */
  static async start(dir: string): Promise<RawEngines> {
    const unixSockets = join(dir, '{port}.sock');
    const engines = await Promise.all(
      Array.from({ length: ENGINES }, (_, i) =>
        startRedis({ dir: join(dir, `raw-${i}`), name: `raw-${i}`, appendonly: false, unixSockets }),
      ),
    );
    const raw = new RawEngines(engines, unixSockets);
    await raw.#run('write', 8 * FIELDS, 64, ENGINES);
    return raw;
  }

  /** The load's rate in requests of its size: one of 1 MiB is 256 blocks in flight. */
  async measure({ rw, blockBytes, depth }: FioLoad, seconds: number): Promise<FioResult> {
    const kind = rw.endsWith('read') ? 'read' : 'write';
    const blocks = blockBytes / BLOCK_BYTES;
    const engines = Math.min(ENGINES, depth * blocks);
    const pipeline = Math.min(256, (depth * blocks) / engines);
    const probe = await this.#run(kind, PROBE_COMMANDS, pipeline, engines);
    const perEngine = Math.max(PROBE_COMMANDS, Math.round((probe.rps * seconds) / engines));
    const { rps, p50Us, p99Us } = await this.#run(kind, perEngine, pipeline, engines);
    return { iops: rps / blocks, mbPerS: (rps * BLOCK_BYTES) / 1e6, p50Us, p99Us, errors: 0 };
  }

  get pids(): number[] {
    return this.#engines.map(({ process }) => process.pid ?? 0);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#engines.map(({ process }) => process.kill('SIGKILL')));
  }

  async #run(kind: 'read' | 'write', commands: number, pipeline: number, engines: number) {
    const what = kind === 'write' ? ['-t', 'hset'] : ['HGET', 'myhash', 'element:__rand_int__'];
    const results = await Promise.all(
      this.#sockets.slice(0, engines).map(async (socket) => {
        const options = ['-s', socket, '--csv', '-n', String(commands), '-c', '1', '-P', String(pipeline)];
        const size = ['-d', String(BLOCK_BYTES), '-r', String(FIELDS)];
        const { stdout } = await runTool('redis-benchmark', [...options, ...size, ...what], {
          timeoutMs: 120_000,
        });
        return parseCsv(stdout);
      }),
    );
    const worst = (of: (line: CsvLine) => number): number => Math.max(...results.map(of));
    return {
      rps: results.reduce((sum, { rps }) => sum + rps, 0),
      p50Us: worst(({ p50Ms }) => p50Ms) * 1000,
      p99Us: worst(({ p99Ms }) => p99Ms) * 1000,
    };
  }
}

interface CsvLine {
  readonly rps: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** `"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"` */
function parseCsv(text: string): CsvLine {
  const line = text.trim().split('\n').at(-1) ?? '';
  const [rps, , , p50Ms, , p99Ms] = line
    .split('","')
    .slice(1)
    .map((field) => Number(field.replaceAll('"', '')));
  if (!(rps !== undefined && rps > 0))
    throw new Error(`redis-benchmark: expected a line of figures, found ${JSON.stringify(line)}`);
  return { rps, p50Ms: p50Ms ?? 0, p99Ms: p99Ms ?? 0 };
}
