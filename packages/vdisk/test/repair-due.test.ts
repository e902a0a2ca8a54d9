import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MemberRecord, Staleness } from '../src/pair-context.ts';
import type { MemberView } from '../src/pair-mode.ts';
import { decideRepairDue, type RepairableMember } from '../src/repair-due.ts';

function member(
  name: 'primary' | 'slave',
  status: MemberRecord['status'],
  stale: Staleness | null,
  view: Partial<MemberView> = {},
): RepairableMember & { readonly name: string } {
  const cluster = name === 'primary' ? 'p1' : 's1';
  const repair =
    status === 'repair-tmp-outage'
      ? { incident: `${cluster}-0-i`, attempt: 1, kind: status, completed: view.repaired === true }
      : null;
  const record: MemberRecord = {
    identity: { cluster, role: name, shard: 0, generation: 1 },
    address: `${name}:1`,
    db: 0,
    status,
    repair,
    stale,
  };
  const none = { repaired: false, unrecorded: false, prepared: false, failed: false };
  return { name, record, view: { status, ...none, ...view } };
}

const early = { since: 10, latest: 10 };
const late = { since: 20, latest: 20 };

test('a live member that has every write is what the other one is repaired from', () => {
  const [alive, back] = [member('primary', 'online', null), member('slave', 'repair-tmp-outage', early)];
  assert.deepEqual(decideRepairDue([alive, back]), { target: back, source: alive });
});

test('with both members on record as stale, the one that served last vouches for itself, the other one does not', () => {
  const [first, last] = [member('primary', 'offline', early), member('slave', 'repair-tmp-outage', late)];
  assert.deepEqual(decideRepairDue([first, last]), { target: last, source: null });
  const [older, newer] = [member('primary', 'repair-tmp-outage', early), member('slave', 'offline', late)];
  assert.equal(decideRepairDue([older, newer]), null);
});

test('two members whose outages count as equally old do not vouch: neither of them, and in no order', () => {
  const [one, other] = (['primary', 'slave'] as const).map((name) =>
    member(name, 'repair-tmp-outage', { since: 1, latest: 1 }),
  );
  assert.ok(one && other);
  assert.equal(decideRepairDue([one, other]), null);
});

test('a repaired member that failed off the record may have served alone since: nobody vouches before it is on record', () => {
  const back = member('primary', 'repair-tmp-outage', late);
  const hung = member('slave', 'repair-tmp-outage', early, { repaired: true, failed: true });
  assert.equal(decideRepairDue([back, hung]), null);
  const onRecord = member('slave', 'offline', { since: 10, latest: 30 });
  assert.equal(decideRepairDue([back, onRecord]), null, 'then it is the one that served last');
});

test('a spare vouches for what an earlier attempt had brought it, and for nothing else', () => {
  const repair = { incident: 'p1-0-i', attempt: 2, kind: 'repair-final-outage', completed: false } as const;
  const spare = (wasRebuilt: boolean): RepairableMember => {
    const { record, view } = member('primary', 'repair-final-outage', late);
    return { record: { ...record, repair: wasRebuilt ? { ...repair, wasRebuilt } : repair }, view };
  };
  const older = member('slave', 'repair-tmp-outage', early);
  const filled = spare(true);
  assert.deepEqual(decideRepairDue([filled, older]), { target: filled, source: null });
  assert.equal(decideRepairDue([spare(false), member('slave', 'offline', early)]), null);
  const survivor = member('slave', 'online', null);
  assert.deepEqual(decideRepairDue([filled, survivor]), { target: filled, source: survivor });
});

test('nor does anybody while an online member has failed off the record', () => {
  const back = member('primary', 'repair-tmp-outage', late);
  assert.equal(decideRepairDue([back, member('slave', 'online', null, { failed: true })]), null);
});
