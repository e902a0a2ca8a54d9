import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  archiveKey,
  archiveSchema,
  clusterStorageKey,
  defaultArchiveRetention,
  formatClusterStorage,
  formatRecord,
  formatVdiskNbd,
  formatVdiskStatic,
  healingEverywhereKey,
  type IncidentRecord,
  incidentKey,
  installationKey,
  operationKey,
  parseClusterStorage,
  parseRecord,
  type ServerEntry,
  type StoreEntry,
  tlogArchivedKey,
  tlogConfigKey,
  tlogStateKey,
  vdiskLifecycleKey,
  vdiskNbdKey,
  vdiskStaticKey,
} from '@salvor/config-store';
import fc from 'fast-check';
import { type KeyDecision, writes } from '../../src/tier1/decide-key.ts';
import { decideRecovery } from '../../src/tier1/decide-recovery.ts';
import { REVISION_MARGIN } from '../../src/tier1/decide-revision.ts';
import type { EngineTrace, Tier1Sources, VdiskEvents } from '../../src/tier1/tier1-sources.ts';

const at = 1_700_000_000_000;
const REVISION = 500n;
const NAME = JSON.stringify({ id: 'here', at });

const fixed = formatVdiskStatic({
  blockSize: 4096,
  size: 1,
  type: 'db',
  readOnly: false,
  templateVdiskID: '',
});
const nbd = formatVdiskNbd({
  ...{ storageClusterID: 'p1', slaveStorageClusterID: 's1' },
  ...{ templateStorageClusterID: '', tlogServerClusterID: '' },
});
const engine = (port: number, status: 'online' | 'offline' = 'online') =>
  ({ address: `10.0.0.1:${port}`, db: 0, state: status, status, generation: 1 }) as const;
const storage = (...servers: ServerEntry[]): string => formatClusterStorage({ servers });
const logConfig = JSON.stringify({
  ...{ container: 0, containers: 4, policy: 'block', enabledBy: 'op-1', at },
  begins: { number: 0, sequence: 0 },
});
const logState = JSON.stringify({ status: 'whole', reason: 'it is', since: at, sequence: 1 });

const whole: ReadonlyMap<string, string> = new Map([
  [clusterStorageKey('p1'), storage(engine(1), engine(2))],
  [clusterStorageKey('s1'), storage(engine(3), engine(4))],
  [vdiskStaticKey('v1'), fixed],
  [vdiskNbdKey('v1'), nbd],
  [tlogConfigKey('v1'), logConfig],
  [tlogStateKey('v1'), logState],
  [vdiskStaticKey('v2'), fixed],
  [vdiskNbdKey('v2'), nbd],
  ['s:nbdserver:conf:vdisks', 'vdisks: []\n'],
  ['/salvor/volumes/vol', '{"volume":"vol"}'],
  [installationKey, NAME],
]);

function entriesOf(values: ReadonlyMap<string, string>, revision: bigint): Map<string, StoreEntry> {
  return new Map(
    [...values].map(([key, value]) => [
      key,
      { key, value, revision: String(revision), createRevision: String(revision), lease: null },
    ]),
  );
}

function sourcesOf(
  more: Partial<Tier1Sources> & {
    readonly found?: ReadonlyMap<string, StoreEntry>;
    readonly revision?: bigint;
  } = {},
): Tier1Sources {
  const {
    found = new Map<string, StoreEntry>(),
    revision = found.size === 0 ? 3n : REVISION + 100n,
    ...sources
  } = more;
  return {
    configuration: { path: '_system/configuration/latest.json.gz', revision: REVISION, at, entries: whole },
    ...{
      damaged: [],
      archives: new Map(),
      tails: new Map(),
      lostStreams: [],
      events: new Map(),
      eventEpoch: 0n,
      keptRevision: 0n,
    },
    ...{
      engines: [],
      replace: false,
      asked: { operation: 'op-9', at, since: null },
      etcd: { revision, entries: found },
    },
    ...sources,
  };
}

/** What etcd has once the plan was carried out. */
function carriedOut(sources: Tier1Sources): Tier1Sources {
  const entries = new Map(sources.etcd.entries);
  let { revision } = sources.etcd;
  for (const { keys } of decideRecovery(sources).groups)
    for (const { key, value } of keys.filter(writes)) {
      revision += 1n;
      entries.set(key, {
        key,
        value: value ?? '',
        revision: String(revision),
        createRevision: String(revision),
        lease: null,
      });
    }
  return { ...sources, etcd: { revision, entries } };
}

function decisionsOf(sources: Tier1Sources): Map<string, KeyDecision> {
  return new Map(
    decideRecovery(sources).groups.flatMap(({ keys }) =>
      keys.map((one): [string, KeyDecision] => [one.key, one]),
    ),
  );
}

const incident = (shard: number, address: string): IncidentRecord => ({
  ...{ id: 'inc-1', cluster: 'p1', shard, address, db: 0, status: 'offline', attempt: 1, openedAt: at },
  ...{ reporters: [], reportedTimes: 1, rebuildBegun: false, history: [] },
});

const segment = { number: 4, first: 10, last: 12, epoch: 480, base: 1, lastAt: at };
const archive = { container: 0, chunks: 1, bytes: 9, from: 1, to: 4, last: 12, newest: segment, lost: [] };

/** Any part of the configuration survived, some of it changed since, some of it in a history of its own. */
const losses = fc.record({
  survived: fc.subarray([...whole.keys()]),
  changed: fc.subarray([
    clusterStorageKey('p1'),
    vdiskStaticKey('v2'),
    tlogStateKey('v1'),
    '/salvor/volumes/vol',
  ]),
  isOld: fc.boolean(),
  hasArchive: fc.boolean(),
  hasTail: fc.boolean(),
  hasEvents: fc.boolean(),
  deleted: fc.subarray(['v1', 'v2']),
  lifecycle: fc.boolean(),
});

const changedTo = new Map<string, string>([
  [clusterStorageKey('p1'), storage(engine(1, 'offline'), engine(2))],
  [
    vdiskStaticKey('v2'),
    formatVdiskStatic({ blockSize: 4096, size: 2, type: 'db', readOnly: false, templateVdiskID: '' }),
  ],
  [tlogStateKey('v1'), JSON.stringify({ status: 'broken', reason: 'it broke', since: at, sequence: 0 })],
  ['/salvor/volumes/vol', '{"volume":"other"}'],
]);

const sourcesOfLoss = losses.map(
  ({ survived, changed, isOld, hasArchive, hasTail, hasEvents, deleted, lifecycle }) => {
    const found = new Map<string, StoreEntry>();
    for (const key of survived) {
      const value = changed.includes(key) ? (changedTo.get(key) ?? '') : (whole.get(key) ?? '');
      for (const [at2, entry] of entriesOf(new Map([[key, value]]), isOld ? 7n : REVISION + 20n))
        found.set(at2, entry);
    }
    const events = new Map<string, VdiskEvents>(
      deleted.map((vdisk) => [vdisk, { deletedAt: at + 1, created: null }]),
    );
    const entries = lifecycle
      ? new Map([
          ...whole,
          [vdiskLifecycleKey('v2'), JSON.stringify({ state: 'rolling-back', operations: ['op-7'], at })],
          [
            operationKey('op-7'),
            JSON.stringify({
              ...{
                operation: 'op-7',
                kind: 'vdisk.rollback',
                request: '{}',
                outcome: 'applied',
                reason: 'begun',
                at,
              },
              work: { status: 'running', message: 'rolls back', updatedAt: at },
            }),
          ],
        ])
      : whole;
    return sourcesOf({
      found,
      configuration: { path: 'c', revision: REVISION, at, entries },
      archives: hasArchive ? new Map([['v1', [archive]]]) : new Map(),
      tails: hasTail
        ? new Map([['v1', [{ container: 0, oldest: segment, newest: segment, lost: [] }]]])
        : new Map(),
      lostStreams: hasTail ? [] : ['TLOG_0'],
      events: hasEvents ? events : null,
    });
  },
);

test('whatever is lost: carried out once, there is nothing more to do', () => {
  fc.assert(
    fc.property(sourcesOfLoss, (sources) => {
      const after = carriedOut(sources);
      const left = decideRecovery(after).groups.flatMap(({ keys }) =>
        keys.filter(writes).map(({ key }) => key),
      );
      assert.deepEqual(left, []);
    }),
  );
});

test('whatever is lost: cut off after any write, it ends with the same', () => {
  fc.assert(
    fc.property(sourcesOfLoss, fc.nat(20), (sources, cut) => {
      const entries = new Map(sources.etcd.entries);
      const due = decideRecovery(sources)
        .groups.flatMap(({ keys }) => keys.filter(writes))
        .slice(0, cut);
      for (const { key, value } of due)
        entries.set(key, { key, value: value ?? '', revision: '1600', createRevision: '1600', lease: null });
      const interrupted = { ...sources, etcd: { revision: 1_600n, entries } };
      const values = (of: Tier1Sources): [string, string][] =>
        [...carriedOut(of).etcd.entries.values()]
          .map(({ key, value }): [string, string] => [key, value])
          .sort();
      assert.deepEqual(values(interrupted), values(sources));
    }),
  );
});

test('whatever is lost: what etcd has is left alone, but for what follows from the segments and from incidents', () => {
  fc.assert(
    fc.property(sourcesOfLoss, (sources) => {
      for (const { key, action, fact } of decisionsOf(sources).values()) {
        if (!sources.etcd.entries.has(key)) continue;
        if (action === 'replaced')
          assert.ok([tlogStateKey('v1'), tlogArchivedKey('v1'), clusterStorageKey('p1')].includes(key), key);
        if (action === 'kept')
          assert.ok(
            fact.others?.some(({ from }) => from === 'configuration'),
            key,
          );
      }
    }),
  );
});

test('whatever is lost: a vdisk that an event tells to be deleted since does not come back', () => {
  fc.assert(
    fc.property(sourcesOfLoss, (sources) => {
      const after = carriedOut(sources);
      for (const [vdisk, { deletedAt }] of sources.events ?? []) {
        if (deletedAt === null || sources.etcd.entries.has(vdiskStaticKey(vdisk))) continue;
        assert.ok(!after.etcd.entries.has(vdiskStaticKey(vdisk)), vdisk);
        assert.ok(
          !after.etcd.entries.has(vdiskNbdKey(vdisk)) || sources.etcd.entries.has(vdiskNbdKey(vdisk)),
          vdisk,
        );
      }
    }),
  );
});

test('the name of the installation comes last: until then nobody keeps what etcd has', () => {
  assert.equal(decideRecovery(sourcesOf()).groups.at(-1)?.name, 'installation');
});

test('the revision of etcd rises above every epoch that left a trace, and no further', () => {
  const engines = [
    {
      address: 'e',
      db: 0,
      cluster: 'p1',
      shard: 0,
      trouble: null,
      identity: null,
      epochs: new Map([['v1', 900n]]),
      isComplete: true,
    },
  ];
  assert.equal(decideRecovery(sourcesOf()).revision.raiseTo, REVISION + REVISION_MARGIN);
  assert.equal(decideRecovery(sourcesOf({ engines })).revision.raiseTo, 900n + REVISION_MARGIN);
  assert.equal(decideRecovery(sourcesOf({ eventEpoch: 950n, engines })).revision.highest?.what, 'an event');
  assert.equal(
    decideRecovery(sourcesOf({ found: entriesOf(whole, 400n), revision: 700n })).revision.raiseTo,
    null,
  );
  const barelyAbove = {
    found: entriesOf(new Map([[vdiskStaticKey('v9'), fixed]]), 7n),
    revision: REVISION + 1n,
  };
  assert.equal(
    decideRecovery(sourcesOf(barelyAbove)).revision.raiseTo,
    REVISION + REVISION_MARGIN,
    'another etcd may be below what left no trace',
  );
  assert.throws(() => decideRecovery(sourcesOf({ eventEpoch: 5_000_000n })), {
    code: 'revision-too-far',
    message: /bump-revision/,
  });
});

test('an engine that an incident knows to be bad is bad, whichever of the two is younger', () => {
  const key = incidentKey('p1', 1);
  const survived = entriesOf(
    new Map([
      [key, JSON.stringify(incident(1, '10.0.0.1:2'))],
      [installationKey, NAME],
    ]),
    REVISION + 9n,
  );
  const written = carriedOut(sourcesOf({ found: survived })).etcd.entries.get(clusterStorageKey('p1'));
  assert.deepEqual(
    parseClusterStorage(written?.value ?? '').servers.map(({ status }) => status),
    ['online', 'offline'],
  );
  const configured = new Map([
    ...whole,
    [key, JSON.stringify(incident(1, '10.0.0.1:2'))],
    [clusterStorageKey('p1'), storage(engine(1), engine(2, 'offline'))],
  ]);
  const configuration = { path: 'c', revision: REVISION, at, entries: configured };
  const online = entriesOf(
    new Map([
      [clusterStorageKey('p1'), storage(engine(1), engine(2))],
      [installationKey, NAME],
    ]),
    REVISION + 9n,
  );
  const decided = decisionsOf(sourcesOf({ configuration, found: online })).get(key);
  assert.equal(decided?.action, 'withheld', 'it was closed since');
  assert.equal(decisionsOf(sourcesOf({ configuration })).get(key)?.action, 'put');
});

test('what was under way comes back paused, and a removal goes on', () => {
  const operation = (kind: string): string =>
    JSON.stringify({
      ...{ operation: 'op-7', kind, request: '{}', outcome: 'applied', reason: 'begun', at },
      work: { status: 'running', message: 'is under way', updatedAt: at },
    });
  const after = (state: string, kind: string) => {
    const entries = new Map([
      ...whole,
      [vdiskLifecycleKey('v2'), JSON.stringify({ state, operations: ['op-7'], at })],
      [operationKey('op-7'), operation(kind)],
    ]);
    const { etcd } = carriedOut(sourcesOf({ configuration: { path: 'c', revision: REVISION, at, entries } }));
    return JSON.parse(etcd.entries.get(operationKey('op-7'))?.value ?? '{}').work;
  };
  assert.deepEqual(after('rolling-back', 'vdisk.rollback').pause, { by: 'segment-recovery', at });
  assert.equal(after('deleting', 'vdisk.delete').pause, undefined);
});

test('a vdisk without a configuration is told, and the place of its log is kept for a later one of its name', () => {
  const newest = { ...segment, lastAt: at + 120_000 };
  const archives = new Map([['v9', [{ ...archive, newest }]]]);
  const plan = decideRecovery(sourcesOf({ archives }));
  assert.deepEqual(plan.vdisks.find(({ vdisk }) => vdisk === 'v9')?.outcome, 'unknown');
  const old = decideRecovery(
    sourcesOf({
      archives: new Map([['v9', [{ ...archive, newest: { ...segment, lastAt: at - 120_000 } }]]]),
    }),
  );
  assert.equal(
    old.vdisks.find(({ vdisk }) => vdisk === 'v9'),
    undefined,
    'it was deleted before',
  );
  for (const { groups } of [plan, old])
    assert.equal(
      JSON.parse(
        groups.flatMap(({ keys }) => keys).find(({ key }) => key === tlogArchivedKey('v9'))?.value ?? '{}',
      ).number,
      4,
    );
});

test('without any configuration that can be read the plan says so, and touches no vdisk', () => {
  const damaged = [
    { path: '_system/configuration/0000000000000700-0123456789abcdef.json.gz', revision: 700n, what: 'torn' },
  ];
  const plan = decideRecovery(
    sourcesOf({ configuration: null, damaged, archives: new Map([['v1', [archive]]]) }),
  );
  assert.deepEqual(
    plan.vdisks.map(({ vdisk, outcome }) => [vdisk, outcome]),
    [['v1', 'unknown']],
  );
  assert.equal(plan.revision.raiseTo, 700n + REVISION_MARGIN);
  assert.match(plan.doubts.join('\n'), /torn[\s\S]*no configuration that can be read/);
});

test('an etcd that was restored from an older backup is told, and gives way only when it is asked to', () => {
  const older = new Map([
    ...whole,
    [clusterStorageKey('p1'), storage(engine(9), engine(2))],
    [vdiskStaticKey('v7'), fixed],
  ]);
  const found = entriesOf(older, 300n);
  const keys = decisionsOf(sourcesOf({ found, revision: 310n }));
  for (const key of [clusterStorageKey('p1'), vdiskStaticKey('v7')]) {
    assert.equal(keys.get(key)?.action, 'kept');
    assert.match(keys.get(key)?.fact.why ?? '', /older backup/);
  }
  const plan = decideRecovery(sourcesOf({ found, revision: 310n }));
  assert.match(plan.doubts.join('\n'), /p1:cluster:conf:storage.*older backup/);
  assert.equal(
    plan.revision.raiseTo,
    REVISION + REVISION_MARGIN,
    'epochs rise above those of its lost future',
  );
  const replaced = carriedOut(sourcesOf({ found, revision: 310n, replace: true })).etcd.entries;
  assert.equal(replaced.get(clusterStorageKey('p1'))?.value, whole.get(clusterStorageKey('p1')));
});

test('healing is paused first, then come volumes, vdisks, clusters and the rest', () => {
  const { groups, doubts } = decideRecovery(sourcesOf());
  const order = groups.map(({ kind, name }) => `${kind} ${name}`);
  assert.deepEqual(order, [
    ...['rest healing', 'rest volume vol', 'vdisk v1', 'vdisk v2', 'cluster p1', 'cluster s1'],
    ...order.filter((one) => one.startsWith('rest server')),
    'installation installation',
  ]);
  assert.match(doubts.join('\n'), /all healing is paused until 'salvor healing resume'/);
  const { pause } = JSON.parse(groups[0]?.keys[0]?.value ?? '{}');
  assert.deepEqual([pause.by, pause.operation, pause.at], ['segment-recovery', 'op-9', at]);
});

test('the pause of an operator stays his own, and once healing was resumed a recovery that has nothing to do does not pause it', () => {
  const own = JSON.stringify({ pause: { by: 'ann', at, reason: 'work', operation: 'op-1' } });
  const found = entriesOf(new Map([[healingEverywhereKey, own]]), REVISION + 1n);
  const kept = decisionsOf(sourcesOf({ found })).get(healingEverywhereKey);
  assert.deepEqual([kept?.value, kept === undefined || writes(kept)], [own, false]);
  const done = carriedOut(sourcesOf());
  const resumed = new Map(done.etcd.entries);
  resumed.delete(healingEverywhereKey);
  const again = decisionsOf({ ...done, etcd: { ...done.etcd, entries: resumed } });
  assert.deepEqual([...again.values()].filter(writes), []);
  assert.equal(again.get(healingEverywhereKey), undefined);
});

const statusesOf = (sources: Tier1Sources): string[] =>
  parseClusterStorage(carriedOut(sources).etcd.entries.get(clusterStorageKey('p1'))?.value ?? '').servers.map(
    ({ status }) => status,
  );
const badInConfiguration = {
  ...{ path: 'c', revision: REVISION, at },
  entries: new Map([
    ...whole,
    [clusterStorageKey('p1'), storage(engine(1), engine(2, 'offline'))],
    [incidentKey('p1', 1), JSON.stringify(incident(1, '10.0.0.1:2'))],
  ]),
};

test('an engine that the configuration knows to be bad is bad where etcd is of an older backup, or of another history', () => {
  const other = JSON.stringify({ id: 'there', at });
  for (const [name, revision] of [
    [NAME, 300n],
    [other, REVISION + 50n],
  ] as const) {
    const found = entriesOf(new Map([...whole, [installationKey, name]]), revision);
    const sources = sourcesOf({ configuration: badInConfiguration, found, revision });
    assert.deepEqual(statusesOf(sources), ['online', 'offline'], name);
    assert.equal(decisionsOf(sources).get(incidentKey('p1', 1))?.action, 'put');
    const again = [...decisionsOf(carriedOut(sources)).values()].filter(writes);
    assert.deepEqual(
      again.map(({ key }) => key),
      [],
    );
  }
});

test('an engine that etcd knows to be bad stays bad where the configuration takes its place', () => {
  const found = entriesOf(
    new Map([
      ...whole,
      [clusterStorageKey('p1'), storage(engine(1, 'offline'), engine(2))],
      [installationKey, JSON.stringify({ id: 'there', at })],
    ]),
    REVISION + 50n,
  );
  const sources = sourcesOf({ configuration: badInConfiguration, found, replace: true });
  assert.deepEqual(statusesOf(sources), ['offline', 'offline']);
  const after = carriedOut(sources);
  assert.equal(
    decisionsOf(after).get(clusterStorageKey('p1'))?.action,
    'kept',
    'decided again it is the same',
  );
});

test('a vdisk is not made again from an event that is older than a configuration without it', () => {
  const created = {
    at: at - 120_000,
    type: 'db',
    sizeGiB: 1,
    blockSize: 4096,
    cluster: 'p1',
    slaveCluster: 's1',
  };
  const outcomeOf = (createdAt: number): string | undefined =>
    decideRecovery(
      sourcesOf({ events: new Map([['v9', { deletedAt: null, created: { ...created, at: createdAt } }]]) }),
    ).vdisks.find(({ vdisk }) => vdisk === 'v9')?.outcome;
  assert.equal(outcomeOf(at - 120_000), undefined, 'it was deleted before');
  assert.equal(outcomeOf(at + 1), 'made-again');
});

test('a removal that was under way goes on, also where the event of its begin survived', () => {
  const lifecycle = vdiskLifecycleKey('v9');
  const entries = new Map([
    ...whole,
    [lifecycle, JSON.stringify({ state: 'deleting', operations: ['op-7'], at })],
    [
      operationKey('op-7'),
      JSON.stringify({
        ...{
          operation: 'op-7',
          kind: 'vdisk.delete',
          request: '{}',
          outcome: 'applied',
          reason: 'begun',
          at,
        },
        work: { status: 'running', message: 'is under way', updatedAt: at },
      }),
    ],
  ]);
  const events = new Map<string, VdiskEvents>([['v9', { deletedAt: at - 1, created: null }]]);
  const configuration = { path: 'c', revision: REVISION, at, entries };
  const decided = decisionsOf(sourcesOf({ configuration, events }));
  assert.deepEqual(
    [lifecycle, operationKey('op-7')].map((key) => decided.get(key)?.action),
    ['put', 'put'],
  );
});

const trace = (port: number, more: Partial<EngineTrace> = {}): EngineTrace => ({
  ...{ address: `10.0.0.1:${port}`, db: 0, cluster: port < 3 ? 'p1' : 's1', shard: (port - 1) % 2 },
  ...{ trouble: null, identity: null, epochs: new Map(), isComplete: true },
  ...more,
});

test('an engine that is online by the plan and does not answer is named, but not one that is known to be bad', () => {
  const silent = trace(2, { trouble: 'no answer' });
  const plan = decideRecovery(sourcesOf({ engines: [trace(1), silent] }));
  assert.deepEqual(plan.unreachable, ['10.0.0.1:2']);
  assert.match(plan.doubts.join('\n'), /10\.0\.0\.1:2 .*only current blocks of its pair/);
  const known = decideRecovery(sourcesOf({ configuration: badInConfiguration, engines: [silent] }));
  assert.deepEqual(known.unreachable, []);
  const nothingToDo = decideRecovery({ ...carriedOut(sourcesOf()), engines: [silent] });
  assert.deepEqual(nothingToDo.unreachable, []);
});

test('a pair of which both members are bad, an old configuration, and the name of the installation are told', () => {
  const entries = new Map([
    ...whole,
    [clusterStorageKey('p1'), storage(engine(1, 'offline'), engine(2))],
    [clusterStorageKey('s1'), storage(engine(3, 'offline'), engine(4))],
  ]);
  const configuration = { path: 'c', revision: REVISION, at: at - 3_600_000, entries };
  const doubts = decideRecovery(sourcesOf({ configuration })).doubts.join('\n');
  assert.equal(doubts.match(/before you resume healing/g)?.length, 1, 'once for all vdisks');
  const given = ['p1', 's1'].map((cluster): [string, string] => [
    clusterStorageKey(cluster),
    storage({ ...engine(1), state: 'rip', status: 'rip' }, engine(2)),
  ]);
  const givenUp = { ...configuration, entries: new Map([...whole, ...given]) };
  assert.doesNotMatch(
    decideRecovery(sourcesOf({ configuration: givenUp })).doubts.join('\n'),
    /before you resume/,
  );
  assert.match(doubts, /pair 0 of clusters p1 and s1: 10\.0\.0\.1:1 is offline and 10\.0\.0\.1:3 is offline/);
  assert.match(doubts, /60 minutes before this/);
  assert.match(doubts, /is this the directory of the installation \{"id":"here"/);
  const found = entriesOf(new Map([[installationKey, NAME]]), REVISION + 1n);
  assert.doesNotMatch(
    decideRecovery(sourcesOf({ found })).doubts.join('\n'),
    /minutes before|no name to compare/,
  );
});

test('an archive of a volume is brought back so that it is compared with the volume; a recovery that was cut off finds it so', () => {
  const key = archiveKey('off-site', 'vol');
  const segment = { number: 40, epoch: 3, last: 400, at: 40, base: 1 };
  const record = archiveSchema.parse({
    ...{ archive: 'off-site', volume: 'vol', role: 'primary', source: { kind: 'zone', zone: 'north' } },
    ...{
      phase: 'following',
      reason: 'it follows',
      generation: 1,
      history: 'off-site:1',
      base: 1,
      changedAt: 1,
    },
    ...{ place: { segment, number: 90, sequence: 900 }, retention: defaultArchiveRetention },
  });
  const configuration = {
    ...{ path: '_system/configuration/latest.json.gz', revision: REVISION, at },
    entries: new Map([...whole, [key, formatRecord(archiveSchema, key, record)]]),
  };
  const sources = sourcesOf({ configuration });
  const decision = decisionsOf(sources).get(key);
  const back = parseRecord(archiveSchema, key, decision?.value ?? '');
  assert.deepEqual(
    [decision?.action, back.phase, back.place?.number, back.backup?.way],
    ['put', 'backup', 90, 'hash'],
  );
  const again = decideRecovery(carriedOut(sources));
  assert.deepEqual(
    again.doubts.filter((doubt) => doubt.includes(key)),
    [],
  );
  const found = again.groups.flatMap(({ keys }) => keys).find((one) => one.key === key);
  assert.deepEqual([found?.action, found?.value], ['there', decision?.value]);
  const entries = new Map([...configuration.entries, [key, '{"archive":1}']]);
  const bad = decideRecovery(sourcesOf({ configuration: { ...configuration, entries } }));
  assert.ok(
    bad.doubts.some((doubt) => doubt.startsWith(key)),
    bad.doubts.join('; '),
  );
});
