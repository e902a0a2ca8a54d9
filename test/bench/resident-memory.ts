import { readFileSync } from 'node:fs';

const BYTES_PER_MB = 1e6;

/** Resident memory of a process in MB (10^6 bytes; proc(5), VmRSS); null when it is gone. */
export function residentMb(pid: number): number | null {
  try {
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kib === undefined ? null : (Number(kib) * 1024) / BYTES_PER_MB;
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw error;
  }
}

export interface MemorySample {
  readonly atMs: number;
  readonly mb: number;
}

/** How fast memory grows, in MB per minute: the slope of the line of least squares. Null with fewer than two samples. */
export function slopeMbPerMin(samples: readonly MemorySample[]): number | null {
  const mean = (of: (sample: MemorySample) => number): number =>
    samples.reduce((sum, sample) => sum + of(sample), 0) / samples.length;
  const at = mean(({ atMs }) => atMs);
  const mb = mean((sample) => sample.mb);
  const spread = mean(({ atMs }) => (atMs - at) ** 2);
  if (samples.length < 2 || spread === 0) return null;
  return (mean((sample) => (sample.atMs - at) * (sample.mb - mb)) / spread) * 60_000;
}

/** The memory of named processes over time. A process that was started again begins a new series. */
export class MemoryWatch {
  readonly #pids: () => Readonly<Record<string, number | undefined>>;
  readonly #startedAt = performance.now();
  readonly #series = new Map<string, { pid: number; samples: MemorySample[] }>();
  readonly #timer: NodeJS.Timeout;

  constructor(pids: () => Readonly<Record<string, number | undefined>>, everyMs: number) {
    this.#pids = pids;
    this.#timer = setInterval(() => this.sample(), everyMs);
  }

  sample(): void {
    const atMs = performance.now() - this.#startedAt;
    for (const [name, pid] of Object.entries(this.#pids())) {
      const mb = pid === undefined ? null : residentMb(pid);
      if (pid === undefined || mb === null) continue;
      const known = this.#series.get(name);
      const series = known?.pid === pid ? known : { pid, samples: [] };
      series.samples.push({ atMs, mb });
      this.#series.set(name, series);
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** By process, after the warm-up. */
  summary(warmUpMs: number): Record<string, MemorySummary> {
    const summaries: Record<string, MemorySummary> = {};
    for (const [name, { samples }] of this.#series) {
      const counted = samples.filter(({ atMs }) => atMs >= warmUpMs);
      const mbs = counted.map(({ mb }) => mb);
      const slope = slopeMbPerMin(counted);
      summaries[name] = {
        samples: counted.length,
        firstMb: round(mbs[0] ?? null),
        lastMb: round(mbs.at(-1) ?? null),
        peakMb: round(samples.length === 0 ? null : Math.max(...samples.map(({ mb }) => mb))),
        slopeMbPerMin: slope === null ? null : Math.round(slope * 1000) / 1000,
      };
    }
    return summaries;
  }
}

export interface MemorySummary {
  readonly samples: number;
  readonly firstMb: number | null;
  readonly lastMb: number | null;
  /** Of the whole time. */
  readonly peakMb: number | null;
  readonly slopeMbPerMin: number | null;
}

function round(mb: number | null): number | null {
  return mb === null ? null : Math.round(mb * 10) / 10;
}
