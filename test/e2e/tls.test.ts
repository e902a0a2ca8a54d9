import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { connectBus } from '@salvor/bus';
import { openStore } from '@salvor/config-store';
import { clientTls, silentLogger } from '@salvor/service-kit';
import {
  type CertificateFiles,
  certificateFiles,
  EngineLink,
  restartEmpty,
  type TempDir,
  tempDir,
  until,
} from '@salvor/testkit';
import { HealingStack } from './healing-stack.ts';

const run = promisify(execFile);
const SALVOR = join(import.meta.dirname, '../../bin/salvor');
const MIB = 1024 * 1024;
const TOKEN = randomBytes(24).toString('base64url');

/** What a client trusts, and shows. */
interface Client {
  readonly caFile: string;
  readonly certFile?: string;
  readonly keyFile?: string;
}

describe('a stack of which every link is TLS, and every login one of a user', () => {
  let healing: HealingStack;
  let dir: TempDir;
  let ours: CertificateFiles;
  let strangers: CertificateFiles;
  /** What a role logs in with, as the commands have put it into files. */
  const seedOf = (role: string): string => readFileSync(dir.join(`nats/${role}.seed`), 'utf8').trim();
  const passwordOf = (user: string): string =>
    readFileSync(dir.join(`engines/${user}.password`), 'utf8').trim();
  before(async () => {
    dir = tempDir('tls');
    const salvor = (...args: string[]) => run(SALVOR, [...args, '--json'], { cwd: dir.path });
    await Promise.all([
      ...[salvor('certificates', 'ours'), salvor('certificates', 'strangers')],
      ...[salvor('bus', 'users', 'nats'), salvor('engine', 'users', 'engines')],
    ]);
    [ours, strangers] = [certificateFiles(dir.join('ours')), certificateFiles(dir.join('strangers'))];
    healing = await HealingStack.start({
      ...{ primaries: 1, slaves: 1, spares: 1, tls: ours },
      natsUsers: { config: readFileSync(dir.join('nats/nats-users.conf'), 'utf8'), seedOf },
      engineUsers: { aclFile: dir.join('engines/engine-users.acl'), passwordOf },
      services: {
        console: { replicas: 1, env: { SALVOR_CONSOLE_TOKENS: `anna ${TOKEN}` } },
        'tlog-replayer': { replicas: 0 },
      },
    });
  });
  after(async () => {
    await healing?.[Symbol.asyncDispose]();
    dir?.remove();
  });

  it('takes writes over nbds://, rebuilds an engine that lost everything, and gives the writes back', async () => {
    await healing.createVdisk('v1');
    const uri = `${healing.server.uri('v1')}?tls-certificates=${ours.dir}`;
    writeFileSync(dir.join('image'), Buffer.concat([1, 2, 3].map((byte) => Buffer.alloc(MIB, byte))));
    await run('nbdcopy', ['--flush', dir.join('image'), uri]);
    const { address } = healing.stack.engine('primary', 0);
    await restartEmpty(healing.stack.engineAt(address));
    await until(
      async () => (await healing.bus.request('incident.list', { all: true })).incidents.length > 0,
      {
        ...{ what: 'the loss is noticed', timeoutMs: 30_000 },
      },
    );
    await healing.untilHealed();
    const { port } = healing.server;
    const reads = [1, 2, 3].flatMap((byte) => ['-c', `read -P ${byte} ${byte - 1}M 1M`]);
    const { stdout } = await run('qemu-io', [
      ...['--object', `tls-creds-x509,id=tls,endpoint=client,dir=${ours.dir}`, '-r', ...reads],
      ...['--image-opts', `driver=nbd,host=127.0.0.1,port=${port},export=v1,tls-creds=tls`],
    ]);
    assert.doesNotMatch(stdout, /failed/);
    assert.equal(stdout.match(/read 1048576\/1048576 bytes/g)?.length, 3);
  });

  it('refuses whoever speaks plainly, shows no certificate or one of strangers, or trusts strangers', async () => {
    const clients: Readonly<Record<string, Client | undefined>> = {
      plainly: undefined,
      'without a certificate': { caFile: ours.ca },
      'with one of strangers': {
        ...{ caFile: ours.ca, certFile: strangers.clientCert, keyFile: strangers.clientKey },
      },
      'trusting strangers': { caFile: strangers.ca, certFile: ours.clientCert, keyFile: ours.clientKey },
    };
    const refused = Object.entries(clients).map(async ([how, client]) => {
      await assert.rejects(askNats(healing, client), { code: 'connect-timeout' }, `NATS ${how}`);
      await assert.rejects(askEtcd(healing, client), { code: 'store-unavailable' }, `etcd ${how}`);
      await assert.rejects(askEngine(healing, client), `engine ${how}`);
      await assert.rejects(askNbdServer(healing, client, dir), /nbdinfo/, `NBD server ${how}`);
    });
    await Promise.all(refused);
    // The same questions, asked as they should be.
    const nkeySeed = seedOf('reader');
    const known = { caFile: ours.ca, certFile: ours.clientCert, keyFile: ours.clientKey };
    await askNats(healing, known, nkeySeed);
    await askEtcd(healing, known);
    await assert.rejects(askEngine(healing, known), /NOAUTH/, 'a certificate is no login');
    assert.equal(await askNbdServer(healing, known, dir), String(1024 * MIB));
  });

  it('had no service refused by an engine or by NATS', async () => {
    const { engines, nats } = healing.stack;
    for (const { port, name } of [...engines.primary, ...engines.slave, ...engines.spares]) {
      using link = await EngineLink.open(port, undefined, undefined, engineClient(ours));
      await link.send('AUTH', 'administrator', passwordOf('administrator'));
      assert.deepEqual(await link.send('ACL', 'LOG'), [], name);
    }
    assert.doesNotMatch(readFileSync(nats.process.logFile, 'utf8'), /Violation/);
  });

  it('told no password, seed, token or key in any log', () => {
    const { services, nats, etcd, engines, options } = healing.stack;
    const all = [...engines.primary, ...engines.slave, ...engines.spares];
    const spool = join(options.dir, 'log-watcher', 'spool');
    const logs = [
      ...[...services.values(), nats.process, etcd.process, ...all.map(({ process }) => process)].map(
        ({ logFile }) => logFile,
      ),
      ...readdirSync(spool).map((name) => join(spool, name)),
    ];
    const secrets = [
      ...['nats', 'engines'].flatMap((folder) =>
        readdirSync(dir.join(folder))
          .filter((name) => /\.(seed|password)$/.test(name))
          .map((name) => readFileSync(dir.join(folder, name), 'utf8').trim()),
      ),
      ...[ours.serverKey, ours.clientKey].map((file) => readFileSync(file, 'utf8').split('\n')[1] ?? ''),
      TOKEN,
    ];
    assert.ok(secrets.length > 15 && secrets.every((secret) => secret.length >= 24));
    for (const log of logs) {
      const text = readFileSync(log, 'utf8');
      const told = secrets.filter((secret) => text.includes(secret));
      assert.deepEqual(told, [], log);
    }
    assert.ok(logs.length >= 10, `expected many logs, found ${logs.length}`);
  });

  it('shows the page of the console over HTTPS only', async () => {
    const url = healing.stack.consoleUrl ?? assert.fail();
    assert.match(url, /^https:/);
    assert.equal(await statusOf(url, readFileSync(ours.ca)), 200);
    await assert.rejects(statusOf(url, readFileSync(strangers.ca)));
    await assert.rejects(fetch(url.replace('https:', 'http:')));
  });
});

async function askNats({ stack }: HealingStack, tls: Client | undefined, nkeySeed?: string): Promise<void> {
  const bus = await connectBus({
    ...{ servers: [stack.natsUrl], name: 'salvor-cli', log: silentLogger, connectTimeoutMs: 1 },
    ...(tls === undefined ? {} : { tls: { ...tls } }),
    ...(nkeySeed === undefined ? {} : { nkeySeed }),
  });
  await bus.close();
}

async function askEtcd({ stack }: HealingStack, client: Client | undefined): Promise<void> {
  const store = openStore({ endpoints: stack.etcdEndpoints, callTimeoutMs: 1_000, tls: contentOf(client) });
  try {
    await store.get('/salvor/ready');
  } finally {
    store.close();
  }
}

async function askEngine({ stack }: HealingStack, client: Client | undefined): Promise<unknown> {
  const content = contentOf(client);
  const tls = content === undefined ? undefined : clientTls(content);
  using link = await EngineLink.open(stack.engine('slave', 0).port, undefined, undefined, tls);
  return await link.send('PING');
}

/** Its answer is the size of the vdisk. */
async function askNbdServer(
  { server }: HealingStack,
  client: Client | undefined,
  dir: TempDir,
): Promise<string> {
  if (client === undefined) return await sizeOf(server.uri('v1').replace('nbds:', 'nbd:'));
  const shown = dir.join(`shown-${randomBytes(4).toString('hex')}`);
  mkdirSync(shown);
  copyFileSync(client.caFile, `${shown}/ca-cert.pem`);
  if (client.certFile !== undefined) copyFileSync(client.certFile, `${shown}/client-cert.pem`);
  if (client.keyFile !== undefined) copyFileSync(client.keyFile, `${shown}/client-key.pem`);
  return await sizeOf(`${server.uri('v1')}?tls-certificates=${shown}`);
}

async function sizeOf(uri: string): Promise<string> {
  return (await run('nbdinfo', ['--size', uri])).stdout.trim();
}

function engineClient({ ca, clientCert: certFile, clientKey: keyFile }: CertificateFiles): object {
  return clientTls(contentOf({ caFile: ca, certFile, keyFile }) ?? assert.fail());
}

function contentOf(
  client: Client | undefined,
): { ca: string; cert?: string; privateKey?: string } | undefined {
  if (client === undefined) return undefined;
  const { caFile, certFile, keyFile } = client;
  const ca = readFileSync(caFile, 'utf8');
  if (certFile === undefined || keyFile === undefined) return { ca };
  return { ca, cert: readFileSync(certFile, 'utf8'), privateKey: readFileSync(keyFile, 'utf8') };
}

function statusOf(url: string, ca: Buffer): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    get(url, { ca, agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    }).on('error', reject);
  });
}
