import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { type TempDir, tempDir } from '@salvor/testkit';
import { DockerDriver } from '../../src/restart/docker-driver.ts';
import { restartTarget } from '../../src/restart/restart-driver.ts';
import { RecordedApi, recorded } from './recorded-api.ts';

const target = restartTarget('10.0.0.1:22005');
const never = new AbortController().signal;

describe('a container that an engine runs in', () => {
  let dir: TempDir;
  let api: RecordedApi;
  before(async () => {
    dir = tempDir('docker');
    api = await RecordedApi.start(recorded('docker.json'), dir.join('docker.sock'));
  });
  after(async () => {
    await api[Symbol.asyncDispose]();
    dir.remove();
  });
  const restart = (container: string): Promise<string> =>
    new DockerDriver({ socketPath: dir.join('docker.sock'), container, stopSeconds: 5 }).restart(
      target,
      never,
    );

  it('is found by its name, looked at, and restarted by its id', async () => {
    api.asked.length = 0;
    assert.equal(await restart('redis-{port}'), 'Docker restarted container redis-22005, which was exited');
    const [inspect, post, ...more] = api.asked.map(({ request }) => request);
    assert.equal(inspect, 'GET /containers/redis-22005/json');
    assert.match(post ?? '', /^POST \/containers\/5f0c9a4d[0-9a-f]{56}\/restart\?t=5$/);
    assert.deepEqual(more, []);
  });

  it('is found by a label', async () => {
    assert.match(await restart('label:salvor.engine={address}'), /restarted container redis-22005/);
  });

  it('is left alone where the label fits none or several', async () => {
    const refused = { code: 'restart-refused', message: /expected one container.*found 2/ };
    await assert.rejects(restart('label:salvor.engine=two'), refused);
  });

  for (const [name, why] of [
    ['paused', /is paused: somebody wants it so/],
    ['restarting', /is being restarted by Docker already/],
    ['dead', /is dead/],
  ] as const) {
    it(`is left alone when it is ${name}`, async () => {
      api.asked.length = 0;
      await assert.rejects(restart(name), { code: 'restart-refused', message: why });
      assert.equal(api.asked.length, 1, 'it was looked at, and no more');
    });
  }

  it('that is not there, or does not start, is an error with what Docker says', async () => {
    const missing = { code: 'restart-failed', message: /with 404, expected 200: No such container: none/ };
    await assert.rejects(restart('none'), missing);
    await assert.rejects(restart('broken'), {
      code: 'restart-failed',
      message: /500.*port is already allocated/,
    });
  });

  it('cannot be restarted while Docker does not listen, or does not answer', async () => {
    const options = { container: 'redis', stopSeconds: 5 };
    const nobody = new DockerDriver({ ...options, socketPath: dir.join('nobody.sock') });
    await assert.rejects(nobody.restart(target, never), {
      code: 'restart-failed',
      message: /nobody\.sock.*ENOENT/,
    });

    const silent = createServer();
    await new Promise<void>((resolve) => silent.listen(dir.join('silent.sock'), resolve));
    const ended = new AbortController();
    silent.once('connection', (socket) => {
      socket.on('error', () => undefined);
      ended.abort();
    });
    const attempt = new DockerDriver({ ...options, socketPath: dir.join('silent.sock') });
    await assert.rejects(attempt.restart(target, ended.signal), { code: 'restart-timeout' });
    await new Promise((resolve) => silent.close(resolve));
  });
});
