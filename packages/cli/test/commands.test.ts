import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { CommandError } from '@salvor/bus';
import { type CommandName, commands } from '@salvor/contracts';
import { allCommands } from '../src/commands/index.ts';
import { writeContext } from '../src/context-file.ts';
import { type FakeServices, startFakeServices } from './fake-services.ts';
import { runInProcess } from './fake-terminal.ts';
import { runSalvor } from './salvor-process.ts';

const refusals: Readonly<Record<string, CommandError>> = {
  taken: new CommandError('vdisk-exists', 'vdisk taken exists with another size; choose another id', {
    status: 409,
  }),
  boot: new CommandError('type-refused', 'such vdisks cannot be created', {
    status: 422,
    details: [{ path: 'type', expected: 'db, cache or tmp' }],
  }),
  nowhere: new CommandError('unknown-cluster', 'there is no cluster c', { status: 404 }),
};

describe('salvor against services on a real bus', () => {
  let services: FakeServices;
  before(async () => {
    services = await startFakeServices({
      'vdisk.create': async (request, { operationId: operation }) => {
        services.asked.push({ command: 'vdisk.create', request, operationId: operation });
        const refusal = refusals[request.vdisk];
        if (refusal !== undefined) throw refusal;
        return {
          vdisk: request.vdisk,
          operation,
          outcome: 'applied',
          reason: `vdisk ${request.vdisk} is created`,
        };
      },
    });
  });
  after(() => services.stop());
  beforeEach(() => {
    services.asked.length = 0;
  });

  const run = (...args: string[]) => runInProcess([...args, '--server', services.url]);

  test('a vdisk is created with what was typed and the defaults of the schema', async () => {
    const line = 'vdisk create v7 --size 10GiB --cluster p --slave-cluster s --operation-id op-7';
    const { code, stdout, stderr } = await runSalvor(line.split(' '), { env: { NATS_URL: services.url } });
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    assert.equal(stdout, 'applied: vdisk v7 is created (operation op-7)\n');
    assert.deepEqual(services.asked, [
      {
        command: 'vdisk.create',
        operationId: 'op-7',
        request: {
          vdisk: 'v7',
          type: 'db',
          sizeGiB: 10,
          blockSize: 4096,
          cluster: 'p',
          slaveCluster: 's',
          readOnly: false,
          operationId: 'op-7',
        },
      },
    ]);
  });

  test('a reply is plain JSON with --json', async () => {
    for (const [words, command] of [
      ['vdisk list', 'vdisk.list'],
      ['vdisk describe v1', 'vdisk.describe'],
      ['cluster show primary-1', 'cluster.get'],
      ['incident explain inc-7f3a', 'incident.get'],
      ['engine probe h:1', 'engine.probe'],
      ['source list', 'source.list'],
    ] as const satisfies readonly (readonly [string, CommandName])[]) {
      const { code, stdout } = await run(...words.split(' '), '--json');
      assert.equal(code, 0, words);
      const expected = JSON.parse(JSON.stringify(commands[command].replyExample)) as object;
      assert.deepEqual(withoutEmptyLists(JSON.parse(stdout)), withoutEmptyLists(expected), words);
    }
  });

  test('a list is a table of aligned columns', async () => {
    const { stdout } = await run('vdisk', 'list');
    assert.equal(
      stdout,
      [
        'VDISK  TYPE  SIZE    BLOCK  CLUSTER    SLAVE CLUSTER  STATUS  OWNER',
        'v1     db    10 GiB  4096   primary-1  slave-1        in-use  nbd-1 epoch 41',
        '',
      ].join('\n'),
    );
  });

  test('an engine verdict is sent with its reason and who gave it', async () => {
    const { code, stdout } = await run(
      ...[
        'engine',
        'verdict',
        '10.0.0.1:6379',
        'false-alarm',
        '--reason',
        'the cable was out',
        '--by',
        'alice',
      ],
    );
    assert.equal(code, 0);
    assert.match(stdout, /salvor incident explain inc-7f3a/);
    assert.deepEqual(services.asked[0]?.request, {
      address: '10.0.0.1:6379',
      verdict: 'false_alarm',
      reason: 'the cable was out',
      by: 'alice',
    });
  });

  test('engines of a new cluster keep their order and databases', async () => {
    const line = 'cluster create c --role primary --engine a:1 --engine b:2/3 --spare c:4';
    assert.equal((await run(...line.split(' '))).code, 0);
    assert.deepEqual(services.asked[0]?.request, {
      cluster: 'c',
      role: 'primary',
      engines: [
        { address: 'a:1', db: 0 },
        { address: 'b:2', db: 3 },
      ],
      spares: [{ address: 'c:4', db: 0 }],
    });
  });

  test('one NBD server can be asked by its id', async () => {
    assert.match(
      (await run('server', 'show', 'nbd-1')).stdout,
      /nbd-1 at nbd:.*\n\n.*\n.*shard 1 slave-only/,
    );
    const missing = await run('server', 'show', 'nbd-9');
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /nobody answers on salvor\.cmd\.v1\.nbdserver\.status\.nbd-9/);
  });

  test('a conflict exits 4 with the sentence of the service', async () => {
    const line = 'vdisk create taken --size 1 --cluster c';
    const { code, stdout, stderr } = await runSalvor([...line.split(' '), '-s', services.url]);
    assert.equal(code, 4);
    assert.equal(stdout, '');
    assert.equal(stderr, 'salvor: vdisk taken exists with another size; choose another id\n');
  });

  test('a refusal shows what was expected where', async () => {
    const { code, stderr } = await run(...'vdisk create boot --size 1 --cluster c --type boot'.split(' '));
    assert.equal(code, 4);
    assert.equal(stderr, 'salvor: such vdisks cannot be created\n  type: expected db, cache or tmp\n');
  });

  test('an error is JSON on stderr with --json', async () => {
    const { code, stdout, stderr } = await run(
      ...'vdisk create nowhere --size 1 --cluster c --json'.split(' '),
    );
    assert.equal(code, 1);
    assert.equal(stdout, '');
    const expected = { code: 'unknown-cluster', message: 'there is no cluster c', details: [], exitCode: 1 };
    assert.deepEqual(JSON.parse(stderr), expected);
  });

  test('what does not fit the schema is not sent, and exits 2 with the field', async () => {
    const { code, stderr } = await run(...'vdisk create v1 --size 1 --cluster c --type disk'.split(' '));
    assert.equal(code, 2);
    assert.match(stderr, /^ {2}type: expected .*db/m);
    assert.deepEqual(services.asked, []);
  });

  test('every example of help is a command line that works', async () => {
    const lines = allCommands
      .flatMap(({ examples }) => examples)
      // What these read lies in streams, files and etcd, and not in replies.
      .filter((example) => !/^salvor (config|segment (read|export|publish|table)|dr verify)/.test(example))
      // And what these find here are problems, by which they end.
      .filter((example) => /^salvor (?!up|events|status --watch|bus|storage|doctor)/.test(example));
    assert.ok(lines.length > 15);
    for (const line of lines) {
      const [, ...args] = wordsOf(line.replace(/ [|>] .*/, ''));
      const { code, stderr } = await run(...args);
      assert.deepEqual({ code, stderr }, { code: 0, stderr: '' }, line);
    }
  });

  test('the server is found through the context file of the folder', async () => {
    writeContext(join(services.dir, '.salvor', 'salvor.json'), { natsUrl: services.url });
    const { code, stdout } = await runSalvor(['cluster', 'list'], { cwd: services.dir });
    assert.equal(code, 0);
    assert.match(stdout, /^primary-1 {2}primary {2}healthy {2}2\/2 {5}1 {7}slave-1$/m);
  });

  test('bin/salvor is this command line', async () => {
    const bin = new URL('../../../bin/salvor', import.meta.url).pathname;
    const { stdout } = await promisify(execFile)(bin, ['operation', 'show', 'op-1b07', '-s', services.url]);
    assert.match(stdout, /^ended {6}2023-11-14 22:13:20\.042Z after 42 ms$/m);
  });
});

describe('salvor without services', () => {
  let services: FakeServices;
  before(async () => {
    services = await startFakeServices({});
    await services.bus.close({ deadlineMs: 1_000 });
  });
  after(() => services.stop());

  test('a command that nobody answers exits 1 and asks whether the service runs', async () => {
    const { code, stderr } = await runInProcess(['vdisk', 'list', '-s', services.url]);
    assert.equal(code, 1);
    assert.match(stderr, /nobody answers on salvor\.cmd\.v1\.vdisk\.list: is the service running\?/);
  });

  test('a server that is not there exits 3, and says where it was named', async () => {
    const args = ['vdisk', 'list', '--timeout', '0.3'];
    const { code, stderr } = await runSalvor(args, { env: { NATS_URL: 'nats://127.0.0.1:1' } });
    assert.equal(code, 3);
    assert.match(stderr, /nats:\/\/127\.0\.0\.1:1.*server from NATS_URL.*salvor up/);
  });

  test('the bus differs from the manifest until it is applied', async () => {
    const run = (...args: string[]) => runInProcess([...args, '-s', services.url]);
    const before = await run('bus', 'check');
    assert.equal(before.code, 1);
    assert.match(before.stdout, /^stream +SALVOR_EVT +- +to exist +nothing$/m);
    assert.match(before.stderr, /'salvor bus apply' corrects them/);
    const applied = await run('bus', 'apply');
    assert.equal(applied.code, 0, applied.stderr);
    assert.match(applied.stdout, /^stream +SALVOR_EVT +created$/m);
    assert.match((await run('bus', 'apply')).stdout, /^stream +SALVOR_EVT +unchanged$/m);
    assert.deepEqual(await run('bus', 'check'), {
      code: 0,
      stdout: 'the bus is as it should be\n',
      stderr: '',
    });
    assert.deepEqual(JSON.parse((await run('bus', 'check', '--json')).stdout), { differences: [] });
  });
});

/** Examples leave out lists that default to empty; replies have them. */
function withoutEmptyLists(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmptyLists);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([, member]) => !(Array.isArray(member) && member.length === 0));
  return Object.fromEntries(kept.map(([key, member]) => [key, withoutEmptyLists(member)]));
}

/** Words as a shell would split them; quotes are simple in examples. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '');
}
