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
  /** How often in a row it was found healthy by this observer, this time included. */
  readonly healthyInARow: number;
  /** Of a server: vdisks it owns with blocks on the engine, and whether they took writes without it. */
  readonly vdisks: readonly { readonly vdisk: string; readonly missedWrites: boolean | null }[];
}

/** What an observer says when it is asked once. */
export type Word = Omit<Observation, 'healthyInARow'>;

/** What others said of one outage: the latest word of each. */
export class Panel {
  readonly #latest = new Map<string, Observation>();
  #isHeard = false;

  /** Everybody had the time to answer once. */
  get isHeard(): boolean {
    return this.#isHeard;
  }

  hear(told: Word): void {
    const before = this.#latest.get(told.observer)?.healthyInARow ?? 0;
    const healthyInARow = told.kind === 'healthy' ? before + 1 : 0;
    this.#latest.set(told.observer, { ...told, healthyInARow });
  }

  allHeard(): void {
    this.#isHeard = true;
  }

  /** What was said within the last `maxAgeMs`. */
  recent(now: number, maxAgeMs: number): Observation[] {
    return [...this.#latest.values()].filter(({ at }) => now - at <= maxAgeMs);
  }
}
