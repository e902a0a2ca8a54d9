/** Upper bounds of the buckets, in seconds. */
export const DURATION_BUCKETS_SECONDS: readonly number[] = [
  0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60,
];

/** Counts durations into buckets, for paths on which a metrics library would cost as much as the work that is timed. */
export class DurationCounts {
  /** How many fell into each bucket alone; the last one is what no bound holds. */
  readonly #counts = new Array<number>(DURATION_BUCKETS_SECONDS.length + 1).fill(0);
  #seconds = 0;

  add(seconds: number): void {
    let bucket = 0;
    while (bucket < DURATION_BUCKETS_SECONDS.length && seconds > (DURATION_BUCKETS_SECONDS[bucket] ?? 0))
      bucket++;
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#seconds += seconds;
  }

  /** As Prometheus wants them: each bucket with those below it. */
  cumulative(): { readonly buckets: readonly number[]; readonly count: number; readonly seconds: number } {
    let count = 0;
    const buckets = this.#counts.map((alone) => {
      count += alone;
      return count;
    });
    return { buckets, count, seconds: this.#seconds };
  }
}

/** A histogram in the Prometheus text format, with one series for each value of `label`. */
export function histogramText(
  name: string,
  help: string,
  label: string,
  series: Iterable<readonly [value: string, counts: DurationCounts]>,
): string {
  const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} histogram`];
  for (const [value, counts] of series) {
    const own = `${label}="${value}"`;
    const { buckets, count, seconds } = counts.cumulative();
    for (const [bucket, below] of buckets.entries())
      lines.push(`${name}_bucket{${own},le="${DURATION_BUCKETS_SECONDS[bucket] ?? '+Inf'}"} ${below}`);
    lines.push(`${name}_sum{${own}} ${seconds}`, `${name}_count{${own}} ${count}`);
  }
  return `${lines.join('\n')}\n`;
}
