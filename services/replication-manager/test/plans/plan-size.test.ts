/** A plan that can be written can be run, with several at a time. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  applyPlan,
  beginOperation,
  type ConfigStore,
  fittedRun,
  openStore,
  type PlanDocument,
  type PlanRun,
  parsePlan,
  planRunBytes,
  planRunBytesMax,
  readActiveRun,
  readPlanRun,
} from '@salvor/config-store';
import { SalvorError, silentLogger } from '@salvor/service-kit';
import { type EtcdHandle, startEtcd, type TempDir, tempDir, until } from '@salvor/testkit';
import { assertRunnable, planBytesMax } from '../../src/plans/plan-size.ts';
import { newPlanRun } from '../../src/plans/plan-steps.ts';
import { Plans } from '../../src/plans/plans.ts';

let dir: TempDir;
let server: EtcdHandle;
let store: ConfigStore;

before(async () => {
  dir = tempDir('plan-size');
  server = await startEtcd({ dir: dir.join('etcd') });
  store = openStore({ endpoints: [server.endpoint] });
});
after(async () => {
  store?.close();
  await server?.process.kill();
  dir?.remove();
});

/** Each volume with an instance of its own. */
function documentOf(plan: string, members: number): PlanDocument {
  const ids = Array.from({ length: members }, (_, i) => i);
  const groups = Array.from({ length: Math.ceil(members / 32) }, (_, group) => ({
    name: `group-${group}`,
    volumes: ids.slice(32 * group, 32 * group + 32).map((id) => `volume-${id}`),
    instances: ids.slice(32 * group, 32 * group + 32).map((id) => `instance-${id}`),
  }));
  return parsePlan(JSON.stringify({ plan, zones: ['north', 'south'], groups }));
}

const isRunnable = (document: PlanDocument): boolean => {
  try {
    assertRunnable(document);
    return true;
  } catch {
    return false;
  }
};

function runOf(document: PlanDocument, run: string): PlanRun {
  const { plan } = document;
  return newPlanRun({ run, plan, version: 1, kind: 'planned', target: 'north', document }, Date.now());
}

test('a plan that is too large to be run is refused when it is written', () => {
  assert.throws(() => assertRunnable(documentOf('big', 32 * 32)), {
    code: 'invalid-plan',
    message: new RegExp(
      `expected a plan whose runs need at most ${planBytesMax} bytes on record: .*, found \\d+ bytes`,
    ),
  });
});

test('whatever its steps say, the record of a run fits', () => {
  const run = runOf(documentOf('long', 64), 'r');
  const said = { ...run, steps: run.steps.map((step) => ({ ...step, reason: '€'.repeat(10_000) })) };
  const fitted = fittedRun(said);
  assert.ok(planRunBytes(fitted) <= planRunBytesMax);
  assert.deepEqual(
    fitted.steps.map(({ reason, ...step }) => [step, reason.slice(0, 31)]),
    said.steps.map(({ reason, ...step }) => [step, reason.slice(0, 31)]),
  );
  assert.deepEqual(fittedRun(run), run);
});

test('the largest plans that may be written are run, three at a time though none of them gets anywhere', async (context) => {
  let members = 32;
  while (isRunnable(documentOf('large', members + 32))) members += 32;
  assert.ok(members >= 256, `${members}`);
  const bus = {
    connected: () => true,
    publish: async () => undefined,
    // Nobody answers, so each run waits.
    request: async () => {
      throw new SalvorError('no-responders', 'no answer');
    },
  };
  const peers = { names: [], busOf: () => bus };
  const plans = new Plans({
    ...{ store, zone: 'north', log: silentLogger, instance: 'm1' },
    ...{ bus: bus as never, peers: peers as never },
  });
  context.after(() => plans.stop());
  await plans.start();
  for (const plan of ['large-1', 'large-2', 'large-3']) {
    const document = documentOf(plan, members);
    const made = await applyPlan(store, {
      plan,
      zone: 'north',
      document,
      isNew: true,
      operation: `make-${plan}`,
    });
    assert.equal(made.outcome, 'applied');
    const checkpoint = runOf(document, `run-${plan}`);
    await beginOperation(store, {
      ...{ operation: `run-${plan}`, kind: 'plan.run', request: { plan, kind: 'planned' }, subject: plan },
      ...{ message: 'it begins', checkpoint },
    });
  }
  for (const plan of ['large-1', 'large-2', 'large-3'])
    await until(
      async () => {
        const active = await readActiveRun(store, plan);
        const run = active === null ? null : await readPlanRun(store, plan, active);
        return run?.steps[0]?.status === 'running' && run.steps[0].reason === 'no answer';
      },
      { what: `a run of plan ${plan}`, timeoutMs: 30_000 },
    );
});
