import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EngineStatus, IncidentRecord } from '@salvor/config-store';
import { withoutDoubted } from '../src/doubted-repairs.ts';
import type { MemberRecord } from '../src/pair-context.ts';

const incident: IncidentRecord = {
  ...{ id: 'i', cluster: 'p1', shard: 0, address: 'p0:1', db: 0, status: 'repair-tmp-outage', attempt: 2 },
  ...{ openedAt: 1, reporters: [], reportedTimes: 1, rebuildBegun: false, history: [] },
  doubted: [{ reporter: 'nbd-2', until: 5_000 }],
};

function record(status: EngineStatus, completed = false): MemberRecord {
  const repair = { incident: 'i', attempt: 2, kind: 'repair-tmp-outage' as const, completed };
  return {
    identity: { cluster: 'p1', role: 'primary', shard: 0, generation: 1 },
    ...{ address: 'p0:1', db: 0, status, stale: null },
    repair: status === 'repair-tmp-outage' ? repair : null,
  };
}

function look(member: MemberRecord, partner: MemberRecord | null, server = 'nbd-2', nowMs = 4_000) {
  const partners = partner === null ? null : [partner];
  return withoutDoubted([member], partners, new Map([[0, incident]]), { server, nowMs });
}

describe('a server that is doubted', () => {
  it('leaves the engine alone until the doubt is over', () => {
    const doubted = look(record('repair-tmp-outage'), record('online'));
    assert.deepEqual([doubted.records[0]?.repair, doubted.until], [null, 5_000]);
    const later = look(record('repair-tmp-outage'), record('online'), 'nbd-2', 5_000);
    assert.deepEqual([later.records[0]?.repair?.attempt, later.until], [2, null]);
  });

  it('is not the others', () => {
    assert.equal(look(record('repair-tmp-outage'), record('online'), 'nbd-1').records[0]?.repair?.attempt, 2);
  });

  it('repairs what nobody else has: there is no partner, or it is down', () => {
    for (const partner of [null, record('offline'), record('repair-tmp-outage')])
      assert.equal(look(record('repair-tmp-outage'), partner).records[0]?.repair?.attempt, 2);
  });

  it('keeps to a repair that is on record: the engine has every write since', () => {
    assert.equal(
      look(record('repair-tmp-outage', true), record('online')).records[0]?.repair?.completed,
      true,
    );
  });
});
