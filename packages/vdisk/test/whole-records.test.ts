import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { MemberRecord } from '../src/pair-context.ts';
import { decideWholeRecords } from '../src/whole-records.ts';

const online: MemberRecord = {
  identity: { cluster: 'p1', role: 'primary', shard: 0, generation: 1 },
  address: '10.0.0.1:22005',
  db: 0,
  status: 'online',
  repair: null,
  stale: null,
};

const underRepair: MemberRecord = {
  ...online,
  status: 'repair-tmp-outage',
  repair: { incident: 'i', attempt: 1, kind: 'repair-tmp-outage', completed: false },
  stale: { since: 10, latest: 10 },
};

/** Its incident is gone, or has moved on; that it is online, or offline, is still to be told. */
const halfSeen: MemberRecord = { ...underRepair, repair: null, stale: null };

const recorded = new Set(['i/1']);

describe('the records that are in force', () => {
  it('are what was listed first', () => {
    assert.deepEqual(decideWholeRecords(null, [online], new Set()), [online]);
    assert.deepEqual(decideWholeRecords(null, [halfSeen], new Set()), [halfSeen]);
  });

  it('stay while the end of a repair is seen half, whichever way it ends', () => {
    assert.deepEqual(decideWholeRecords([underRepair], [halfSeen], new Set()), [underRepair]);
    assert.deepEqual(decideWholeRecords([underRepair], [online], new Set()), [online]);
    const offline = { ...halfSeen, status: 'offline' } as const;
    assert.deepEqual(decideWholeRecords([underRepair], [offline], new Set()), [offline]);
  });

  it('know of a finished repair whose record was found after they were listed', () => {
    const [record] = decideWholeRecords([underRepair], [halfSeen], recorded);
    assert.equal(record?.repair?.completed, true);
  });

  it('are those of the engine that is told of: nothing stays of one that was replaced', () => {
    const spare = { ...halfSeen, address: '10.0.0.9:22005' };
    assert.deepEqual(decideWholeRecords([underRepair], [spare], recorded), [spare]);
    const rebuilt = { ...halfSeen, status: 'repair-final-outage' } as const;
    assert.deepEqual(decideWholeRecords([underRepair], [rebuilt], recorded), [rebuilt]);
  });
});
