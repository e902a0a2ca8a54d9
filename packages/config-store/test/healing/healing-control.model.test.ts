/** Random lives of what operators hold back on a cluster: pauses and downtimes begin, end, run out and are repeated. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { decideHealingControl, type HealingControlInput } from '../../src/healing/healing-control.ts';
import { downtimeOf } from '../../src/healing/held-back.ts';
import { markOf } from '../../src/healing/operation-mark.ts';
import { parseRecord } from '../../src/healing/record-text.ts';
import {
  controlsLogMax,
  type HealingControls,
  healingControlsSchema,
  type OperationRecord,
  operationSchema,
} from '../../src/healing/records.ts';

const addresses = ['p0:1', 'p1:1', undefined];

const step = fc.record({
  kind: fc.constantFrom<HealingControlInput['kind']>('pause', 'resume', 'begin-downtime', 'end-downtime'),
  address: fc.constantFrom(...addresses),
  durationMs: fc.integer({ min: 1, max: 500 }),
  passes: fc.integer({ min: 0, max: 200 }),
  again: fc.boolean(),
});

it('has one pause, one downtime for each target at most, and does every order once', () => {
  const reached = new Set<string>();
  const property = fc.property(fc.array(step, { minLength: 5, maxLength: 100 }), (steps) => {
    let controls: HealingControls = { downtimes: [], log: [] };
    let now = 1_000;
    const ends = new Map<string | undefined, number>();
    let paused = false;
    for (const [index, { kind, address, durationMs, passes, again }] of steps.entries()) {
      now += passes;
      const input = {
        ...{ kind, by: 'alice', reason: 'a test', operation: `op-${index}`, durationMs },
        ...(address === undefined ? {} : { address }),
      } as HealingControlInput;
      const state = { cluster: 'p', controls, incidents: [], mark: null };
      const decision = decideHealingControl(state, input, kind, now);
      reached.add(`${kind} ${decision.outcome}`);
      assert.equal(decision.outcome === 'applied', decision.controls !== undefined);
      if (decision.controls !== undefined) {
        controls = parseRecord(healingControlsSchema, 'k', JSON.stringify(decision.controls));
        assert.equal(controls.log.at(-1)?.operation, input.operation);
        if (kind === 'pause' || kind === 'resume') paused = kind === 'pause';
        if (kind === 'begin-downtime') ends.set(address, now + durationMs);
        if (kind === 'end-downtime') ends.delete(address);
      }
      const targets = controls.downtimes.map((downtime) => downtime.address);
      assert.equal(new Set(targets).size, targets.length, 'one downtime for a target');
      assert.ok(controls.log.length <= controlsLogMax);
      assert.equal(controls.pause !== undefined, paused);
      for (const one of addresses) {
        const until = Math.max(ends.get(one) ?? 0, ends.get(undefined) ?? 0);
        const running = one === undefined ? ends.get(undefined) : until;
        const found = downtimeOf(controls.downtimes, one ?? 'none of these', now);
        assert.equal(found?.until, running !== undefined && running > now ? running : undefined);
      }
      if (!again || decision.outcome !== 'applied') continue;
      const { value } = markOf({
        ...{ operation: input.operation, kind, request: kind, outcome: 'applied' },
        ...{ reason: decision.reason, at: now },
      });
      const mark: OperationRecord = parseRecord(operationSchema, 'k', value);
      const repeat = decideHealingControl({ ...state, controls, mark }, input, kind, now);
      assert.deepEqual([repeat.outcome, repeat.code], ['already', 'same-operation']);
      const other = decideHealingControl({ ...state, controls, mark }, input, 'another request', now);
      assert.equal(other.code, 'operation-reused');
    }
  });
  fc.assert(property, { numRuns: 300 });
  const kinds = ['pause', 'resume', 'begin-downtime', 'end-downtime'];
  const expected = kinds.flatMap((kind) => [`${kind} already`, `${kind} applied`]);
  assert.deepEqual([...reached].sort(), expected.sort());
});
