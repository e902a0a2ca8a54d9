import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProbeFinding } from '@salvor/vdisk';
import fc from 'fast-check';
import { decideSweep, type SweptEngine } from '../src/sweep-decision.ts';

const engine = (name: string, kind: ProbeFinding['kind']): SweptEngine => ({
  name,
  finding: { kind, detail: `${name} is ${kind}`, at: 1 },
});
const healthy = ['b', 'c', 'd'].map((name) => engine(name, 'healthy'));

test('an engine is reported when it was gone so many times in a row, and then counted anew', () => {
  let bad: ReadonlyMap<string, number> = new Map();
  const reports: number[] = [];
  for (let sweep = 0; sweep < 7; sweep++) {
    const decision = decideSweep(bad, [engine('a', 'unreachable'), ...healthy], 3);
    bad = decision.bad;
    reports.push(decision.report.length);
  }
  assert.deepEqual(reports, [0, 0, 1, 0, 0, 1, 0]);
});

test('one good finding in between starts the count again', () => {
  const once = decideSweep(new Map([['a', 2]]), [engine('a', 'healthy'), ...healthy], 3);
  assert.equal(once.bad.has('a'), false);
});

test('an engine that is loading, or refuses writes, is not gone', () => {
  for (const kind of ['loading', 'refuses-commands'] as const) {
    assert.deepEqual(decideSweep(new Map([['a', 9]]), [engine('a', kind), ...healthy], 3).report, []);
  }
});

test('who finds most engines gone reports none of them, and says so', () => {
  const all = ['a', 'b', 'c'].map((name) => engine(name, 'unreachable'));
  const decision = decideSweep(
    new Map([
      ['a', 9],
      ['b', 9],
      ['c', 9],
    ]),
    [...all, engine('d', 'healthy')],
    3,
  );
  assert.deepEqual(decision.report, []);
  assert.match(decision.doubt ?? '', /3 of 4 engines do not answer/);
});

test('never more than half of several engines are reported at once', () => {
  const kind = fc.constantFrom<ProbeFinding['kind']>(
    'healthy',
    'unreachable',
    'hung',
    'loading',
    'identity-lost',
  );
  fc.assert(
    fc.property(fc.array(kind, { maxLength: 12 }), (kinds) => {
      const engines = kinds.map((found, i) => engine(String(i), found));
      const before = new Map(engines.map(({ name }) => [name, 9]));
      const { report, doubt } = decideSweep(before, engines, 3);
      assert.ok(report.length <= 1 || report.length * 2 <= engines.length);
      assert.ok(doubt === null || report.length === 0);
    }),
  );
});
