import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { applyPlan, type ConfigStore, openStore, parsePlan, readPlan } from '@salvor/config-store';
import type { PlanSummaryInit } from '@salvor/contracts';
import { SalvorError, silentLogger } from '@salvor/service-kit';
import { type EtcdHandle, startEtcd, type TempDir, tempDir, until } from '@salvor/testkit';
import { PlanExchange } from '../../src/plans/plan-exchange.ts';
import { ZoneHands } from '../../src/plans/zone-hands.ts';

let dir: TempDir;
let server: EtcdHandle;
let store: ConfigStore;

before(async () => {
  dir = tempDir('plan-exchange');
  server = await startEtcd({ dir: dir.join('etcd') });
  store = openStore({ endpoints: [server.endpoint] });
});
after(async () => {
  store?.close();
  await server?.process.kill();
  dir?.remove();
});

const documentOf = (plan: string, stepTimeoutSeconds: number): string =>
  JSON.stringify({
    ...{ plan, zones: ['north', 'south'], stepTimeoutSeconds },
    groups: [{ name: 'a', volumes: ['vol1'] }],
  });
const summary = (plan: string, version: number, more: Partial<PlanSummaryInit> = {}): PlanSummaryInit => ({
  ...{ plan, version, writtenIn: 'south', deleted: false, zones: ['north', 'south'], changedAt: 1 },
  ...more,
});

test('newer versions of the other zone come here, deletions too; what is older, of other zones, or no plan, does not', async () => {
  const documents: Record<string, string> = { new: documentOf('new', 10), bad: '{"plan":"bad"}', gone: '' };
  let plans = [
    summary('bad', 1),
    summary('elsewhere', 1, { zones: ['south', 'east'] }),
    summary('old', 1),
    summary('never-here', 3, { deleted: true }),
    summary('of-others', 7, { deleted: true, zones: ['south', 'east'] }),
    summary('gone', 9, { deleted: true, zones: [] }),
    summary('new', 1),
  ];
  for (const plan of ['old', 'gone'])
    for (const [at, seconds] of [100, 101].entries())
      await applyPlan(store, {
        ...{ plan, zone: 'north', document: parsePlan(documentOf(plan, seconds)) },
        ...{ isNew: false, operation: `op-${plan}-${at}` },
      });
  let isAway = false;
  const other = {
    request: async (command: string, { plan }: { plan?: string }) => {
      if (command === 'plan.list') return { zone: 'south', plans };
      return { plan: plans.find((each) => each.plan === plan), document: documents[plan ?? ''] ?? '' };
    },
  };
  const peers = {
    names: ['south'],
    busOf: () => {
      if (isAway) throw new SalvorError('peer-unreachable', 'it is away');
      return other as never;
    },
  };
  const hands = new ZoneHands('north', other as never, peers);
  const exchange = new PlanExchange({ store, hands, peers, log: silentLogger });
  after(() => exchange.stop());
  exchange.start();
  const timeoutSeconds = async (plan: string) => (await readPlan(store, plan))?.document?.stepTimeoutSeconds;
  await until(async () => (await timeoutSeconds('new')) === 10, { what: 'the new plan', timeoutMs: 20_000 });
  assert.equal(await timeoutSeconds('old'), 101);
  assert.deepEqual([(await readPlan(store, 'gone'))?.version, await timeoutSeconds('gone')], [9, undefined]);
  for (const plan of ['bad', 'elsewhere', 'of-others']) assert.equal(await readPlan(store, plan), null);
  // What was deleted there before it was ever heard of does not delete what is made here now.
  const made = await applyPlan(store, {
    ...{ plan: 'never-here', zone: 'north', document: parsePlan(documentOf('never-here', 7)) },
    ...{ isNew: true, operation: 'op-made' },
  });
  assert.deepEqual([made.outcome, made.record?.version], ['applied', 4]);
  isAway = true;
  documents.new = documentOf('new', 20);
  plans = [summary('never-here', 3, { deleted: true }), summary('new', 2)];
  isAway = false;
  await until(async () => (await timeoutSeconds('new')) === 20, {
    what: 'its next version',
    timeoutMs: 20_000,
  });
  assert.equal(await timeoutSeconds('never-here'), 7);
});
