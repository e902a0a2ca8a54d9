import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  healingEverywhereKey,
  raisedRevisionKey,
  readOperation,
  tier1RecoveryKey,
} from '@salvor/config-store';
import { until } from '@salvor/testkit';
import { newFolder, removeFolders } from '../../../../packages/pravega/test/trees.ts';
import { kill, Tier1 } from '../tier1.ts';
import { configurationsOf, type SalvorTree, writeSalvorTree } from './salvor-tree.ts';

/** The first ones hit the rise of the revision, the others the writing of keys. */
const KILLS = Number(process.env.SALVOR_RECOVERY_KILLS ?? '1');
const VDISKS = 120;
const RAISED = 1_500;

describe('a recovery of Tier-1 that is killed again and again', () => {
  let reference: Tier1;
  let tier1: Tier1;
  before(async () => {
    [reference, tier1] = await Promise.all([Tier1.start(), Tier1.start()]);
  });
  after(async () => {
    await reference[Symbol.asyncDispose]();
    await tier1[Symbol.asyncDispose]();
    removeFolders();
  });

  it('ends with what one has that was left alone, and done again it changes nothing', async (context) => {
    const tree: SalvorTree = {
      root: newFolder(),
      vdisks: VDISKS,
      revision: RAISED,
      configurations: 2,
      chunks: 2,
      segments: 2,
    };
    await writeSalvorTree(tree);
    await reference.serve();
    const whole = await reference.end(
      await reference.begin({ root: tree.root, layout: 'salvor', backupDir: newFolder() }),
    );
    assert.equal(whole.work?.status, 'completed', whole.work?.message);

    const backupDir = newFolder();
    let service = tier1.spawn();
    await until(async () => (await tier1.bus.discover({ name: 'segment-recovery' })).length === 1, {
      timeoutMs: 60_000,
      what: 'the service',
    });
    const operation = await tier1.begin({ root: tree.root, layout: 'salvor', backupDir });
    const killedAt: number[] = [];
    for (let killed = 0; killed < KILLS; killed++) {
      const share = (killed + 0.5) / KILLS;
      const last = killedAt.at(-1) ?? -1;
      const found = await until(
        async () => {
          const done = await doneOf(tier1);
          if (done > last && done >= share) return 'under way';
          return (await readOperation(tier1.store, operation))?.work?.endedAt === undefined ? null : 'over';
        },
        { timeoutMs: 120_000, intervalMs: 2, what: `${Math.round(share * 100)} % of the recovery` },
      );
      if (found === 'over') break;
      await kill(service);
      killedAt.push(await doneOf(tier1));
      service = tier1.spawn();
    }
    const ended = await tier1.end(operation);
    assert.equal(ended.work?.status, 'completed', ended.work?.message);
    const places = killedAt.map((done) => done.toFixed(2)).join(' ');
    assert.ok(killedAt.length >= KILLS / 2, `killed at ${places}`);
    context.diagnostic(`killed ${killedAt.length} times, at ${places}`);
    assert.deepEqual(await contentsOf(tier1), await contentsOf(reference));
    assert.ok((await revisionOf(tier1)) > RAISED, 'every later epoch is above all earlier ones');
    const [newest] = configurationsOf(tree);
    for (const key of newest?.keys() ?? []) assert.ok((await contentsOf(tier1)).has(key), key);

    const again = await tier1.bus.request('dr.report', {
      operation: await endedAgain(tier1, tree.root, backupDir),
    });
    assert.deepEqual([again.tier1?.keysWritten, again.tier1?.raisedTo], [0, again.tier1?.revision]);
  });
});

async function endedAgain(tier1: Tier1, root: string, backupDir: string): Promise<string> {
  const operation = await tier1.begin({ root, layout: 'salvor', backupDir });
  assert.equal((await tier1.end(operation)).work?.status, 'completed');
  return operation;
}

/** From 0 to 1: the rise of the revision is the first half of the work, the vdisks are the second. */
async function doneOf(tier1: Tier1): Promise<number> {
  const vdisks = await vdisksIn(tier1);
  if (vdisks > 0) return 0.5 + vdisks / VDISKS / 2;
  return Math.min(0.5, (await revisionOf(tier1)) / RAISED / 2);
}

async function revisionOf(tier1: Tier1): Promise<number> {
  return Number((await tier1.store.list('/salvor/none')).revision);
}

async function vdisksIn(tier1: Tier1): Promise<number> {
  const keys = await tier1.store.listKeys({ from: 'v', to: 'w' });
  return keys.filter((key) => key.endsWith(':conf:static')).length;
}

/** All of etcd but for what the recovery itself leaves behind. */
async function contentsOf(tier1: Tier1): Promise<Map<string, string>> {
  const { entries } = await tier1.store.list('');
  const own = [
    '/salvor/operations/',
    '/salvor/segment-recoveries/',
    '/salvor/operation-workers/',
    // The pause of healing names the operation, and when that was.
    healingEverywhereKey,
    raisedRevisionKey,
  ];
  assert.equal(
    entries.find(({ key }) => key === tier1RecoveryKey),
    undefined,
    'its mark is gone',
  );
  return new Map(
    entries
      .filter(({ key }) => !own.some((prefix) => key.startsWith(prefix)))
      .map(({ key, value }) => [key, value]),
  );
}
