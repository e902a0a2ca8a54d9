import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { HookAttempt, HookRunRecord } from '@salvor/config-store';
import { eventRecord, events, fromPlainJson } from '@salvor/contracts';
import fc from 'fast-check';
import type { ExecHook } from '../../src/hooks/hook-file.ts';
import { exampleOf, hookPointNames, type Occurred, pointsOf } from '../../src/hooks/hook-points.ts';
import { decideHookRuns, HOOK_CATCH_UP_MS, type Occurrence } from '../../src/hooks/hook-runs.ts';
import { decideHookStep } from '../../src/hooks/hook-step.ts';

const now = 1_700_000_000_000;
const who = { now, by: 'c1' };

const hook = (changes: Partial<ExecHook> = {}): ExecHook => ({
  ...{ name: 'a', on: ['cluster.unhealthy'], where: {}, kind: 'exec', argv: ['true'], env: {} },
  ...{ timeoutMs: 1_000, attempts: 3, backoffMs: 100 },
  ...changes,
});

const occurred = (changes: Partial<Occurrence> = {}): Occurrence => ({
  ...{ id: 'p1-7-repairing-unhealthy', type: 'salvor.cluster.status-changed.v1', subject: 'p1', at: now - 5 },
  data: { cluster: 'p1', to: 'unhealthy' },
  points: ['cluster.unhealthy'],
  ...changes,
});

const known = new Map([['a', now - 10]]);

describe('an event', () => {
  it('calls for the hooks at its points, under an id that follows from hook and event', () => {
    const [run, ...more] = decideHookRuns(occurred(), [hook(), hook({ name: 'b' })], known, who);
    assert.deepEqual(more, [], 'b is not known yet');
    const [again] = decideHookRuns(occurred(), [hook()], known, { now: now + 9, by: 'c2' });
    assert.equal(run?.run, again?.run);
    assert.deepEqual([run?.lane, run?.status, run?.attempts], ['a:p1', 'pending', []]);
    const other = decideHookRuns(occurred({ id: 'another' }), [hook()], known, who)[0];
    assert.notEqual(run?.run, other?.run);
  });

  it('of before the hook was there, of long ago, or of something else calls for nothing', () => {
    const none = (occurrence: Partial<Occurrence>, changes: Partial<ExecHook> = {}) =>
      assert.deepEqual(decideHookRuns(occurred(occurrence), [hook(changes)], known, who), []);
    none({ at: now - 11 });
    none({ points: ['cluster.healthy'] });
    none({}, { where: { cluster: 'p2' } });
    none({}, { where: { nothing: 'p1' } });
    const old = new Map([['a', 0]]);
    assert.deepEqual(decideHookRuns(occurred({ at: now - HOOK_CATCH_UP_MS }), [hook()], old, who), []);
    assert.equal(decideHookRuns(occurred({ at: now - HOOK_CATCH_UP_MS + 1 }), [hook()], old, who).length, 1);
  });

  for (const point of hookPointNames) {
    it(`has an example at ${point}, which is at that point`, () => {
      const { type, fields } = exampleOf(point);
      const payload = fromPlainJson(eventRecord(type), { ...events[type].example, ...fields });
      assert.ok(pointsOf({ type, payload } as unknown as Occurred).includes(point));
    });
  }

  it('of a spare that fails while it is filled does not ask for a restart', () => {
    const moved = (from: string) =>
      pointsOf({ type: 'engine.status-changed', payload: { from, to: 'offline' } });
    assert.deepEqual(moved('online'), ['engine.offline', 'engine.restart']);
    assert.deepEqual(moved('repair-final-outage'), ['engine.offline']);
  });
});

const runOf = (attempts: HookAttempt[]): HookRunRecord => ({
  ...{ run: 'r', hook: 'a', point: 'cluster.unhealthy', kind: 'exec', lane: 'a:p1', by: 'c1' },
  event: { id: 'e', type: 't', subject: 'p1', at: now, data: {} },
  ...{ createdAt: now, status: 'pending', reason: '' },
  attempts,
});

const tried = (changes: Partial<HookAttempt> = {}): HookAttempt => ({
  ...{ attempt: 1, by: 'c1', startedAt: now, durationMs: 10, outcome: 'failed', exitCode: 1 },
  ...changes,
});

describe('a hook run', () => {
  it('ends as failed when its hook is configured no more', () => {
    const step = decideHookStep(runOf([]), null, now);
    assert.deepEqual(step, {
      kind: 'end',
      status: 'failed',
      reason: 'no hook a is configured, so it is not run',
    });
  });

  it('waits longer before each attempt, and gives up after the last one with what went wrong', () => {
    assert.deepEqual(decideHookStep(runOf([]), hook(), now), { kind: 'attempt', attempt: 1 });
    assert.deepEqual(decideHookStep(runOf([tried()]), hook(), now), { kind: 'wait', untilMs: now + 110 });
    assert.deepEqual(decideHookStep(runOf([tried()]), hook(), now + 110), { kind: 'attempt', attempt: 2 });
    const second = runOf([tried({ attempt: 2 })]);
    assert.deepEqual(decideHookStep(second, hook(), now), { kind: 'wait', untilMs: now + 210 });
    const third = runOf([tried({ attempt: 3, detail: 'no route' })]);
    assert.deepEqual(decideHookStep(third, hook(), now), {
      kind: 'end',
      status: 'failed',
      reason: 'gave up after 3 attempts: ended with code 1 (no route)',
    });
  });

  it('ends at once where the receiver says that the request is wrong, and not where it is overloaded', () => {
    const answered = (httpStatus: number) =>
      decideHookStep(runOf([tried({ httpStatus, exitCode: undefined })]), hook(), now + 60_000);
    assert.equal(answered(404).kind, 'end');
    assert.equal(answered(302).kind, 'end');
    assert.deepEqual(
      [answered(429), answered(503)].map(({ kind }) => kind),
      ['attempt', 'attempt'],
    );
  });

  it('is never begun again after success, ends within its attempts, and never waits beyond its bound', () => {
    const outcome = fc.constantFrom('failed', 'timed-out', 'interrupted', 'succeeded' as const);
    const attempts = fc.integer({ min: 1, max: 20 });
    fc.assert(
      fc.property(
        fc.array(outcome, { minLength: 1, maxLength: 25 }),
        attempts,
        fc.nat(1e9),
        (results, most, skew) => {
          const made: HookAttempt[] = [];
          let time = now;
          for (const result of results) {
            const step = decideHookStep(runOf(made), hook({ attempts: most }), time);
            if (step.kind === 'end') {
              assert.equal(step.status, made.at(-1)?.outcome === 'succeeded' ? 'succeeded' : 'failed');
              assert.ok(made.length <= most);
              return;
            }
            if (step.kind === 'wait') {
              assert.ok(step.untilMs > time && step.untilMs <= time + 300_000);
              time = step.untilMs;
              assert.equal(decideHookStep(runOf(made), hook({ attempts: most }), time).kind, 'attempt');
            }
            assert.notEqual(made.at(-1)?.outcome, 'succeeded');
            made.push(
              tried({
                attempt: made.length + 1,
                startedAt: time + (made.length % 2) * skew,
                outcome: result,
              }),
            );
          }
          assert.ok(made.length <= most, 'no more attempts than it may have');
        },
      ),
    );
  });
});
