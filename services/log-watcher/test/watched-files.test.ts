import assert from 'node:assert/strict';
import { appendFileSync, copyFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { until } from '@salvor/local-stack';
import { failureLine, WAIT_MS, WatcherFixture } from './watcher-fixture.ts';

describe('a watched file', () => {
  it('is read from where it was left, also after the death of the watcher', async () => {
    await using fixture = await WatcherFixture.create();
    const { path, sources, ports } = watched(fixture);
    writeFileSync(path, failureLine('10.0.0.1:1'));
    const watcher = await fixture.start(sources);
    await fixture.waitFor('engine.failure-reported', 1);
    await watcher.kill('SIGKILL');
    appendFileSync(path, failureLine('10.0.0.1:2'));
    const second = await fixture.start(sources);
    await fixture.waitFor('engine.failure-reported', 2);
    await second.stop();
    appendFileSync(path, failureLine('10.0.0.1:3'));
    await fixture.start(sources);
    await fixture.waitFor('engine.failure-reported', 3);
    assert.deepEqual(ports(), [1, 2, 3]);
  });

  it('may be rotated by rename, while it is watched and while it is not', async () => {
    await using fixture = await WatcherFixture.create();
    const { path, sources, ports } = watched(fixture);
    writeFileSync(path, failureLine('10.0.0.1:1'));
    const watcher = await fixture.start(sources);
    await fixture.waitFor('engine.failure-reported', 1);
    renameSync(path, `${path}.1`);
    appendFileSync(`${path}.1`, failureLine('10.0.0.1:2'));
    writeFileSync(path, failureLine('10.0.0.1:3'));
    await fixture.waitFor('engine.failure-reported', 3);

    await watcher.kill('SIGKILL');
    appendFileSync(path, failureLine('10.0.0.1:4'));
    renameSync(`${path}.1`, `${path}.2`);
    renameSync(path, `${path}.1`);
    writeFileSync(path, failureLine('10.0.0.1:5'));
    await fixture.start(sources);
    await fixture.waitFor('engine.failure-reported', 5);
    assert.deepEqual(ports(), [1, 2, 3, 4, 5]);
  });

  it('may be copied and truncated; the same line again is a new event', async () => {
    await using fixture = await WatcherFixture.create();
    const { path, sources, ports } = watched(fixture);
    writeFileSync(path, failureLine('10.0.0.1:1'));
    await fixture.start(sources);
    await fixture.waitFor('engine.failure-reported', 1);
    copyFileSync(path, `${path}.1`);
    truncateSync(path);
    await until(async () => (await position(fixture)) === '0', {
      what: 'the truncation',
      timeoutMs: WAIT_MS,
    });
    appendFileSync(path, failureLine('10.0.0.1:1'));
    await fixture.waitFor('engine.failure-reported', 2);
    // Grown beyond what was read before anybody could see that it was short: its first bytes tell.
    truncateSync(path);
    appendFileSync(path, `${failureLine('10.0.0.1:2')}${failureLine('10.0.0.1:3')}`);
    await fixture.waitFor('engine.failure-reported', 4);
    assert.deepEqual(ports(), [1, 1, 2, 3]);
  });

  it('may appear later, and lines may arrive in pieces', async () => {
    await using fixture = await WatcherFixture.create();
    const { path, sources, ports } = watched(fixture);
    await fixture.start(sources);
    const line = failureLine('10.0.0.1:1');
    writeFileSync(path, line.slice(0, 20));
    await until(async () => (await position(fixture)) !== '', {
      what: 'the file to be found',
      timeoutMs: WAIT_MS,
    });
    appendFileSync(path, line.slice(20));
    await fixture.waitFor('engine.failure-reported', 1);
    assert.deepEqual(ports(), [1]);
  });

  it('with malformed lines gives each of them back, and goes on', async () => {
    await using fixture = await WatcherFixture.create();
    const { path, sources } = watched(fixture);
    const bytes = Buffer.from([0x7b, 0xff, 0xfe, 0x00]);
    writeFileSync(path, Buffer.concat([bytes, Buffer.from(`\n{"type":"nothing we know"}\n20::{\n`)]));
    appendFileSync(path, `{${'x'.repeat(3_000_000)}\n${failureLine('10.0.0.1:1')}`);
    await fixture.start(sources);
    const rejected = await fixture.waitFor('log.line-rejected', 4);
    assert.deepEqual(Buffer.from(rejected[0]?.line ?? []), bytes);
    assert.match(rejected[1]?.reason ?? '', /storageengine-failure/);
    assert.equal(rejected[3]?.line.length, 8 * 1024);
    await fixture.waitFor('engine.failure-reported', 1);
    const { sources: listed } = await fixture.bus.request('source.list', {});
    assert.equal(listed[0]?.linesRejected, 4);
    assert.equal(listed[0]?.linesRead, 5);
  });

  it('waits while the bus is away, and every line is announced once, in order', async () => {
    await using fixture = await WatcherFixture.create();
    const { path, sources, ports } = watched(fixture);
    writeFileSync(path, failureLine('10.0.0.1:1'));
    const watcher = await fixture.start(sources);
    await fixture.waitFor('engine.failure-reported', 1);
    await fixture.nats.process.kill('SIGKILL');
    const more = Array.from({ length: 700 }, (_, n) => n + 2);
    appendFileSync(
      path,
      more
        .slice(0, 400)
        .map((port) => failureLine(`10.0.0.1:${port}`))
        .join(''),
    );
    await watcher.kill('SIGKILL');
    await fixture.nats.process.start();
    await fixture.start(sources);
    await fixture.nats.process.restart();
    appendFileSync(
      path,
      more
        .slice(400)
        .map((port) => failureLine(`10.0.0.1:${port}`))
        .join(''),
    );
    await fixture.waitFor('engine.failure-reported', 701);
    assert.deepEqual(
      ports().sort((a, b) => a - b),
      [1, ...more],
    );
  });
});

function watched(fixture: WatcherFixture): { path: string; sources: object[]; ports: () => number[] } {
  const path = fixture.dir.join('nbd.log');
  return {
    path,
    sources: [{ kind: 'file', name: 'nbd-1', path }],
    ports: () => fixture.of('engine.failure-reported').map(({ address }) => Number(address.split(':')[1])),
  };
}

async function position(fixture: WatcherFixture): Promise<string> {
  const { sources } = await fixture.bus.request('source.list', {});
  return sources[0]?.position ?? '';
}
