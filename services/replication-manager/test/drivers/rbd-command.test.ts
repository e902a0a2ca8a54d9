/** The calls of a program, with a stand-in for `rbd`. */
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { until } from '@salvor/testkit';
import { asksAtMost, oneAtATime, rbdProcess, sparing } from '../../src/drivers/rbd/rbd-command.ts';
import type { RbdCallEnd } from '../../src/drivers/rbd/rbd-outcome.ts';

const folder = mkdtempSync(join(tmpdir(), 'salvor-rbd-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function program(name: string, script: string): string {
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

const cluster = { conf: '/etc/ceph/north.conf', user: 'salvor', pool: 'vol' };
const SOON_MS = 60_000;

test('a call has the configuration, the user, and an environment of its own, and its end is told', async () => {
  process.env.SALVOR_ENGINE_PASSWORD = 'a secret';
  const path = program('answers', 'echo "$@ $TZ $LC_ALL [$SALVOR_ENGINE_PASSWORD]"; echo oops >&2; exit 22');
  const end = await rbdProcess({ ...cluster, program: path })(['info', 'vol/img'], SOON_MS, 'asks');
  delete process.env.SALVOR_ENGINE_PASSWORD;
  assert.deepEqual(end, {
    ...{ exitCode: 22, signal: null, timedOut: false, stderr: 'oops\n' },
    stdout: '-c /etc/ceph/north.conf --id salvor info vol/img UTC C []\n',
  });
});

test('a crash and a program that is not there are told too', async () => {
  const crashed = await rbdProcess({ ...cluster, program: program('crashes', 'kill -SEGV $$') })(
    [],
    SOON_MS,
    'asks',
  );
  assert.deepEqual([crashed.exitCode, crashed.signal], [null, 'SIGSEGV']);
  const missing = await rbdProcess({ ...cluster, program: join(folder, 'none') })([], SOON_MS, 'asks');
  assert.equal(missing.exitCode, 127);
});

test('a call that changes something and has not ended by its deadline is left to itself', async () => {
  const mark = join(folder, 'mark');
  const gate = join(folder, 'gate');
  const path = program('slow', `while [ ! -e ${gate} ]; do sleep 0.05; done; echo done > ${mark}`);
  const end = await rbdProcess({ ...cluster, program: path })([], 50, 'changes');
  assert.deepEqual([end.timedOut, end.exitCode], [true, null]);
  writeFileSync(gate, '');
  const isMarked = (): boolean => {
    try {
      return readFileSync(mark, 'utf8') === 'done\n';
    } catch {
      return false;
    }
  };
  await until(isMarked, { what: 'the program went on', timeoutMs: SOON_MS });
});

test('a call that only asks is ended at its deadline', async () => {
  const pid = join(folder, 'pid');
  const path = program('hangs', `echo $$ > ${pid}; exec sleep 600`);
  const end = await rbdProcess({ ...cluster, program: path })([], 500, 'asks');
  assert.equal(end.timedOut, true);
  const isGone = (): boolean => {
    try {
      process.kill(Number(readFileSync(pid, 'utf8')), 0);
      return false;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code !== 'EPERM';
    }
  };
  await until(isGone, { what: 'the program was ended', timeoutMs: SOON_MS });
});

test('so many calls that ask are made at the same time, and a change does not wait for them', async () => {
  const end: RbdCallEnd = { exitCode: 0, signal: null, timedOut: false, stdout: '', stderr: '' };
  const [asked, changed]: [string[], string[]] = [[], []];
  const ends: (() => void)[] = [];
  const exec = asksAtMost(2, async ([word = ''], _, kind) => {
    (kind === 'asks' ? asked : changed).push(word);
    if (kind === 'asks') await new Promise<void>((resolve) => ends.push(resolve));
    return end;
  });
  const calls = ['a', 'b', 'c', 'd'].map((word) => exec([word], 1, 'asks'));
  await exec(['e'], 1, 'changes');
  assert.deepEqual([asked, changed], [['a', 'b'], ['e']]);
  while (ends.length > 0) {
    ends.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(ends.length <= 2);
  }
  await Promise.all(calls);
  assert.deepEqual(asked, ['a', 'b', 'c', 'd']);
});

test('calls are made one after the other, in order', async () => {
  const log: string[] = [];
  const end: RbdCallEnd = { exitCode: 0, signal: null, timedOut: false, stdout: '', stderr: '' };
  const exec = oneAtATime(async ([word = '']) => {
    log.push(`${word} begins`);
    await new Promise((resolve) => setImmediate(resolve));
    log.push(`${word} ends`);
    return end;
  });
  await Promise.all([exec(['a'], 1, 'asks'), exec(['b'], 1, 'asks')]);
  assert.deepEqual(log, ['a begins', 'a ends', 'b begins', 'b ends']);
});

test('of a cluster that does not answer one call at a time goes on asking, until it answers', async () => {
  const ends = new Map<string, (end: RbdCallEnd) => void>();
  const exec = sparing(([word = '']) => new Promise((resolve) => ends.set(word, resolve)));
  const end: RbdCallEnd = { exitCode: 0, signal: null, timedOut: false, stdout: '', stderr: '' };
  const silence = { ...end, exitCode: null, timedOut: true };
  const first = exec(['a'], 1, 'asks');
  ends.get('a')?.(silence);
  assert.deepEqual(await first, silence);
  const probe = exec(['b'], 1, 'asks');
  assert.deepEqual(await exec(['c'], 1, 'asks'), silence);
  void exec(['d'], 1, 'changes');
  ends.get('b')?.(end);
  assert.deepEqual(await probe, end);
  const both = [exec(['e'], 1, 'asks'), exec(['f'], 1, 'asks')];
  for (const word of ['e', 'f']) ends.get(word)?.(end);
  assert.deepEqual(await Promise.all(both), [end, end]);
  assert.deepEqual([...ends.keys()], ['a', 'b', 'd', 'e', 'f']);
});
