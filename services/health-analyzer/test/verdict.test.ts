import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { decideVerdict, type OutageView, type ProbeFinding, type VerdictPolicy } from '../src/verdict.ts';

type Kind = ProbeFinding['kind'];

const policy: VerdictPolicy = { healthyProbes: 2, permanentAfterMs: 60_000 };
const kinds: readonly Kind[] = [
  'healthy',
  'loading',
  'unreachable',
  'hung',
  'refuses-commands',
  'identity-lost',
  'identity-mismatch',
];

function view(...findings: Kind[]): OutageView {
  return {
    address: '10.0.0.1:22005',
    offlineSince: 1_000,
    findings: findings.map((kind, i) => ({ kind, detail: `probe ${i} found it ${kind}`, at: 1_000 + i })),
  };
}

function judged(findings: readonly Kind[], downMs = 10, under = policy): string {
  const decision = decideVerdict(view(...findings), under, 1_000 + downMs);
  return decision.kind === 'verdict' ? decision.verdict : 'wait';
}

describe('an outage', () => {
  const cases: readonly [findings: readonly Kind[], downMs: number, verdict: string][] = [
    [[], 10, 'wait'],
    [[], 1e9, 'wait'],
    [['healthy'], 10, 'wait'],
    [['healthy', 'healthy'], 10, 'temporary'],
    [['unreachable', 'healthy', 'healthy'], 1e9, 'temporary'],
    [['healthy', 'unreachable', 'healthy'], 10, 'wait'],
    [['healthy', 'healthy', 'hung'], 10, 'wait'],
    [['unreachable'], 59_999, 'wait'],
    [['unreachable'], 60_000, 'permanent'],
    [['hung'], 60_000, 'permanent'],
    [['refuses-commands'], 60_000, 'permanent'],
    [['loading'], 1e9, 'wait'],
    [['unreachable', 'healthy'], 1e9, 'wait'],
    [['identity-lost'], 0, 'permanent'],
    [['healthy', 'healthy', 'identity-lost'], 0, 'permanent'],
    [['identity-mismatch'], 0, 'permanent'],
    [['identity-lost', 'healthy', 'healthy'], 10, 'temporary'],
  ];
  for (const [findings, downMs, verdict] of cases) {
    it(`with ${findings.join(', ') || 'no probe'} after ${downMs} ms: ${verdict}`, () => {
      assert.equal(judged(findings, downMs), verdict);
    });
  }

  it('is judged with a sentence that names the engine and says why', () => {
    const reasonOf = (findings: Kind[], now: number): string =>
      decideVerdict(view(...findings), policy, now).reason;
    assert.match(
      reasonOf(['healthy', 'healthy'], 2_000),
      /10\.0\.0\.1:22005 answers again.*2 probes in a row/,
    );
    assert.match(reasonOf(['identity-lost'], 2_000), /lost its identity, so it lost its data/);
    assert.match(
      reasonOf(['hung'], 71_000),
      /unusable for 70000 ms, longer than the 60000 ms allowed: probe 0/,
    );
    assert.match(reasonOf(['loading'], 2_000), /found it loading/);
  });
});

const kindArbitrary = fc.constantFrom(...kinds);
const findingsArbitrary = fc.array(kindArbitrary, { maxLength: 12 });
const policyArbitrary = fc.record({
  healthyProbes: fc.integer({ min: 1, max: 5 }),
  permanentAfterMs: fc.integer({ min: 1, max: 100_000 }),
});
const downArbitrary = fc.integer({ min: 0, max: 200_000 });

describe('whatever was found', () => {
  it('temporary needs as many healthy probes in a row as the policy says, the identity among them', () => {
    fc.assert(
      fc.property(findingsArbitrary, policyArbitrary, downArbitrary, (findings, under, downMs) => {
        const last = findings.slice(-under.healthyProbes);
        const isBack = last.length === under.healthyProbes && last.every((kind) => kind === 'healthy');
        assert.equal(judged(findings, downMs, under) === 'temporary', isBack);
      }),
    );
  });

  it('permanent needs evidence of loss in the latest probe, or time without a sign of life', () => {
    fc.assert(
      fc.property(findingsArbitrary, policyArbitrary, downArbitrary, (findings, under, downMs) => {
        if (judged(findings, downMs, under) !== 'permanent') return;
        const last = findings.at(-1);
        const isLost = last === 'identity-lost' || last === 'identity-mismatch';
        const isGone = last === 'unreachable' || last === 'hung' || last === 'refuses-commands';
        assert.ok(isLost || (isGone && downMs >= under.permanentAfterMs), `${last} after ${downMs} ms`);
      }),
    );
  });

  it('time alone never takes a verdict back: it only turns waiting into permanent', () => {
    fc.assert(
      fc.property(
        findingsArbitrary,
        policyArbitrary,
        downArbitrary,
        downArbitrary,
        (findings, under, downMs, moreMs) => {
          const before = judged(findings, downMs, under);
          const after = judged(findings, downMs + moreMs, under);
          assert.ok(
            after === before || (before === 'wait' && after === 'permanent'),
            `${before} to ${after}`,
          );
        },
      ),
    );
  });
});
