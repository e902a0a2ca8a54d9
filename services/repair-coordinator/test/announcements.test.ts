import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type ClusterState,
  closedIncidentKey,
  decideEngineStatus,
  type EngineStatusInput,
  type IncidentRecord,
  incidentHistoryMax,
  incidentKey,
  operationKey,
  type StoreEntry,
  salvorClusterKey,
} from '@salvor/config-store';
import { type Announcement, Announcements } from '../src/announcements.ts';

type Stored = Map<string, string>;

/** A pair of one shard; what it would store after each input. */
class Cluster {
  #state: ClusterState;
  #now = 1_000;
  readonly stored: Stored = new Map();

  constructor() {
    const engine = (address: string) => {
      return { address, db: 0, state: 'online', status: 'online', generation: 1 } as const;
    };
    const record = { status: 'healthy', spares: [], retired: [], lastOnlineAt: {}, updatedAt: 0 } as const;
    this.#state = {
      cluster: 'p',
      storage: { servers: [engine('p0:1')] },
      record: { ...record, role: 'primary', partner: 's', spares: [], retired: [], operation: 'create' },
      incidents: new Map(),
      partner: { cluster: 's', storage: { servers: [engine('s0:1')] } },
    };
    this.#store();
  }

  get incident(): IncidentRecord {
    return this.#state.incidents.get(0) ?? assert.fail('no incident is open');
  }

  apply(input: object): void {
    this.#now += 10;
    const named = {
      incident: this.#state.incidents.get(0)?.id,
      attempt: this.#state.incidents.get(0)?.attempt,
    };
    const decision = decideEngineStatus(
      this.#state,
      { ...named, operation: `op-${this.#now}`, by: 'test', ...input } as unknown as EngineStatusInput,
      this.#now,
    );
    assert.equal(decision.outcome, 'applied', decision.reason);
    this.#state = decision.next ?? assert.fail('nothing to store');
    const { closed } = decision;
    if (closed !== undefined) this.stored.set(closedIncidentKey(closed.id), JSON.stringify(closed));
    this.#store();
  }

  fail(): void {
    this.apply({
      kind: 'failure-reported',
      address: 'p0:1',
      reporter: 'nbd-1',
      reason: 'gone',
      detectedAt: 1e9,
    });
  }

  judge(): void {
    this.apply({ kind: 'verdict', verdict: 'temporary', reason: 'back', evidence: [] });
  }

  repair(): void {
    this.apply({ kind: 'repairs-complete', repaired: new Set(), vdisks: new Set() });
  }

  #store(): void {
    const key = incidentKey('p', 0);
    const incident = this.#state.incidents.get(0);
    if (incident === undefined) this.stored.delete(key);
    else this.stored.set(key, JSON.stringify(incident));
    this.stored.set(salvorClusterKey('p'), JSON.stringify(this.#state.record));
  }
}

/** Somebody who looks at the store now and then: changes in between are folded into one. */
class Observer {
  readonly #announcements = new Announcements();
  #seen: Stored = new Map();

  look(stored: Stored): Announcement[] {
    const before = this.#seen;
    this.#seen = new Map(stored);
    const entry = (key: string, value: string | undefined): StoreEntry | null =>
      value === undefined ? null : { key, value, revision: '1', createRevision: '1', lease: null };
    return [...new Set([...before.keys(), ...stored.keys()])].flatMap((key) => {
      if (before.get(key) === stored.get(key)) return [];
      return this.#announcements.of({
        key,
        entry: entry(key, stored.get(key)),
        previous: entry(key, before.get(key)),
      });
    });
  }
}

/** What is told of incidents and engines. */
const moves = (announcements: Announcement[]): string[] =>
  announcements.flatMap((one) => {
    if (one.type === 'cluster.status-changed') return [];
    return [one.type === 'engine.status-changed' ? `${one.payload.from} -> ${one.payload.to}` : one.type];
  });

const clusterChanges = (announcements: Announcement[]): Announcement[] =>
  announcements.filter(({ type }) => type === 'cluster.status-changed');

const wholeStory = [
  'incident.opened',
  'online -> offline',
  'offline -> repair-tmp-outage',
  'repair-tmp-outage -> online',
  'incident.closed',
];

describe('the announcements of what is stored', () => {
  it('tell every step once, whoever looks after each', () => {
    const cluster = new Cluster();
    const observer = new Observer();
    observer.look(cluster.stored);
    const told: Announcement[] = [];
    for (const step of ['fail', 'judge', 'repair'] as const) {
      cluster[step]();
      told.push(...observer.look(cluster.stored));
    }
    assert.deepEqual(moves(told), wholeStory);
    assert.equal(new Set(told.map(({ id }) => id)).size, told.length);
  });

  it('tell the steps of an incident that began and ended between two looks', () => {
    const cluster = new Cluster();
    const observer = new Observer();
    observer.look(cluster.stored);
    for (const step of ['fail', 'judge', 'repair'] as const) cluster[step]();
    const told = moves(observer.look(cluster.stored));
    assert.deepEqual(told, wholeStory);
  });

  it('tell nothing again when the end of an incident is seen before what led to it', () => {
    const cluster = new Cluster();
    cluster.fail();
    const key = incidentKey('p', 0);
    const open = { key, value: cluster.stored.get(key) ?? '' } as StoreEntry;
    const { id } = cluster.incident;
    cluster.judge();
    cluster.repair();
    const closedKey = closedIncidentKey(id);
    const closed = { key: closedKey, value: cluster.stored.get(closedKey) ?? '' } as StoreEntry;
    const announcements = new Announcements();
    assert.deepEqual(moves(announcements.of({ key: closedKey, entry: closed, previous: null })), wholeStory);
    assert.deepEqual(announcements.of({ key, entry: open, previous: null }), []);
  });

  it('tell the end of one incident and the beginning of the next, seen as one change', () => {
    const cluster = new Cluster();
    const observer = new Observer();
    observer.look(cluster.stored);
    cluster.fail();
    assert.deepEqual(moves(observer.look(cluster.stored)), wholeStory.slice(0, 2));
    for (const step of ['judge', 'repair', 'fail'] as const) cluster[step]();
    const told = moves(observer.look(cluster.stored));
    assert.deepEqual(told.toSorted(), [...wholeStory.slice(2), ...wholeStory.slice(0, 2)].toSorted());
  });

  it('tell every step of an engine that fails again and again, beyond what its history keeps', () => {
    const cluster = new Cluster();
    const observer = new Observer();
    let told = 0;
    for (let round = 0; round < incidentHistoryMax; round++) {
      cluster.fail();
      told += moves(observer.look(cluster.stored)).filter((move) => move.includes('->')).length;
      cluster.judge();
      told += moves(observer.look(cluster.stored)).filter((move) => move.includes('->')).length;
    }
    assert.equal(cluster.incident.history.length, incidentHistoryMax);
    assert.equal(told, 2 * incidentHistoryMax);
  });

  it('tell a change of a cluster that nobody saw, under the id that others use', () => {
    const cluster = new Cluster();
    const [awake, late] = [new Observer(), new Observer()];
    awake.look(cluster.stored);
    cluster.fail();
    const changes = [awake, late].map((observer) => clusterChanges(observer.look(cluster.stored)));
    assert.equal(changes[0]?.length, 1);
    assert.deepEqual(changes[0], changes[1]);
    cluster.judge();
    assert.deepEqual(clusterChanges(awake.look(cluster.stored)), [], 'told once');
  });
});

describe('operations that go on after their command was answered', () => {
  const key = operationKey('op-1');
  const basics = {
    operation: 'op-1',
    kind: 'vdisk.clone',
    request: '{}',
    outcome: 'applied',
    reason: '',
    at: 100,
  };
  const told = (work: object | undefined) => {
    const value = JSON.stringify({ ...basics, work });
    const entry = { key, value, revision: '1', createRevision: '1', lease: null };
    return new Announcements().of({ key, entry, previous: null });
  };

  it('tell each stored step, and their end', () => {
    const message = 'copies';
    assert.deepEqual(told({ status: 'running', message, done: 3, total: 4, updatedAt: 110 }), [
      {
        id: 'op-1-110-progress',
        type: 'operation.progress',
        payload: { operation: 'op-1', kind: 'vdisk.clone', message, done: 3, total: 4, at: 110 },
      },
    ]);
    const [completed] = told({ status: 'completed', message, updatedAt: 130 });
    assert.deepEqual([completed?.type, completed?.id], ['operation.completed', 'op-1-completed']);
    const [failed] = told({ status: 'failed', message, code: 'no-room', updatedAt: 130 });
    assert.deepEqual(failed?.type === 'operation.failed' && failed.payload.code, 'no-room');
    const [cancelled] = told({ status: 'cancelled', message, updatedAt: 130 });
    assert.deepEqual(cancelled?.type === 'operation.failed' && cancelled.payload.code, 'cancelled');
  });

  it('what was done within its command is not told: its own event tells it', () => {
    assert.deepEqual(told(undefined), []);
  });
});
