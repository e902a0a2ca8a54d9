import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PairGuards } from './pair-guards.ts';
import { chaosKinds, planChaos } from './plan.ts';

const MINUTE_MS = 60_000;

describe('a plan of faults', () => {
  it('is the same for the same seed, and another one for another', () => {
    assert.deepEqual(planChaos(7, 20 * MINUTE_MS), planChaos(7, 20 * MINUTE_MS));
    assert.notDeepEqual(planChaos(7, 20 * MINUTE_MS), planChaos(8, 20 * MINUTE_MS));
  });

  it('of a shorter run is the begin of that of a longer one', () => {
    const short = planChaos(7, MINUTE_MS);
    assert.deepEqual(short, planChaos(7, 20 * MINUTE_MS).slice(0, short.length));
  });

  it('of a long run has faults of every kind, all within the run, in order', () => {
    const plan = planChaos(1, 20 * MINUTE_MS);
    assert.deepEqual(new Set(plan.map(({ kind }) => kind)), new Set(chaosKinds));
    assert.ok(plan.every(({ atMs }, i) => atMs > (plan[i - 1]?.atMs ?? 0) && atMs < 20 * MINUTE_MS));
  });

  it('draws only the kinds it is given', () => {
    const kinds = ['engine-killed', 'nats-paused'] as const;
    const drawn = new Set(planChaos(1, 10 * MINUTE_MS, kinds).map(({ kind }) => kind));
    assert.deepEqual(drawn, new Set(kinds));
  });
});

describe('the guards of the pairs', () => {
  it('let faults that take nothing away meet', () => {
    const guards = new PairGuards();
    assert.ok(guards.share(0) && guards.share(0));
  });

  it('let data be taken only from a pair that has been left alone for a while', () => {
    const guards = new PairGuards();
    guards.share(0);
    assert.equal(guards.exclude(0, 60_000), false);
    guards.unshare(0, 60_000);
    assert.equal(guards.exclude(0, 61_000), false);
    assert.equal(guards.exclude(1, 61_000), true);
    assert.equal(guards.exclude(0, 90_000), true);
  });

  it('let nothing befall the partner of an engine that lost data, until the two are whole again', () => {
    const guards = new PairGuards();
    assert.ok(guards.exclude(0, 0));
    assert.equal(guards.share(0), false);
    assert.equal(guards.exclude(0, 60_000), false);
    guards.readmit(0, 60_000);
    assert.ok(guards.share(0));
  });
});
