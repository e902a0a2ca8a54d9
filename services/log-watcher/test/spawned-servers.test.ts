import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { describe, it } from 'node:test';
import { until } from '@salvor/local-stack';
import { failureLine, isRunning, WAIT_MS, WatcherFixture } from './watcher-fixture.ts';

describe('a spawned server', () => {
  it('is announced, and what it prints becomes events', async () => {
    await using fixture = await WatcherFixture.create();
    await fixture.start([fixture.child('nbd-1')]);
    const pid = await fixture.tell('nbd-1', { stderr: failureLine('10.0.0.1:6379') });
    const [started] = await fixture.waitFor('nbdserver.started', 1);
    assert.deepEqual({ server: started?.server, pid: started?.pid }, { server: 'nbd-1', pid });
    const [failure] = await fixture.waitFor('engine.failure-reported', 1);
    assert.equal(failure?.address, '10.0.0.1:6379');
    assert.equal(failure?.reporter, 'nbd-1');
    assert.equal(failure?.source, 'nbd-server');

    const complete =
      '{"type":"repair-tmp-outage-complete","data":{"address":"10.0.0.1:6379","vdiskid":"23","incident":"i1","attempt":2,"dirtyBlocks":3,"copiedBlocks":3,"repairMs":12}}\n';
    await fixture.tell('nbd-1', { stderr: complete });
    const [repair] = await fixture.waitFor('repair.completed', 1);
    const { kind, vdisk, server, incident, attempt } = repair ?? {};
    assert.deepEqual(
      { kind, vdisk, server, incident, attempt },
      { kind: 'repair-tmp-outage', vdisk: '23', server: 'nbd-1', incident: 'i1', attempt: 2 },
    );
  });

  it('of 0-Disk is understood on stdout too, repeats once', async () => {
    await using fixture = await WatcherFixture.create();
    await fixture.start([fixture.child('zero-1')]);
    const line = (status: number, type: string): string =>
      `20::${JSON.stringify({ status, subject: 'ardb', data: { address: '10.0.0.9:16379', db: 0, type, vdiskID: 'v' } })}\n`;
    await fixture.tell('zero-1', {
      stdout: `${line(422, 'primary')}${line(400, 'primary')}${line(400, 'slave')}10::vdisk.iops.read@virt.v:0|A\n`,
    });
    const reports = await fixture.waitFor('engine.failure-reported', 2);
    assert.match(reports[0]?.reason ?? '', /primary/);
    assert.match(reports[1]?.reason ?? '', /slave/);
    assert.equal(reports[0]?.source, '0-disk');
    assert.equal(fixture.of('log.line-rejected').length, 0);
  });

  it('survives the death of its watcher; the next watcher adopts it and has missed no line', async () => {
    await using fixture = await WatcherFixture.create();
    const sources = [fixture.child('nbd-1')];
    const watcher = await fixture.start(sources);
    const pid = await fixture.tell('nbd-1', { stderr: failureLine('10.0.0.1:1') });
    await fixture.waitFor('engine.failure-reported', 1);
    await watcher.kill('SIGKILL');
    assert.equal(await fixture.tell('nbd-1', { stderr: failureLine('10.0.0.1:2') }), pid);

    await fixture.start(sources);
    assert.equal(await fixture.tell('nbd-1', { stderr: failureLine('10.0.0.1:3') }), pid);
    const reports = await fixture.waitFor('engine.failure-reported', 3);
    assert.deepEqual(
      reports.map(({ address }) => address),
      ['10.0.0.1:1', '10.0.0.1:2', '10.0.0.1:3'],
    );
    assert.equal(fixture.of('nbdserver.started').length, 1, 'adopted, not started again');

    process.kill(pid, 'SIGKILL');
    await fixture.waitFor('nbdserver.exited', 1);
    const started = await fixture.waitFor('nbdserver.started', 2);
    assert.notEqual(started[1]?.pid, pid);
  });

  it('that dies while nobody watches is announced and started again', async () => {
    await using fixture = await WatcherFixture.create();
    const sources = [fixture.child('nbd-1')];
    const watcher = await fixture.start(sources);
    const pid = await fixture.tell('nbd-1', {});
    await watcher.kill('SIGKILL');
    await fixture.tell('nbd-1', { stderr: failureLine('10.0.0.1:7'), exit: 3 });
    await until(() => !isRunning(pid), { what: 'the end of the server', timeoutMs: WAIT_MS });
    await fixture.start(sources);
    const [report] = await fixture.waitFor('engine.failure-reported', 1);
    assert.equal(report?.address, '10.0.0.1:7', 'its last words');
    await fixture.waitFor('nbdserver.exited', 1);
    await fixture.waitFor('nbdserver.started', 2);
  });

  it('that is killed is back soon', async () => {
    await using fixture = await WatcherFixture.create();
    await fixture.start([fixture.child('nbd-1')]);
    const pid = await fixture.tell('nbd-1', {});
    process.kill(pid, 'SIGKILL');
    const [exited] = await fixture.waitFor('nbdserver.exited', 1);
    assert.equal(exited?.signal, 'SIGKILL');
    assert.equal(exited?.restartInMs, 100);
    await fixture.waitFor('nbdserver.started', 2);
    assert.notEqual(await fixture.tell('nbd-1', {}), pid);
  });

  it('that cannot stay up is tried ever more slowly, and does not disturb the others', async () => {
    await using fixture = await WatcherFixture.create();
    await fixture.start([fixture.child('bad', { CHILD_EXITS: '7' }), fixture.child('good')]);
    const exits = await fixture.waitFor('nbdserver.exited', 4);
    assert.deepEqual(
      exits.slice(0, 4).map(({ code, restartInMs }) => ({ code, restartInMs })),
      [100, 200, 400, 800].map((restartInMs) => ({ code: 7, restartInMs })),
    );
    await fixture.tell('good', { stderr: failureLine('10.0.0.1:1') });
    await fixture.waitFor('engine.failure-reported', 1);
  });

  it('whose program is not there is reported as down, not a crash of the watcher', async () => {
    await using fixture = await WatcherFixture.create();
    await fixture.start([{ kind: 'spawn', name: 'none', command: ['/no/such/program'] }]);
    await fixture.waitFor('nbdserver.exited', 2);
    const { sources } = await fixture.bus.request('source.list', {});
    assert.equal(sources[0]?.source, 'none');
  });

  it('is stopped with its watcher, or left running when configured so', async () => {
    await using fixture = await WatcherFixture.create();
    const sources = [fixture.child('nbd-1')];
    const first = await fixture.start(sources, { SALVOR_STOP_CHILDREN: 'false' });
    const pid = await fixture.tell('nbd-1', {});
    assert.equal((await first.kill('SIGTERM')).code, 0);
    assert.ok(isRunning(pid));
    const second = await fixture.start(sources);
    assert.equal(await fixture.tell('nbd-1', {}), pid);
    second.signal('SIGTERM');
    assert.equal((await second.kill('SIGTERM')).code, 0, 'a second signal changes nothing');
    await until(() => !isRunning(pid), { what: 'the end of the server', timeoutMs: WAIT_MS });
  });

  it('that talks much does not fill the disk, and loses no line', async () => {
    await using fixture = await WatcherFixture.create();
    await fixture.start([fixture.child('nbd-1')], { SALVOR_MAX_SPOOL_BYTES: '65536' });
    const chatter = `${'human text '.repeat(90)}\n`.repeat(150);
    for (let n = 1; n <= 6; n++) {
      await fixture.tell('nbd-1', { stderr: `${chatter}${failureLine(`10.0.0.1:${n}`)}` });
      await fixture.waitFor('engine.failure-reported', n);
      await until(() => spoolBytes(fixture) <= 65_536, { what: 'a short spool', timeoutMs: WAIT_MS });
    }
    assert.deepEqual(
      fixture.of('engine.failure-reported').map(({ address }) => address),
      [1, 2, 3, 4, 5, 6].map((n) => `10.0.0.1:${n}`),
    );
  });
});

function spoolBytes(fixture: WatcherFixture): number {
  const spool = fixture.dir.join('state', 'spool');
  return Math.max(...readdirSync(spool).map((file) => statSync(`${spool}/${file}`).size));
}
