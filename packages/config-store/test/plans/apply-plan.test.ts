import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  amendPlanRun,
  applyPlan,
  type ConfigStore,
  listPlanRuns,
  listPlans,
  openStore,
  type PlanRun,
  parsePlan,
  planActiveKey,
  planDocumentSchema,
  planKey,
  planRunEffects,
  readActiveRun,
  readPlan,
  runsToForget,
  takePlan,
} from '@salvor/config-store';
import { type EtcdHandle, startEtcd, type TempDir, tempDir } from '@salvor/testkit';

let dir: TempDir;
let server: EtcdHandle;
let store: ConfigStore;

before(async () => {
  dir = tempDir('plans');
  server = await startEtcd({ dir: dir.join('etcd') });
  store = openStore({ endpoints: [server.endpoint] });
});
after(async () => {
  store?.close();
  await server?.process.kill();
  dir?.remove();
});

const documentOf = (plan: string, stepTimeoutSeconds = 300) =>
  parsePlan(
    JSON.stringify({
      ...{ plan, zones: ['north', 'south'], stepTimeoutSeconds },
      groups: [{ name: 'a', volumes: ['vol1'] }],
    }),
  );
const change = (plan: string, operation: string, seconds = 300, isNew = false) =>
  applyPlan(store, { plan, zone: 'north', document: documentOf(plan, seconds), isNew, operation });

test('each change is a version; the same is none, and neither is the same operation again', async () => {
  assert.equal((await change('p1', 'op-1', 300, true)).record?.version, 1);
  assert.deepEqual(
    [(await change('p1', 'op-1', 300, true)).outcome, (await change('p1', 'op-1', 301, true)).code],
    ['already', 'operation-reused'],
  );
  assert.equal((await change('p1', 'op-2', 300, true)).code, 'plan-exists');
  assert.deepEqual(
    [(await change('p1', 'op-3')).outcome, (await readPlan(store, 'p1'))?.version],
    ['already', 1],
  );
  assert.equal((await change('p1', 'op-4', 301)).record?.version, 2);
});

test('two that change a plan at once both do, one after the other', async () => {
  const results = await Promise.all([1, 2, 3].map((each) => change('p2', `op-p2-${each}`, 100 + each)));
  assert.deepEqual(
    results.map(({ outcome }) => outcome),
    ['applied', 'applied', 'applied'],
  );
  assert.equal((await readPlan(store, 'p2'))?.version, 3);
});

test('what was deleted stays on record as that, and is made anew with a higher version', async () => {
  await change('p3', 'op-p3-1');
  const deletion = { plan: 'p3', zone: 'north', document: null, isNew: false };
  assert.equal((await applyPlan(store, { ...deletion, operation: 'op-p3-2' })).outcome, 'applied');
  assert.equal((await applyPlan(store, { ...deletion, operation: 'op-p3-3' })).code, 'unknown-plan');
  const gone = await readPlan(store, 'p3');
  assert.deepEqual([gone?.document, gone?.zones], [null, ['north', 'south']]);
  assert.equal((await change('p3', 'op-p3-4', 300, true)).record?.version, 3);
});

test('of another zone only what is newer is taken over; of the same number, that of the zone whose name sorts last', async () => {
  await change('p4', 'op-p4-1');
  const told = { plan: 'p4', zone: 'south', document: documentOf('p4', 400), zones: [], changedAt: 1 };
  assert.equal(await takePlan(store, { ...told, version: 1 }), true);
  assert.equal(await takePlan(store, { ...told, version: 1 }), false);
  assert.equal(await takePlan(store, { ...told, zone: 'north', version: 1 }), false);
  // What is being run stays the plan: a version of the other zone comes when the run is over.
  await store.transact({ compare: [], puts: [{ key: planActiveKey('p4'), value: '{"run":"r"}' }] });
  const newer = { ...told, zone: 'north', version: 2, document: null };
  assert.equal(await takePlan(store, newer), false);
  assert.equal((await readPlan(store, 'p4'))?.version, 1);
  await store.transact({ compare: [], deletes: [planActiveKey('p4')] });
  assert.equal(await takePlan(store, newer), true);
  assert.deepEqual(
    [(await readPlan(store, 'p4'))?.version, (await readPlan(store, 'p4'))?.document],
    [2, null],
  );
});

const runOf = (run: string, beganAt: number, status: PlanRun['status'] = 'running'): PlanRun => ({
  ...{ run, plan: 'p5', version: 1, kind: 'failover', target: 'south', source: 'north' },
  document: planDocumentSchema.parse(documentOf('p5')),
  ...{ steps: [], direction: 'forward', status, isCancelled: false, reason: '', started: null, clones: [] },
  measures: [
    { volume: 'vol1', lostWrites: null, lostMs: 5, promotedMs: 9, generation: 1, sequence: 7, cloneAt: null },
  ],
  ...{ tested: [], beganAt, endedAt: status === 'running' ? null : beganAt + 1 },
});

test('one run of a plan is under way, and a plan is not changed meanwhile; what becomes known later is put on record', async () => {
  await change('p5', 'op-p5-1');
  const begin = (run: PlanRun) => store.transact(planRunEffects(run, { isFirst: true, forget: [] }));
  assert.equal((await begin(runOf('r1', 10))).ok, true);
  assert.equal((await begin(runOf('r2', 20))).ok, false);
  assert.equal(await readActiveRun(store, 'p5'), 'r1');
  assert.equal((await change('p5', 'op-p5-2', 301)).code, 'plan-busy');
  await store.transact(planRunEffects(runOf('r1', 10, 'completed'), { isFirst: false, forget: [] }));
  assert.equal(await readActiveRun(store, 'p5'), null);
  assert.equal((await begin(runOf('r2', 20))).ok, true);
  const lostWrites = 5;
  const amend = (run: PlanRun): PlanRun => ({
    ...run,
    measures: run.measures.map((measure) => ({ ...measure, lostWrites })),
  });
  assert.equal(await amendPlanRun(store, runOf('r1', 10), amend), true);
  assert.equal(await amendPlanRun(store, runOf('r9', 10), amend), false);
  assert.deepEqual(
    (await listPlanRuns(store, 'p5')).map(({ run, measures: [first] }) => [run, first?.lostWrites]),
    [
      ['r2', null],
      ['r1', 5],
    ],
  );
});

test('the latest runs are kept, and whatever is under way', () => {
  const runs = Array.from({ length: 40 }, (_, at) =>
    runOf(`r${at}`, 100 - at, at === 39 ? 'running' : 'failed'),
  );
  assert.deepEqual(runsToForget(runs), ['r31', 'r32', 'r33', 'r34', 'r35', 'r36', 'r37', 'r38']);
});

test('a record that is none is refused with its key', async () => {
  for (const [key, read] of [
    [planKey('bad'), () => readPlan(store, 'bad')],
    [planActiveKey('bad'), () => readActiveRun(store, 'bad')],
    [planKey('bad'), () => listPlans(store)],
  ] as const) {
    await store.transact({ compare: [], puts: [{ key, value: '{"plan":1' }] });
    await assert.rejects(read(), (error: Error) => error.message.includes(key));
    await store.transact({ compare: [], deletes: [key] });
  }
});
