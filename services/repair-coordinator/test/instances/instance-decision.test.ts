import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type InstanceRecord, instanceSchema } from '@salvor/config-store';
import fc from 'fast-check';
import {
  decideInstance,
  decideServerExit,
  decideServerStart,
  type InstanceView,
} from '../../src/instances/instance-decision.ts';

const now = 1_000_000;

const vm = (changes: Partial<InstanceRecord> = {}): InstanceRecord =>
  instanceSchema.parse({
    ...{ instance: 'vm-1', vdisks: ['v1'], restart: 'automatic', onServerExit: 'ignore', desired: 'started' },
    ...{ status: 'started', reason: '', changedAt: now, runs: [], operation: 'o' },
    ...changes,
  });

const view = (changes: Partial<InstanceRecord> = {}, more: Partial<InstanceView> = {}): InstanceView => ({
  ...{ instance: vm(changes), unavailable: [], isUnhealthy: false, runs: [] },
  ...more,
});

const dark = { unavailable: [{ vdisk: 'v1', reason: 'shard 0 has no live member', incident: 'i1' }] };
const stoppedFor = { kind: 'data-unavailable', at: now, incident: 'i1' } as const;
const moveOf = (changes: Partial<InstanceRecord>, more: Partial<InstanceView> = {}, at = now) =>
  decideInstance(view(changes, more), at);

describe('an instance', () => {
  it('is stopped when blocks of its vdisks have no live copy, and says why', () => {
    const move = moveOf({}, dark);
    assert.deepEqual([move?.to, move?.point, move?.cause], ['stopping', 'instance.stop', stoppedFor]);
    assert.equal(move?.reason, 'blocks of v1 have no live copy: shard 0 has no live member');
    assert.equal(moveOf({}), null);
  });

  it('that Salvor stopped is started when its data is back and its cluster no longer unhealthy', () => {
    const stopped = { status: 'stopped', cause: stoppedFor } as const;
    assert.deepEqual([moveOf(stopped)?.to, moveOf(stopped)?.point], ['starting', 'instance.start']);
    assert.equal(moveOf(stopped, dark), null);
    assert.equal(moveOf(stopped, { isUnhealthy: true }), null);
    assert.equal(moveOf({ ...stopped, restart: 'operator' }), null, 'it is left to the operator');
    assert.equal(moveOf({ ...stopped, desired: 'stopped' }), null);
    assert.equal(
      moveOf({ ...stopped, status: 'stop-failed' })?.to,
      'starting',
      'it may have been stopped all the same',
    );
  });

  it('that an operator stopped stays so, and is started when the operator wants that', () => {
    const cause = { kind: 'operator', at: now } as const;
    assert.equal(moveOf({ status: 'stopped', desired: 'stopped', cause }), null);
    assert.equal(moveOf({ status: 'stopped', cause })?.to, 'starting');
    assert.equal(moveOf({ desired: 'stopped' })?.to, 'stopping', 'wanted while it was being started');
  });

  it('is where its hooks brought it when all of them have ended', () => {
    const runs = (...found: InstanceView['runs']) => ({ runs: found });
    assert.equal(moveOf({ status: 'stopping' }, runs('succeeded', null)), null);
    assert.equal(moveOf({ status: 'stopping' }, runs('succeeded', 'succeeded'))?.to, 'stopped');
    assert.equal(moveOf({ status: 'stopping' }, runs('failed', 'succeeded'))?.to, 'stop-failed');
    assert.equal(moveOf({ status: 'starting' }, runs('succeeded'))?.to, 'started');
    assert.equal(moveOf({ status: 'starting' }, runs('failed'))?.to, 'start-failed');
    assert.equal(moveOf({ status: 'start-failed' }, dark), null, 'an operator has to look');
  });

  it('is started again after a crash of its NBD server, where it is configured so', () => {
    const exit = { server: 'nbd-1', at: now, returns: true };
    assert.equal(decideServerExit(vm(), exit), null);
    const move = decideServerExit(vm({ onServerExit: 'start' }), exit);
    assert.deepEqual([move?.to, move?.point], ['stopped', null]);
    assert.ok(move?.cause);
    const waiting = vm({ onServerExit: 'start', status: 'stopped', cause: move.cause });
    assert.equal(decideServerStart(waiting, { server: 'nbd-2', at: now + 5 }), null);
    assert.equal(decideServerStart(waiting, { server: 'nbd-1', at: now - 5 }), null, 'the start before that');
    assert.equal(decideServerStart(waiting, { server: 'nbd-1', at: now + 5 })?.to, 'starting');
    const stopped = { status: 'stopped', cause: move.cause } as const;
    assert.equal(moveOf(stopped, {}, now + 30_000), null);
    assert.equal(moveOf(stopped, {}, now + 30_001)?.to, 'starting', 'nobody told that it is back');
    const gone = { ...stopped, cause: { ...move.cause, returns: false } };
    assert.equal(moveOf(gone, {}, now + 9_999_999), null);
  });

  it('is stopped once for each outage and started once after it, however often it is looked at', () => {
    const step = fc.constantFrom('dark', 'bright', 'hooks end', 'look');
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        let instance = vm();
        let isDark = false;
        let isRunning = false;
        let outages = 0;
        const asked = { 'instance.stop': 0, 'instance.start': 0 };
        for (const one of [
          ...steps,
          'hooks end',
          'bright',
          'look',
          'hooks end',
          'look',
          'hooks end',
          'look',
        ]) {
          if (one === 'dark' && !isDark) outages++;
          if (one === 'dark' || one === 'bright') isDark = one === 'dark';
          if (one === 'hooks end') isRunning = false;
          const seen = view(instance, { ...(isDark ? dark : {}), runs: [isRunning ? null : 'succeeded'] });
          const move = decideInstance(seen, now);
          if (move === null) continue;
          if (move.point !== null) {
            assert.equal(isRunning, false, 'one thing at a time');
            asked[move.point]++;
            isRunning = true;
          }
          const { cause: _, ...rest } = instance;
          instance = { ...rest, status: move.to, ...(move.cause === null ? {} : { cause: move.cause }) };
        }
        assert.ok(asked['instance.stop'] <= outages);
        assert.equal(asked['instance.start'], asked['instance.stop']);
        assert.equal(instance.status, 'started');
      }),
    );
  });
});
