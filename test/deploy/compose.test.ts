import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { natsUser } from '@salvor/bus';
import { clientTls } from '@salvor/service-kit';
import { EngineLink, NbdClient, type TempDir, tempDir, until } from '@salvor/testkit';
import { type ComposeFile, mountOf, readCompose } from './compose-file.ts';
import { readExposition } from './exposition.ts';
import { LocalCompose } from './local-compose.ts';
import { askHttps, clientOf, MadeSecrets } from './made-secrets.ts';
import { readMetricsPage } from './metrics-page.ts';
import { refusesStrangersOfEngines, refusesStrangersOfEtcd, refusesStrangersOfNats } from './refusals.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const FOLDER = join(ROOT, 'deploy/compose');
const FILE = readCompose(join(FOLDER, 'compose.yaml'));
/** How long a service gives itself to end: see its page. */
const DRAIN_SECONDS = 25;

/** Services that run Salvor's own code, with the part that each begins with. */
function partsOf({ services }: ComposeFile): { name: string; part: string }[] {
  return Object.entries(services).flatMap(([name, { command, entrypoint }]) => {
    const main = [...(entrypoint ?? []), ...(command ?? [])].find((word) => word.startsWith('/salvor/'));
    return main === undefined ? [] : [{ name, part: main.split('/')[2] ?? '' }];
  });
}

describe('deploy/compose', () => {
  it('has no container that may write to its image, is root, or keeps a capability', () => {
    for (const [name, service] of Object.entries(FILE.services)) {
      const { read_only, user, cap_drop, security_opt } = service;
      assert.deepEqual(
        { read_only, user, cap_drop, security_opt },
        { read_only: true, user: '1000:1000', cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] },
        name,
      );
    }
  });

  it('waits for each service longer than that takes to end, and keeps what it writes in a volume', () => {
    for (const { name } of partsOf(FILE))
      assert.ok(Number.parseInt(FILE.services[name]?.stop_grace_period ?? '', 10) > DRAIN_SECONDS, name);
    const used = Object.values(FILE.services).flatMap(({ volumes }) => volumes.map((v) => mountOf(v).from));
    for (const from of used)
      if (!from.startsWith('./secrets/'))
        assert.ok(from.startsWith('.') ? existsSync(resolve(FOLDER, from)) : from in FILE.volumes, from);
    for (const volume of Object.keys(FILE.volumes)) assert.ok(used.includes(volume), volume);
  });

  it('names only parts, settings, secrets and services that there are, and each image is built once', () => {
    const built = new Map<string, string[]>();
    for (const { image, build } of Object.values(FILE.services)) {
      const images = built.get(image) ?? [];
      built.set(image, build === undefined ? images : [...images, build.target]);
    }
    const dockerfile = readFileSync(join(ROOT, 'deploy/Dockerfile'), 'utf8');
    for (const [image, targets] of built) {
      assert.equal(targets.length, 1, `${image} is built by ${targets.length} services`);
      assert.match(dockerfile, new RegExp(` AS ${targets[0]}$`, 'm'));
    }
    for (const { name, part } of partsOf(FILE)) {
      const folder = part === 'cli' ? 'packages/cli' : `services/${part}`;
      assert.ok(existsSync(join(ROOT, folder, 'package.json')), `${name}: ${folder}`);
      // What log-watcher spawns has its environment; `salvor` takes some of the settings of services.
      const pages = { cli: ['console'], 'log-watcher': ['log-watcher', 'nbd-server'] }[part] ?? [part];
      const documented = pages
        .map((page) => readFileSync(join(ROOT, 'docs/services', `${page}.md`), 'utf8'))
        .join('');
      for (const variable of Object.keys(FILE.services[name]?.environment ?? {}))
        assert.ok(
          [variable, variable.replace(/_FILE$/, '')].some((known) => documented.includes(`\`${known}\``)),
          `${name}: ${variable}`,
        );
    }
    const given = new Set(Object.values(FILE.services).flatMap(({ secrets }) => secrets));
    assert.deepEqual([...given].toSorted(), Object.keys(FILE.secrets).toSorted());
    for (const [name, { depends_on }] of Object.entries(FILE.services)) {
      for (const other of Object.keys(depends_on)) assert.ok(other in FILE.services, `${name}: ${other}`);
    }
  });
});

describe('deploy/compose, its command lines as processes of this machine', () => {
  let dir: TempDir;
  let secrets: MadeSecrets;
  let compose: LocalCompose;
  before(async () => {
    dir = tempDir('compose');
    secrets = await MadeSecrets.in(dir.join('secrets'), '--for-containers');
    compose = await LocalCompose.start(FILE, { folder: FOLDER, dir: dir.path, secrets: secrets.folder });
  });
  after(async () => {
    await compose?.[Symbol.asyncDispose]();
    dir?.[Symbol.dispose]();
  });

  const engines = (cluster: string) =>
    [0, 1].flatMap((shard) => ['--engine', `engine-${cluster}-${shard}:6379`]);
  const at = (name: string, port: number) => `127.0.0.1:${compose.port(name, port)}`;
  const connect = (name: string, vdisk: string) =>
    NbdClient.connect(
      `nbds://${at(name, 10_809)}/${vdisk}?tls-certificates=${secrets.certificates('hosts').dir}`,
      { requestTimeoutMs: 30_000 },
    );
  const block = (byte: number) => Buffer.alloc(4_096, byte);

  it('serves a vdisk that the commands of the README make', async () => {
    await compose.run(
      'cli',
      'cluster',
      'create',
      's1',
      '--role',
      'slave',
      ...engines('s1'),
      '--spare',
      'engine-spare-1:6379',
    );
    await compose.run(
      'cli',
      'cluster',
      'create',
      'p1',
      '--role',
      'primary',
      '--partner',
      's1',
      ...engines('p1'),
      '--spare',
      'engine-spare-2:6379',
    );
    await compose.run(
      'cli',
      'vdisk',
      'create',
      'v1',
      '--size',
      '1',
      '--cluster',
      'p1',
      '--slave-cluster',
      's1',
      '--tlog',
      'block',
    );
    await using client = await connect('nbd-1', 'v1');
    await client.write(0, block(1));
    await client.flush();
    assert.deepEqual(await client.read(0, 4_096), block(1));
  });

  it('archives it', async () => {
    await compose.run('cli', 'archive', 'init-storage', 'vol1', '--vdisk', 'v1');
    await compose.run('cli', 'archive', 'start-synchronizing', 'local', 'vol1');
    const isProtected = async () =>
      JSON.parse(await compose.run('cli', 'archive', 'status', 'vol1', '--json')).archives[0].status ===
      'protected';
    await until(isProtected, { what: 'the archive to have everything', timeoutMs: 60_000, intervalMs: 500 });
  });

  it('shows it on the page of the console, where who has a token may act', async () => {
    const [url, browser] = [`https://${at('console', 8_480)}`, clientOf(secrets.certificates('hosts'), true)];
    const page = await askHttps(`${url}/`, browser);
    assert.match(page.text, /<title>Salvor<\/title>/);
    const act = (token: string) =>
      askHttps(`${url}/actions`, browser, {
        ...{ method: 'POST', body: '{}' },
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      });
    assert.equal((await act('a-token-that-is-of-nobody')).status, 401);
    assert.equal((await act(secrets.tokenOf('anna'))).status, 400, 'an action is expected');
  });

  it('refuses who has no certificate, a wrong password, or no user', async () => {
    await Promise.all([
      refusesStrangersOfNats(at('nats-1', 4_222), secrets),
      refusesStrangersOfEtcd(at('etcd-1', 2_379), at('etcd-1', 2_380), secrets),
      refusesStrangersOfEngines(compose.port('engine-p1-0', 6_379), secrets),
    ]);
    const uri = `${at('nbd-1', 10_809)}/v1`;
    await assert.rejects(NbdClient.connect(`nbd://${uri}`), /TLS_REQD/);
    const ofNats = secrets.certificates('nats').dir;
    await assert.rejects(NbdClient.connect(`nbds://${uri}?tls-certificates=${ofNats}`));
    await assert.rejects(fetch(`http://${at('console', 8_480)}/`));
  });

  it('lets each person do what their role may, under their name', async () => {
    const as = (person: string, ...words: readonly string[]) =>
      compose.runWith({ SALVOR_PERSON: person }, 'cli', ...words, '--timeout', '10');
    await as('anna', 'healing', 'pause', '--reason', 'a test');
    const told = await as('bob', 'healing', 'status', '--json');
    assert.equal(JSON.parse(told).everywhere.by, 'anna');
    await assert.rejects(
      as('bob', 'healing', 'resume', '--reason', 'not his to say'),
      /does not let this user publish/,
    );
    await as('anna', 'healing', 'resume', '--reason', 'seen');
  });

  it('goes on when one NATS server, one member of etcd, one coordinator and one engine are killed', async () => {
    await using client = await connect('nbd-1', 'v1');
    await Promise.all(
      ['nats-2', 'etcd-2', 'repair-coordinator-1', 'engine-p1-0'].map((name) =>
        compose.process(name).kill('SIGKILL'),
      ),
    );
    for (let i = 0; i < 8; i++) await client.write(i * 4_096, block(2 + i));
    await client.flush();
    for (let i = 0; i < 8; i++) assert.deepEqual(await client.read(i * 4_096, 4_096), block(2 + i));
    const incidents = await compose.run('cli', 'incident', 'list', '--json');
    assert.match(incidents, /engine-unreachable|offline/);
  });

  it('has the metrics that docs/metrics.md lists, all of them and no others', async () => {
    const page = readMetricsPage(join(ROOT, 'docs/metrics.md'));
    const running = partsOf(FILE).filter(({ name }) => compose.names.includes(name));
    const told = new Set<string>();
    for (const { name, part } of running.filter((each) => compose.process(each.name).running))
      for (const [service, port] of part === 'log-watcher'
        ? ([
            [part, 9_100],
            ['nbd-server', 9_101],
          ] as const)
        : ([[part, 9_100]] as const)) {
        const url = `http://127.0.0.1:${compose.port(name, port)}/metrics`;
        const found = readExposition(await (await fetch(url)).text());
        const listed = page.get(service);
        assert.ok(listed, `docs/metrics.md has no section ${service}`);
        assert.deepEqual([...found.keys()].toSorted(), [...listed.keys()].toSorted(), service);
        for (const [metric, { type, help, labels, series }] of found) {
          assert.deepEqual(
            { type, meaning: help },
            { type: listed.get(metric)?.type, meaning: listed.get(metric)?.meaning },
            metric,
          );
          if (series > 0)
            assert.deepEqual([...labels].toSorted(), listed.get(metric)?.labels.toSorted(), metric);
        }
        told.add(service);
      }
    assert.deepEqual([...told].toSorted(), [...page.keys()].toSorted());
  });

  it('had nobody refused by NATS or by an engine who was to be let in', async () => {
    const { publicKey } = natsUser('reader', secrets.seedOf('bob'));
    const refused = [1, 2, 3].flatMap(
      (n) => readFileSync(compose.process(`nats-${n}`).logFile, 'utf8').match(/.*Violation.*/g) ?? [],
    );
    assert.deepEqual(
      refused.filter((line) => !line.includes(publicKey)),
      [],
    );
    const client = clientTls(clientOf(secrets.certificates('engines')));
    for (const name of compose.names.filter((each) => each.startsWith('engine-'))) {
      if (!compose.process(name).running) continue;
      using link = await EngineLink.open(compose.port(name, 6_379), undefined, undefined, client);
      await link.send('AUTH', 'administrator', secrets.passwordOf('administrator'));
      const log = (await link.send('ACL', 'LOG')) as string[][];
      assert.deepEqual(
        log.filter((entry) => !entry.includes('flushall')),
        [],
        name,
      );
    }
  });

  it('ends each service by SIGTERM within its grace, and no log has a secret', async () => {
    const parts = partsOf(FILE)
      .map(({ name }) => name)
      .filter((name) => compose.names.includes(name));
    const running = parts.filter((name) => compose.process(name).running);
    assert.ok(running.length >= 10);
    const exits = await Promise.all(
      running.map(async (name) => {
        await compose.process(name).stop();
        return [name, compose.process(name).lastExit?.code];
      }),
    );
    assert.deepEqual(
      exits,
      running.map((name) => [name, 0]),
    );
    const all = secrets.all();
    assert.ok(all.length > 25 && all.every((secret) => secret.length >= 24));
    for (const name of compose.names) {
      const log = readFileSync(compose.process(name).logFile, 'utf8');
      assert.deepEqual(
        all.filter((secret) => log.includes(secret)),
        [],
        name,
      );
    }
  });
});
