import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ProbeFinding } from '@salvor/vdisk';
import fc from 'fast-check';
import { decideRestart, type RestartPolicy, type RestartView } from '../../src/restart/restart-decision.ts';

type Kind = ProbeFinding['kind'];

const policy: RestartPolicy = { afterMs: 10_000, attemptsMax: 3, backoffMs: 30_000 };

function view(
  findings: readonly Kind[],
  begunAt: readonly number[] = [],
  withheld: string | null = null,
): RestartView {
  return {
    address: '10.0.0.1:22005',
    offlineSince: 0,
    findings: findings.map((kind) => ({ kind, detail: `found ${kind}`, at: 1 })),
    attempts: begunAt.map((at, i) => ({ number: i + 1, driver: 'exec', by: 'a', at, reason: 'away' })),
    withheld,
  };
}

describe('an engine that is down', () => {
  const cases: readonly [what: string, RestartView, now: number, decided: string][] = [
    [
      'is restarted when it was gone for long enough',
      view(['unreachable', 'unreachable']),
      10_000,
      'restart',
    ],
    ['is restarted when it hangs, too', view(['unreachable', 'hung']), 10_000, 'restart'],
    ['is given time to come back by itself', view(['unreachable', 'unreachable']), 9_999, 'wait'],
    ['is not restarted after one look', view(['unreachable']), 60_000, 'wait'],
    ['is not restarted while it loads its data', view(['unreachable', 'loading']), 60_000, 'wait'],
    ['is not restarted while it answers', view(['hung', 'refuses-commands']), 60_000, 'wait'],
    ['is not restarted when it lost its data', view(['identity-lost', 'identity-lost']), 60_000, 'wait'],
    ['is not restarted when it is well', view(['healthy', 'healthy']), 60_000, 'wait'],
    ['is left alone when an operator wants it so', view(['hung', 'hung'], [], 'a downtime'), 60_000, 'wait'],
    ['waits between attempts', view(['hung', 'hung'], [10_000]), 39_999, 'wait'],
    ['is restarted again after a while', view(['hung', 'hung'], [10_000]), 40_000, 'restart'],
    ['waits twice as long after each attempt', view(['hung', 'hung'], [10_000, 40_000]), 99_999, 'wait'],
    ['is given up in the end', view(['hung', 'hung'], [10_000, 40_000, 100_000]), 1e9, 'wait'],
  ];
  for (const [what, seen, now, decided] of cases) {
    it(what, () => assert.equal(decideRestart(seen, policy, now).kind, decided));
  }

  it('whatever is found, when, and by whom held back: attempts are few, and ever further apart', () => {
    const kind = fc.constantFrom<Kind>(
      'unreachable',
      'hung',
      'healthy',
      'loading',
      'refuses-commands',
      'identity-lost',
    );
    const look = fc.record({
      afterMs: fc.integer({ min: 0, max: 40_000 }),
      kind,
      withheld: fc.option(fc.constant('a downtime'), { freq: 6 }),
    });
    const policies = fc.record({
      afterMs: fc.integer({ min: 0, max: 50_000 }),
      attemptsMax: fc.integer({ min: 1, max: 5 }),
      backoffMs: fc.integer({ min: 1, max: 60_000 }),
    });
    fc.assert(
      fc.property(fc.array(look, { maxLength: 60 }), policies, (looks, under) => {
        const begunAt: number[] = [];
        const found: Kind[] = [];
        let now = 0;
        for (const { afterMs, kind: next, withheld } of looks) {
          now += afterMs;
          found.push(next);
          const decision = decideRestart(view(found, begunAt, withheld), under, now);
          if (decision.kind === 'wait') continue;
          assert.equal(withheld, null);
          assert.ok(now >= under.afterMs);
          assert.ok(found.slice(-2).every((one) => one === 'unreachable' || one === 'hung'));
          assert.equal(decision.number, begunAt.length + 1);
          const last = begunAt.at(-1);
          if (last !== undefined) assert.ok(now - last >= under.backoffMs * 2 ** (begunAt.length - 1));
          begunAt.push(now);
        }
        assert.ok(begunAt.length <= under.attemptsMax);
      }),
    );
  });
});
