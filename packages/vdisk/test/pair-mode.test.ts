import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decidePairMode, isRequired, type MemberView } from '../src/pair-mode.ts';

const online: MemberView = { status: 'online', repaired: false, prepared: false, failed: false };

const view: fc.Arbitrary<MemberView> = fc.record({
  status: fc.constantFrom('online', 'offline', 'repair-tmp-outage', 'repair-final-outage', 'rip'),
  repaired: fc.boolean(),
  prepared: fc.boolean(),
  failed: fc.boolean(),
});

test('two online members mirror each other', () => {
  assert.equal(decidePairMode(online, online).kind, 'mirrored');
});

test('a failed member holds writes until etcd records it, then the other serves alone', () => {
  const failed = { ...online, failed: true };
  assert.deepEqual(decidePairMode(failed, online).kind, 'holding');
  const recorded = decidePairMode({ ...failed, status: 'offline' }, online);
  assert.ok(recorded.kind === 'alone' && recorded.on === 'slave');
});

test('a prepared member under repair takes writes beside the survivor', () => {
  const mode = decidePairMode({ ...online, status: 'repair-tmp-outage', prepared: true }, online);
  assert.ok(mode.kind === 'repairing' && mode.from === 'slave' && mode.to === 'primary');
});

test('a repaired member is needed for every write although etcd still shows the repair', () => {
  const repaired: MemberView = { status: 'repair-tmp-outage', repaired: true, prepared: true, failed: false };
  assert.equal(decidePairMode(repaired, online).kind, 'mirrored');
  assert.equal(decidePairMode({ ...repaired, failed: true }, online).kind, 'holding');
});

test('without a slave cluster one engine serves, and its failure makes the shard unavailable', () => {
  assert.equal(decidePairMode(online, null).kind, 'single');
  assert.equal(decidePairMode({ ...online, failed: true }, null).kind, 'unavailable');
});

test('writes go to every required member, and nothing serves that is stale or failed', () => {
  fc.assert(
    fc.property(view, fc.option(view), (primary, slave) => {
      const mode = decidePairMode(primary, slave);
      const of = (name: 'primary' | 'slave'): MemberView =>
        name === 'primary' ? primary : (slave ?? primary);
      assert.ok(mode.reason.length > 0);
      const required = [primary, slave].filter((v) => v !== null && isRequired(v)) as MemberView[];
      switch (mode.kind) {
        case 'mirrored':
          assert.ok(required.length === 2 && required.every((v) => !v.failed));
          break;
        case 'single':
          assert.equal(slave, null);
          assert.ok(isRequired(of(mode.on)) && !of(mode.on).failed);
          break;
        case 'alone':
          assert.ok(isRequired(of(mode.on)) && !of(mode.on).failed);
          assert.equal(
            required.length,
            1,
            'a member that etcd does not record as stale must never miss a write',
          );
          break;
        case 'repairing':
          assert.ok(isRequired(of(mode.from)) && !of(mode.from).failed);
          assert.ok(!isRequired(of(mode.to)) && !of(mode.to).failed && of(mode.to).prepared);
          break;
        case 'holding':
          assert.ok(
            isRequired(of(mode.on)) &&
              !of(mode.on).failed &&
              of(mode.failed).failed &&
              isRequired(of(mode.failed)),
          );
          break;
        case 'unavailable':
          assert.ok(required.every((v) => v.failed));
          break;
      }
    }),
    { numRuns: 3000 },
  );
});
