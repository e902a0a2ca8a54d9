/** What is answered to an order that is done, and whose end the status does not tell yet. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newRbdVolume, type RbdOrder, type RbdVolumeRecord } from '@salvor/config-store';
import { decideRbdOrder, decideRbdReplicate } from '../../src/rbd-volumes/decide-rbd-order.ts';

const NOW = 1_000;
const facts = { zone: 'north', peers: ['south'], poolOf: () => 'vol' };

function doneAndHeld(verb: RbdOrder['verb']): RbdVolumeRecord {
  const order = { mode: '', force: false, name: '' };
  return newRbdVolume({
    ...{ volume: 'v1', pool: 'vol', image: 'img', peer: 'south', mode: 'one-time' },
    orders: [{ operation: 'o1', verb, order, at: NOW, reason: '', forget: false }],
    done: [{ operation: 'o1', verb, state: 'done', code: '', reason: 'it is', made: '' }],
  });
}

test('an order that is done is so for whoever gave it once the status says so too', () => {
  const held = doneAndHeld('promote');
  const waits = decideRbdOrder(held, { operation: 'o1', verb: 'promote' }, NOW);
  assert.deepEqual([waits.outcome, waits.outcome === 'applied' && waits.waitsFor], ['applied', 'o1']);
  const over = decideRbdOrder({ ...held, orders: [] }, { operation: 'o1', verb: 'promote' }, NOW);
  assert.equal(over.outcome, 'already');
});

test('the order to replicate again is the same one, and no point, until it has ended', () => {
  const again = { volume: 'v1', to: 'south', mode: 'one-time', operation: 'o1' } as const;
  const none = { everyMs: null, startAt: null, missed: null };
  const held = doneAndHeld('enable');
  const answer = decideRbdReplicate(held, { ...again, ...none }, facts, null, NOW);
  assert.deepEqual([answer.outcome, answer.outcome === 'applied' && answer.next], ['applied', held]);
});

test('a promote that is done is not given up any more', () => {
  const answer = decideRbdOrder(doneAndHeld('promote'), { operation: 'o2', verb: 'demote' }, NOW);
  assert.deepEqual([answer.outcome, answer.outcome === 'refused' && answer.code], ['refused', 'busy']);
});
