import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type BrokenLink, decideBrokenLink, QUICK_BREAK_MS, QUICK_BREAKS_MAX } from '../src/broken-link.ts';
import { decideMemberView, type MemberState } from '../src/member-view.ts';
import type { MemberRecord } from '../src/pair-context.ts';
import type { MemberView } from '../src/pair-mode.ts';

const nothing: MemberState = { preparedFor: null, completedFor: null, vouchedFor: null, failed: false };

function underRepair(attempt: number, completed = false): MemberRecord {
  return {
    identity: { cluster: 'p1', role: 'primary', shard: 0, generation: 1 },
    address: '10.0.0.1:22005',
    db: 0,
    status: 'repair-tmp-outage',
    repair: { incident: 'i', attempt, kind: 'repair-tmp-outage', completed },
    stale: { since: 10, latest: 10 },
  };
}

describe('what counts of a member', () => {
  it('is what was done in the attempt that is open', () => {
    const done = { ...nothing, preparedFor: 'i/1', completedFor: 'i/1' };
    const now = decideMemberView(underRepair(1), done);
    assert.deepEqual([now.prepared, now.repaired], [true, true]);
    const next = decideMemberView(underRepair(2), done);
    assert.deepEqual([next.prepared, next.repaired], [false, false]);
  });

  it('is unrecorded from the end of a repair until that is on record, unless the member vouched for itself', () => {
    const done = { ...nothing, completedFor: 'i/1' };
    assert.equal(decideMemberView(underRepair(1), done).unrecorded, true);
    assert.equal(decideMemberView(underRepair(1, true), done).unrecorded, false);
    assert.equal(decideMemberView(underRepair(1), { ...done, vouchedFor: 'i/1' }).unrecorded, false);
    assert.equal(decideMemberView(underRepair(1), nothing).unrecorded, false, 'there is nothing to record');
  });

  it('of an engine that is online is no attempt', () => {
    const online = { ...underRepair(1), status: 'online', repair: null, stale: null } as const;
    assert.deepEqual(decideMemberView(online, { ...nothing, completedFor: 'i/1' }), {
      ...{ status: 'online', repaired: false, unrecorded: false, prepared: false, failed: false },
    });
  });
});

describe('a link that ends', () => {
  const online: MemberView = { status: 'online', repaired: false, prepared: false, failed: false };
  const link: BrokenLink = { view: online, fault: 'unreachable', openMs: 10, breaks: 0 };

  it('is opened again at once, and the engine has failed when it breaks again and again', () => {
    let breaks = 0;
    for (let i = 1; i <= QUICK_BREAKS_MAX; i++) {
      const told = decideBrokenLink({ ...link, breaks });
      assert.deepEqual(told, { step: 'reopen', breaks: i });
      breaks = told.breaks;
    }
    assert.equal(decideBrokenLink({ ...link, breaks }).step, 'fail');
    assert.deepEqual(decideBrokenLink({ ...link, breaks, openMs: QUICK_BREAK_MS + 1 }), {
      step: 'reopen',
      breaks: 1,
    });
  });

  it('without an answer in time is a failure', () => {
    assert.equal(decideBrokenLink({ ...link, fault: 'timeout' }).step, 'fail');
  });

  it('to a member that nobody uses, or that has failed, is nothing', () => {
    for (const view of [
      { ...online, status: 'offline' as const },
      { ...online, failed: true },
    ])
      assert.deepEqual(decideBrokenLink({ ...link, view, breaks: 2 }), { step: 'nothing', breaks: 2 });
    const prepared = { ...online, status: 'repair-tmp-outage' as const, prepared: true };
    assert.equal(decideBrokenLink({ ...link, view: prepared }).step, 'reopen');
  });
});
