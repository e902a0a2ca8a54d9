import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { type TempDir, tempDir } from '@salvor/testkit';
import { DockerDriver } from '../../src/restart/docker-driver.ts';
import { restartTarget } from '../../src/restart/restart-driver.ts';
import { answersIn, RecordedApi, type Recording } from './recorded-api.ts';

const target = restartTarget('10.0.0.1:22005');
const never = new AbortController().signal;
const { recordings } = answersIn<{ recordings: Recording[] }>('docker.json');

describe('a container that an engine runs in', () => {
  let dir: TempDir;
  before(() => {
    dir = tempDir('docker');
  });
  after(() => dir.remove());

  /** Lets the driver meet a recorded situation; answers with what it said, and what it asked for. */
  async function restarted(
    situation: string,
  ): Promise<{ said: string; asked: string[]; connections: number }> {
    const recording = recordings.find((one) => one.situation === situation) ?? assert.fail(situation);
    const socketPath = dir.join('docker.sock');
    await using api = await RecordedApi.start(recording.answers, socketPath);
    const driver = new DockerDriver({ socketPath, container: recording.container, stopSeconds: 0 });
    const said = await driver.restart(target, never).catch(String);
    const asked = api.asked.map(({ request }) => request);
    assert.deepEqual(
      asked,
      recording.answers.map(({ request }) => request),
    );
    return { said, asked, connections: api.connections };
  }

  it('is found by its name, looked at, and restarted by its id', async () => {
    const { said, asked } = await restarted('exited');
    assert.equal(said, 'Docker restarted container redis-22005, which was exited');
    assert.equal(asked[0], 'GET /containers/redis-22005/json');
    assert.match(asked[1] ?? '', /^POST \/containers\/[0-9a-f]{64}\/restart\?t=0$/);
  });

  it('is asked for over a connection of its own each time: Docker may have been restarted in between', async () => {
    const { asked, connections } = await restarted('exited');
    assert.equal(connections, asked.length);
  });

  it('is found by a label, or by its short id', async () => {
    const said = 'Docker restarted container redis-22005, which was running';
    assert.equal((await restarted('running, by label')).said, said);
    assert.equal((await restarted('by the id')).said, said);
  });

  it('is left alone where another name is only what its id begins with', async () => {
    const { said } = await restarted('by what an id begins with');
    assert.match(said, /no container has the name [0-9a-f]{5}; container redis-22005 only has an id/);
  });

  it('is left alone where the label fits none or several', async () => {
    assert.match((await restarted('label of two')).said, /expected one container.*found 2/);
    assert.match((await restarted('label of none')).said, /expected one container.*found 0/);
  });

  it('is started when it never was', async () => {
    const { said } = await restarted('created only');
    assert.equal(said, 'Docker restarted container created, which was created');
  });

  for (const [situation, why] of [
    ['paused', /is paused: somebody wants it so/],
    ['restarting', /is being restarted by Docker already/],
    ['dead', /is dead/],
  ] as const) {
    it(`is left alone when it is ${situation}`, async () => {
      const { said, asked } = await restarted(situation);
      assert.match(said, why);
      assert.equal(asked.length, 1, 'it was looked at, and no more');
    });
  }

  it('that is not there, goes meanwhile, or does not start, is an error with what Docker says', async () => {
    assert.match((await restarted('missing')).said, /with 404, expected 200: No such container: none/);
    assert.match((await restarted('removed meanwhile')).said, /with 404, expected 204: No such container/);
    assert.match(
      (await restarted('does not start')).said,
      /with 500, expected 204: Cannot restart container.*executable file not found/,
    );
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
