import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  clusterStorageKey,
  type EngineStatus,
  formatClusterStorage,
  formatRecord,
  formatVdiskNbd,
  formatVdiskStatic,
  healingEverywhereKey,
  incidentKey,
  incidentSchema,
  installationKey,
  parseClusterStorage,
  parseRecord,
  repairKey,
  type StoreEntry,
  salvorClusterKey,
  salvorClusterSchema,
  stateOfStatus,
  vdiskNbdKey,
  vdiskStaticKey,
} from '@salvor/config-store';
import type { FoundHistory } from '@salvor/vdisk';
import fc from 'fast-check';
import { writes } from '../../src/tier1/decide-key.ts';
import { decideRecovery } from '../../src/tier1/decide-recovery.ts';
import { withOldOrder } from '../../src/tier1/old-incidents.ts';
import type { EngineTrace, Tier1Sources } from '../../src/tier1/tier1-sources.ts';

const at = 1_700_000_000_000;
const PRIMARY = '10.0.0.1:1';
const SLAVE = '10.0.0.1:2';
const SPARE = '10.0.0.1:9';

const record = (role: 'primary' | 'slave', partner: string) =>
  formatRecord(salvorClusterSchema, salvorClusterKey('any'), {
    ...{ status: 'healthy' as const, role, partner, retired: [], lastOnlineAt: {}, updatedAt: at },
    ...{ operation: 'op-1', spares: [{ address: SPARE, db: 0 }] },
  });

function configurationOf(statuses: readonly [EngineStatus, EngineStatus]): Map<string, string> {
  const storage = (address: string, status: EngineStatus): string =>
    formatClusterStorage({
      servers: [{ address, db: 0, status, state: stateOfStatus[status], generation: 1 }],
    });
  const fixed = { blockSize: 4096, size: 1, type: 'db', readOnly: false, templateVdiskID: '' } as const;
  return new Map([
    [clusterStorageKey('p'), storage(PRIMARY, statuses[0])],
    [clusterStorageKey('s'), storage(SLAVE, statuses[1])],
    [salvorClusterKey('p'), record('primary', 's')],
    [salvorClusterKey('s'), record('slave', 'p')],
    ...['v1', 'v2'].flatMap((vdisk): [string, string][] => [
      [vdiskStaticKey(vdisk), formatVdiskStatic(fixed)],
      [
        vdiskNbdKey(vdisk),
        formatVdiskNbd({
          ...{ storageClusterID: 'p', slaveStorageClusterID: 's' },
          ...{ templateStorageClusterID: '', tlogServerClusterID: '' },
        }),
      ],
    ]),
    [installationKey, JSON.stringify({ id: 'here', at })],
  ]);
}

function sourcesOf(
  engines: readonly EngineTrace[],
  statuses: readonly [EngineStatus, EngineStatus] = ['online', 'online'],
): Tier1Sources {
  return {
    configuration: { path: 'c', revision: 500n, at, entries: configurationOf(statuses) },
    ...{ damaged: [], archives: new Map(), tails: new Map(), lostStreams: [], events: new Map() },
    ...{ eventEpoch: 0n, keptRevision: 0n, replace: false, asked: { operation: 'op-9', at, since: null } },
    ...{ etcd: { revision: 3n, entries: new Map() }, engines },
  };
}

const history = (seq: number, more: { fork?: number; isMarked?: boolean } = {}): FoundHistory => ({
  head: { seq, fork: more.fork ?? null, ringFloor: 0 },
  isMarked: more.isMarked ?? false,
  isUnderCopy: false,
});

const trace = (
  address: string,
  histories: Record<string, FoundHistory>,
  more: Partial<EngineTrace> = {},
): EngineTrace => ({
  ...{ address, db: 0, cluster: address === SLAVE ? 's' : 'p', shard: address === SPARE ? null : 0 },
  ...{ trouble: null, identity: null, epochs: new Map(), isComplete: true },
  histories: new Map(Object.entries(histories)),
  ...more,
});

const silent = (address: string): EngineTrace => trace(address, {}, { trouble: 'no answer' });

/** What etcd has once the plan was carried out, or the first groups of it that have something to write. */
function carriedOut(sources: Tier1Sources, groups = Number.POSITIVE_INFINITY): Tier1Sources {
  const entries = new Map(sources.etcd.entries);
  let { revision } = sources.etcd;
  const due = decideRecovery(sources).groups.filter(({ keys }) => keys.some(writes));
  for (const { keys } of due.slice(0, groups))
    for (const { key, value } of keys.filter(writes)) {
      const text = String(++revision);
      entries.set(key, { key, value: value ?? '', revision: text, createRevision: text, lease: null });
    }
  return { ...sources, etcd: { revision, entries } };
}

interface Outcome {
  readonly status: EngineStatus | undefined;
  readonly cluster: string;
  readonly incident: ReturnType<typeof incidentIn>;
}

function outcomesOf(sources: Tier1Sources): readonly [Outcome, Outcome] {
  const { entries } = carriedOut(sources).etcd;
  const outcome = (cluster: 'p' | 's'): Outcome => ({
    status: parseClusterStorage(entries.get(clusterStorageKey(cluster))?.value ?? '').servers[0]?.status,
    cluster: parseRecord(
      salvorClusterSchema,
      salvorClusterKey(cluster),
      entries.get(salvorClusterKey(cluster))?.value ?? '',
    ).status,
    incident: incidentIn(entries.get(incidentKey(cluster, 0))?.value),
  });
  return [outcome('p'), outcome('s')];
}

function incidentIn(value: string | undefined) {
  return value === undefined ? null : parseRecord(incidentSchema, incidentKey('p', 0), value);
}

function statusesOf(sources: Tier1Sources): (EngineStatus | undefined)[] {
  return outcomesOf(sources).map(({ status }) => status);
}

test('a member whose partner took writes alone, or is batches ahead, is offline, with an incident that no verdict ends as a false alarm', () => {
  const own = { v1: history(5), v2: history(9) };
  for (const other of [
    history(5, { fork: 5 }),
    history(6, { fork: 5 }),
    history(5, { isMarked: true }),
    history(7),
  ]) {
    const [primary, slave] = outcomesOf(
      sourcesOf([trace(PRIMARY, own), trace(SLAVE, { ...own, v1: other })]),
    );
    assert.deepEqual([primary.status, slave.status], ['offline', 'online']);
    assert.deepEqual([primary.cluster, slave.cluster], ['repairing', 'healthy']);
    const { incident } = primary;
    assert.deepEqual(
      [incident?.status, incident?.attempt, incident?.openedIn, incident?.hold, incident?.rebuildBegun],
      ['offline', 2, 1, undefined, false],
    );
    assert.match(incident?.history[0]?.reason ?? '', /vdisk v1 it is at batch 5, and 10\.0\.0\.1:2 is at/);
    assert.equal(slave.incident, null);
  }
});

test('a member that was brought back without what its partner has stays what it is: that loss was accepted', () => {
  const histories = [
    trace(PRIMARY, { v1: history(150, { fork: 100 }) }),
    trace(SLAVE, { v1: history(200, { fork: 100 }) }),
  ];
  const sources = sourcesOf(histories, ['online', 'offline']);
  const key = clusterStorageKey('p');
  const accepting = (acceptedLoss: string | undefined): Tier1Sources => {
    const { configuration } = sources;
    assert.ok(configuration);
    const entries = new Map(configuration.entries);
    const { servers } = parseClusterStorage(entries.get(key) ?? '');
    const given = servers.map((server) =>
      acceptedLoss === undefined ? server : { ...server, acceptedLoss },
    );
    entries.set(key, formatClusterStorage({ servers: given }));
    return { ...sources, configuration: { ...configuration, entries } };
  };
  assert.deepEqual(statusesOf(accepting('op-4')), ['online', 'offline']);
  assert.deepEqual(statusesOf(accepting(undefined)), ['offline', 'offline'], 'else it is the stale one');
});

test('one batch apart is what a death in the middle of a batch leaves; with a later owner it is an outage that was forgotten', () => {
  const at1 = (epoch: bigint) => ({ epochs: new Map([['v1', epoch]]) });
  const of = (epoch: bigint): Tier1Sources =>
    sourcesOf([trace(PRIMARY, { v1: history(5) }, at1(7n)), trace(SLAVE, { v1: history(6) }, at1(epoch))]);
  assert.deepEqual(statusesOf(of(7n)), ['online', 'online']);
  assert.deepEqual(statusesOf(of(8n)), ['offline', 'online']);
});

test('members that an owner writes to meanwhile are not behind each other', () => {
  const moving = (address: string, seq: number, later: number): EngineTrace =>
    trace(address, { v1: history(seq) }, { later: new Map([['v1', history(later)]]) });
  assert.deepEqual(statusesOf(sourcesOf([moving(PRIMARY, 5, 30), moving(SLAVE, 20, 50)])), [
    'online',
    'online',
  ]);
  assert.deepEqual(statusesOf(sourcesOf([moving(PRIMARY, 5, 5), moving(SLAVE, 20, 50)])), [
    'offline',
    'online',
  ]);
});

test('of a pair of which one member does not answer the other one is not served unless it took writes alone', () => {
  const [asked, gone] = outcomesOf(sourcesOf([trace(PRIMARY, { v1: history(5) }), silent(SLAVE)]));
  assert.deepEqual([asked.status, gone.status], ['offline', 'online']);
  assert.deepEqual([asked.incident?.hold, asked.cluster], [undefined, 'repairing']);
  assert.deepEqual(statusesOf(sourcesOf([trace(PRIMARY, { v1: history(5, { fork: 4 }) }), silent(SLAVE)])), [
    'online',
    'offline',
  ]);
  const both = outcomesOf(sourcesOf([silent(PRIMARY), silent(SLAVE)]));
  for (const { status, incident, cluster } of both)
    assert.deepEqual([status, incident?.hold?.kind, cluster], ['offline', 'planned', 'unhealthy']);
});

test('an engine that is only away stays as it is where nothing of clusters and vdisks is to be brought back', () => {
  const whole = carriedOut(sourcesOf([]));
  const again = decideRecovery({ ...whole, engines: [trace(PRIMARY, { v1: history(5) }), silent(SLAVE)] });
  assert.deepEqual(
    again.groups.flatMap(({ keys }) => keys.filter(writes)),
    [],
  );
});

test('members that each lack what the other one has are both offline, and held until an operator decides', () => {
  const [primary, slave] = outcomesOf(
    sourcesOf([
      trace(PRIMARY, { v1: history(5), v2: history(9) }),
      trace(SLAVE, { v1: history(8), v2: history(5) }),
    ]),
  );
  for (const { status, incident } of [primary, slave])
    assert.deepEqual([status, incident?.hold?.kind], ['offline', 'planned']);
});

test('an engine whose place another one says it took over is offline and cannot come back as it is, and that one is no spare', () => {
  const identity = (shard: number, generation: number): string =>
    JSON.stringify({ cluster: 'p', role: 'primary', shard, generation });
  const level = { v1: history(5) };
  const sources = sourcesOf([
    trace(PRIMARY, level, { identity: identity(0, 1) }),
    trace(SLAVE, level),
    trace(SPARE, level, { identity: identity(0, 3) }),
  ]);
  const [primary] = outcomesOf(sources);
  assert.deepEqual(
    [primary.status, primary.incident?.rebuildBegun, primary.incident?.lastGeneration],
    ['offline', true, 3],
  );
  const { entries } = carriedOut(sources).etcd;
  const { spares } = parseRecord(
    salvorClusterSchema,
    salvorClusterKey('p'),
    entries.get(salvorClusterKey('p'))?.value ?? '',
  );
  assert.deepEqual(spares, []);
  assert.match(
    decideRecovery(sources).doubts.join('\n'),
    /10\.0\.0\.1:9 says it is shard 0 of cluster p, generation 3/,
  );
  const other = sourcesOf([trace(PRIMARY, level, { identity: identity(1, 1) }), trace(SLAVE, level)]);
  assert.deepEqual(statusesOf(other), ['offline', 'online']);
  const same = sourcesOf([trace(PRIMARY, level, { identity: identity(0, 1) }), trace(SLAVE, level)]);
  assert.deepEqual(statusesOf(same), ['online', 'online']);
});

test('the partner of a place that was taken over is held where whoever took it over has what it misses', () => {
  const taker = (histories: Record<string, FoundHistory>): EngineTrace =>
    trace(SPARE, histories, {
      identity: JSON.stringify({ cluster: 'p', role: 'primary', shard: 0, generation: 3 }),
    });
  const own = { v1: history(5), v2: history(9) };
  const of = (v1: FoundHistory, slave = trace(SLAVE, own)): Tier1Sources =>
    sourcesOf([trace(PRIMARY, own), slave, taker({ ...own, v1 })]);
  for (const ahead of [history(5, { fork: 5 }), history(8), history(5, { isMarked: true })]) {
    const [primary, slave] = outcomesOf(of(ahead));
    for (const { status, incident } of [primary, slave])
      assert.deepEqual([status, incident?.hold?.kind], ['offline', 'planned']);
    assert.match(
      slave.incident?.history[0]?.reason ?? '',
      /10\.0\.0\.1:9, which took the place of its partner/,
    );
  }
  assert.deepEqual(statusesOf(of(history(5))), ['offline', 'online'], 'level with it');
  assert.deepEqual(statusesOf(of(history(3))), ['offline', 'online'], 'ahead of it');
  assert.deepEqual(statusesOf(of(history(5, { fork: 4 }), silent(SLAVE))), ['offline', 'offline']);
});

test('healing is paused where nothing else is written than that an engine is stale', () => {
  const whole = carriedOut(sourcesOf([]));
  const healing = { etcd: { ...whole.etcd, entries: new Map(whole.etcd.entries) } };
  healing.etcd.entries.delete(healingEverywhereKey);
  const engines = [trace(PRIMARY, { v1: history(5) }), trace(SLAVE, { v1: history(8, { fork: 5 }) })];
  const [first, second, ...more] = decideRecovery({ ...whole, ...healing, engines }).groups.filter(
    ({ keys }) => keys.some(writes),
  );
  assert.deepEqual([first?.name, second?.name, more], ['healing', 'p', []]);
});

const histories = fc.record({
  seq: fc.nat(8),
  fork: fc.option(fc.nat(8), { nil: undefined }),
  isMarked: fc.boolean(),
});
const members = fc.record({
  isSilent: fc.boolean(),
  v1: fc.option(histories, { nil: null }),
  v2: fc.option(histories, { nil: null }),
  generation: fc.integer({ min: 1, max: 3 }),
  epoch: fc.integer({ min: 1, max: 3 }),
});
const statuses = fc.constantFrom<EngineStatus>('online', 'online', 'offline', 'repair-tmp-outage');

const anySources = fc
  .tuple(members, members, statuses, statuses)
  .map(([primary, slave, one, other]): Tier1Sources => {
    const traceOf = (address: string, cluster: string, member: typeof primary): EngineTrace => {
      if (member.isSilent) return silent(address);
      const of = (found: typeof primary.v1): [string, FoundHistory][] =>
        found === null
          ? []
          : [
              [
                'v1',
                history(found.seq, {
                  ...(found.fork === undefined ? {} : { fork: found.fork }),
                  isMarked: found.isMarked,
                }),
              ],
            ];
      return trace(
        address,
        {
          ...Object.fromEntries(of(member.v1)),
          ...Object.fromEntries(of(member.v2).map(([, h]) => ['v2', h])),
        },
        {
          identity: JSON.stringify({ cluster, role: 'any', shard: 0, generation: member.generation }),
          epochs: new Map([['v1', BigInt(member.epoch)]]),
        },
      );
    };
    return sourcesOf([traceOf(PRIMARY, 'p', primary), traceOf(SLAVE, 's', slave)], [one, other]);
  });

test('whatever engines say: none becomes online, and carried out once there is nothing more to do', () => {
  fc.assert(
    fc.property(anySources, (sources) => {
      const after = carriedOut(sources);
      const planned = ['p', 's'].map(
        (cluster) =>
          parseClusterStorage(sources.configuration?.entries.get(clusterStorageKey(cluster)) ?? '').servers[0]
            ?.status,
      );
      statusesOf(sources).forEach((status, i) => {
        assert.ok(status === planned[i] || (planned[i] === 'online' && status === 'offline'));
      });
      assert.deepEqual(
        decideRecovery(after).groups.flatMap(({ keys }) => keys.filter(writes).map(({ key }) => key)),
        [],
      );
    }),
  );
});

/** With some of the keys in etcd that the configuration has. */
const partlyLost = fc
  .tuple(anySources, fc.array(fc.nat(20)), fc.boolean())
  .map(([sources, survivors, isSame]): Tier1Sources => {
    const configured = [...(sources.configuration?.entries ?? [])];
    const kept = configured.filter(
      ([key], i) => survivors.includes(i) && (key !== installationKey || isSame),
    );
    const entries = kept.map(([key, value], i): [string, StoreEntry] => {
      const revision = String(i + 1);
      return [key, { key, value, revision, createRevision: revision, lease: null }];
    });
    return { ...sources, etcd: { revision: 400n, entries: new Map(entries) } };
  });

test('whatever engines say: cut off behind any group and decided again, a recovery ends as it would have', () => {
  fc.assert(
    fc.property(partlyLost, fc.nat(8), fc.boolean(), (sources, cut, isOther) => {
      const outcome = (from: Tier1Sources) =>
        outcomesOf(from).map(({ status, cluster, incident }) => [
          ...[status, cluster, incident?.status, incident?.hold?.kind, incident?.attempt],
          ...[incident?.rebuildBegun, incident?.lastGeneration],
        ]);
      const { asked } = sources;
      const cutOff = carriedOut(sources, cut);
      const next = isOther ? { operation: 'op-10', at: at + 60_000, since: at } : { ...asked, since: at };
      assert.deepEqual(outcome({ ...cutOff, asked: next }), outcome(sources));
    }),
    { numRuns: 500 },
  );
});

test('where nothing could be served before, no step lets a member be served that is offline in the end', () => {
  const statuses = (entries: ReadonlyMap<string, StoreEntry>): (EngineStatus | undefined)[] =>
    ['p', 's'].map((cluster) => {
      const value = entries.get(clusterStorageKey(cluster))?.value;
      return value === undefined ? undefined : parseClusterStorage(value).servers[0]?.status;
    });
  const isServed = (entries: ReadonlyMap<string, StoreEntry>): boolean =>
    !statuses(entries).includes(undefined) && ['v1', 'v2'].some((vdisk) => entries.has(vdiskNbdKey(vdisk)));
  fc.assert(
    fc.property(partlyLost, fc.nat(8), (sources, cut) => {
      fc.pre(!isServed(sources.etcd.entries));
      const { entries } = carriedOut(sources, cut).etcd;
      if (isServed(entries)) assert.deepEqual(statuses(entries), statusesOf(sources));
    }),
    { numRuns: 500 },
  );
});

test('whatever engines say: who is online has all that its partner took, and where that one is silent it took writes alone itself', () => {
  fc.assert(
    fc.property(anySources, (sources) => {
      const [primary, slave] = statusesOf(sources);
      const [one, other] = sources.engines;
      assert.ok(one !== undefined && other !== undefined);
      for (const [status, own, partner, partnerStatus] of [
        [primary, one, other, slave],
        [slave, other, one, primary],
      ] as const) {
        if (status !== 'online' || own.trouble !== null) continue;
        if (partner.trouble !== null) {
          const alone = [...(own.histories?.values() ?? [])].some(
            ({ head, isMarked }) => head.fork !== null || isMarked,
          );
          assert.ok(alone || partnerStatus !== 'online', 'nobody could be asked whether it is current');
          continue;
        }
        for (const vdisk of ['v1', 'v2']) {
          const [a, b] = [own, partner].map(({ histories: of }) => of?.get(vdisk) ?? history(0));
          assert.ok(a !== undefined && b !== undefined);
          const wasAlone = a.head.fork !== null || a.isMarked;
          const isAlone = b.head.fork !== null || b.isMarked;
          // Both may say that they served alone: then the one that went on is the current one.
          if (!wasAlone)
            assert.ok(!isAlone || a.head.seq > b.head.seq, `${vdisk} was taken alone by its partner`);
          assert.ok(wasAlone || b.head.seq <= a.head.seq + 1, `${vdisk} is batches behind`);
        }
      }
    }),
  );
});

test('an engine that was shown stale was never vouched for by its own outage: it counts as the older of two', () => {
  const sources = sourcesOf(
    [trace(PRIMARY, { v1: history(5) }), trace(SLAVE, { v1: history(8, { fork: 5 }) })],
    ['online', 'offline'],
  );
  const [primary, slave] = outcomesOf(sources);
  assert.deepEqual([primary.status, slave.status, primary.incident?.openedIn], ['offline', 'offline', 1]);
});

test('incidents come back in the order in which the lost etcd had opened them, and one that survived has its own', () => {
  const of = (cluster: string) => ({
    ...{
      id: `${cluster}-0-a`,
      cluster,
      shard: 0,
      address: 'any',
      db: 0,
      status: 'offline' as const,
      attempt: 2,
    },
    ...{ openedAt: at, reporters: [], reportedTimes: 1, rebuildBegun: false, history: [] },
  });
  const text = (cluster: string): string =>
    formatRecord(incidentSchema, incidentKey(cluster, 0), of(cluster));
  const entries = ['p', 's'].map((cluster): [string, string] => [incidentKey(cluster, 0), text(cluster)]);
  const openedIn = { [incidentKey('p', 0)]: 40, [incidentKey('s', 0)]: 30 };
  const ordered = withOldOrder({ entries, openedIn }, new Map());
  assert.deepEqual(
    ['p', 's'].map((cluster) => incidentIn(ordered.get(incidentKey(cluster, 0)))?.openedIn),
    [40, 30],
  );
  const key = incidentKey('p', 0);
  const survivor = { key, value: text('p'), revision: '41', createRevision: '40', lease: null };
  assert.equal(withOldOrder({ entries, openedIn }, new Map([[key, survivor]])).get(key), text('p'));
  assert.deepEqual(withOldOrder({ entries }, new Map()), new Map(entries), 'older files do not tell');
});

test('what is on record of attempts that are over comes back, and of the present one nothing', () => {
  const sources = sourcesOf([], ['offline', 'online']);
  const incident = {
    ...{
      id: 'p-0-a',
      cluster: 'p',
      shard: 0,
      address: PRIMARY,
      db: 0,
      status: 'offline' as const,
      attempt: 2,
    },
    ...{ openedAt: at, reporters: [], reportedTimes: 1, rebuildBegun: false, history: [] },
  };
  const repair = JSON.stringify({ at });
  const entries = new Map([
    ...(sources.configuration?.entries ?? []),
    [incidentKey('p', 0), formatRecord(incidentSchema, incidentKey('p', 0), incident)],
    ...([1, 2] as const).map((attempt): [string, string] => [repairKey('p-0-a', attempt, 'v1'), repair]),
    [repairKey('gone-0-a', 1, 'v1'), repair],
  ]);
  const configuration = { path: 'c', revision: 500n, at, entries };
  const { etcd } = carriedOut({ ...sources, configuration });
  const has = (id: string, attempt: number): boolean => etcd.entries.has(repairKey(id, attempt, 'v1'));
  assert.deepEqual([has('p-0-a', 1), has('p-0-a', 2), has('gone-0-a', 1)], [true, false, false]);
});
