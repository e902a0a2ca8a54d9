import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { tempDir } from '@salvor/testkit';

const main = join(import.meta.dirname, '../../dist/main.js');
/** Nobody listens there: a wrong file is known before anything is waited for. */
const NOWHERE = '127.0.0.1:1';

it('a coordinator with a wrong hooks file ends at once and says what is wrong', () => {
  using dir = tempDir('hooks-at-start');
  const file = dir.join('hooks.yaml');
  writeFileSync(file, 'hooks:\n  - name: page\n    on: [cluster.sick]\n    exec: ["true"]\n');
  const env = { PATH: process.env.PATH, SALVOR_HOOKS_FILE: file, SALVOR_ETCD_ENDPOINTS: NOWHERE };
  const { status, stdout } = spawnSync(process.execPath, [main], { env, encoding: 'utf8', timeout: 60_000 });
  assert.equal(status, 1);
  assert.match(stdout, /bad-hooks-file/);
  assert.match(stdout, /hooks\[0\]\.on\[0\] is \\"cluster\.sick\\", expected one of /);
});
