import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import {
  ConfigurationError,
  integer,
  list,
  orElse,
  readConfiguration,
  text,
  variableName,
} from '@salvor/service-kit';

const folder = mkdtempSync(join(tmpdir(), 'salvor-configuration-'));
after(() => rmSync(folder, { recursive: true }));

const settings = {
  serverId: { schema: text('a name'), help: 'name of this server', example: 'nbd-1' },
  listen: { schema: list('endpoints'), help: 'where to listen', example: 'tcp:127.0.0.1:10809' },
  holdMs: { schema: orElse(integer(1, 60_000), 500), help: 'how long', example: '500' },
};

test('flags prevail over the environment, and that over the file', () => {
  const file = join(folder, 'a.json');
  writeFileSync(file, JSON.stringify({ serverId: 'from-file', listen: ['unix:/a', 'unix:/b'], holdMs: 7 }));
  const env = { SALVOR_CONFIG: file, SALVOR_HOLD_MS: '8' };
  const config = readConfiguration(settings, { argv: ['--server-id', 'from-flag'], env });
  assert.deepEqual(config, { serverId: 'from-flag', listen: ['unix:/a', 'unix:/b'], holdMs: 8 });
});

test('a secret may come from a file', () => {
  const path = join(folder, 'secret');
  writeFileSync(path, 'nbd-9\n');
  const config = readConfiguration(settings, {
    argv: [],
    env: { SALVOR_SERVER_ID_FILE: path, SALVOR_LISTEN: 'a, b' },
  });
  assert.deepEqual(config, { serverId: 'nbd-9', listen: ['a', 'b'], holdMs: 500 });
});

test('an error names every wrong variable, what is wrong with it, and an example', () => {
  assert.throws(
    () => readConfiguration(settings, { argv: [], env: { SALVOR_HOLD_MS: 'soon' } }),
    (error: unknown) => {
      assert.ok(error instanceof ConfigurationError);
      assert.deepEqual(error.details.map(({ path }) => path).sort(), [
        'SALVOR_HOLD_MS',
        'SALVOR_LISTEN',
        'SALVOR_SERVER_ID',
      ]);
      assert.match(
        error.message,
        /SALVOR_HOLD_MS is "soon": expected a whole number from 1 to 60000.*for example SALVOR_HOLD_MS=500/,
      );
      assert.match(
        error.message,
        /SALVOR_SERVER_ID is not set: expected a name \(for example SALVOR_SERVER_ID=nbd-1\)/,
      );
      return true;
    },
  );
});

for (const [what, argv, env, expected] of [
  ['an unknown flag', ['--colour', 'red'], {}, /--colour/],
  ['a file that is not there', [], { SALVOR_CONFIG: join(folder, 'none.json') }, /none\.json cannot be used/],
  [
    'a secret file that is not there',
    [],
    { SALVOR_SERVER_ID_FILE: join(folder, 'none') },
    /SALVOR_SERVER_ID_FILE/,
  ],
  ['an empty list', ['--listen', ' , '], { SALVOR_SERVER_ID: 'a' }, /SALVOR_LISTEN is " , "/],
] as const) {
  test(`${what} is a clear error`, () => {
    assert.throws(
      () => readConfiguration(settings, { argv, env }),
      (e: unknown) => e instanceof ConfigurationError && expected.test(e.message),
    );
  });
}

test('a file with an unknown setting is refused', () => {
  const file = join(folder, 'b.json');
  writeFileSync(file, JSON.stringify({ serverID: 'typo', serverId: 'a', listen: ['a'] }));
  assert.throws(
    () => readConfiguration(settings, { argv: ['--config', file], env: {} }),
    /'serverID', which is no setting/,
  );
});

test('variable names follow setting names', () => {
  assert.equal(variableName('etcdEndpoints'), 'SALVOR_ETCD_ENDPOINTS');
});

test('a secret is never shown, and is not taken from a flag', () => {
  const withSecret = { seed: { schema: integer(0, 9), help: 'a seed', example: '7', secret: true } };
  assert.throws(
    () => readConfiguration(withSecret, { argv: [], env: { SALVOR_SEED: 'hunter2' } }),
    (e: unknown) => e instanceof ConfigurationError && !/hunter2/.test(e.message + JSON.stringify(e.details)),
  );
  assert.throws(() => readConfiguration(withSecret, { argv: ['--seed', '7'], env: {} }), ConfigurationError);
});

test('any value may come from a file named by a flag', () => {
  const path = join(folder, 'listen');
  writeFileSync(path, 'unix:/a\n');
  const argv = ['--listen-file', path, '--server-id', 'a'];
  assert.deepEqual(readConfiguration(settings, { argv, env: {} }).listen, ['unix:/a']);
});

test('an empty variable counts as not set', () => {
  const env = { SALVOR_SERVER_ID: 'a', SALVOR_LISTEN: 'b', SALVOR_HOLD_MS: '', SALVOR_HOLD_MS_FILE: '' };
  assert.equal(readConfiguration(settings, { argv: [], env }).holdMs, 500);
});
