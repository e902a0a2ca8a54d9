import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { allCommands } from '../src/commands/index.ts';
import { runInProcess } from './fake-terminal.ts';

let dir: string;

before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'salvor-completion-'));
  const { code, stdout } = await runInProcess(['completion', 'bash']);
  assert.equal(code, 0);
  writeFileSync(join(dir, 'salvor.bash'), stdout);
  writeFileSync(join(dir, 'a-file.raw'), '');
});

after(() => rmSync(dir, { recursive: true }));

/** What bash would offer behind these words, of which the last one is being typed. */
async function offered(...words: string[]): Promise<string[]> {
  const script = `source ./salvor.bash; COMP_WORDS=(salvor "$@"); COMP_CWORD=$#; _salvor; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout } = await promisify(execFile)('bash', ['-euc', script, 'bash', ...words], { cwd: dir });
  return stdout.split('\n').filter((word) => word !== '');
}

describe('completion in bash', () => {
  it('offers every command word by word', async () => {
    const groups = new Set(allCommands.map(({ name }) => name.split(' ')[0]));
    const first = await offered('');
    for (const group of groups) assert.ok(first.includes(group ?? ''), group);
    for (const { name } of allCommands) {
      const [group = '', second, third] = name.split(' ');
      if (second !== undefined) assert.ok((await offered(group, '')).includes(second), name);
      if (third !== undefined) assert.ok((await offered(group, second ?? '', '')).includes(third), name);
    }
  });

  it('offers what begins as typed: options of the command behind its arguments, and files where nothing else fits', async () => {
    assert.deepEqual(await offered('vdisk', 'cr'), ['create']);
    assert.deepEqual(await offered('vdisk', 'create', 'v1', '--cl'), ['--cluster']);
    assert.deepEqual(await offered('--json', 'vdisk', 'create', 'v1', '--slave'), ['--slave-cluster']);
    assert.deepEqual(await offered('vdisk', 'export', 'v1', 'a-f'), ['a-file.raw']);
  });

  it('refuses a shell that it does not know', async () => {
    const { code, stderr } = await runInProcess(['completion', 'powershell']);
    assert.equal(code, 2);
    assert.match(stderr, /expected <shell> to be bash or zsh, found 'powershell'/);
  });
});
