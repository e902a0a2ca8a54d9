import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IncidentRecord } from '@salvor/config-store';
import { type ClusterView, memberRecords, type OpenIncident } from '../src/member-records.ts';

const address = '10.0.0.1:22005';

function incident(cluster: string, openedAt: number, attempt: number): IncidentRecord {
  const line = {
    from: 'online',
    to: 'offline',
    attempt,
    reason: 'gone',
    by: 'test',
    operation: 'op',
  } as const;
  return {
    id: `${cluster}-0-${openedAt}`,
    cluster,
    shard: 0,
    address,
    db: 0,
    status: 'offline',
    attempt,
    openedAt,
    reporters: [],
    reportedTimes: 1,
    rebuildBegun: false,
    history: [{ ...line, at: openedAt }],
  };
}

function staleOf(
  cluster: string,
  open: OpenIncident,
  completed: readonly string[] = [],
  status: 'offline' | 'repair-tmp-outage' = 'offline',
) {
  const view: ClusterView = {
    cluster,
    role: 'primary',
    storage: {
      servers: [
        { address, db: 0, state: status === 'offline' ? 'offline' : 'repair', status, generation: 1 },
      ],
    },
    incidents: new Map([[0, open]]),
    completed: new Set(completed),
  };
  return memberRecords(view)[0]?.stale ?? assert.fail('nothing is recorded');
}

test('who went down last is told by the order of etcd, not by the clocks of those who recorded it', () => {
  const first = staleOf('p1', { record: incident('p1', 9_000, 1), openedIn: 20, changedIn: 41 });
  const last = staleOf('s1', { record: incident('s1', 1_000, 1), openedIn: 40, changedIn: 42 });
  assert.ok(first.latest <= last.since);
  assert.ok(last.latest > first.since);
});

test('an engine that was repaired and failed again may have done so at any time up to the last change of its incident', () => {
  const record = incident('p1', 1_000, 3);
  const again = staleOf('p1', { record, openedIn: 20, changedIn: 41 }, [`${record.id}/1`]);
  assert.deepEqual(again, { since: 20, latest: 41 });
});

test('a spare that failed while it was filled is still the member, and what an earlier attempt brought it counts', () => {
  const replacement = { address: '10.0.0.9:22005', db: 0, generation: 2 };
  const entry = { address, db: 0, generation: 1, replacement };
  const told = (
    changes: Partial<IncidentRecord>,
    completed: readonly string[],
    status: 'offline' | 'repair-final-outage' = 'repair-final-outage',
  ) => {
    const record = { ...incident('p1', 1_000, 3), replacement, spareSince: 2, status, ...changes };
    const view: ClusterView = {
      ...{ cluster: 'p1', role: 'primary', completed: new Set(completed) },
      storage: {
        servers: [{ ...entry, status, state: status === 'offline' ? 'offline' : 'respread' } as const],
      },
      incidents: new Map([[0, { record, openedIn: 20, changedIn: 41 }]]),
    };
    return memberRecords(view)[0] ?? assert.fail('no record');
  };
  const id = 'p1-0-1000';
  for (const status of ['offline', 'repair-final-outage'] as const) {
    const { address: at, identity } = told({}, [], status);
    assert.deepEqual([at, identity.generation], [replacement.address, 2]);
  }
  assert.equal(told({}, [`${id}/2`]).repair?.wasRebuilt, true);
  assert.equal(told({}, [`${id}/1`]).repair?.wasRebuilt, undefined, 'that was another spare');
  assert.equal(told({}, [`${id}/3`]).repair?.wasRebuilt, undefined, 'that is this attempt');
  const { spareSince: _unknown, ...older } = incident('p1', 1_000, 3);
  assert.equal(
    told({ ...older, status: 'repair-final-outage', spareSince: undefined }, [`${id}/2`]).repair?.wasRebuilt,
    undefined,
  );
  const next = { ...replacement, address: '10.0.0.8:22005' };
  assert.equal(
    told({ replacement: next }, [`${id}/3`]).repair,
    null,
    'the incident already names the next spare',
  );
});

test('an engine whose repair never came to its end has been stale since its outage began, however often it failed', () => {
  const record = incident('p1', 1_000, 3);
  const never = staleOf('p1', { record, openedIn: 20, changedIn: 41 }, [`${record.id}/3`, 'p1-0-other/1']);
  assert.deepEqual(never, { since: 20, latest: 20 });
});

test('an engine that was repaired and failed again became stale when the attempt after that repair began', () => {
  const record = incident('p1', 1_000, 3);
  const latest = staleOf('p1', { record, openedIn: 20, changedIn: 41 }, [`${record.id}/2`]);
  assert.deepEqual(latest, { since: 41, latest: 41 }, 'its beginning is the last change of the incident');
  const [begun] = record.history;
  assert.ok(begun);
  const judged = { ...begun, from: 'offline', to: 'repair-tmp-outage' } as const;
  const noted = { ...record, history: [{ ...begun, revision: 33 }, judged] };
  const earlier = staleOf('p1', { record: noted, openedIn: 20, changedIn: 41 }, [`${record.id}/2`]);
  assert.deepEqual(earlier, { since: 33, latest: 33 });
});

test('what is to be repaired or spread says when an operator has paused healing', () => {
  const view = (extra: object, kind?: 'spread'): ClusterView => ({
    ...{ cluster: 'p1', role: 'primary', completed: new Set<string>(), ...extra },
    storage: {
      servers: [
        kind === 'spread'
          ? { address, db: 0, state: 'respread', status: 'repair-final-outage', generation: 1 }
          : { address, db: 0, state: 'repair', status: 'repair-tmp-outage', generation: 1 },
      ],
    },
    incidents: new Map([
      [
        0,
        {
          record: {
            ...incident('p1', 1_000, 1),
            status: kind === 'spread' ? 'repair-final-outage' : 'repair-tmp-outage',
            ...(kind === undefined ? {} : { repairKind: kind }),
          },
          ...{ openedIn: 1, changedIn: 1 },
        },
      ],
    ]),
  });
  const paused = 'alice paused healing: moving racks';
  assert.equal(memberRecords(view({}))[0]?.repair?.paused, undefined);
  assert.equal(memberRecords(view({ paused }))[0]?.repair?.paused, paused);
  assert.equal(memberRecords(view({ paused }, 'spread'))[0]?.spread?.paused, paused);
});

test('an engine of whose new failure only the half is seen may have been the last one, and its partner is not', () => {
  // It vouched for itself in the second attempt, served alone, and failed; of that the incident does not tell yet.
  const record = { ...incident('s1', 1_000, 2), status: 'repair-tmp-outage' as const };
  const half = staleOf('s1', { record, openedIn: 20, changedIn: 30 }, [`${record.id}/2`]);
  const partner = staleOf('p1', { record: incident('p1', 500, 1), openedIn: 40, changedIn: 40 });
  assert.ok(half.latest > partner.since, 'nobody vouches for the partner');
  assert.ok(partner.latest > half.since, 'nor for itself, before all is seen');
  const whole = staleOf('s1', { record: incident('s1', 1_000, 3), openedIn: 20, changedIn: 50 }, [
    `${record.id}/2`,
  ]);
  assert.ok(partner.latest <= whole.since);
});
