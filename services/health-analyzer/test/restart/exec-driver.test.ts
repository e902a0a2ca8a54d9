import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { tempDir, until } from '@salvor/testkit';
import { ExecDriver } from '../../src/restart/exec-driver.ts';
import { restartTarget } from '../../src/restart/restart-driver.ts';

const target = restartTarget('10.0.0.1:22005');
const never = new AbortController().signal;
const node = (script: string, ...args: string[]): string[] => [process.execPath, '-e', script, ...args];

describe('a command that restarts an engine', () => {
  it('gets the address, and says what it ran', async () => {
    await using dir = tempDir('exec');
    const script = 'require("fs").writeFileSync(process.argv[1], process.argv.slice(2).join(" "))';
    const driver = new ExecDriver(node(script, dir.join('args'), '{address}', 'redis-{port}@{host}'));
    assert.match(
      await driver.restart(target, never),
      /10\.0\.0\.1:22005 redis-22005@10\.0\.0\.1' ended with 0$/,
    );
    assert.equal(readFileSync(dir.join('args'), 'utf8'), '10.0.0.1:22005 redis-22005@10.0.0.1');
  });

  it('may be another one for each address, and one for the others', async () => {
    const driver = new ExecDriver({ '10.0.0.1:22005': ['true', 'own'], '*': ['true', 'other'] });
    assert.match(await driver.restart(target, never), /'true own'/);
    assert.match(await driver.restart(restartTarget('10.0.0.2:22005'), never), /'true other'/);
    const named = new ExecDriver({ '10.0.0.9:1': ['true'] });
    await assert.rejects(named.restart(target, never), {
      code: 'restart-refused',
      message: /SALVOR_RESTART_COMMAND/,
    });
  });

  it('that fails is an error with its exit code and what it said', async () => {
    const driver = new ExecDriver(node('console.error("no such unit"); process.exit(5)'));
    const expected = { code: 'restart-failed', message: /ended with 5, expected 0; it said: no such unit/ };
    await assert.rejects(driver.restart(target, never), expected);
  });

  it('that does not exist is an error that names it', async () => {
    const driver = new ExecDriver(['/no/such/program']);
    await assert.rejects(driver.restart(target, never), {
      code: 'restart-failed',
      message: /no\/such\/program/,
    });
  });

  it('that does not end is killed, with what it started', async () => {
    await using dir = tempDir('exec');
    const script = `
      const { spawn } = require('node:child_process');
      const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
      require('node:fs').writeFileSync(process.argv[1], String(child.pid));
      setInterval(() => {}, 1000);`;
    const ended = new AbortController();
    const attempt = new ExecDriver(node(script, dir.join('pid'))).restart(target, ended.signal);
    attempt.catch(() => undefined); // looked at below
    await until(() => existsSync(dir.join('pid')) && readFileSync(dir.join('pid'), 'utf8') !== '', {
      what: 'the command runs',
      timeoutMs: 10_000,
    });
    ended.abort();
    await assert.rejects(attempt, { code: 'restart-timeout' });
    const pid = Number(readFileSync(dir.join('pid'), 'utf8'));
    await until(() => !runs(pid), { what: 'what it started is killed', timeoutMs: 10_000 });
  });

  it('does not get the settings of Salvor, which hold passwords', async () => {
    process.env.SALVOR_ENGINE_PASSWORD = 'secret';
    const script =
      'process.exit(Object.keys(process.env).some((name) => name.startsWith("SALVOR_")) ? 1 : 0)';
    try {
      await new ExecDriver(node(script)).restart(target, never);
    } finally {
      delete process.env.SALVOR_ENGINE_PASSWORD;
    }
  });
});

/** A killed process that nobody has waited for does not run. */
function runs(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
