import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  findProcessesByEnv,
  identifyProcess,
  isSameProcessAlive,
  ManagedProcess,
  ProcessRecord,
  StackError,
  until,
} from '@salvor/local-stack';

let dir: string;
before(() => {
  dir = mkdtempSync(join(tmpdir(), 'salvor-process-'));
});
after(() => rmSync(dir, { recursive: true, force: true }));

const node = process.execPath;
const forever = 'setInterval(() => {}, 1000)';

function spec(name: string, script: string) {
  return { name, command: node, args: ['-e', script], logFile: join(dir, `${name}.log`) };
}

describe('a managed process', () => {
  it('is ready when its readiness check says so, and writes its log file', async () => {
    await using child = await ManagedProcess.start({
      ...spec('says', `console.log('up'); ${forever}`),
      ready: (process) => process.tail().includes('up'),
    });
    assert.equal(readFileSync(child.logFile, 'utf8'), 'up\n');
    assert.equal(child.starts, 1);
  });

  it('that ends before it is ready fails with its last words', async () => {
    const started = ManagedProcess.start({
      ...spec('dies', `console.error('no disk'); process.exit(3)`),
      ready: () => false,
    });
    await assert.rejects(started, (error: unknown) => {
      assert.ok(error instanceof StackError);
      assert.equal(error.code, 'process-exited');
      assert.match(error.message, /code 3.*\nno disk/s);
      return true;
    });
  });

  it('that never gets ready is killed and reported', async () => {
    const child = new ManagedProcess({ ...spec('mute', forever), ready: () => false, readyTimeoutMs: 200 });
    await assert.rejects(child.start(), { code: 'not-ready' });
    assert.equal(child.running, false);
    assert.equal(child.lastExit?.signal, 'SIGKILL');
  });

  it('says which program is missing', async () => {
    const started = ManagedProcess.start({ ...spec('missing', ''), command: 'no-such-program' });
    await assert.rejects(started, { code: 'program-missing', message: /'no-such-program' installed/ });
  });

  it('is killed, and comes back with a new process id', async () => {
    await using child = await ManagedProcess.start(spec('twice', forever));
    const first = child.pid;
    assert.deepEqual(await child.kill(), { code: null, signal: 'SIGKILL' });
    assert.equal(child.running, false);
    await child.restart();
    assert.notEqual(child.pid, first);
    assert.equal(child.starts, 2);
  });

  it('stands still while paused, and still ends on stop', async () => {
    const child = await ManagedProcess.start({
      ...spec(
        'ticks',
        `console.log('up'); setInterval(() => {}, 5); process.on('SIGTERM', () => process.exit(7))`,
      ),
      ready: (process) => process.tail().includes('up'),
    });
    const pid = child.pid;
    child.pause();
    await until(() => readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') T '), {
      what: 'the stopped state',
      timeoutMs: 2_000,
    });
    child.resume();
    child.pause();
    await child.stop();
    assert.equal(child.lastExit?.code, 7);
  });

  it('that ignores SIGTERM is killed with its whole group', async () => {
    const script = `const {spawn} = require('child_process');
      const inner = spawn(process.execPath, ['-e', ${JSON.stringify(forever)}]);
      process.on('SIGTERM', () => {}); console.log(inner.pid); ${forever}`;
    const child = await ManagedProcess.start({
      ...spec('stubborn', script),
      ready: (process) => process.tail() !== '',
      stopTimeoutMs: 100,
    });
    const inner = identifyProcess(Number(child.tail()));
    assert.ok(inner);
    await child.stop();
    await until(() => !isSameProcessAlive(inner), { what: 'the end of the group', timeoutMs: 2_000 });
    assert.equal(child.lastExit?.signal, 'SIGKILL');
  });
});

describe('children of a parent that ends', () => {
  const parentScript = (record: string) => `
    import { ManagedProcess, ProcessRecord } from '@salvor/local-stack';
    const child = await ManagedProcess.start({ name: 'child', command: process.execPath,
      args: ['-e', ${JSON.stringify(forever)}], logFile: ${JSON.stringify(join(dir, 'orphan.log'))},
      record: new ProcessRecord(${JSON.stringify(record)}) });
    process.stdout.write(child.pid + '\\n');
    ${forever};`;

  async function startParent(record: string) {
    const file = join(import.meta.dirname, `.parent-${process.pid}.mjs`);
    writeFileSync(file, parentScript(record));
    const parent = spawn(node, [file], { stdio: ['ignore', 'pipe', 'inherit'] });
    const exited = new Promise((resolve) => parent.once('exit', resolve));
    try {
      const pid = await new Promise<number>((resolve, reject) => {
        parent.stdout.once('data', (data) => resolve(Number(data)));
        parent.once('exit', () => reject(new Error('parent ended early')));
      });
      const child = identifyProcess(pid);
      assert.ok(child);
      return { parent, child, exited };
    } finally {
      rmSync(file, { force: true });
    }
  }

  it('end with it when it is ended by SIGTERM', async () => {
    const { parent, child, exited } = await startParent(join(dir, 'record-term'));
    parent.kill('SIGTERM');
    await exited;
    await until(() => !isSameProcessAlive(child), { what: 'the end of the child', timeoutMs: 2_000 });
    assert.equal(parent.signalCode, 'SIGTERM');
  });

  it('survive its SIGKILL, are recorded, and the next run ends exactly them', async () => {
    const dirOfRecord = join(dir, 'record-kill');
    const { parent, child, exited } = await startParent(dirOfRecord);
    parent.kill('SIGKILL');
    await exited;
    const record = new ProcessRecord(dirOfRecord);
    record.add('stranger', { pid: process.pid, startTicks: '1' });
    assert.deepEqual(await record.endLeftovers(), ['child']);
    assert.equal(isSameProcessAlive(child), false);
    assert.deepEqual(record.alive(), []);
  });
});

it('finds processes, and what they spawned, by their environment', async () => {
  const mark = `mark-${process.pid}-${Date.now()}`;
  await using child = await ManagedProcess.start({
    ...spec('marked', forever),
    env: { ...process.env, SALVOR_TEST_MARK: mark },
  });
  const found = await until(
    () => {
      const all = findProcessesByEnv({ SALVOR_TEST_MARK: mark });
      return all.length > 0 && all;
    },
    { what: 'the marked process', timeoutMs: 2_000 },
  );
  assert.deepEqual(
    found.map((entry) => entry.pid),
    [child.pid],
  );
});
