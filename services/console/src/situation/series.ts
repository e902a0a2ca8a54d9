import type { Progress, Sample } from '../page/state.ts';

const SAMPLES_MAX = 120;
/** A rate is that of the last so many milliseconds. */
const RATE_WINDOW_MS = 20_000;
/** Two samples that are closer tell no rate. */
const RATE_LEAST_MS = 900;

/** A value over time, in bounded memory: of the newest samples, which are `spacingMs` apart or more. */
export class Series {
  readonly #spacingMs: number;
  #samples: Sample[] = [];

  constructor(spacingMs: number) {
    this.#spacingMs = spacingMs;
  }

  get samples(): readonly Sample[] {
    return this.#samples;
  }

  add(at: number, value: number): void {
    const last = this.#samples.at(-1);
    if (last !== undefined && at - last[0] < this.#spacingMs) return;
    this.#samples = [...this.#samples.slice(-(SAMPLES_MAX - 1)), [at, value]];
  }
}

/** Work from its beginning to its end: when there are too many samples, every second one is left out. */
export class Course {
  #samples: Sample[] = [];
  #spacingMs = 500;
  #latest: Sample | null = null;
  #total: number | null = null;
  /** Only what the rate needs. */
  #window: Sample[] = [];

  add(at: number, done: number, total: number | null): void {
    const before = this.#latest;
    // It began anew, or an old word came late.
    if (before !== null && done < before[1]) this.#restart();
    this.#latest = [at, done];
    this.#total = total;
    this.#window = [
      ...this.#window.filter(([then]) => at - then <= RATE_WINDOW_MS),
      [at, done] as const,
    ].slice(-SAMPLES_MAX);
    const last = this.#samples.at(-1);
    if (last !== undefined && at - last[0] < this.#spacingMs) return;
    this.#samples.push([at, done]);
    if (this.#samples.length < SAMPLES_MAX) return;
    this.#samples = this.#samples.filter((_, index) => index % 2 === 0);
    this.#spacingMs *= 2;
  }

  progress(): Progress | null {
    if (this.#latest === null) return null;
    const [, done] = this.#latest;
    const perSecond = rateOf(this.#window);
    const left = this.#total === null || perSecond === null ? null : (this.#total - done) / perSecond;
    const last = this.#samples.at(-1);
    const samples =
      last === undefined || last[0] === this.#latest[0] ? this.#samples : [...this.#samples, this.#latest];
    return {
      done,
      total: this.#total,
      perSecond,
      leftMs: left === null ? null : Math.max(0, Math.round(left * 1_000)),
      samples,
    };
  }

  #restart(): void {
    this.#samples = [];
    this.#window = [];
    this.#spacingMs = 500;
  }
}

/** Of what is counted by `samples`, in units a second; null where it cannot be told or nothing moves. */
export function rateOf(samples: readonly Sample[]): number | null {
  const first = samples[0];
  const last = samples.at(-1);
  if (first === undefined || last === undefined || last[0] - first[0] < RATE_LEAST_MS) return null;
  const rate = ((last[1] - first[1]) * 1_000) / (last[0] - first[0]);
  return rate > 0 ? rate : null;
}

/** What belongs to keys that come and go, in bounded number: the oldest makes room. */
export class Kept<T> {
  readonly #make: () => T;
  readonly #max: number;
  readonly #items = new Map<string, T>();

  constructor(make: () => T, max: number) {
    this.#make = make;
    this.#max = max;
  }

  of(key: string): T {
    const found = this.#items.get(key);
    if (found !== undefined) return found;
    const [oldest] = this.#items.keys();
    if (this.#items.size >= this.#max && oldest !== undefined) this.#items.delete(oldest);
    const made = this.#make();
    this.#items.set(key, made);
    return made;
  }

  /** Undefined when nothing was kept of it. */
  find(key: string): T | undefined {
    return this.#items.get(key);
  }
}
