import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { deadline } from './deadline.ts';
import { type DurationCounts, histogramText } from './duration-counts.ts';

export type Labels = Readonly<Record<string, string>>;
/** A value of a metric with labels. */
export type Sample = readonly [labels: Labels, value: number];
export type Samples = Iterable<Sample> | Promise<Iterable<Sample>>;

export interface CounterMetric {
  add(labels?: Labels, by?: number): void;
}
export interface GaugeMetric {
  set(value: number, labels?: Labels): void;
}
export interface HistogramMetric {
  observe(value: number, labels?: Labels): void;
}

/**
 * The metrics of one process. Names are `salvor_…` with the base unit last (`_seconds`, `_bytes`), those of counters end in
 * `_total`; `docs/metrics.md` lists all of them. What is read is asked for when somebody asks for `/metrics`; a series
 * that cannot be read then is not there.
 */
export interface Metrics {
  counter(name: string, help: string, labels?: readonly string[]): CounterMetric;
  /** A counter that is counted elsewhere. */
  counterFrom(name: string, help: string, read: () => number): void;
  countersFrom(name: string, help: string, labels: readonly string[], read: () => Samples): void;
  gauge(name: string, help: string, labels?: readonly string[]): GaugeMetric;
  gaugeFrom(name: string, help: string, read: () => number | Promise<number>): void;
  /** Series that are not read any more are gone. */
  gaugesFrom(name: string, help: string, labels: readonly string[], read: () => Samples): void;
  histogram(
    name: string,
    help: string,
    buckets: readonly number[],
    labels?: readonly string[],
  ): HistogramMetric;
  /** A histogram of durations that are counted elsewhere, one for each value of a label. */
  histogramFrom(
    name: string,
    help: string,
    label: string,
    read: () => Iterable<readonly [value: string, counts: DurationCounts]>,
  ): void;
  /** The Prometheus text format. */
  text(): Promise<string>;
}

/** Longer than a check of /readyz may take; whoever scrapes waits no longer. */
const READ_TIMEOUT_MS = 3_000;

export function createMetrics(): Metrics {
  const register = new Registry();
  collectDefaultMetrics({ register });
  const registers = [register];
  const own: (() => string)[] = [];
  const countersFrom: Metrics['countersFrom'] = (name, help, labels, read) => {
    new Counter({
      ...{ name, help, labelNames: [...labels], registers },
      async collect() {
        const samples = await readable(read);
        this.reset();
        for (const [values, value] of samples) this.inc({ ...values }, value);
      },
    });
  };
  const gaugesFrom: Metrics['gaugesFrom'] = (name, help, labels, read) => {
    new Gauge({
      ...{ name, help, labelNames: [...labels], registers },
      async collect() {
        const samples = await readable(read);
        this.reset();
        // Without labels, a reset leaves a zero.
        this.remove({});
        for (const [values, value] of samples) this.set({ ...values }, value);
      },
    });
  };
  return {
    counter(name, help, labels = []) {
      const counter = new Counter({ name, help, labelNames: [...labels], registers });
      return { add: (values = {}, by = 1) => counter.inc({ ...values }, by) };
    },
    counterFrom: (name, help, read) => countersFrom(name, help, [], () => [[{}, read()]]),
    countersFrom,
    gauge(name, help, labels = []) {
      const gauge = new Gauge({ name, help, labelNames: [...labels], registers });
      return { set: (value, values = {}) => gauge.set({ ...values }, value) };
    },
    gaugeFrom: (name, help, read) => gaugesFrom(name, help, [], async () => [[{}, await read()]]),
    gaugesFrom,
    histogram(name, help, buckets, labels = []) {
      const histogram = new Histogram({
        name,
        help,
        buckets: [...buckets],
        labelNames: [...labels],
        registers,
      });
      return { observe: (value, values = {}) => histogram.observe({ ...values }, value) };
    },
    histogramFrom: (name, help, label, read) => {
      own.push(() => histogramText(name, help, label, read()));
    },
    text: async () => [await register.metrics(), ...own.map((write) => write())].join('\n'),
  };
}

/** What cannot be read now is left out: the other metrics matter all the more then. */
async function readable(read: () => Samples): Promise<Iterable<Sample>> {
  try {
    return await deadline(
      Promise.resolve().then(read),
      READ_TIMEOUT_MS,
      'a metric that is read when it is asked for',
    );
  } catch {
    return [];
  }
}
