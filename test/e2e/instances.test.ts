import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import {
  killEngine,
  NbdClient,
  restartWithData,
  type TempDir,
  tempDir,
  testSeed,
  until,
  VerifyingLoad,
} from '@salvor/testkit';
import { HealingStack } from './healing-stack.ts';

let dir: TempDir;
let healing: HealingStack;
let uri: string;

const linesOf = (name: string): string[] =>
  existsSync(dir.join(name))
    ? readFileSync(dir.join(name), 'utf8')
        .split('\n')
        .filter((line) => line !== '')
    : [];

function program(name: string, text: string): string {
  writeFileSync(dir.join(name), `#!/bin/sh\n${text}\n`);
  chmodSync(dir.join(name), 0o755);
  return dir.join(name);
}

before(async () => {
  dir = tempDir('instances-e2e');
  const note = program('note', `echo "$SALVOR_POINT $SALVOR_INSTANCE" >> ${dir.join('vm')}`);
  // The first one hangs until somebody ends it; the second one is prompt.
  const slow = program(
    'slow',
    `echo $$ >> ${dir.join('slow.pids')}
[ $(wc -l < ${dir.join('slow.pids')}) -gt 1 ] && exit 0
exec sleep 600`,
  );
  const hooks = [
    { name: 'vm', on: ['instance.stop', 'instance.start'], exec: [note] },
    {
      name: 'page',
      on: ['cluster.unhealthy', 'cluster.healthy', 'vdisk.data-unavailable', 'alert.raised', 'alert.cleared'],
      where: {},
      exec: [program('page', `echo "$SALVOR_POINT $SALVOR_CLUSTER $SALVOR_VDISK" >> ${dir.join('pages')}`)],
    },
    { name: 'slow', on: ['operation.failed'], exec: [slow], timeoutMs: 600_000, backoffMs: 1 },
  ];
  writeFileSync(dir.join('hooks.json'), JSON.stringify({ hooks }));
  const env = { SALVOR_HOOKS_FILE: dir.join('hooks.json'), SALVOR_STUCK_UNHEALTHY_MS: '100' };
  const options = { primaries: 2, spares: 0, services: { 'repair-coordinator': { replicas: 2, env } } };
  healing = await HealingStack.start(options);
  uri = await healing.createVdisk('v1');
});

after(async () => {
  await healing?.[Symbol.asyncDispose]();
  dir.remove();
});

async function untilInstance(instance: string, status: string): Promise<void> {
  const found = async () => (await healing.bus.request('instance.get', { instance })).instance;
  await until(async () => (await found()).status === status, {
    what: `instance ${instance} to be ${status}`,
    timeoutMs: 60_000,
  }).catch(async (error: unknown) => assert.fail(`${String(error)}: ${JSON.stringify(await found())}`));
}

test('an instance is stopped while both members of a pair are down, and started when they are back; the operator is told', async () => {
  await healing.bus.request('instance.set', {
    instance: 'vm-1',
    vdisks: ['v1'],
    stopHook: 'vm',
    startHook: 'vm',
  });
  const client = await NbdClient.connect(uri);
  await client.write(0, Buffer.alloc(4096, 0x11));
  const [first, last] = [healing.stack.engine('slave', 0), healing.stack.engine('primary', 0)];
  await killEngine(first);
  await client.write(0, Buffer.alloc(4096, 0x22));
  await healing.untilStatus(first.address, 'offline');
  await killEngine(last);
  await healing.untilStatus(last.address, 'offline');
  await untilInstance('vm-1', 'stopped');

  const { clusters } = await healing.bus.request('cluster.list', {});
  const [dark, ...more] = clusters.flatMap(({ unavailable }) => unavailable);
  assert.deepEqual(more, []);
  const half = (1 << 30) / 4096 / 2;
  assert.deepEqual([dark?.cluster, dark?.shard, dark?.blocks, dark?.counted], ['p1', 0, half, false]);
  assert.ok(dark?.reason.endsWith(`${last.address} served last`), dark?.reason);
  const told = async () => (await healing.bus.request('alert.list', {})).alerts;
  await until(async () => (await told()).some(({ kind }) => kind === 'cluster-unhealthy'), {
    what: 'an alert',
    timeoutMs: 30_000,
  });

  // Whichever coordinator would have gone on: the other one does.
  await healing.stack.service('repair-coordinator').kill('SIGKILL');
  await restartWithData(first);
  await restartWithData(last);
  await untilInstance('vm-1', 'started');
  await healing.untilHealed();
  await healing.stack.service('repair-coordinator').start();
  assert.equal((await client.read(0, 4096))[0], 0x22);
  await client.disconnect();
  assert.deepEqual(linesOf('vm'), ['instance.stop vm-1', 'instance.start vm-1']);
  await until(async () => (await told()).length === 0, { what: 'no alert', timeoutMs: 30_000 });
  const pages = [
    'alert.cleared p1 ',
    'alert.raised p1 ',
    'cluster.healthy p1 ',
    'cluster.unhealthy p1 ',
    'vdisk.data-unavailable p1 v1',
  ];
  await until(() => pages.every((page) => linesOf('pages').includes(page)), {
    what: 'all pages',
    timeoutMs: 30_000,
  }).catch((error: unknown) => assert.fail(`${String(error)}: ${linesOf('pages').join(', ')}`));
  for (const page of pages) assert.equal(linesOf('pages').filter((line) => line === page).length, 1, page);
});

test('a hook that ran when every coordinator was killed is run again by the next, and that is on record', async () => {
  const { run } = await healing.bus.request('hook.test', { hook: 'slow' });
  await until(() => linesOf('slow.pids').length === 1, { what: 'the hook to run', timeoutMs: 30_000 });
  const coordinators = ['repair-coordinator', 'repair-coordinator-2'].map((name) =>
    healing.stack.service(name),
  );
  await Promise.all(coordinators.map((coordinator) => coordinator.kill('SIGKILL')));
  await Promise.all(coordinators.map((coordinator) => coordinator.start()));
  const entry = async () => (await healing.bus.request('audit.list', { run })).entries[0];
  await until(async () => (await entry())?.status === 'succeeded', {
    what: 'the hook to succeed',
    timeoutMs: 60_000,
  });
  process.kill(Number(linesOf('slow.pids')[0]), 'SIGKILL');
  assert.deepEqual(
    (await entry())?.attempts.map(({ outcome }) => outcome),
    ['interrupted', 'succeeded'],
  );
});

test('an NBD server is killed under load: it takes its vdisk back, loses nothing, and the instance on it is started', async () => {
  await healing.bus.request('vdisk.create', {
    ...{ vdisk: 'v2', type: 'db', sizeGiB: 1, cluster: 'p1', slaveCluster: 's1' },
  });
  const about = { instance: 'vm-2', vdisks: ['v2'], startHook: 'vm', onServerExit: 'start' };
  await healing.bus.request('instance.set', about);
  const load = new VerifyingLoad({
    ...{ targets: healing.server.unixUri('v2'), seed: testSeed(), blockCount: 2_048 },
    ...{ queueDepth: 8, requestsPerSecond: 1_000, readShare: 0.3 },
  });
  await load.start();
  const wrote = (goal: number) =>
    until(() => load.stats.writesAcknowledged >= goal, { what: `${goal} writes`, timeoutMs: 30_000 });
  await wrote(200);
  const owner = async () =>
    (await healing.bus.request('vdisk.list', {})).vdisks.find(({ vdisk }) => vdisk === 'v2')?.owner;
  const before = await owner();
  await healing.server.kill('SIGKILL');
  await wrote(load.stats.writesAcknowledged + 200);
  const now = await owner();
  assert.ok(now !== undefined && before !== undefined && now.epoch > before.epoch, 'under a higher epoch');
  const stats = await load.stop();
  const { blocksLost, details } = await load.verifyOverNbd();
  assert.deepEqual(
    { blocksLost, ioErrors: stats.ioErrors, details },
    { blocksLost: 0, ioErrors: 0, details: [] },
  );
  assert.ok(stats.connectionsLost > 0);
  await until(() => linesOf('vm').includes('instance.start vm-2'), {
    what: 'the start hook',
    timeoutMs: 60_000,
  });
  await untilInstance('vm-2', 'started');
  assert.deepEqual(
    linesOf('vm').filter((line) => line.endsWith('vm-2')),
    ['instance.start vm-2'],
  );
});
