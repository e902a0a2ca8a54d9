import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import {
  type EtcdHandle,
  freePort,
  ManagedProcess,
  type NatsHandle,
  releasePort,
  startEtcd,
  startNats,
  type TempDir,
  tempDir,
  until,
} from '@salvor/testkit';
import { askHttps, clientOf, MadeSecrets } from './made-secrets.ts';
import { refusesStrangersOfNats } from './refusals.ts';
import { readEnvironment, readUnit } from './systemd-unit.ts';

const run = promisify(execFile);

const ROOT = resolve(import.meta.dirname, '../..');
const FOLDER = join(ROOT, 'deploy/systemd');
const UNIT = readUnit(join(FOLDER, 'salvor@.service'));
const SERVICE = UNIT.get('Service') ?? new Map<string, string[]>();
const PARTS = readdirSync(join(FOLDER, 'environment'))
  .map((file) => file.replace(/\.env$/, ''))
  .filter((part) => part !== 'common');
/** How long a service gives itself to end: see its page. */
const DRAIN_SECONDS = 25;

const only = (key: string): string => {
  const values = SERVICE.get(key) ?? [];
  assert.equal(values.length, 1, key);
  return values[0] ?? '';
};

describe('deploy/systemd', () => {
  it('runs each part as nobody special, and lets it write into its own folder only', () => {
    for (const [key, value] of [
      ['User', 'salvor'],
      ['NoNewPrivileges', 'yes'],
      ['CapabilityBoundingSet', ''],
      ['ProtectSystem', 'strict'],
      ['ProtectHome', 'yes'],
      ['PrivateTmp', 'yes'],
      ['StateDirectory', 'salvor/%i'],
    ] as const)
      assert.equal(only(key), value, key);
    assert.equal(SERVICE.has('MemoryDenyWriteExecute'), false, 'JavaScript is compiled while it runs');
  });

  it('starts a part again whenever it ends, and waits for it longer than that takes', () => {
    assert.equal(only('Restart'), 'always');
    assert.deepEqual(UNIT.get('Unit')?.get('StartLimitIntervalSec'), ['0']);
    assert.ok(Number.parseInt(only('TimeoutStopSec'), 10) > DRAIN_SECONDS);
  });

  it('is wanted by the target, and knows each part, and each setting of it', () => {
    assert.deepEqual(UNIT.get('Install')?.get('WantedBy'), ['salvor.target']);
    assert.ok(readUnit(join(FOLDER, 'salvor.target')).get('Install')?.has('WantedBy'));
    assert.ok(PARTS.length >= 6);
    for (const part of PARTS) {
      const page = readFileSync(join(ROOT, 'docs/services', `${part}.md`), 'utf8');
      for (const file of ['common', part])
        for (const name of Object.keys(readEnvironment(join(FOLDER, 'environment', `${file}.env`))))
          assert.ok(page.includes(`\`${name}\``), `${part}: ${name}`);
    }
  });

  it('gives each part a port of its own, on one machine', () => {
    const ports = PARTS.map(
      (part) => readEnvironment(join(FOLDER, 'environment', `${part}.env`)).SALVOR_HTTP_PORT,
    );
    assert.equal(new Set(ports).size, PARTS.length, ports.join(', '));
  });
});

describe('deploy/systemd, its command lines as processes of this machine', () => {
  const held: number[] = [];
  const running = new Map<string, { process: ManagedProcess; port: number }>();
  let dir: TempDir;
  let secrets: MadeSecrets;
  let nats: NatsHandle;
  let etcd: EtcdHandle;

  before(async () => {
    dir = tempDir('systemd');
    secrets = await MadeSecrets.in(dir.join('secrets'));
    await run(join(FOLDER, 'install'), ['--root', dir.join('root'), ...PARTS]);
    [nats, etcd] = await Promise.all([
      startNats({
        ...{ dir: join(dir.path, 'nats'), tls: secrets.certificates('nats') },
        extraConfig: readFileSync(join(secrets.folder, 'nats/nats-users.conf'), 'utf8'),
      }),
      startEtcd({ dir: join(dir.path, 'etcd'), tls: secrets.certificates('etcd') }),
    ]);
  });
  after(async () => {
    await Promise.all([...running.values()].map(({ process }) => process.stop()));
    await Promise.all([nats?.process.stop(), etcd?.process.stop()]);
    for (const port of held) releasePort(port);
    dir?.[Symbol.dispose]();
  });

  /** Everything that the unit and what is installed beside it say about the service. */
  function serviceOf(part: string): (key: string) => readonly string[] {
    const units = dir.join('root/etc/systemd/system');
    const files = [`${units}/salvor@.service`, `${units}/salvor@${part}.service.d/secrets.conf`];
    const sections = files.map((file) => readUnit(file).get('Service'));
    return (key) => sections.flatMap((section) => section?.get(key) ?? []);
  }

  /** As systemd does it: a copy of each, which the part alone can read. */
  function loadCredentials(part: string): void {
    mkdirSync(credentialsOf(part), { recursive: true, mode: 0o700 });
    for (const credential of serviceOf(part)('LoadCredential')) {
      const [id = '', path = ''] = credential.replaceAll('%i', part).split(':');
      copyFileSync(path.replace('/etc/salvor/secrets', secrets.folder), join(credentialsOf(part), id));
    }
  }

  const credentialsOf = (part: string): string => dir.join(`credentials/salvor@${part}.service`);

  /** What the unit says, with the servers, paths and ports of this machine. */
  const local = (text: string, part: string): string =>
    text
      .replaceAll('%i', part)
      .replaceAll('%d', credentialsOf(part))
      .replaceAll('/run/credentials', dir.join('credentials'))
      .replaceAll('/var/lib/salvor', join(dir.path, 'state'))
      .replaceAll('/usr/bin/node', process.execPath)
      .replaceAll('/opt/salvor/', `${join(ROOT, 'services')}/`)
      .replaceAll(/(?:nats-[123]:4222,?)+/g, nats.url.replace('nats://', ''))
      .replaceAll('http://nats-1:8222', nats.monitorUrl)
      .replaceAll(/(?:etcd-[123]:2379,?)+/g, etcd.endpoint)
      .replaceAll('tcp:127.0.0.1:10809', 'tcp:127.0.0.1:0')
      .replaceAll('"SALVOR_HTTP_PORT": "9105"', '"SALVOR_HTTP_PORT": "0"');

  async function start(part: string): Promise<void> {
    const service = serviceOf(part);
    const files = service('EnvironmentFile').map((file) => local(file, part));
    assert.deepEqual(files, ['/etc/salvor/common.env', `/etc/salvor/${part}.env`]);
    const told = files.map((file) => readEnvironment(dir.join(`root${file}`)));
    const own = service('Environment').map((line) => line.split('=', 2) as [string, string]);
    loadCredentials(part);
    const port = await freePort();
    held.push(port);
    const env = Object.entries({ ...Object.fromEntries(own), ...Object.assign({}, ...told) });
    mkdirSync(join(dir.path, 'state', part), { recursive: true });
    const [command = '', ...args] = local(only('ExecStart'), part).split(' ');
    const child = new ManagedProcess({
      name: part,
      command,
      args,
      env: {
        PATH: process.env.PATH,
        ...Object.fromEntries(env.map(([name, value]) => [name, local(String(value), part)])),
        SALVOR_HTTP_PORT: String(port),
        ...(part === 'console' ? { SALVOR_PAGE_PORT: '0' } : {}),
      },
      logFile: join(dir.path, `${part}.log`),
      stopTimeoutMs: Number.parseInt(only('TimeoutStopSec'), 10) * 1_000,
    });
    running.set(part, { process: child, port });
    await child.start();
  }

  it('brings every part up, ready', async () => {
    for (const part of PARTS) assert.ok(existsSync(join(ROOT, 'services', part, 'dist/main.js')), part);
    await Promise.all(PARTS.map(start));
    for (const [part, { port }] of running)
      await until(async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok, {
        what: `${part} to be ready`,
        timeoutMs: 60_000,
        intervalMs: 250,
      });
  });

  it('lets nobody in without certificate and user, and serves the page over HTTPS', async () => {
    await refusesStrangersOfNats(`127.0.0.1:${nats.port}`, secrets);
    const log = readFileSync(running.get('console')?.process.logFile ?? '', 'utf8');
    const url = /https:\/\/127\.0\.0\.1:\d+/.exec(log)?.[0] ?? assert.fail(log);
    const page = await askHttps(`${url}/`, clientOf(secrets.certificates('hosts'), true));
    assert.match(page.text, /<title>Salvor<\/title>/);
    assert.doesNotMatch(readFileSync(nats.process.logFile, 'utf8'), /Violation/);
  });

  it('ends each by SIGTERM in its time, and no log has a secret', async () => {
    await Promise.all([...running.values()].map(({ process }) => process.stop()));
    for (const [part, { process }] of running) {
      assert.equal(process.lastExit?.code, 0, part);
      const log = readFileSync(process.logFile, 'utf8');
      const told = secrets.all().filter((secret) => log.includes(secret));
      assert.deepEqual(told, [], part);
    }
  });
});
