import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import {
  HOOKS_DUE_PREFIX,
  hookKey,
  hookLaneKey,
  hookRunKey,
  intendHookRun,
  openStore,
} from '@salvor/config-store';
import { tempDir, until } from '@salvor/testkit';
import { address, CoordinatedCluster } from '../coordinated-cluster.ts';
import { coordinatorHooks, ended, hooksText, linesOf, program, Receiver, runsOf } from './hook-fixture.ts';

const engine = address('primary', 0);

async function wholeIncident(cluster: CoordinatedCluster): Promise<void> {
  await cluster.fail(engine);
  const { id, attempt } = (await cluster.judge(engine, 'temporary')).incident ?? assert.fail();
  const done = { kind: 'repairs-complete', incident: id, attempt, by: 'test' };
  await cluster.apply({ ...done, repaired: new Set(), vdisks: new Set() });
}

const unique = (values: readonly string[]): string[] => [...new Set(values)];

describe('a webhook', () => {
  it('gets each event once from many coordinators, as a signed CloudEvent', async () => {
    using dir = tempDir('hooks');
    await using cluster = await CoordinatedCluster.start();
    await using receiver = await Receiver.start(204);
    const secret = 'whsec_c2FsdmFnZQ==';
    writeFileSync(dir.join('secret'), secret);
    const webhook = { url: receiver.url, secretFile: dir.join('secret') };
    const text = hooksText({ name: 'page', on: ['incident.opened', 'incident.closed'], webhook });
    await using _one = await coordinatorHooks(cluster, dir, 'c1', text);
    await using _two = await coordinatorHooks(cluster, dir, 'c2', text);
    await wholeIncident(cluster);
    const runs = await ended(cluster.store, 'page', 2);
    assert.deepEqual(
      runs.map(({ point, status, attempts }) => [point, status, attempts.length]),
      [
        ['incident.opened', 'succeeded', 1],
        ['incident.closed', 'succeeded', 1],
      ],
    );
    assert.equal(receiver.received.length, 2);
    const [{ headers, body } = assert.fail()] = receiver.received;
    assert.match(headers['content-type'] ?? '', /^application\/cloudevents\+json/);
    const event = JSON.parse(body) as Record<string, unknown> & { data: Record<string, unknown> };
    assert.equal(event.specversion, '1.0');
    assert.equal(event.type, 'salvor.incident.opened.v1');
    assert.equal(event.salvorpoint, 'incident.opened');
    assert.equal(event.data.address, engine);
    assert.equal(runs[0]?.incident, event.data.incident);
    assert.equal(headers['idempotency-key'], event.id);
    const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
    const wanted = createHmac('sha256', 'salvage').update(signed).digest('base64');
    assert.equal(headers['webhook-signature'], `v1,${wanted}`);
  });

  it('that answers 500 twice and then 200 is sent the same event three times, and that is on record', async () => {
    using dir = tempDir('hooks');
    await using cluster = await CoordinatedCluster.start();
    await using receiver = await Receiver.start(500, 500, 200);
    const basics = { on: ['engine.offline'], webhook: { url: receiver.url }, backoffMs: 5 };
    await using _hooks = await coordinatorHooks(cluster, dir, 'c1', hooksText({ name: 'page', ...basics }));
    await cluster.fail(engine);
    const [run] = await ended(cluster.store, 'page');
    assert.equal(run?.status, 'succeeded');
    assert.deepEqual(
      run?.attempts.map(({ attempt, outcome, httpStatus, detail }) => [attempt, outcome, httpStatus, detail]),
      [
        [1, 'failed', 500, 'answer 500'],
        [2, 'failed', 500, 'answer 500'],
        [3, 'succeeded', 200, 'answer 200'],
      ],
    );
    assert.equal(unique(receiver.received.map(({ body }) => body)).length, 1);
    assert.equal(
      unique(receiver.received.map(({ headers }) => String(headers['idempotency-key']))).length,
      1,
    );
  });

  it('that never answers is given up after its attempts, and delays no other hook', async () => {
    using dir = tempDir('hooks');
    await using cluster = await CoordinatedCluster.start();
    await using deaf = await Receiver.start('never');
    const on = ['engine.offline'];
    const text = hooksText(
      { name: 'deaf', on, webhook: { url: deaf.url }, timeoutMs: 200, attempts: 2, backoffMs: 1 },
      { name: 'deafer', on, webhook: { url: deaf.url }, timeoutMs: 600_000, attempts: 1 },
      { name: 'prompt', on, exec: ['true'] },
    );
    await using _hooks = await coordinatorHooks(cluster, dir, 'c1', text);
    await cluster.fail(engine);
    assert.equal((await ended(cluster.store, 'prompt'))[0]?.status, 'succeeded');
    const [given] = await ended(cluster.store, 'deaf');
    assert.equal(given?.status, 'failed');
    assert.deepEqual(
      given?.attempts.map(({ outcome }) => outcome),
      ['timed-out', 'timed-out'],
    );
    assert.equal((await runsOf(cluster.store, 'deafer'))[0]?.status, 'pending');
  });
});

describe('a program', () => {
  it('gets the event on its input and what it is about in its environment, and none of our secrets', async () => {
    using dir = tempDir('hooks');
    await using cluster = await CoordinatedCluster.start();
    process.env.SALVOR_ENGINE_PASSWORD_FOR_TEST = 'hidden';
    const out = dir.join('out');
    const path = program(dir, 'hook', `cat > ${out}.event; env > ${out}.env; echo done >> ${out}`);
    const text = hooksText({ name: 'run', on: ['engine.offline'], exec: [path], env: { COLOR: 'red' } });
    await using _hooks = await coordinatorHooks(cluster, dir, 'c1', text);
    await cluster.fail(engine);
    const [run] = await ended(cluster.store, 'run');
    delete process.env.SALVOR_ENGINE_PASSWORD_FOR_TEST;
    assert.deepEqual([run?.status, run?.attempts[0]?.exitCode], ['succeeded', 0]);
    const event = JSON.parse(linesOf(`${out}.event`).join('')) as { id: string; data: { to: string } };
    assert.equal(event.data.to, 'offline');
    const env = linesOf(`${out}.env`);
    for (const line of [
      'COLOR=red',
      'SALVOR_HOOK=run',
      'SALVOR_POINT=engine.offline',
      `SALVOR_EVENT_ID=${event.id}`,
      `SALVOR_ADDRESS=${engine}`,
      'SALVOR_CLUSTER=p1',
      'SALVOR_SHARD=0',
      'SALVOR_ATTEMPT=1',
    ])
      assert.ok(env.includes(line), `${line} in ${env.join(' ')}`);
    assert.ok(!env.some((line) => line.includes('hidden')));
  });

  it('that hangs is ended with all that it started, and one that is missing says so', async () => {
    using dir = tempDir('hooks');
    await using cluster = await CoordinatedCluster.start();
    const pids = dir.join('pids');
    const hangs = program(dir, 'hangs', `sleep 600 & echo $! >> ${pids}; wait`);
    const once = { on: ['engine.offline'], attempts: 1 };
    const text = hooksText(
      { name: 'hangs', ...once, exec: [hangs], timeoutMs: 300 },
      { name: 'missing', ...once, exec: [dir.join('nothing')] },
      { name: 'fails', ...once, exec: [program(dir, 'fails', 'echo out of paper >&2; exit 3')] },
    );
    await using _hooks = await coordinatorHooks(cluster, dir, 'c1', text);
    await cluster.fail(engine);
    assert.equal((await ended(cluster.store, 'hangs'))[0]?.attempts[0]?.outcome, 'timed-out');
    const [pid] = linesOf(pids);
    await until(() => !isAlive(Number(pid)), { what: 'the end of what it started', timeoutMs: 10_000 });
    assert.match((await ended(cluster.store, 'missing'))[0]?.reason ?? '', /ENOENT/);
    const [failed] = await ended(cluster.store, 'fails');
    assert.equal(failed?.reason, 'gave up after 1 attempts: ended with code 3 (out of paper)');
  });
});

describe('hooks', () => {
  it('run for what happened while no coordinator ran, once, and not for what happened before they were there', async () => {
    using dir = tempDir('hooks');
    await using cluster = await CoordinatedCluster.start();
    const out = dir.join('out');
    const exec = [program(dir, 'hook', `echo $SALVOR_POINT >> ${out}`)];
    const text = hooksText({ name: 'run', on: ['incident.opened', 'incident.closed'], exec });
    await wholeIncident(cluster);
    const first = await coordinatorHooks(cluster, dir, 'c1', text);
    await first.stop();
    await wholeIncident(cluster);
    await using _second = await coordinatorHooks(cluster, dir, 'c2', text);
    await ended(cluster.store, 'run', 2);
    await using _third = await coordinatorHooks(cluster, dir, 'c3', text);
    await cluster.fail(engine);
    await ended(cluster.store, 'run', 3);
    assert.deepEqual(linesOf(out), ['incident.opened', 'incident.closed', 'incident.opened']);
  });

  it('that a dead coordinator had claimed, or begun, are run by another one when its lease is gone', async () => {
    using dir = tempDir('hooks');
    await using cluster = await CoordinatedCluster.start();
    const out = dir.join('out');
    const exec = [program(dir, 'hook', `echo $SALVOR_EVENT_ID $SALVOR_ATTEMPT >> ${out}`)];
    const dead = openStore({ endpoints: [cluster.etcd.endpoint] });
    const lease = await dead.grantLease(2);
    for (const [id, attempts] of [
      ['claimed', []],
      ['begun', [{ attempt: 1, by: 'dead', startedAt: Date.now(), outcome: 'running' as const }]],
    ] as const) {
      const lane = `run:${id}`;
      const event = { id, type: 't', subject: id, at: Date.now(), data: {} };
      const about = { run: id, hook: 'run', point: 'incident.opened', kind: 'exec', lane, event, by: 'dead' };
      const rest = { createdAt: Date.now(), status: 'pending' as const, reason: '', attempts: [...attempts] };
      assert.ok(await intendHookRun(dead, { ...about, ...rest }));
      const value = JSON.stringify({ worker: 'dead', since: Date.now() });
      await dead.transact({ compare: [], puts: [{ key: hookLaneKey(lane), value, lease: lease.id }] });
    }
    // As after kill -9: nobody keeps the lease alive, and nobody gives it back.
    lease.release();
    dead.close();
    const text = hooksText({ name: 'run', on: ['incident.opened'], exec, backoffMs: 1 });
    await using _hooks = await coordinatorHooks(cluster, dir, 'c1', text);
    const runs = await ended(cluster.store, 'run', 2);
    assert.deepEqual(linesOf(out).sort(), ['begun 2', 'claimed 1']);
    const begun = runs.find(({ run }) => run === 'begun');
    assert.deepEqual(
      begun?.attempts.map(({ outcome, by }) => [outcome, by]),
      [
        ['interrupted', 'dead'],
        ['succeeded', 'c1'],
      ],
    );
    assert.equal((await cluster.store.list(HOOKS_DUE_PREFIX)).entries.length, 0);
  });

  it('go on past a record that cannot be read', async () => {
    using dir = tempDir('hooks');
    await using cluster = await CoordinatedCluster.start();
    const due = { key: `${HOOKS_DUE_PREFIX}bad`, value: JSON.stringify({ hook: 'run', lane: 'run:p1' }) };
    await cluster.store.transact({ compare: [], puts: [due, { key: hookRunKey('bad'), value: '{"run":7' }] });
    const text = hooksText({ name: 'run', on: ['cluster.repairing'], exec: ['true'] });
    await using _hooks = await coordinatorHooks(cluster, dir, 'c1', text);
    await cluster.fail(engine);
    await until(
      async () =>
        (await cluster.store.list(HOOKS_DUE_PREFIX)).entries.length === 0 &&
        cluster.log.lines.some(({ msg }) => msg === 'hook run'),
      { what: 'the good run after the bad one', timeoutMs: 15_000 },
    );
    assert.equal((await cluster.waitForLine('a hook is not run: its record is bad')).fields.run, 'bad');
  });

  it('are read again when they are told to; a wrong file changes nothing', async () => {
    using dir = tempDir('hooks');
    await using cluster = await CoordinatedCluster.start();
    const named = (name: string) => hooksText({ name, on: ['engine.offline'], exec: ['true'] });
    await using hooks = await coordinatorHooks(cluster, dir, 'c1', named('first'));
    writeFileSync(dir.join('hooks.yaml'), 'hooks: 7');
    await hooks.book.reload();
    assert.match(
      String((await cluster.waitForLine('the hooks stay as they were')).fields.error),
      /hooks is 7/,
    );
    assert.deepEqual(
      hooks.book.hooks.map(({ name }) => name),
      ['first'],
    );
    writeFileSync(dir.join('hooks.yaml'), named('second'));
    await hooks.book.reload();
    assert.ok((await cluster.store.get(hookKey('second'))) !== null);
    await cluster.fail(engine);
    await ended(cluster.store, 'second');
    assert.deepEqual(await runsOf(cluster.store, 'first'), []);
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
