import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { OperationRecord, WorkRecord } from '../../src/healing/records.ts';
import { operationKey, operationWorkerKey } from '../../src/keys.ts';
import { beginOperation } from '../../src/operations/begin-operation.ts';
import { cancelOperation } from '../../src/operations/cancel-operation.ts';
import { listOperations, readOperation } from '../../src/operations/operation-directory.ts';
import { type Executor, OperationWorkers } from '../../src/operations/operation-workers.ts';
import { pauseOperation } from '../../src/operations/pause-operation.ts';
import { openStore } from '../../src/store.ts';
import type { ConfigStore } from '../../src/types.ts';
import { EtcdServer } from '../etcd/etcd-server.ts';
import { until } from '../etcd/until.ts';

let etcd: EtcdServer;
let store: ConfigStore;
let counted = 0;
const started: OperationWorkers[] = [];

before(async () => {
  etcd = await EtcdServer.start();
  store = openStore({ endpoints: [etcd.endpoint] });
});

afterEach(async () => {
  await Promise.all(started.splice(0).map((workers) => workers.stop()));
});

after(async () => {
  store?.close();
  await etcd?.remove();
});

const silent = { info: () => {}, warn: () => {} };

async function workersOf(executor: Executor, worker = 'first', from = store): Promise<OperationWorkers> {
  const workers = new OperationWorkers({
    ...{ store: from, worker, log: silent, leaseTtlSeconds: 1, retryDelayMs: 5 },
    executors: { 'vdisk.scrub': executor },
  });
  started.push(workers);
  await workers.start();
  return workers;
}

async function begin(more: object = {}): Promise<string> {
  const operation = `op-${++counted}`;
  const request = { vdisk: 'v1' };
  const begun = await beginOperation(store, {
    ...{ operation, kind: 'vdisk.scrub', request, subject: 'v1', message: 'begins' },
    ...more,
  });
  assert.equal(begun.outcome, 'applied', begun.reason);
  return operation;
}

async function recordOf(operation: string): Promise<OperationRecord & { work: WorkRecord }> {
  const record = await readOperation(store, operation);
  return { ...(record ?? assert.fail()), work: record?.work ?? assert.fail() };
}

async function ended(operation: string): Promise<WorkRecord> {
  await until(`the end of ${operation}`, async () => (await recordOf(operation)).work.status !== 'running');
  return (await recordOf(operation)).work;
}

describe('long operations', () => {
  it('are carried out once, from begin to end, with their progress on record', async () => {
    const runs: string[] = [];
    const executor: Executor = async ({ record, report }) => {
      runs.push(record.operation);
      await report({ message: 'half', done: 1, total: 2, checkpoint: { at: 1 } }, { now: true });
      return { status: 'completed', message: 'done' };
    };
    await Promise.all([workersOf(executor, 'first'), workersOf(executor, 'second')]);
    const operation = await begin();
    const work = await ended(operation);
    assert.deepEqual(
      [work.status, work.message, work.done, work.total, work.checkpoint],
      ['completed', 'done', 2, 2, { at: 1 }],
    );
    assert.deepEqual(runs, [operation]);
    assert.equal(await store.get(operationWorkerKey(operation)), null);
  });

  it('the same operation id again answers already; another request under it is refused', async () => {
    const kind = 'vdisk.other';
    const operation = await begin({ kind, request: { vdisk: 'v7' } });
    const again = { operation, kind, subject: 'v7', message: 'begins' };
    const same = await beginOperation(store, { ...again, request: { vdisk: 'v7' } });
    assert.deepEqual([same.outcome, same.code], ['already', 'same-operation']);
    const other = await beginOperation(store, { ...again, request: { vdisk: 'v8' } });
    assert.deepEqual([other.outcome, other.code], ['refused', 'operation-reused']);
  });

  it('go on from their checkpoint when their process has died', async () => {
    const dying = openStore({ endpoints: [etcd.endpoint] });
    let reached = false;
    await workersOf(
      async ({ report, signal }) => {
        await report({ checkpoint: { block: 7 } }, { now: true });
        reached = true;
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
        return { status: 'failed', code: 'never', message: 'never' };
      },
      'dying',
      dying,
    );
    const operation = await begin();
    await until('the first process to be at work', () => reached);
    dying.close();
    const found: unknown[] = [];
    await workersOf(async ({ checkpoint }) => {
      found.push(checkpoint);
      return { status: 'completed', message: 'went on' };
    }, 'second');
    assert.equal((await ended(operation)).message, 'went on');
    assert.deepEqual(found, [{ block: 7 }]);
  });

  it('say what they wait for, and try again until it is there', async () => {
    let tries = 0;
    await workersOf(async () => {
      if (++tries < 3) throw new Error('engine e1 cannot be reached');
      return { status: 'completed', message: `after ${tries} tries` };
    });
    const operation = await begin();
    await until('the reason to be on record', async () => {
      const { work } = await recordOf(operation);
      return work.message.includes('engine e1 cannot be reached') || work.status === 'completed';
    });
    const work = await ended(operation);
    assert.deepEqual([work.status, work.message, work.code], ['completed', 'after 3 tries', undefined]);
  });

  it('end as cancelled when asked to, and are not cancelled twice', async () => {
    await workersOf(async ({ signal, cancelRequested }) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      assert.ok(cancelRequested());
      return { status: 'cancelled', message: 'stopped half way' };
    });
    const operation = await begin();
    await until(
      'somebody to be at work',
      async () => (await store.get(operationWorkerKey(operation))) !== null,
    );
    assert.equal((await cancelOperation(store, operation, 'alice')).outcome, 'applied');
    assert.equal((await ended(operation)).status, 'cancelled');
    assert.equal((await cancelOperation(store, operation, 'alice')).outcome, 'already');
    const unknown = await cancelOperation(store, 'nobody', 'alice');
    assert.deepEqual([unknown.outcome, unknown.code], ['refused', 'unknown-operation']);
  });

  it('are let go when paused, and go on from their checkpoint when resumed', async () => {
    const begun: unknown[] = [];
    const executor: Executor = async ({ checkpoint, signal, report, cancelRequested }) => {
      begun.push(checkpoint);
      if (checkpoint === 'half') return { status: 'completed', message: 'done' };
      await report({ checkpoint: 'half' }, { now: true });
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      assert.equal(cancelRequested(), false);
      throw signal.reason;
    };
    await workersOf(executor);
    const operation = await begin();
    const isFree = async (): Promise<boolean> => (await store.get(operationWorkerKey(operation))) === null;
    await until('a checkpoint', async () => (await recordOf(operation)).work.checkpoint === 'half');
    assert.equal((await pauseOperation(store, operation, 'paused', 'alice')).outcome, 'applied');
    await until('it to be let go', isFree);
    assert.equal((await pauseOperation(store, operation, 'paused', 'alice')).outcome, 'already');
    // Another process that comes up does not take it either.
    await workersOf(executor, 'second');
    assert.ok(await isFree());
    assert.equal((await recordOf(operation)).work.status, 'running');
    assert.equal((await pauseOperation(store, operation, 'resumed', 'alice')).outcome, 'applied');
    assert.equal((await ended(operation)).status, 'completed');
    assert.deepEqual(begun, [undefined, 'half']);
    assert.deepEqual((await pauseOperation(store, operation, 'resumed', 'alice')).code, 'operation-ended');
    assert.deepEqual((await pauseOperation(store, 'nobody', 'paused', 'alice')).code, 'unknown-operation');
  });

  it('may be cancelled while paused', async () => {
    await workersOf(async ({ signal, cancelRequested }) => {
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
      if (!cancelRequested()) throw signal.reason;
      return { status: 'cancelled', message: 'stopped' };
    });
    const operation = await begin();
    const isFree = async (): Promise<boolean> => (await store.get(operationWorkerKey(operation))) === null;
    await until('somebody to be at work', async () => !(await isFree()));
    await pauseOperation(store, operation, 'paused', 'alice');
    await until('it to be let go', isFree);
    assert.equal((await cancelOperation(store, operation, 'bob')).outcome, 'applied');
    assert.equal((await ended(operation)).status, 'cancelled');
  });

  it('a process that lost its claim stores nothing more', async () => {
    let lost = false;
    await workersOf(async ({ record, report }) => {
      const key = operationWorkerKey(record.operation);
      if (lost) return { status: 'completed', message: 'by the one that has it' };
      await store.transact({ compare: [], deletes: [key] });
      lost = true;
      await report({ message: 'too late' }, { now: true });
      return { status: 'completed', message: 'too late' };
    });
    const operation = await begin();
    assert.equal((await ended(operation)).message, 'by the one that has it');
  });

  it('an ending that is conditional changes nothing while its condition does not hold', async () => {
    const key = 'conditional-ending';
    let tries = 0;
    await workersOf(async () => {
      tries++;
      if (tries === 3) await store.transact({ compare: [], puts: [{ key, value: 'there' }] });
      const revision = (await store.get(key))?.revision ?? '1';
      return {
        status: 'completed',
        message: 'done',
        effects: { compare: [{ key, revision }], deletes: [key] },
      };
    });
    const operation = await begin();
    assert.equal((await ended(operation)).status, 'completed');
    assert.ok(tries >= 3, `${tries} tries`);
    assert.equal(await store.get(key), null);
  });

  it('are listed by kind, by what they are about, and by whether they go on', async () => {
    const operation = await begin({ kind: 'vdisk.other', subject: 'v9' });
    const ids = async (filter: object) =>
      (await listOperations(store, filter)).operations.map((record) => record.operation);
    assert.deepEqual(await ids({ subject: 'v9', running: true }), [operation]);
    assert.equal((await ids({ kind: 'vdisk.other' }))[0], operation, 'the latest first');
    assert.deepEqual(await ids({ subject: 'v9', kind: 'vdisk.scrub' }), []);
    await store.transact({ compare: [], puts: [{ key: operationKey('broken'), value: '{' }] });
    const { unreadable } = await listOperations(store);
    assert.deepEqual(unreadable, [operationKey('broken')]);
  });
});
