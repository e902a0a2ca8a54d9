import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { HealingControls, IncidentRecord, RepairUnderWay } from '@salvor/config-store';
import fc from 'fast-check';
import {
  decideStuck,
  type IncidentView,
  type StuckBounds,
  type StuckView,
} from '../../src/watchdog/stuck-decision.ts';

const bounds: StuckBounds = {
  repairMs: 60,
  verdictMs: 600,
  operationMs: 300,
  takeoverMs: 30,
  unhealthyMs: 60,
  archiveMs: 90,
};
const nobody: HealingControls = { downtimes: [], log: [] };

const view = (changes: Partial<StuckView> = {}): StuckView => ({
  ...{
    incidents: [],
    clusters: [],
    operations: [],
    recoveries: [],
    takeovers: [],
    instances: [],
    logs: [],
    archives: [],
    configuration: null,
    everywhere: nobody,
    controls: new Map(),
  },
  ...changes,
});

const at = 1_000_000;

function outage(changes: object = {}, more: Partial<IncidentView> = {}): IncidentView {
  const incident = {
    ...{ id: 'p1-0-a', cluster: 'p1', shard: 0, address: 'h:1', status: 'offline', attempt: 1, openedAt: at },
    history: [{ at, from: 'online', to: 'offline' }],
    ...changes,
  } as unknown as IncidentRecord;
  return { incident, unrepaired: [], repairedAt: null, underWay: [], ...more };
}

const underWay = (vdisk: string, movedAt: number): RepairUnderWay => ({
  ...{ vdisk, incident: 'p1-0-a', attempt: 1, address: 'h:1', total: 100, done: 40, movedAt },
});

const stuckAt = (now: number, changes: Partial<StuckView>, raised = new Map<string, number>()) =>
  decideStuck(view(changes), now, bounds, raised);

/** Not yet at the bound, and right after it. */
function kindsAround(boundMs: number, changes: Partial<StuckView>): string[][] {
  return [boundMs, boundMs + 1].map((afterMs) => stuckAt(at + afterMs, changes).map(({ kind }) => kind));
}

describe('an outage', () => {
  it('that has no verdict is late after its bound, and says who could give one', () => {
    const changes = { incidents: [outage()] };
    assert.deepEqual(kindsAround(600, changes), [[], ['verdict-late']]);
    const [late] = stuckAt(at + 601, changes);
    assert.match(late?.message ?? '', /waits for a verdict.*'salvor engine verdict h:1'/);
    assert.deepEqual([late?.incident, late?.cluster, late?.since], ['p1-0-a', 'p1', at]);
  });

  it('of a lost engine waits for a spare, or for what it says that it waits for', () => {
    const verdict = { verdict: 'permanent', by: 'a', at: at + 5 };
    assert.deepEqual(kindsAround(65, { incidents: [outage({ verdict })] }), [[], ['no-spare']]);
    const [stuck] = stuckAt(at + 500, { incidents: [outage({ verdict, waitsFor: 'it waits for rain' })] });
    assert.equal(stuck?.message, 'it waits for rain');
  });

  it("that an operator holds back is nobody else's business; one that flaps waits for an operator", () => {
    const hold = (kind: string) => ({ kind, by: 'ann', at, reason: 'r', operation: 'o' });
    assert.deepEqual(stuckAt(at + 9_999, { incidents: [outage({ hold: hold('planned') })] }), []);
    assert.deepEqual(stuckAt(at + 9_999, { incidents: [outage({ hold: hold('cancelled') })] }), []);
    const [held] = stuckAt(at + 61, { incidents: [outage({ hold: hold('flapping') })] });
    assert.equal(held?.kind, 'engine-held');
    assert.match(held?.message ?? '', /salvor incident acknowledge p1-0-a/);
    const pause = { by: 'ann', at, reason: 'r', operation: 'o' };
    const paused = { incidents: [outage()], everywhere: { ...nobody, pause } };
    assert.deepEqual(stuckAt(at + 9_999, paused), []);
    const own = { incidents: [outage()], controls: new Map([['p1', { ...nobody, pause }]]) };
    assert.deepEqual(stuckAt(at + 9_999, own), []);
    const downtime = { id: 'd', begunAt: at, until: at + 5_000, by: 'ann', reason: 'r', operation: 'o' };
    const down = { incidents: [outage()], controls: new Map([['p1', { ...nobody, downtimes: [downtime] }]]) };
    assert.deepEqual(stuckAt(at + 4_999, down), []);
    assert.equal(stuckAt(at + 5_001, down).length, 1, 'the downtime is over');
  });
});

describe('a repair', () => {
  const repairing = (more: Partial<IncidentView>) => [outage({ status: 'repair-tmp-outage' }, more)];

  it('is stuck when nothing of it has moved, and names vdisks and owners', () => {
    const unrepaired = [
      { vdisk: 'v1', owner: 'nbd-1' },
      { vdisk: 'v2', owner: null },
      { vdisk: 'v3', owner: 'nbd-2' },
    ];
    const incidents = repairing({ unrepaired, underWay: [underWay('v1', at)] });
    assert.deepEqual(kindsAround(60, { incidents }), [[], ['repair-stuck']]);
    assert.equal(
      stuckAt(at + 61, { incidents })[0]?.message,
      'the repair of h:1 makes no progress; it waits for vdisk v1 (nbd-1 has 40 of 100 blocks), vdisk v2, which nobody owns, vdisk v3, which nbd-2 owns',
    );
    const none = stuckAt(at + 61, { incidents: repairing({}) });
    assert.match(none[0]?.message ?? '', /waits for a coordinator to end it$/);
  });

  it('that moves somewhere is not stuck, unless one that was begun has stopped', () => {
    const moving = { repairedAt: at + 50, underWay: [underWay('v1', at + 70)] };
    assert.deepEqual(stuckAt(at + 100, { incidents: repairing(moving) }), []);
    const stopped = { ...moving, underWay: [...moving.underWay, underWay('v2', at + 30)] };
    assert.deepEqual(
      stuckAt(at + 100, { incidents: repairing(stopped) }).map(({ since }) => since),
      [at + 30],
    );
  });
});

it('a recovery whose plan waits for an operator raises an alert that says what to type', () => {
  const about = {
    recovery: 'p1-dr-a',
    cluster: 'p1',
    status: 'prepared',
    reason: 'both are gone',
    since: at,
  };
  const waits = view({ recoveries: [about] });
  assert.deepEqual(decideStuck(waits, at + bounds.unhealthyMs, bounds, new Map()), []);
  const [alert] = decideStuck(waits, at + bounds.unhealthyMs + 1, bounds, new Map());
  assert.equal(alert?.kind, 'recovery-waits');
  assert.match(alert?.message ?? '', /'salvor dr replay --cluster p1' carries it out/);
});

it('an unhealthy cluster, a takeover and an operation raise alerts that say what they wait for', () => {
  const clusters = [{ cluster: 'p1', reason: 'pair 0 has no live member', unhealthySince: at }];
  assert.deepEqual(kindsAround(60, { clusters }), [[], ['cluster-unhealthy']]);
  assert.deepEqual(kindsAround(30, { takeovers: [{ vdisk: 'v1', server: 'nbd-2', since: at }] }), [
    [],
    ['takeover-stuck'],
  ]);
  const operation = {
    operation: 'o1',
    kind: 'vdisk.clone',
    subject: 'v2',
    message: 'waits for h:1',
    updatedAt: at,
  };
  assert.deepEqual(kindsAround(300, { operations: [{ ...operation, worker: 'c1' }] }), [
    [],
    ['operation-stuck'],
  ]);
  const [left] = stuckAt(at + 301, { operations: [{ ...operation, worker: null }] });
  assert.equal(
    left?.message,
    'operation o1 (vdisk.clone of v2) makes no progress, nobody carries it out: waits for h:1',
  );
});

it('a log that cannot be archived raises an alert that says why, and where to look', () => {
  const logs = [{ vdisk: 'v1', reason: 'folder /tier2: no space left', since: at }];
  assert.deepEqual(kindsAround(90, { logs }), [[], ['log-not-archived']]);
  const [alert] = stuckAt(at + 91, { logs });
  assert.deepEqual([alert?.subject, alert?.vdisk], ['v1', 'v1']);
  assert.match(alert?.message ?? '', /no space left; it stays in JetStream, .*'salvor tlog status v1'/);
});

it('an archive that protects nothing raises an alert that says why, and where to look', () => {
  const archives = [{ archive: 'a1', volume: 'vol1', reason: 'folder /a1: no space left', since: at }];
  assert.deepEqual(kindsAround(90, { archives }), [[], ['archive-unprotected']]);
  const [alert] = stuckAt(at + 91, { archives });
  assert.equal(alert?.subject, 'a1:vol1');
  assert.match(alert?.message ?? '', /no space left; 'salvor archive status vol1'/);
});

it('a configuration that is not kept raises an alert that says why', () => {
  const configuration = { reason: 'etcd lost v1:vdisk:conf:static', since: at };
  assert.deepEqual(kindsAround(90, { configuration }), [[], ['configuration-not-kept']]);
  assert.match(stuckAt(at + 91, { configuration })[0]?.message ?? '', /not kept in Tier-2: etcd lost v1/);
});

it('an alert stays raised for whoever looks, until something moves', () => {
  const clusters = [{ cluster: 'p1', reason: 'r', unhealthySince: at }];
  const raised = new Map([['cluster-unhealthy:p1', at]]);
  assert.equal(stuckAt(at - 5_000, { clusters }, raised).length, 1, 'also where the clock is behind');
  const moved = [{ ...clusters[0], cluster: 'p1', reason: 'r', unhealthySince: at + 1 }];
  assert.deepEqual(stuckAt(at + 2, { clusters: moved }, raised), []);
});

it('what moves within its bound never raises an alert; what does not always does', () => {
  fc.assert(
    fc.property(fc.nat(2_000), fc.nat(2_000), fc.nat(2_000), (begun, repaired, moved) => {
      const now = at + 2_000;
      const incident = outage(
        { status: 'repair-tmp-outage', history: [{ at: at + begun }] },
        { repairedAt: at + repaired, underWay: [underWay('v1', at + moved)] },
      );
      const latest = at + Math.max(begun, repaired, moved);
      const isStuck = now - latest > bounds.repairMs || now - (at + moved) > bounds.repairMs;
      assert.equal(stuckAt(now, { incidents: [incident] }).length, isStuck ? 1 : 0);
    }),
  );
});
