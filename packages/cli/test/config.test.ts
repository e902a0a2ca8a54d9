import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { formatVdiskStatic, openStore, vdiskStaticKey } from '@salvor/config-store';
import { type EtcdHandle, freePort, startEtcd, type TempDir, tempDir } from '@salvor/testkit';
import { runInProcess } from './fake-terminal.ts';

let dir: TempDir;
let etcd: EtcdHandle;
before(async () => {
  dir = tempDir('config');
  etcd = await startEtcd({ dir: dir.join('etcd') });
  const store = openStore({ endpoints: [etcd.endpoint] });
  const vdisk = { blockSize: 4096, size: 1, type: 'db', readOnly: false, templateVdiskID: '' } as const;
  await store.transact({
    compare: [],
    puts: [{ key: vdiskStaticKey('v1'), value: formatVdiskStatic(vdisk) }],
  });
  store.close();
});
after(async () => {
  await etcd.process.kill();
  dir.remove();
});

const run = (...args: string[]) =>
  runInProcess(args, { cwd: dir.path, env: { SALVOR_ETCD_ENDPOINTS: etcd.endpoint } });

test('an exported configuration is valid, and importing it again changes nothing', async () => {
  const exported = await run('config', 'export');
  assert.equal(exported.stderr, '');
  assert.match(exported.stdout, /^# [\s\S]*v1:vdisk:conf:static:[\s\S]*size: 1[\s\S]*complete: true\n$/);
  writeFileSync(dir.join('salvor.yaml'), exported.stdout);
  const valid = await run('config', 'validate', 'salvor.yaml');
  assert.match(valid.stdout, /^a configuration of 1 key, exported at /);
  const imported = await run('config', 'import', 'salvor.yaml');
  assert.deepEqual(imported, {
    code: 0,
    stderr: '',
    stdout: '0 keys written in 0 transactions, 1 as in the file\n',
  });
});

test('what was changed in the file is written, after a look at it', async () => {
  const { stdout } = await run('config', 'export');
  const readStdin = async (): Promise<Buffer> => Buffer.from(stdout.replace('size: 1', 'size: 2'));
  const importing = (...more: string[]) =>
    runInProcess(['config', 'import', '-', '--json', '--etcd', etcd.endpoint, ...more], { readStdin });
  const written = { written: ['v1:vdisk:conf:static'], unchanged: 0, others: [] };
  assert.deepEqual(JSON.parse((await importing('--dry-run')).stdout), { ...written, newer: [] });
  assert.deepEqual(JSON.parse((await importing()).stdout), { ...written, transactions: 1, raisedTo: null });
  const { entries } = JSON.parse((await run('config', 'export', '--json')).stdout) as { entries: object };
  assert.match(JSON.stringify(entries), /size: 2/);
});

test('what cannot be is said, with the exit code for it', async () => {
  writeFileSync(dir.join('cut.yaml'), (await run('config', 'export')).stdout.slice(0, 200));
  const cut = await run('config', 'import', 'cut.yaml');
  assert.equal(cut.code, 1);
  assert.match(cut.stderr, /the file is no configuration: /);
  assert.match((await run('config', 'validate', 'missing.yaml')).stderr, /cannot be read: ENOENT/);
  assert.equal((await runInProcess(['config', 'export'])).code, 3);
  assert.equal((await run('config', 'export', '--etcd', 'nonsense')).code, 2);
  const nowhere = await run(
    'config',
    'export',
    '--etcd',
    `127.0.0.1:${await freePort()}`,
    '--timeout',
    '0.5',
  );
  assert.equal(nowhere.code, 3);
  assert.match(nowhere.stderr, /does not answer/);
});
