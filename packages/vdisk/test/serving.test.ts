import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decideServing, type Serving, type ServingView } from '../src/serving.ts';
import { actions, type Decide, ServingWorld, type Step } from './serving-world.ts';

const doubt: ServingView = {
  leaseIsValid: false,
  mode: 'mirrored',
  required: ['primary', 'slave'],
  confirmed: ['primary', 'slave'],
};

test('while the lease is valid every request is answered', () => {
  assert.equal(decideServing({ ...doubt, leaseIsValid: true, mode: 'holding', confirmed: [] }).kind, 'serve');
});

test('beyond the lease a pair goes on while both members confirm the epoch, and only then', () => {
  assert.equal(decideServing(doubt).kind, 'serve');
  for (const confirmed of [['primary'], ['slave'], []] as const) {
    const stopped = decideServing({ ...doubt, confirmed });
    assert.equal(stopped.kind, 'stop');
    assert.match(stopped.reason, /not confirmed by etcd, and not by the (primary|slave)/);
  }
});

test('beyond the lease a single copy goes on while its engine confirms the epoch', () => {
  const single: ServingView = { ...doubt, mode: 'single', required: ['primary'], confirmed: ['primary'] };
  assert.equal(decideServing(single).kind, 'serve');
  assert.equal(decideServing({ ...single, confirmed: [] }).kind, 'stop');
});

test('beyond the lease a shard with a failure stops, whatever its engines say', () => {
  for (const mode of ['alone', 'holding', 'repairing', 'unavailable'] as const)
    assert.equal(decideServing({ ...doubt, mode }).kind, 'stop', mode);
  assert.equal(decideServing({ ...doubt, required: [], confirmed: [] }).kind, 'stop');
});

const weighted = (Object.keys(actions) as Step['action'][]).map((action) => ({
  weight: actions[action],
  arbitrary: fc.constant(action),
}));

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    action: fc.oneof(...weighted),
    owner: fc.constantFrom(0 as const, 1 as const),
    engine: fc.constantFrom('primary' as const, 'slave' as const),
  }),
  { maxLength: 120, size: 'max' },
);

/** Runs lives of the world under this rule; throws the assertion that the shortest bad life breaks. */
function live(decide: Decide): { answeredWithoutLease: number } {
  let answeredWithoutLease = 0;
  const property = fc.property(steps, (life) => {
    const world = new ServingWorld(decide);
    for (const step of life) world.do(step);
    answeredWithoutLease += world.answeredWithoutLease;
  });
  const { failed, errorInstance, counterexample } = fc.check(property, { numRuns: 10_000, seed: 7 });
  if (failed) {
    const life = counterexample?.[0].map(({ action, owner, engine }) => `${action} ${owner} ${engine}`);
    throw new Error(
      `${errorInstance instanceof Error ? errorInstance.message : errorInstance}: ${life?.join(', ')}`,
    );
  }
  return { answeredWithoutLease };
}

test('no read is older than an acknowledged write, and two owners never both acknowledge, whatever etcd and the engines do', () => {
  const { answeredWithoutLease } = live(decideServing);
  assert.ok(answeredWithoutLease > 1_000, `only ${answeredWithoutLease} answers without a lease were tried`);
});

test('the same world finds out a rule that trusts the engine it reads from', () => {
  const trusting = (view: ServingView): Serving =>
    view.confirmed.length > 0 ? { kind: 'serve', reason: 'one is enough' } : decideServing(view);
  assert.throws(() => live(trusting), /had been acknowledged|two owners/);
});
