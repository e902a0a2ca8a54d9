import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ProbeFinding } from '@salvor/vdisk';
import fc from 'fast-check';
import type { Observation } from '../src/observation.ts';
import { decideVerdict, type OutageView, type VerdictPolicy } from '../src/verdict.ts';

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

  it('of a spare that failed while it was filled is judged like any other as long as it may have what nobody else has', () => {
    const spare = (isNeeded: boolean, ...findings: Kind[]): string => {
      const kept = { ...view(...findings), rebuildBegun: true, keptSpare: { isNeeded } };
      const decision = decideVerdict(kept, policy, 1_010);
      return decision.kind === 'verdict' ? decision.verdict : 'wait';
    };
    assert.equal(spare(true, 'unreachable'), 'wait');
    assert.equal(spare(true, 'healthy', 'healthy'), 'temporary');
    assert.equal(spare(true, 'identity-lost'), 'permanent');
    assert.equal(
      spare(false, 'unreachable'),
      'permanent',
      'its partner has every write: another one is taken',
    );
    assert.equal(spare(false, 'healthy', 'healthy'), 'temporary');
  });

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

const seenBy = (observer: string, kind: Kind, role: Observation['role'] = 'server'): Observation => ({
  ...{ observer, role, kind, at: 1_000, vdisks: [], healthyInARow: kind === 'healthy' ? 1 : 0 },
  detail: `${observer} found it ${kind}`,
});

/** An engine whose process is older than the report, reported by nbd-1 and found well by nbd-2. */
function alarm(changes: Partial<OutageView> = {}): OutageView {
  const findings = [1, 2].map((at) => ({ kind: 'healthy' as const, detail: 'well', at, upSince: 500 }));
  const others = [seenBy('nbd-1', 'hung'), seenBy('nbd-2', 'healthy')];
  return { ...view(), findings, reporters: ['nbd-1'], others, ...changes };
}

describe('what others see', () => {
  const wordOf = (seen: OutageView, now = 2_000): string => {
    const decision = decideVerdict(seen, policy, now);
    return decision.kind === 'verdict' ? decision.verdict : 'wait';
  };

  it('one reporter alone against all the others is a false alarm, and is named', () => {
    const decision = decideVerdict(alarm(), policy, 2_000);
    assert.ok(decision.kind === 'verdict' && decision.verdict === 'false_alarm');
    assert.equal(decision.oddReporter, 'nbd-1');
    assert.match(
      decision.reason,
      /only nbd-1 found .* failing \(it still finds that nbd-1 found it hung\); nbd-2/,
    );
  });

  const certain = alarm();
  const doubts: readonly [why: string, view: OutageView][] = [
    ['two servers reported it', alarm({ reporters: ['nbd-1', 'nbd-2'] })],
    ['the reporter is no server that answers, but an operator', alarm({ reporters: ['alice'] })],
    ['nobody else uses it', alarm({ others: [seenBy('nbd-1', 'healthy')] })],
    [
      'the only other one is an analyzer',
      alarm({ others: [seenBy('nbd-1', 'healthy'), seenBy('a', 'healthy', 'analyzer')] }),
    ],
    [
      'another server finds it failing too',
      alarm({ others: [...(certain.others ?? []), seenBy('nbd-3', 'hung')] }),
    ],
    ['it was found unwell once', alarm({ wasUnwell: true })],
    [
      'its process is younger than the report',
      alarm({ findings: [0, 1].map((at) => ({ kind: 'healthy', detail: '', at, upSince: 1_000 })) }),
    ],
    [
      'nobody knows how old its process is',
      alarm({ findings: [0, 1].map((at) => ({ kind: 'healthy', detail: '', at })) }),
    ],
  ];
  for (const [why, seen] of doubts)
    it(`${why}: no false alarm, but a temporary outage`, () => assert.equal(wordOf(seen), 'temporary'));

  it('nothing is decided before they had the time to say it', () => {
    assert.equal(wordOf(alarm({ areOthersHeard: false })), 'wait');
    assert.equal(wordOf({ ...view('identity-lost'), areOthersHeard: false }), 'wait');
  });

  it('an engine that no server can use is not given back to them, however well the analyzer sees it', () => {
    const seen = {
      ...view('healthy', 'healthy'),
      others: [seenBy('nbd-1', 'unreachable'), seenBy('a', 'healthy', 'analyzer')],
    };
    assert.equal(wordOf(seen), 'wait');
    assert.match(
      decideVerdict(seen, policy, 2_000).reason,
      /no server that would repair it can use it: nbd-1 says/,
    );
  });

  it('every server finds it well again and again, and the analyzer alone does not: it is given back to them', () => {
    const well = (observer: string, healthyInARow: number) => ({
      ...seenBy(observer, 'healthy'),
      healthyInARow,
    });
    for (const kind of ['unreachable', 'hung', 'refuses-commands', 'loading'] as const) {
      const both = { ...view(kind), others: [well('nbd-1', 2), well('nbd-2', 3)] };
      assert.equal(wordOf(both), 'temporary');
      assert.match(decideVerdict(both, policy, 2_000).reason, /every server that was asked \(nbd-1, nbd-2\)/);
      assert.equal(wordOf({ ...view(kind), others: [well('nbd-1', 2), well('nbd-2', 1)] }), 'wait');
      assert.equal(wordOf({ ...view(kind), others: [well('nbd-1', 2), seenBy('nbd-2', 'hung')] }), 'wait');
    }
    assert.equal(wordOf({ ...view('identity-lost'), others: [well('nbd-1', 9)] }), 'wait');
  });

  it('an analyzer alone does not give up what another one sees', () => {
    for (const kind of ['unreachable', 'identity-lost', 'identity-mismatch'] as const) {
      const seen = { ...view(kind), others: [seenBy('nbd-2', 'healthy')] };
      assert.equal(wordOf(seen, 1e9), 'wait');
      assert.match(decideVerdict(seen, policy, 1e9).reason, /but nbd-2 finds it well/);
    }
  });

  it('whatever it is: permanent and false alarm only without a contradiction, back only to those who can use it', () => {
    const other = fc.record({
      observer: fc.constantFrom('nbd-1', 'nbd-2', 'nbd-3', 'a-2'),
      role: fc.constantFrom<Observation['role']>('server', 'analyzer'),
      kind: kindArbitrary,
    });
    const scene = fc.record({
      kinds: findingsArbitrary,
      others: fc.uniqueArray(other, { selector: ({ observer }) => observer, maxLength: 4 }),
      reporters: fc.subarray(['nbd-1', 'nbd-2', 'alice']),
      wasUnwell: fc.boolean(),
      areOthersHeard: fc.boolean(),
      upSince: fc.constantFrom(500, 1_500),
      downMs: downArbitrary,
    });
    fc.assert(
      fc.property(scene, policyArbitrary, ({ kinds: found, others, upSince, downMs, ...more }, under) => {
        const base = view(...found);
        const findings = base.findings.map((one) => (one.kind === 'healthy' ? { ...one, upSince } : one));
        const seen = others.map(({ observer, kind, role }) => seenBy(observer, kind, role));
        const decision = decideVerdict({ ...base, ...more, findings, others: seen }, under, 1_000 + downMs);
        if (decision.kind === 'wait') return;
        assert.ok(more.areOthersHeard);
        const servers = seen.filter(({ role }) => role === 'server');
        switch (decision.verdict) {
          case 'permanent':
            return assert.ok(seen.every(({ kind }) => kind !== 'healthy'));
          case 'temporary':
            return assert.ok(servers.length === 0 || servers.some(({ kind }) => kind === 'healthy'));
          case 'false_alarm': {
            const { oddReporter } = decision;
            assert.deepEqual(more.reporters, [oddReporter]);
            const rest = seen.filter(({ observer }) => observer !== oddReporter);
            assert.ok(
              rest.some(({ role }) => role === 'server') && rest.every(({ kind }) => kind === 'healthy'),
            );
            return assert.ok(!more.wasUnwell && upSince < 1_000 && found.every((kind) => kind === 'healthy'));
          }
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
