import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { NbdClient, runTool, type Stack, startStack } from '@salvor/testkit';
import { cpuTimeUs } from './cpu-time.ts';
import { addVdisks, eachOf } from './many-vdisks.ts';
import { residentMb } from './resident-memory.ts';

/** Options of `bench -- memory`, as given on the command line. */
export const memoryOptions = {
  exports: { type: 'string' },
  connections: { type: 'string' },
} as const;

const IDLE_MAX_MB = 300;
const BUSY_MAX_MB = 600;
/** How long the exports stay idle before they are measured: long enough for what is dropped when idle to be dropped. */
const IDLE_MS = 20_000;
const SAMPLE_EVERY_MS = 200;
const BUSY_SECONDS = 15;

export interface MemoryReport {
  /** Before the first vdisk was created. */
  readonly emptyMb: number;
  readonly exports: number;
  /** Each export with one connected client that asks for nothing. */
  readonly idleMb: number;
  /** The most while they were being connected. */
  readonly idlePeakMb: number;
  readonly idleSockets: number;
  readonly idleCpuPercent: number;
  readonly connections: number;
  /** Peaks under load, by the size of the requests. */
  readonly busyPeakMb: Record<string, number>;
  readonly broken: readonly string[];
}

/** Resident memory of an NBD server: with many idle exports, and with many busy connections. */
export async function benchMemory(options: {
  exports: number;
  connections: number;
  progress: (line: string) => void;
}): Promise<MemoryReport> {
  const dir = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'salvor-memory-'));
  const stack = await startStack({ dir, appendonly: false, spares: 0 });
  try {
    return await measure(stack, options);
  } finally {
    await stack.destroy();
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function measure(
  stack: Stack,
  options: { exports: number; connections: number; progress: (line: string) => void },
): Promise<MemoryReport> {
  const { exports, connections, progress } = options;
  const pid = serverPid(stack);
  const rss = (): number => Math.round(residentMb(pid) ?? Number.NaN);
  const peak = new Peak(rss);
  const emptyMb = rss();
  const names = Array.from({ length: exports }, (_, i) => `idle-${i}`);
  await addVdisks(stack, [...names, 'busy']);
  progress(`${exports} vdisks created, ${rss()} MB`);
  peak.reset();
  const clients: NbdClient[] = [];
  await eachOf(names, async (name) => {
    const client = await NbdClient.connect(stack.nbdServer().unixUri(name), { connectTimeoutMs: 60_000 });
    await client.write(0, Buffer.alloc(4096, 1));
    clients.push(client);
    if (clients.length % 100 === 0) progress(`${clients.length} connected, ${rss()} MB`);
  });
  const cpuBefore = cpuTimeUs([pid]);
  await pause(IDLE_MS);
  const idle = {
    idleMb: rss(),
    idlePeakMb: peak.mb,
    idleSockets: openSockets(pid),
    idleCpuPercent: Math.round(((cpuTimeUs([pid]) - cpuBefore) / (IDLE_MS * 1_000)) * 1_000) / 10,
  };
  progress(`idle: ${JSON.stringify(idle)}`);
  const lost = clients.flatMap(({ lost: reason }) => (reason === null ? [] : [reason.message]));
  for (const client of clients) client.destroy();
  const busyPeakMb = await busy(stack, connections, peak, progress);
  peak.stop();
  const figures = { emptyMb, exports, ...idle, connections, busyPeakMb };
  return {
    ...figures,
    broken: [
      ...brokenLimits(figures),
      ...(lost.length > 0 ? [`${lost.length} connections lost: ${lost[0]}`] : []),
    ],
  };
}

/** Small and large requests, mixed reads and writes, on connections of their own. */
async function busy(
  stack: Stack,
  connections: number,
  peak: Peak,
  progress: (line: string) => void,
): Promise<Record<string, number>> {
  const uri = stack.nbdServer().unixUri('busy');
  const peaks: Record<string, number> = {};
  for (const [name, args] of Object.entries({
    '4k-64k': ['--bsrange=4k-64k', '--iodepth=16'],
    '1m': ['--bs=1m', '--iodepth=4'],
    '32m': ['--bs=32m', '--iodepth=1'],
  })) {
    peak.reset();
    const common = [
      '--name=busy',
      '--ioengine=nbd',
      `--uri=${uri}`,
      '--rw=randrw',
      '--thread',
      '--size=512m',
    ];
    const timed = ['--time_based', `--runtime=${BUSY_SECONDS}`, '--randrepeat=0', '--norandommap'];
    await runTool('fio', [...common, ...timed, `--numjobs=${connections}`, '--group_reporting', ...args], {
      timeoutMs: BUSY_SECONDS * 1_000 + 120_000,
    });
    peaks[name] = peak.mb;
    progress(`busy with ${name}: ${peak.mb} MB`);
  }
  return peaks;
}

function brokenLimits({ idleMb, busyPeakMb }: Pick<MemoryReport, 'idleMb' | 'busyPeakMb'>): string[] {
  const over = Object.entries(busyPeakMb).filter(([, mb]) => mb > BUSY_MAX_MB);
  return [
    ...(idleMb > IDLE_MAX_MB ? [`idle exports take ${idleMb} MB, at most ${IDLE_MAX_MB}`] : []),
    ...over.map(([name, mb]) => `busy connections (${name}) take ${mb} MB, at most ${BUSY_MAX_MB}`),
  ];
}

export function memoryTable(report: MemoryReport): string {
  const lines = Object.entries(report).map(
    ([name, value]) => `${name.padEnd(20)} ${typeof value === 'object' ? JSON.stringify(value) : value}`,
  );
  return `${lines.join('\n')}\n`;
}

function serverPid(stack: Stack): number {
  const pid = stack.nbdServer().identity()?.pid;
  if (pid === undefined) throw new Error('the NBD server does not run');
  return pid;
}

function openSockets(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** The most that a figure has been since the last reset. */
class Peak {
  readonly #timer: NodeJS.Timeout;
  #mb = 0;

  constructor(read: () => number) {
    this.#timer = setInterval(() => {
      this.#mb = Math.max(this.#mb, read());
    }, SAMPLE_EVERY_MS);
  }

  get mb(): number {
    return this.#mb;
  }

  reset(): void {
    this.#mb = 0;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
