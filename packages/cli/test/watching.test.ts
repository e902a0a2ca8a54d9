import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { type FakeServices, startFakeServices } from './fake-services.ts';
import { runInProcess } from './fake-terminal.ts';
import { SalvorProcess } from './salvor-process.ts';

const at = 1_700_000_000_000;

describe('watching a real bus', () => {
  let services: FakeServices;
  before(async () => {
    services = await startFakeServices();
    await services.bus.applyManifest();
  });
  const started: SalvorProcess[] = [];
  afterEach(() => {
    for (const process of started.splice(0)) process.signal('SIGKILL');
  });
  after(() => services.stop());

  function start(...args: string[]): SalvorProcess {
    const process = new SalvorProcess([...args, '-s', services.url]);
    started.push(process);
    return process;
  }

  test('status is one screen: clusters, pairs, vdisks with owners, open incidents', async () => {
    const { code, stdout } = await runInProcess(['status', '-s', services.url]);
    assert.equal(code, 0);
    for (const line of [
      /^ {2}primary-1 {2}primary {2}healthy {2}2\/2/m,
      /^ {2}primary-1 {2}0 {6}10\.100\.0\.1:22005 {2}online {2}-$/m,
      /^ {2}v1 .* nbd-1 epoch 41$/m,
      /^ {2}paused on primary-1 by alice for .*: moving racks$/m,
      /^ {2}held offline: 10\.100\.0\.1:22005 \(planned, by alice: new memory\), incident inc-7f3a$/m,
      /^1 open incident\n.*\n {2}inc-7f3a {2}10\.100\.0\.1:22005/m,
    ]) {
      assert.match(stdout, line);
    }
  });

  test('status --json has everything under its name', async () => {
    const { stdout } = await runInProcess(['status', '--json', '-s', services.url]);
    assert.deepEqual(Object.keys(JSON.parse(stdout) as object).sort(), [
      'alerts',
      'clusters',
      'engines',
      'healing',
      'incidents',
      'vdisks',
    ]);
  });

  test('status --watch shows it again until SIGINT', async () => {
    const watching = start('status', '--watch');
    await watching.until((text) => text.split('Ctrl-C ends').length > 2);
    watching.signal('SIGINT');
    const { code, stderr } = await watching.end();
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  });

  test('events are told in sentences until SIGTERM', async () => {
    const watching = start('events');
    await publishUntil(watching, (text) =>
      /^22:13:20\.000Z {2}nbd-1 owns vdisk v1 now, epoch \d+$/m.test(text),
    );
    watching.signal('SIGTERM');
    assert.equal((await watching.end()).code, 0);
  });

  test('events --json --count ends by itself after so many events of the types asked for', async () => {
    const watching = start('events', '--json', '--count', '2', '--type', 'vdisk.mounted');
    await publishUntil(watching, (text) => text.split('\n').length > 2);
    const { code, stdout } = await watching.end();
    assert.equal(code, 0);
    const shown = stdout
      .trim()
      .split('\n')
      .map(
        (line) =>
          JSON.parse(line) as { type: string; subject: string; source: string; payload: { at: number } },
      );
    assert.equal(shown.length, 2);
    assert.equal(shown[0]?.type, 'vdisk.mounted');
    assert.equal(shown[0]?.subject, 'salvor.evt.v1.vdisk.mounted.v1');
    assert.equal(shown[0]?.source, '/salvor/fake-services');
    assert.equal(shown[0]?.payload.at, at);
  });

  /** A watch sees what is published after it began, and nobody is told when that is. */
  async function publishUntil(watching: SalvorProcess, seen: (stdout: string) => boolean): Promise<void> {
    for (let epoch = 1; epoch <= 200 && !seen(watching.stdout); epoch += 1) {
      await services.bus.publishEvent('vdisk.released', { vdisk: 'v1', server: 'nbd-1', epoch, at: at - 1 });
      await services.bus.publishEvent('vdisk.mounted', { vdisk: 'v1', server: 'nbd-1', epoch, at });
      await watching.until(seen, 100).catch(() => undefined);
    }
    assert.ok(seen(watching.stdout), watching.stderr);
  }
});
