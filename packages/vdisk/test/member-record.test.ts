import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EngineStatus } from '@salvor/config-store';
import fc from 'fast-check';
import { attemptOf, decideMemberRecord } from '../src/member-record.ts';
import type { MemberRecord } from '../src/pair-context.ts';

const status = fc.constantFrom<EngineStatus>(
  'online',
  'offline',
  'repair-tmp-outage',
  'repair-final-outage',
  'rip',
);

const record: fc.Arbitrary<MemberRecord> = fc
  .record({
    status,
    attempt: fc.integer({ min: 1, max: 3 }),
    completed: fc.boolean(),
    generation: fc.integer({ min: 1, max: 2 }),
    isLossAccepted: fc.boolean(),
  })
  .map(({ status: now, attempt, completed, generation, isLossAccepted }) => ({
    identity: { cluster: 'p1', role: 'primary', shard: 0, generation },
    address: `10.0.0.${generation}:6379`,
    db: 0,
    status: now,
    repair:
      now === 'repair-tmp-outage' || now === 'repair-final-outage'
        ? { incident: 'i1', attempt, kind: now, completed }
        : null,
    stale: null,
    ...(isLossAccepted ? { isLossAccepted: true } : {}),
  }));

/** What is known of a failure is on record, or says nothing of what comes. */
function isOver(before: MemberRecord, told: MemberRecord): boolean {
  if (before.identity.generation !== told.identity.generation) return true;
  switch (told.status) {
    case 'offline':
    case 'rip':
      return before.status !== told.status;
    case 'repair-tmp-outage':
    case 'repair-final-outage':
      return before.status !== told.status || attemptOf(before) !== attemptOf(told);
    case 'online':
      return before.status === 'offline' || before.status === 'rip' || isGivenUp(before, told);
  }
}

function isGivenUp(before: MemberRecord, told: MemberRecord): boolean {
  return before.status !== 'online' && told.isLossAccepted === true;
}

describe('what etcd tells of a member', () => {
  it('ends a failure that it has recorded, or that is of another engine or attempt; the end of a repair ends none', () => {
    fc.assert(
      fc.property(record, record, (before, told) => {
        assert.equal(decideMemberRecord(before, told).clearsFault, isOver(before, told));
      }),
    );
  });

  it('that it is out, or repaired anew, or another engine, ends its links', () => {
    fc.assert(
      fc.property(record, record, (before, told) => {
        const isAnew = told.repair !== null && attemptOf(before) !== attemptOf(told);
        const isOut = told.status === 'offline' || told.status === 'rip';
        const isOther = before.identity.generation !== told.identity.generation;
        assert.equal(decideMemberRecord(before, told).dropsLinks, isOut || isAnew || isOther);
      }),
    );
  });
});
