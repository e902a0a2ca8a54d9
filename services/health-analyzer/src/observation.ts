import type { ProbeFinding } from '@salvor/vdisk';

/** How somebody else sees an engine that is down, from where it is. */
export interface Observation {
  /** A server id, or the instance of an analyzer. */
  readonly observer: string;
  /** A server is one of those that would repair and use the engine. */
  readonly role: 'server' | 'analyzer';
  readonly kind: ProbeFinding['kind'];
  readonly detail: string;
  /** When it was seen, by the clock of who asked: Unix milliseconds. */
  readonly at: number;
  /** Of a server: vdisks it owns with blocks on the engine, and whether they took writes without it. */
  readonly vdisks: readonly { readonly vdisk: string; readonly missedWrites: boolean | null }[];
}

/** What others said of one outage: the latest word of each. */
export class Panel {
  readonly #latest = new Map<string, Observation>();
  #isHeard = false;

  /** Everybody had the time to answer once. */
  get isHeard(): boolean {
    return this.#isHeard;
  }

  hear(observation: Observation): void {
    this.#latest.set(observation.observer, observation);
  }

  allHeard(): void {
    this.#isHeard = true;
  }

  /** What was said within the last `maxAgeMs`. */
  recent(now: number, maxAgeMs: number): Observation[] {
    return [...this.#latest.values()].filter(({ at }) => now - at <= maxAgeMs);
  }
}
