import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
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
import { type NomadJob, readJob } from './nomad-job.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const FOLDER = join(ROOT, 'deploy/nomad');
const JOBS = await Promise.all(readdirSync(FOLDER).map((file) => readJob(join(FOLDER, file))));
const PASSWORD = 'a-password-of-the-engines';
/** How long a service gives itself to end: see its page. */
const DRAIN_SECONDS = 25;

describe('deploy/nomad', () => {
  it('has a job for every service, and names only settings, ports and volumes that there are', () => {
    const services = readdirSync(join(ROOT, 'services')).filter((name) => name !== 'nbd-server');
    assert.deepEqual(JOBS.map(({ part }) => part).toSorted(), services.toSorted());
    for (const { part, group, task } of JOBS) {
      const page = readFileSync(join(ROOT, 'docs/services', `${part}.md`), 'utf8');
      for (const name of Object.keys(task.env))
        if (part !== 'log-watcher' || !/ENGINE_PASSWORD|ETCD/.test(name))
          assert.ok(page.includes(`\`${name.replace(/_FILE$/, '')}\``), `${part}: ${name}`);
      const ports = Object.keys(group.network.port);
      assert.deepEqual(task.config.ports, ports, part);
      for (const { port } of group.service) assert.ok(ports.includes(port), `${part}: ${port}`);
      assert.deepEqual(
        task.volume_mount.map(({ volume }) => volume).toSorted(),
        Object.keys(group.volume).toSorted(),
        part,
      );
      assert.ok(existsSync(join(ROOT, 'services', part, 'package.json')));
    }
  });

  it('has no task that is root, may write to its image, or keeps a capability', () => {
    for (const { part, task } of JOBS) {
      const { readonly_rootfs, cap_drop, security_opt } = task.config;
      assert.deepEqual(
        { user: task.user, readonly_rootfs, cap_drop, security_opt },
        { user: '1000:1000', readonly_rootfs: true, cap_drop: ['all'], security_opt: ['no-new-privileges'] },
        part,
      );
    }
  });

  it('updates one after the other, each when it is ready, and waits for it to end longer than that takes', () => {
    for (const { part, type, update, group, task } of JOBS) {
      assert.equal(update.max_parallel, 1, part);
      if (type === 'service')
        assert.deepEqual([update.health_check, update.auto_revert], ['checks', true], part);
      for (const { check } of group.service) assert.equal(check.path, '/readyz', part);
      assert.ok(Number.parseInt(task.kill_timeout, 10) > DRAIN_SECONDS, part);
      assert.equal(group.restart.mode, 'delay', part);
      assert.equal((group.count ?? 1) > 1, group.constraint !== undefined, part);
    }
  });
});

describe('deploy/nomad, its command lines as processes of this machine', () => {
  const ports = new Map<string, number>();
  const running = new Map<string, ManagedProcess>();
  let dir: TempDir;
  let nats: NatsHandle;
  let etcd: EtcdHandle;

  before(async () => {
    dir = tempDir('nomad');
    [nats, etcd] = await Promise.all([
      startNats({ dir: join(dir.path, 'nats') }),
      startEtcd({ dir: join(dir.path, 'etcd') }),
    ]);
  });
  after(async () => {
    await Promise.all([...running.values()].map((process) => process.stop()));
    await Promise.all([nats?.process.stop(), etcd?.process.stop()]);
    for (const port of ports.values()) releasePort(port);
    dir?.[Symbol.dispose]();
  });

  /** What Nomad would put for `${…}`, and the servers and paths of this machine. */
  function local(text: string, { part, variables, task }: NomadJob): string {
    const values = new Map([
      ...Object.entries(variables).map(([name, value]) => [`var.${name}`, value] as const),
      ...[...ports].map(([name, port]) => [name, String(port)] as const),
      ['NOMAD_SECRETS_DIR', join(dir.path, part, 'secrets')],
      ['node.unique.name', 'node-1'],
    ]);
    let told = text.replaceAll(/\$\{([^}]+)\}/g, (_, name: string) => {
      const value = values.get(name) ?? values.get(`${part} ${name}`);
      if (value === undefined) throw new Error(`${part}: nobody says what \${${name}} is`);
      return value;
    });
    for (const { destination } of task.volume_mount)
      told = told.replaceAll(
        new RegExp(`(?<![\\w./-])${destination}(?![\\w-])`, 'g'),
        join(dir.path, part, destination),
      );
    return told
      .replaceAll(/(?:nats-[123]:4222,?)+/g, nats.url.replace('nats://', ''))
      .replaceAll('http://nats-1:8222', nats.monitorUrl)
      .replaceAll(/(?:etcd-[123]:2379,?)+/g, etcd.endpoint)
      .replaceAll('0.0.0.0', '127.0.0.1')
      .replaceAll(/(?<![\w./-])\/salvor\/([a-z-]+)\/dist\//g, `${ROOT}/services/$1/dist/`);
  }

  async function start(job: NomadJob): Promise<void> {
    const { part, group, task } = job;
    for (const port of Object.keys(group.network.port))
      ports.set(`${part} NOMAD_PORT_${port}`, await freePort());
    for (const { destination } of task.volume_mount)
      mkdirSync(join(dir.path, part, destination), { recursive: true });
    for (const { destination, data } of task.template) {
      assert.equal(data, '{{ with nomadVar "nomad/jobs" }}{{ .engine_password }}{{ end }}');
      mkdirSync(join(dir.path, part, 'secrets'), { recursive: true });
      writeFileSync(join(dir.path, part, destination), PASSWORD, { mode: 0o400 });
    }
    const env = Object.entries(task.env).map(([name, value]) => [name, local(value, job)]);
    const process = new ManagedProcess({
      name: part,
      command: task.config.command,
      args: task.config.args.map((arg) => local(arg, job)),
      env: { PATH: globalThis.process.env.PATH, ...Object.fromEntries(env) },
      logFile: join(dir.path, `${part}.log`),
      stopTimeoutMs: Number.parseInt(task.kill_timeout, 10) * 1_000,
    });
    running.set(part, process);
    await process.start();
  }

  it('brings every task up, and each of its checks passes', async () => {
    await Promise.all(JOBS.map(start));
    for (const { part, group } of JOBS)
      for (const { name, port, check } of group.service)
        await until(
          async () =>
            (await fetch(`http://127.0.0.1:${ports.get(`${part} NOMAD_PORT_${port}`)}${check.path}`)).ok,
          { what: `${name} to be ready`, timeoutMs: 120_000, intervalMs: 250 },
        );
  });

  it('ends each by its signal in its time, and no log has the password', async () => {
    await Promise.all([...running.values()].map((process) => process.stop()));
    for (const [part, process] of running) {
      assert.equal(process.lastExit?.code, 0, part);
      assert.ok(!readFileSync(process.logFile, 'utf8').includes(PASSWORD), part);
    }
  });
});
