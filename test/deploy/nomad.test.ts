import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { freePort, ManagedProcess, releasePort, type TempDir, tempDir, until } from '@salvor/testkit';
import { MadeSecrets } from './made-secrets.ts';
import { type NomadJob, readJob } from './nomad-job.ts';
import { refusesStrangersOfEngines, refusesStrangersOfEtcd, refusesStrangersOfNats } from './refusals.ts';

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, '../..');
const FOLDER = join(ROOT, 'deploy/nomad');
const JOBS = await Promise.all(
  readdirSync(FOLDER)
    .filter((file) => file.endsWith('.hcl'))
    .map((file) => readJob(join(FOLDER, file))),
);
/** What the distribution brings, and what keeps state. */
const SERVERS = ['engine', 'etcd', 'nats'];
const isServer = ({ part }: NomadJob): boolean => SERVERS.includes(part);
/** How long a service gives itself to end: see its page. */
const DRAIN_SECONDS = 25;

describe('deploy/nomad', () => {
  it('has a job for every service, and names only settings, ports and volumes that there are', () => {
    const services = readdirSync(join(ROOT, 'services')).filter((name) => name !== 'nbd-server');
    assert.deepEqual(JOBS.map(({ part }) => part).toSorted(), [...services, ...SERVERS].toSorted());
    for (const { part, group, task } of JOBS) {
      // What log-watcher spawns has its environment.
      const pages = part === 'log-watcher' ? [part, 'nbd-server'] : [part];
      const page = (SERVERS.includes(part) ? [] : pages)
        .map((each) => readFileSync(join(ROOT, 'docs/services', `${each}.md`), 'utf8'))
        .join('');
      for (const name of Object.keys(task.env ?? {}))
        assert.ok(
          [name, name.replace(/_FILE$/, '')].some((known) => page.includes(`\`${known}\``)),
          `${part}: ${name}`,
        );
      const ports = Object.keys(group.network.port);
      assert.deepEqual(task.config.ports.toSorted(), ports.toSorted(), part);
      for (const { port } of group.service) assert.ok(ports.includes(port), `${part}: ${port}`);
      assert.deepEqual(
        task.volume_mount.map(({ volume }) => volume).toSorted(),
        Object.keys(group.volume).toSorted(),
        part,
      );
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
    for (const job of JOBS) {
      const { part, type, update, group, task } = job;
      assert.equal(update.max_parallel, 1, part);
      // A service goes back to the last version that was ready; a server of data does not go back by itself.
      if (type === 'service')
        assert.deepEqual([update.health_check, update.auto_revert], ['checks', !isServer(job)], part);
      for (const { check } of group.service) if (!isServer(job)) assert.equal(check.path, '/readyz', part);
      assert.ok(Number.parseInt(task.kill_timeout, 10) > DRAIN_SECONDS, part);
      assert.equal(group.restart.mode, 'delay', part);
      assert.equal((group.count ?? 1) !== 1, group.constraint !== undefined, part);
    }
  });

  it('restarts no servers because their secrets have changed: Nomad would do so to all of them', () => {
    for (const { part, task } of JOBS.filter(isServer))
      for (const { change_mode, destination } of task.template)
        assert.equal(change_mode, 'noop', `${part}: ${destination}`);
  });
});

/** One of a job that runs. */
interface Allocation {
  readonly job: NomadJob;
  /** The node that it is on: `nats-2`; that of other tasks does not matter. */
  readonly node: string;
  readonly process: ManagedProcess;
}

describe('deploy/nomad, its command lines as processes of this machine', () => {
  /** By node and label. */
  const ports = new Map<string, number>();
  const running: Allocation[] = [];
  let dir: TempDir;
  let secrets: MadeSecrets;
  let variables: ReadonlyMap<string, string>;

  before(async () => {
    dir = tempDir('nomad');
    secrets = await MadeSecrets.in(dir.join('secrets'));
    variables = await putSecrets();
    for (const job of JOBS)
      for (const node of nodesOf(job))
        for (const label of Object.keys(job.group.network.port))
          ports.set(`${node} ${label}`, await freePort());
  });
  after(async () => {
    await Promise.all(running.map(({ process }) => process.stop()));
    for (const port of ports.values()) releasePort(port);
    dir?.[Symbol.dispose]();
  });

  /** What `deploy/nomad/put-secrets` gives to Nomad: by path and item, what is in the file that it names. */
  async function putSecrets(): Promise<Map<string, string>> {
    const given = dir.join('given');
    mkdirSync(dir.join('bin'));
    writeFileSync(dir.join('bin/nomad'), `#!/bin/sh\nprintf '%s\\n' "$*" >> ${given}\n`, { mode: 0o755 });
    await run(join(FOLDER, 'put-secrets'), [secrets.folder], {
      env: { PATH: `${dir.join('bin')}:${process.env.PATH}` },
    });
    const lines = readFileSync(given, 'utf8').trim().split('\n');
    return new Map(
      lines.flatMap((line) => {
        const [path = '', ...items] = line.replace('var put -force ', '').split(' ');
        return items.map((item) => {
          const [name = '', file = ''] = item.split('=@');
          return [`${path} ${name}`, readFileSync(file, 'utf8')] as const;
        });
      }),
    );
  }

  function nodesOf({ part, group }: NomadJob): string[] {
    if (!SERVERS.includes(part)) return [`node-of-${part}`];
    // Engines are all alike.
    const count = typeof group.count === 'number' ? group.count : 1;
    return Array.from({ length: count }, (_, at) => `${part}-${at + 1}`);
  }

  const portOf = (node: string, label: string): number =>
    ports.get(`${node} ${label}`) ?? assert.fail(`${node} has no port ${label}`);

  /** What Nomad would put for `${…}` and `{{ … }}`, and the servers and paths of this machine. */
  function local(text: string, { part, variables: own, task }: NomadJob, node: string): string {
    const meant = (name: string): string => {
      const label = /^NOMAD_PORT_(.*)$/.exec(name)?.[1];
      if (label !== undefined) return String(portOf(node, label));
      if (name === 'NOMAD_SECRETS_DIR') return dir.join(`${node}/secrets`);
      if (name === 'node.unique.name') return node;
      return own[name.replace(/^var\./, '')] ?? assert.fail(`${part}: nobody says what ${name} is`);
    };
    let told = text
      .replaceAll(/\{\{ with nomadVar "([^"]+)" \}\}\{\{ \.(\w+) \}\}\{\{ end \}\}/g, (_, path, item) => {
        assert.equal(path, `nomad/jobs/salvor-${part}`, 'a task reads the variables of its own job');
        return variables.get(`${path} ${item}`) ?? assert.fail(`nobody puts ${item} into ${path}`);
      })
      .replaceAll(/\{\{ env "([^"]+)" \}\}/g, (_, name: string) => meant(name))
      .replaceAll(/\$\{([^}]+)\}/g, (_, name: string) => meant(name));
    for (const { destination } of task.volume_mount)
      told = told.replaceAll(
        new RegExp(`(?<![\\w./-])${destination}(?![\\w-])`, 'g'),
        dir.join(node, destination),
      );
    return told
      .replaceAll(/(?<![\w.-])(nats|etcd)-(\d):(\d+)/g, (_, of: string, at: string, port: string) => {
        const labels = Object.entries(JOBS.find((job) => job.part === of)?.group.network.port ?? {});
        const [label] = labels.find(([, { static: fixed }]) => fixed === Number(port)) ?? assert.fail(port);
        return `127.0.0.1:${portOf(`${of}-${at}`, label)}`;
      })
      .replaceAll('0.0.0.0', '127.0.0.1')
      .replaceAll(/(?<![\w./-])\/salvor\/([a-z-]+)\/dist\//g, `${ROOT}/services/$1/dist/`);
  }

  async function start(job: NomadJob, node: string): Promise<void> {
    const { task } = job;
    for (const { destination } of task.volume_mount)
      mkdirSync(dir.join(node, destination), { recursive: true });
    mkdirSync(dir.join(node, 'secrets'), { recursive: true });
    for (const { destination, data, perms } of task.template) {
      assert.equal(perms, '0400');
      writeFileSync(dir.join(node, destination), local(data, job, node), { mode: 0o400 });
    }
    const env = Object.entries(task.env ?? {}).map(([name, value]) => [name, local(value, job, node)]);
    const child = new ManagedProcess({
      name: node,
      command: task.config.command,
      args: task.config.args.map((arg) => local(arg, job, node)),
      env: { PATH: process.env.PATH, ...Object.fromEntries(env) },
      logFile: dir.join(`${node}.log`),
      stopTimeoutMs: Number.parseInt(task.kill_timeout, 10) * 1_000,
    });
    running.push({ job, node, process: child });
    await child.start();
  }

  async function startAll(jobs: readonly NomadJob[]): Promise<void> {
    const all = jobs.flatMap((job) => nodesOf(job).map((node) => ({ job, node })));
    await Promise.all(all.map(({ job, node }) => start(job, node)));
    for (const { job, node } of all)
      for (const { name, port, check } of job.group.service) {
        if (check.type !== 'http') continue;
        const url = `http://127.0.0.1:${portOf(node, port)}${check.path}`;
        await until(async () => (await fetch(url)).ok, {
          ...{ what: `${name} on ${node} to be ready`, timeoutMs: 120_000, intervalMs: 250 },
        });
      }
  }

  it('brings every task up, and each of its checks passes', async () => {
    await startAll(JOBS.filter(isServer));
    await startAll(JOBS.filter((job) => !isServer(job)));
  });

  it('refuses who has no certificate, a wrong password, or no user', async () => {
    await refusesStrangersOfNats(`127.0.0.1:${portOf('nats-3', 'client')}`, secrets);
    const [client, peer] = ['client', 'peer'].map((label) => `127.0.0.1:${portOf('etcd-2', label)}`);
    await refusesStrangersOfEtcd(client ?? '', peer ?? '', secrets);
    await refusesStrangersOfEngines(portOf('engine-1', 'engine'), secrets);
    for (const { node, process } of running.filter(({ job }) => job.part === 'nats'))
      assert.doesNotMatch(readFileSync(process.logFile, 'utf8'), /Violation/, node);
  });

  it('ends each by its signal in its time, and no log has a secret', async () => {
    const services = running.filter(({ job }) => !isServer(job));
    await Promise.all(services.map(({ process }) => process.stop()));
    for (const { node, process } of services) assert.equal(process.lastExit?.code, 0, node);
    const all = secrets.all();
    for (const { node, process } of running) {
      const log = readFileSync(process.logFile, 'utf8');
      const told = all.filter((secret) => log.includes(secret));
      assert.deepEqual(told, [], node);
    }
  });
});
