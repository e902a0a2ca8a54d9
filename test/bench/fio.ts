import { runTool } from '@salvor/testkit';

export interface FioLoad {
  readonly name: string;
  readonly rw: 'randread' | 'randwrite' | 'read' | 'write';
  readonly blockBytes: number;
  readonly depth: number;
}

export interface FioResult {
  readonly iops: number;
  readonly mbPerS: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly errors: number;
}

/** The loads that the data plane is judged by. */
export const loads: readonly FioLoad[] = [
  { name: 'read4kQd1', rw: 'randread', blockBytes: 4096, depth: 1 },
  { name: 'write4kQd1', rw: 'randwrite', blockBytes: 4096, depth: 1 },
  { name: 'read4kQd32', rw: 'randread', blockBytes: 4096, depth: 32 },
  { name: 'write4kQd32', rw: 'randwrite', blockBytes: 4096, depth: 32 },
  { name: 'read1mQd4', rw: 'read', blockBytes: 1 << 20, depth: 4 },
  { name: 'write1mQd4', rw: 'write', blockBytes: 1 << 20, depth: 4 },
];

/** One timed run of fio's nbd engine over the first 256 MiB of an export. */
export async function runFio(uri: string, load: FioLoad, seconds: number): Promise<FioResult> {
  const args = [
    ...['--name=j', '--ioengine=nbd', `--uri=${uri}`, `--rw=${load.rw}`, `--bs=${load.blockBytes}`],
    ...[`--iodepth=${load.depth}`, '--size=256m', '--time_based', `--runtime=${seconds}`, '--thread'],
    ...['--randrepeat=0', '--norandommap', '--output-format=json'],
  ];
  const { stdout } = await runTool('fio', args, { timeoutMs: seconds * 1000 + 30_000 });
  const { jobs } = JSON.parse(stdout.slice(stdout.indexOf('{'))) as { jobs: FioJob[] };
  const [job] = jobs;
  if (job === undefined) throw new Error('fio reported no job');
  const side = load.rw.endsWith('read') ? job.read : job.write;
  const us = (percentile: string): number => (side.clat_ns.percentile?.[percentile] ?? 0) / 1000;
  return {
    iops: side.iops,
    mbPerS: side.bw_bytes / 1e6,
    p50Us: us('50.000000'),
    p99Us: us('99.000000'),
    errors: job.error,
  };
}

interface FioSide {
  iops: number;
  bw_bytes: number;
  clat_ns: { percentile?: Record<string, number> };
}

interface FioJob {
  error: number;
  read: FioSide;
  write: FioSide;
}
