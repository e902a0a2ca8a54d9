import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { readContext, writeContext } from '../src/context-file.ts';
import { failureOf } from '../src/failure.ts';
import { findLogin } from '../src/login.ts';

describe('which server is used', () => {
  let dir: string;
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'salvor-login-'));
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  const from = (env: Record<string, string>, server?: string, cwd = '/nonexistent') =>
    findLogin({ server, creds: undefined, env, cwd });

  test('the option wins over the environment, and that over context files', () => {
    const env = { SALVOR_NATS_SERVERS: 'b:2,c:3', NATS_URL: 'nats://d:4', HOME: dir };
    writeContext(join(dir, '.salvor', 'salvor.json'), { natsUrl: 'nats://e:5' });
    writeContext(join(dir, '.config', 'salvor', 'context.json'), { natsUrl: 'nats://f:6' });
    assert.deepEqual(from(env, 'a', dir), { servers: ['nats://a:4222'], from: '--server' });
    assert.deepEqual(from(env, undefined, dir).servers, ['nats://b:2', 'nats://c:3']);
    assert.deepEqual(from({ NATS_URL: env.NATS_URL }, undefined, dir).servers, ['nats://d:4']);
    assert.deepEqual(from({ HOME: dir }, undefined, dir).servers, ['nats://e:5']);
    assert.deepEqual(from({ HOME: dir }).servers, ['nats://f:6']);
  });

  test('nothing named is exit code 3 and says what can be done', () => {
    const failure = failureOf(caught(() => from({})));
    assert.equal(failure.exitCode, 3);
    assert.match(failure.message, /--server.*SALVOR_NATS_SERVERS.*salvor up/);
  });

  test('user and password of a URL are taken out of it', () => {
    assert.deepEqual(from({}, 'nats://alice:s%40crt@h:1'), {
      servers: ['nats://h:1'],
      from: '--server',
      user: 'alice',
      password: 's@crt',
    });
    assert.equal(from({}, 'nats://t0ken@h:1').token, 't0ken');
  });

  test('IPv6 and tls URLs are understood', () => {
    assert.deepEqual(from({}, 'tls://[::1]:4443'), {
      servers: ['nats://[::1]:4443'],
      from: '--server',
      tls: {},
    });
  });

  test('credentials of a context file are found beside it', () => {
    const path = join(dir, 'own', 'salvor', 'context.json');
    writeContext(path, { natsUrl: 'h', natsCreds: 'me.creds' });
    assert.equal(from({ XDG_CONFIG_HOME: join(dir, 'own') }).creds, join(dirname(path), 'me.creds'));
  });

  test('a seed is taken from the environment, or from a file that it names', () => {
    const [file, servers] = [join(dir, 'anna.seed'), 'h'];
    writeFileSync(file, 'SUANNA\n');
    const env = { SALVOR_NATS_SERVERS: servers, SALVOR_NATS_NKEY_SEED_FILE: file };
    assert.equal(from(env).nkeySeed, 'SUANNA');
    assert.equal(from({ ...env, SALVOR_NATS_NKEY_SEED: 'SUBOB' }).nkeySeed, 'SUBOB');
    const failure = failureOf(caught(() => from({ ...env, SALVOR_NATS_NKEY_SEED_FILE: `${file}.gone` })));
    assert.equal(failure.exitCode, 2);
    assert.match(failure.message, /SALVOR_NATS_NKEY_SEED_FILE .*anna\.seed\.gone/);
  });

  test('a context file that is wrong is named', () => {
    const path = join(dir, 'wrong', 'salvor', 'context.json');
    mkdirSync(dirname(path), { recursive: true });
    for (const text of ['', '{', '[]', '{"natsUrl":7}']) {
      writeFileSync(path, text);
      const failure = failureOf(caught(() => readContext(path)));
      assert.equal(failure.exitCode, 2);
      assert.ok(failure.message.includes(path));
    }
  });
});

function caught(act: () => unknown): unknown {
  try {
    return act();
  } catch (error) {
    return error;
  }
}
