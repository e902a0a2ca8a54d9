import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { connectBus } from '@salvor/bus';
import { openStore } from '@salvor/config-store';
import { silentLogger } from '@salvor/service-kit';
import {
  type CertificateFiles,
  EngineLink,
  makeCertificates,
  restartEmpty,
  type TempDir,
  tempDir,
  until,
} from '@salvor/testkit';
import { HealingStack } from './healing-stack.ts';

const run = promisify(execFile);
const MIB = 1024 * 1024;

/** What a client trusts, and shows. */
interface Client {
  readonly caFile: string;
  readonly certFile?: string;
  readonly keyFile?: string;
}

describe('a stack of which every link is TLS', () => {
  let healing: HealingStack;
  let dir: TempDir;
  let ours: CertificateFiles;
  let strangers: CertificateFiles;
  before(async () => {
    dir = tempDir('tls');
    ours = await makeCertificates(dir.join('ours'));
    strangers = await makeCertificates(dir.join('strangers'));
    healing = await HealingStack.start({
      ...{ primaries: 1, slaves: 1, spares: 1, tls: ours },
      services: { console: { replicas: 1 }, 'tlog-replayer': { replicas: 0 } },
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
    const known = { caFile: ours.ca, certFile: ours.clientCert, keyFile: ours.clientKey };
    await askNats(healing, known);
    await askEtcd(healing, known);
    assert.equal(await askEngine(healing, known), 'PONG');
    assert.equal(await askNbdServer(healing, known, dir), String(1024 * MIB));
  });

  it('shows the page of the console over HTTPS only', async () => {
    const url = healing.stack.consoleUrl ?? assert.fail();
    assert.match(url, /^https:/);
    assert.equal(await statusOf(url, readFileSync(ours.ca)), 200);
    await assert.rejects(statusOf(url, readFileSync(strangers.ca)));
    await assert.rejects(fetch(url.replace('https:', 'http:')));
  });
});

async function askNats({ stack }: HealingStack, tls: Client | undefined): Promise<void> {
  const bus = await connectBus({
    ...{ servers: [stack.natsUrl], name: 'stranger', log: silentLogger, connectTimeoutMs: 1 },
    ...(tls === undefined ? {} : { tls: { ...tls } }),
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
  const { ca, cert, privateKey } = contentOf(client) ?? {};
  const tls = ca === undefined ? undefined : { ca, ...(cert && privateKey ? { cert, key: privateKey } : {}) };
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
