import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { commandNames } from '@salvor/contracts';
import { readArguments } from '../src/arguments.ts';
import type { Command } from '../src/command.ts';
import { allCommands, findCommand } from '../src/commands/index.ts';
import { runInProcess } from './fake-terminal.ts';

const create = commandCalled('vdisk create');

describe('the words of a command line', () => {
  test('options may stand before, between and after the words of a command', () => {
    for (const line of [
      'vdisk create v1 --size 10 --cluster c',
      '--json -s host vdisk create --size=10 v1 --cluster c',
      'vdisk --json create --cluster c --size 10 v1',
    ]) {
      const args = readArguments(line.split(' '), create);
      assert.equal(args.positional('vdisk'), 'v1', line);
      assert.equal(args.required('size'), '10', line);
    }
  });

  test('an argument with the name of its command is an argument', () => {
    const args = readArguments(['vdisk', 'describe', 'vdisk'], commandCalled('vdisk describe'));
    assert.equal(args.positional('vdisk'), 'vdisk');
  });

  test('an option given several times keeps the order', () => {
    const line = 'cluster create c --role slave --engine a:1 --spare s:1 --engine b:2/3';
    const args = readArguments(line.split(' '), commandCalled('cluster create'));
    assert.deepEqual(args.list('engine'), ['a:1', 'b:2/3']);
  });

  test('a time is read with its units', () => {
    const begin = commandCalled('downtime begin');
    for (const [text, seconds] of [
      ['90s', 90],
      ['30m', 1_800],
      ['1h30m', 5_400],
      ['3d', 259_200],
    ] as const) {
      const args = readArguments(['downtime', 'begin', 'p1', '--reason', 'r', '--for', text], begin);
      assert.equal(args.duration('for', 2_592_000), seconds);
    }
  });

  for (const [line, expected] of [
    ['vdsk list', /there is no command 'vdsk'; there are .*vdisk.*salvor help/],
    [
      'vdisk',
      /vdisk: expected one of create, delete, resize, clone, takeover, scrub, list, describe, orphans, delete-orphan, rollback, export, import, found nothing/,
    ],
    ['vdisk make v1', /expected one of create.*found 'make'/],
    ['vdisk create', /vdisk create: expected <vdisk>, the id of the vdisk/],
    ['vdisk create v1', /vdisk create: expected --cluster and --size/],
    ['vdisk create v1 v2 --size 1 --cluster c', /unexpected argument 'v2'/],
    ['vdisk create v1 --size ten --cluster c', /expected --size to be whole GiB, at least 1, found 'ten'/],
    ['vdisk create v1 --size 0 --cluster c', /expected --size to be whole GiB/],
    ['vdisk create v1 --size 1 --cluster c --block-size 4k', /--block-size to be a whole number.*'4k'/],
    ['vdisk list --colour', /vdisk list: Unknown option '--colour'/],
    ['vdisk list --server', /vdisk list: .*--server/],
    ['vdisk list --server http://x', /--server: expected a NATS server such as .*'http:\/\/x'/],
    ['vdisk list --timeout never', /--timeout to be seconds/],
    ['cluster create c --role slave --engine nowhere', /expected an engine as host:port or host:port\/db/],
    ['downtime begin p1 --for soon --reason r', /expected --for to be a time such as 90s, 30m.*'soon'/],
    ['downtime begin p1 --for 31d --reason r', /at most 30d, found '31d'/],
    ['engine offline h:1', /engine offline: expected --reason/],
    ['engine replace h:1 --with nowhere --reason r', /expected an engine as host:port/],
    ['events --type vdisk.eaten', /expected --type to be one of .*vdisk.created.*'vdisk.eaten'/],
    ['up --primaries 0', /--primaries to be a whole number from 1/],
    ['help vdsk', /there is no command 'vdsk'/],
  ] as const) {
    test(`'salvor ${line}' is a usage error`, async () => {
      const { code, stdout, stderr } = await runInProcess(line.split(' '));
      assert.equal(code, 2, stderr);
      assert.equal(stdout, '');
      assert.match(stderr, expected);
    });
  }

  test('errors are JSON on stderr with --json', async () => {
    const { code, stderr } = await runInProcess(['--json', 'vdisk', 'make']);
    assert.equal(code, 2);
    const { message, ...rest } = JSON.parse(stderr) as { message: string };
    assert.deepEqual(rest, { code: 'usage', exitCode: 2, details: [] });
    assert.match(message, /expected one of create/);
  });
});

describe('help', () => {
  test('shows every command', async () => {
    const { code, stdout } = await runInProcess([]);
    assert.equal(code, 0);
    for (const { name } of allCommands) assert.match(stdout, new RegExp(`^ {2}${name} `, 'm'));
  });

  test('names every exit code', async () => {
    const { stdout } = await runInProcess(['help']);
    for (const code of [0, 1, 2, 3, 4]) assert.match(stdout, new RegExp(`^ {2}${code} {2}\\S`, 'm'));
  });

  test('of a command has its usage, options and the request on the bus', async () => {
    for (const words of [
      ['help', 'vdisk', 'create'],
      ['vdisk', 'create', '--help'],
    ]) {
      const { stdout } = await runInProcess(words);
      assert.match(stdout, /salvor vdisk create <vdisk> --cluster <id> --size <GiB> \[options\]/);
      assert.match(stdout, /nats req salvor\.cmd\.v1\.vdisk\.create '\{"vdisk":"v1"/);
    }
  });

  test('of a group shows its commands', async () => {
    const { stdout } = await runInProcess(['help', 'incident']);
    assert.match(stdout, /incident explain/);
    assert.doesNotMatch(stdout, /vdisk list/);
  });

  test('as JSON names commands with their subjects', async () => {
    const { stdout } = await runInProcess(['help', '--json']);
    const shown = JSON.parse(stdout) as { name: string; subject?: string }[];
    assert.equal(shown.find(({ name }) => name === 'engine show')?.subject, 'salvor.cmd.v1.engine.get');
  });

  test('every command of the catalogue can be sent', () => {
    const sent = new Set(allCommands.flatMap(({ sends }) => sends ?? []));
    assert.deepEqual([...sent].sort(), commandNames().sort());
  });

  test('the version is that of the package', async () => {
    const { code, stdout } = await runInProcess(['--version']);
    assert.equal(code, 0);
    assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
  });
});

function commandCalled(name: string): Command {
  const found = findCommand(name.split(' '));
  assert.ok(found);
  return found;
}
