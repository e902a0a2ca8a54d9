import { SeededRandom } from '@salvor/testkit';

export const chaosKinds = [
  'engine-killed',
  'engine-emptied',
  'engine-tail-lost',
  'engine-paused',
  'engine-cut',
  'engine-silent',
  'engine-mute',
  'engine-disk-full',
  'engine-memory-full',
  'pair-killed',
  'link-cut',
  'link-silent',
  'link-mute',
  'server-killed',
  'server-paused',
  'server-without-etcd',
  'server-without-nats',
  'coordinator-killed',
  'coordinator-paused',
  'coordinator-without-etcd',
  'coordinator-without-nats',
  'analyzer-killed',
  'analyzer-paused',
  'analyzer-without-etcd',
  'analyzer-without-engines',
  'watcher-killed',
  'watcher-without-nats',
  'etcd-killed',
  'etcd-paused',
  'nats-killed',
  'nats-paused',
] as const;
export type ChaosKind = (typeof chaosKinds)[number];

/** One fault of a plan. Places are drawn as large numbers; what they name follows from what there is at the time. */
export interface PlannedFault {
  readonly kind: ChaosKind;
  /** Since the start of the run. */
  readonly atMs: number;
  /** Until what was broken is brought back. */
  readonly lastsMs: number;
  /** The pair, for faults of engines. */
  readonly shard: number;
  /** 0 the primary, 1 the slave. */
  readonly side: 0 | 1;
  /** Which of several servers or services of a kind. */
  readonly index: number;
  /** From 0 to 1: how much, where a fault has a size. */
  readonly amount: number;
}

interface Odds {
  /** How often it is drawn, compared with the others. */
  readonly weight: number;
  readonly leastMs: number;
  readonly mostMs: number;
}

const ODDS: Readonly<Record<ChaosKind, Odds>> = {
  'engine-killed': { weight: 6, leastMs: 0, mostMs: 4_000 },
  'engine-emptied': { weight: 4, leastMs: 0, mostMs: 1_500 },
  'engine-tail-lost': { weight: 5, leastMs: 0, mostMs: 1_500 },
  'engine-paused': { weight: 4, leastMs: 200, mostMs: 8_000 },
  'engine-cut': { weight: 3, leastMs: 50, mostMs: 8_000 },
  'engine-silent': { weight: 3, leastMs: 200, mostMs: 8_000 },
  'engine-mute': { weight: 3, leastMs: 200, mostMs: 8_000 },
  'engine-disk-full': { weight: 3, leastMs: 1_000, mostMs: 6_000 },
  'engine-memory-full': { weight: 3, leastMs: 1_000, mostMs: 6_000 },
  'pair-killed': { weight: 1, leastMs: 0, mostMs: 800 },
  'link-cut': { weight: 2, leastMs: 50, mostMs: 6_000 },
  'link-silent': { weight: 3, leastMs: 200, mostMs: 6_000 },
  'link-mute': { weight: 2, leastMs: 200, mostMs: 6_000 },
  'server-killed': { weight: 5, leastMs: 0, mostMs: 0 },
  'server-paused': { weight: 3, leastMs: 500, mostMs: 7_000 },
  'server-without-etcd': { weight: 3, leastMs: 500, mostMs: 9_000 },
  'server-without-nats': { weight: 2, leastMs: 500, mostMs: 9_000 },
  'coordinator-killed': { weight: 3, leastMs: 0, mostMs: 5_000 },
  'coordinator-paused': { weight: 2, leastMs: 500, mostMs: 9_000 },
  'coordinator-without-etcd': { weight: 2, leastMs: 500, mostMs: 9_000 },
  'coordinator-without-nats': { weight: 2, leastMs: 500, mostMs: 9_000 },
  'analyzer-killed': { weight: 2, leastMs: 0, mostMs: 5_000 },
  'analyzer-paused': { weight: 2, leastMs: 500, mostMs: 9_000 },
  'analyzer-without-etcd': { weight: 1, leastMs: 500, mostMs: 9_000 },
  'analyzer-without-engines': { weight: 1, leastMs: 2_000, mostMs: 9_000 },
  'watcher-killed': { weight: 2, leastMs: 0, mostMs: 3_000 },
  'watcher-without-nats': { weight: 1, leastMs: 500, mostMs: 9_000 },
  'etcd-killed': { weight: 2, leastMs: 0, mostMs: 3_000 },
  'etcd-paused': { weight: 1, leastMs: 500, mostMs: 4_000 },
  'nats-killed': { weight: 2, leastMs: 0, mostMs: 3_000 },
  'nats-paused': { weight: 1, leastMs: 500, mostMs: 4_000 },
};
const GAP_MS = { least: 300, most: 4_500 };

/**
 * Every fault of a run, in the order in which they begin; they may overlap. The same arguments give the same plan.
 *
 * @param kinds what may be drawn; default everything
 */
export function planChaos(
  seed: number,
  durationMs: number,
  kinds: readonly ChaosKind[] = chaosKinds,
): PlannedFault[] {
  const random = new SeededRandom(seed);
  const plan: PlannedFault[] = [];
  for (let atMs = between(random, GAP_MS); atMs < durationMs; atMs += between(random, GAP_MS)) {
    const kind = draw(random, kinds);
    const { leastMs: least, mostMs: most } = ODDS[kind];
    const lastsMs = between(random, { least, most });
    const shard = random.uint32();
    const side = random.below(2) === 0 ? 0 : 1;
    plan.push({ kind, atMs, lastsMs, shard, side, index: random.uint32(), amount: random.fraction() });
  }
  return plan;
}

function draw(random: SeededRandom, kinds: readonly ChaosKind[]): ChaosKind {
  const total = kinds.reduce((sum, kind) => sum + ODDS[kind].weight, 0);
  let left = random.below(total);
  const drawn = kinds.find((kind) => {
    left -= ODDS[kind].weight;
    return left < 0;
  });
  if (drawn === undefined) throw new RangeError('a plan needs at least one kind of fault');
  return drawn;
}

function between(random: SeededRandom, { least, most }: { least: number; most: number }): number {
  return least + random.below(most - least + 1);
}
