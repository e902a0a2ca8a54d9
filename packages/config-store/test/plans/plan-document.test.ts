import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { PlanError, parsePlan, planDocumentSchema, planOrder } from '../../src/index.ts';

const text = `
plan: shop
zones: [north, south]
groups:
  - name: web
    instances: [web-1, { instance: web-2, test: { startHook: up, stopHook: down } }]
    after: [database]
  - name: database
    volumes: [vol1, vol2]
    instances: [db]
records:
  - { name: dns, hook: run-record, content: "point shop here" }
`;

function refusal(plan: string): string {
  try {
    parsePlan(plan);
  } catch (error) {
    assert.ok(error instanceof PlanError, String(error));
    assert.ok(error.details.length > 0);
    return error.message;
  }
  return assert.fail('the plan was taken');
}

describe('the text of a recovery plan', () => {
  it('is read from YAML and JSON alike, and groups start after those that they name', () => {
    const plan = parsePlan(text);
    assert.deepEqual(parsePlan(JSON.stringify(plan)), plan);
    assert.deepEqual(
      planOrder(plan).map(({ name }) => name),
      ['database', 'web'],
    );
    assert.deepEqual(plan.groups[0]?.instances, [
      { instance: 'web-1', test: null },
      { instance: 'web-2', test: { startHook: 'up', stopHook: 'down' } },
    ]);
  });

  const base = { plan: 'p', zones: ['north', 'south'], groups: [{ name: 'a', volumes: ['v'] }] };
  const bad: readonly [what: string, plan: unknown, says: RegExp][] = [
    ['nothing', null, /expected/],
    ['no groups', { ...base, groups: [] }, /groups: expected at least one group/],
    ['one zone', { ...base, zones: ['north'] }, /zones: expected two zones/],
    ['the same zone twice', { ...base, zones: ['north', 'north'] }, /zones: expected two different zones/],
    ['an unknown member', { ...base, colour: 'red' }, /colour/],
    ['a name that is no id', { ...base, plan: 'a b' }, /plan: expected 1 to 64 of/],
    [
      'two groups of one name',
      { ...base, groups: [...base.groups, { name: 'a', instances: ['i'] }] },
      /groups\[1\]\.name: expected a name that no other group has, found "a" again/,
    ],
    [
      'a volume twice',
      { ...base, groups: [...base.groups, { name: 'b', volumes: ['v'] }] },
      /groups\[1\]\.volumes\[0\]: expected an id that is named once in the plan, found "v" again/,
    ],
    ['an empty group', { ...base, groups: [{ name: 'a' }] }, /groups\[0\]: expected a volume or an instance/],
    [
      'a group after one that is not there',
      { ...base, groups: [{ name: 'a', volumes: ['v'], after: ['z'] }] },
      /groups\[0\]\.after\[0\]: expected the name of another group, found "z"/,
    ],
    [
      'groups that wait for each other',
      {
        ...base,
        groups: [
          { name: 'a', volumes: ['v'], after: ['c'] },
          { name: 'b', volumes: ['w'], after: ['a'] },
          { name: 'c', volumes: ['x'], after: ['b'] },
          { name: 'd', volumes: ['y'] },
        ],
      },
      /groups: expected an order: a, b, c wait for each other/,
    ],
    [
      'a record that is too large',
      { ...base, records: [{ name: 'r', hook: 'h', content: 'x'.repeat(65_537) }] },
      /records\[0\]\.content: expected at most 65536 characters/,
    ],
  ];
  for (const [what, plan, says] of bad)
    it(`is refused with ${what}, and says where`, () => assert.match(refusal(JSON.stringify(plan)), says));

  it('is refused when it is no YAML, has a member twice, or is too long', () => {
    assert.match(refusal('plan: ['), /YAML or JSON/);
    assert.match(refusal('plan: a\nplan: b'), /YAML or JSON/);
    assert.match(refusal('#'.repeat(600_000)), /characters/);
  });

  it('whatever it is, it is a plan or a clear refusal', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (anything) => {
        try {
          planDocumentSchema.parse(parsePlan(anything));
        } catch (error) {
          assert.ok(error instanceof PlanError, String(error));
        }
      }),
      { numRuns: 300 },
    );
  });
});
