import { type Refusal, type RefusalName, refusals } from '../e2e/engine-refusals.ts';
import {
  bothDown,
  coordinatorDiesInRepair,
  failsAgain,
  flaps,
  forGood,
  hangs,
  isAnother,
  isSlow,
  isTakenOut,
  loads,
  losesLastWrites,
  ownerDiesInRepair,
  refuses,
  serverCrashes,
  spareFails,
  temporarily,
  unmounted,
  withoutSlaves,
} from './scenario-plays.ts';
import type { ScenarioScene, StageShape } from './scenario-stage.ts';

export interface Scenario {
  readonly name: string;
  /** File and name of the test that proves it. */
  readonly proof: readonly [file: string, test: string];
  readonly shape: StageShape;
  /** What clients may meet: `requests` that fail while nobody serves, `connections` that are lost with their server. */
  readonly mayFail?: readonly ('requests' | 'connections')[];
  readonly play: (scene: ScenarioScene) => Promise<void>;
}

const FAILURES_UNTIL_HELD = 3;
const REPLICAS = { replicas: 2 };
/** Copies of 32 MiB that take long enough to be interrupted. */
const SLOWLY = { SALVOR_REPAIR_BANDWIDTH_MIB: '8' };

const pairs: StageShape = { primaries: 2, slaves: 2, spares: 0 };
const slowPairs: StageShape = {
  ...pairs,
  nbdServerEnv: SLOWLY,
  services: { 'repair-coordinator': REPLICAS, 'health-analyzer': REPLICAS },
};
const spared: StageShape = { ...pairs, spares: 2 };
const sparedSlowly: StageShape = { ...pairs, spares: 4, nbdServerEnv: SLOWLY };
const unspared: StageShape = {
  ...{ primaries: 3, slaves: 3, spares: 0 },
  services: { 'repair-coordinator': { env: { SALVOR_SPREAD_AFTER_MS: '0' } } },
};
const unmirrored: StageShape = { primaries: 2, slaves: 0, spares: 0 };
const flapping: StageShape = {
  ...pairs,
  services: { 'repair-coordinator': { env: { SALVOR_FLAPPING_FAILURES: String(FAILURES_UNTIL_HELD) } } },
};

const healing = 'test/e2e/healing.test.ts';
const odd = 'test/e2e/odd-engines.test.ts';
const pair = 'packages/vdisk/test/pair.test.ts';

/** Those that take writes no more, each with its own reply. */
const refusing = (name: string, what: RefusalName): Scenario => {
  const { begin, end, at }: Refusal = refusals[what];
  return { name, proof: [odd, what], shape: pairs, play: refuses(begin, end, at) };
};

/** In the order of the catalogue, those of one shape together. */
export const scenarios: readonly Scenario[] = [
  {
    name: 'a primary engine dies and returns with its data',
    proof: [
      healing,
      'an engine dies and comes back with its data: its dirty blocks, and only they, are copied back',
    ],
    shape: pairs,
    play: temporarily('primary'),
  },
  {
    name: 'a slave engine dies and returns with its data',
    proof: [healing, 'a slave engine dies: the same machine heals it'],
    shape: pairs,
    play: temporarily('slave'),
  },
  {
    name: 'an engine comes back without its last writes',
    proof: [
      healing,
      'an engine comes back without its last writes: it serves nothing stale, and gets those blocks back',
    ],
    shape: pairs,
    play: losesLastWrites,
  },
  {
    name: 'an engine hangs, and goes on',
    proof: [odd, 'an engine that hangs is left out, and is repaired when it goes on'],
    shape: pairs,
    play: hangs,
  },
  {
    name: 'an engine is slow',
    proof: [odd, 'an engine that is slow stays in service: nothing is reported'],
    shape: pairs,
    play: isSlow,
  },
  {
    name: 'an engine is loading its data',
    proof: [odd, 'an engine that is loading its data is waited for, whatever it does not show yet'],
    shape: pairs,
    play: loads,
  },
  refusing('an engine cannot save its data (MISCONF)', 'cannot save its data (MISCONF)'),
  refusing('an engine was made a read-only replica', 'was made a read-only replica (READONLY)'),
  refusing('an engine wants another password', 'wants a password that nobody knows (NOAUTH)'),
  {
    name: 'two engines answer in each other’s place',
    proof: [
      odd,
      'two engines that answer in each other’s place are never used, and repaired once they are back in theirs',
    ],
    shape: pairs,
    play: isAnother,
  },
  {
    name: 'an operator takes an engine out, and brings it back',
    proof: [
      'test/e2e/operators.test.ts',
      'an engine that is taken out comes back with exactly the blocks it missed',
    ],
    shape: pairs,
    play: isTakenOut,
  },
  {
    name: 'an engine of a vdisk that nobody has mounted dies and returns',
    proof: [healing, 'an engine that nobody uses dies: it is found, and healed when it is back'],
    shape: pairs,
    play: unmounted,
  },
  {
    name: 'the NBD server crashes',
    proof: [
      'test/e2e/instances.test.ts',
      'an NBD server is killed under load: it takes its vdisk back, loses nothing',
    ],
    shape: pairs,
    mayFail: ['connections'],
    play: serverCrashes,
  },
  {
    name: 'both members of a pair are down; the last one returns',
    proof: [
      healing,
      'both members of a pair go down and come back: the one that served last heals the other',
    ],
    shape: pairs,
    mayFail: ['requests'],
    play: bothDown,
  },
  {
    name: 'an engine fails again while it is repaired',
    proof: [pair, 'a second failure during the repair: the repair starts over where it was'],
    shape: slowPairs,
    play: failsAgain,
  },
  {
    name: 'a coordinator dies during a repair',
    proof: [
      'test/e2e/many-replicas.test.ts',
      'two coordinators and two analyzers make one incident, one of each transition and of each announcement, though one of each is killed in the middle of the repair',
    ],
    shape: slowPairs,
    play: coordinatorDiesInRepair,
  },
  {
    name: 'the owner is killed during a repair',
    proof: [pair, 'a second failure during the repair: the repair starts over where it was'],
    shape: slowPairs,
    mayFail: ['connections'],
    play: ownerDiesInRepair,
  },
  {
    name: 'a primary engine is lost; a spare takes its place',
    proof: [healing, 'an engine comes back empty: it is never taken for temporary, a spare takes its place'],
    shape: spared,
    play: forGood('primary', 0, 'replaced'),
  },
  {
    name: 'a slave engine is lost; a spare takes its place',
    proof: [healing, 'an engine comes back empty: it is never taken for temporary, a spare takes its place'],
    shape: spared,
    play: forGood('slave', 1, 'replaced'),
  },
  {
    name: 'the spare fails while it is filled; another one takes its place',
    proof: [
      'packages/config-store/test/healing/engine-status.test.ts',
      'of the spare under rebuild retires that spare, and the next verdict takes another',
    ],
    shape: sparedSlowly,
    play: spareFails,
  },
  {
    name: 'an engine is lost and there is no spare: its pair is spread, and rip',
    proof: [
      'test/e2e/spread.test.ts',
      'an engine is lost and there is no spare: its blocks go to the other pairs, and everything is healthy again',
    ],
    shape: unspared,
    play: forGood('primary', 1, 'rip'),
  },
  {
    name: 'a cluster without slaves: an engine dies and returns',
    proof: [
      pair,
      'without a slave a dead engine means I/O errors for the shard, and it resumes when the engine is back whole',
    ],
    shape: unmirrored,
    mayFail: ['requests'],
    play: withoutSlaves,
  },
  {
    name: 'an engine fails again and again, and is held until somebody looks',
    proof: [
      odd,
      'an engine that fails again and again is held offline until somebody has looked, and repaired then',
    ],
    shape: flapping,
    play: flaps(FAILURES_UNTIL_HELD),
  },
];
