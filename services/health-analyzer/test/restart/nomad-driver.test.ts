import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { NomadDriver, type NomadDriverOptions } from '../../src/restart/nomad-driver.ts';
import { restartTarget } from '../../src/restart/restart-driver.ts';
import { answersIn, asRecorded, RecordedApi, type WrittenAnswer } from './recorded-api.ts';

const target = restartTarget('10.0.0.1:22005');
const never = new AbortController().signal;

describe('an allocation that an engine runs in', () => {
  let api: RecordedApi;
  before(async () => {
    const { answers } = answersIn<{ answers: WrittenAnswer[] }>('nomad.json');
    api = await RecordedApi.start(answers.map(asRecorded));
  });
  after(() => api[Symbol.asyncDispose]());
  const restart = (changes: Partial<NomadDriverOptions>, address = target): Promise<string> => {
    const options = { baseUrl: api.baseUrl, namespace: 'default', job: 'redis-{port}', task: '', token: '' };
    return new NomadDriver({ ...options, ...changes }).restart(address, never);
  };
  const last = () => api.asked.at(-1) ?? assert.fail('nothing was asked');

  it('is the one of the job that runs; it is restarted in place', async () => {
    assert.match(await restart({}), /^Nomad restarted the tasks of allocation redis-22005\.engine\[0\]/);
    assert.match(
      last().request,
      /^POST \/v1\/client\/allocation\/c1a6f0de-[-0-9a-f]+\/restart\?namespace=default$/,
    );
    assert.equal(last().body, '{}');
  });

  it('has one task restarted where one is named, with the token', async () => {
    await restart({ task: 'redis', token: 'a-token' });
    assert.equal(last().body, '{"TaskName":"redis"}');
    assert.equal(last().headers['x-nomad-token'], 'a-token');
  });

  it('is told from others of the same job by the address of the engine', async () => {
    assert.match(await restart({ job: 'redis' }), /allocation redis\.engine\[1\]/);
    assert.match(
      await restart({ job: 'redis' }, restartTarget('10.0.0.2:22005')),
      /allocation redis\.engine\[0\]/,
    );
    const nobody = restart({ job: 'redis' }, restartTarget('10.0.0.3:22005'));
    await assert.rejects(nobody, { code: 'restart-refused', message: /2 running allocations.*found 0/ });
    assert.match(last().request, /^GET /);
  });

  it('is left alone where several fit, or none runs', async () => {
    await assert.rejects(restart({ job: 'elsewhere' }, restartTarget('10.0.0.2:22005')), {
      code: 'restart-refused',
    });
    await assert.rejects(restart({ job: 'stopped' }), {
      code: 'restart-refused',
      message: /no running allocation/,
    });
    await assert.rejects(restart({ job: 'unknown' }), {
      code: 'restart-refused',
      message: /no allocation of job unknown in namespace default/,
    });
  });

  it('that may not be restarted is an error with what Nomad says', async () => {
    const expected = { code: 'restart-failed', message: /with 403, expected 200: Permission denied/ };
    await assert.rejects(restart({ job: 'forbidden' }), expected);
  });
});
