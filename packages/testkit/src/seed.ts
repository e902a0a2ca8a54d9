/** A small seeded generator (mulberry32): the same seed gives the same run. */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 ≤ x < 2^32 */
  uint32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let x = this.#state;
    x = Math.imul(x ^ (x >>> 15), x | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return (x ^ (x >>> 14)) >>> 0;
  }

  /** 0 ≤ x < 1 */
  fraction(): number {
    return this.uint32() / 0x1_0000_0000;
  }

  /** 0 ≤ x < bound */
  below(bound: number): number {
    return Math.floor(this.fraction() * bound);
  }
}

/** The seed of a test run: SALVOR_TEST_SEED when set (to repeat a failure), else a fresh one. Print it when failing. */
export function testSeed(env: NodeJS.ProcessEnv = process.env): number {
  const given = env.SALVOR_TEST_SEED;
  if (given === undefined) return Math.floor(Math.random() * 0x1_0000_0000);
  if (!/^\d{1,10}$/.test(given))
    throw new Error(`SALVOR_TEST_SEED must be a number like 42, found '${given}'`);
  return Number(given) >>> 0;
}
