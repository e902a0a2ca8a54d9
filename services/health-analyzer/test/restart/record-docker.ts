/**
 * Records `answers/docker.json` anew: what a Docker Engine answers to what the driver asks, in each situation that its test
 * knows. It starts an engine of its own, with one image that holds nothing but busybox, and removes all of it. As root:
 *
 *     apt-get install docker.io busybox-static
 *     node --import tsx services/health-analyzer/test/restart/record-docker.ts
 */
import { execFile, spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { tempDir, until } from '@salvor/testkit';
import { DockerDriver } from '../../src/restart/docker-driver.ts';
import { restartTarget } from '../../src/restart/restart-driver.ts';
import type { RecordedAnswer, Recording } from './recorded-api.ts';

const run = promisify(execFile);
const ANSWERS = join(import.meta.dirname, 'answers', 'docker.json');
const WAIT_MS = 60_000;
/** Not waited for: `sleep` as the first process of a container does not end on SIGTERM. */
const STOP_SECONDS = 0;
const target = restartTarget('10.0.0.1:22005');

interface Answer {
  readonly status: number;
  readonly contentType: string | undefined;
  readonly body: Buffer;
}

const dir = tempDir('docker-engine');
const daemonSocket = dir.join('docker.sock');

async function ask(method: string, path: string, body?: unknown): Promise<Answer> {
  const payload = Buffer.isBuffer(body) || body === undefined ? body : JSON.stringify(body);
  const type = Buffer.isBuffer(body) ? 'application/x-tar' : 'application/json';
  return new Promise((resolve, reject) => {
    const headers = payload === undefined ? {} : { 'content-type': type };
    const asked = httpRequest({ socketPath: daemonSocket, method, path, headers }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.once('error', reject);
      answer.once('end', () =>
        resolve({
          status: answer.statusCode ?? 0,
          contentType: answer.headers['content-type'],
          body: Buffer.concat(chunks),
        }),
      );
    });
    asked.once('error', reject);
    asked.end(payload);
  });
}

async function asked<T>(method: string, path: string, body?: unknown): Promise<T> {
  const answer = await ask(method, path, body);
  if (answer.status >= 400) throw new Error(`${method} ${path}: ${answer.status} ${answer.body}`);
  return (answer.body.length === 0 ? null : JSON.parse(String(answer.body))) as T;
}

interface Inspected {
  readonly Id: string;
  readonly RestartCount: number;
  readonly State: { readonly Status: string; readonly Restarting: boolean; readonly StartedAt: string };
}

const inspected = (name: string): Promise<Inspected> => asked('GET', `/containers/${name}/json`);

interface Container {
  readonly Cmd?: readonly string[];
  readonly Labels?: Readonly<Record<string, string>>;
  readonly RestartPolicy?: 'always';
  readonly isCreatedOnly?: true;
}

async function container(
  name: string,
  { Cmd = ['sleep', '600'], Labels = {}, RestartPolicy, isCreatedOnly }: Container = {},
): Promise<string> {
  const HostConfig = { NetworkMode: 'none', RestartPolicy: { Name: RestartPolicy ?? 'no' } };
  const { Id } = await asked<{ Id: string }>('POST', `/containers/create?name=${name}`, {
    ...{ Image: 'engine:1', Cmd, Labels, HostConfig },
    ...{ Hostname: 'storage-1' },
  });
  if (isCreatedOnly !== true) await asked('POST', `/containers/${Id}/start`);
  return Id;
}

/** Makes each situation, and says what the driver is to look for. */
const situations: Readonly<Record<string, () => Promise<string>>> = {
  exited: async () => {
    await container('redis-22005', { Labels: { 'salvor.engine': target.address } });
    await asked('POST', '/containers/redis-22005/kill?signal=KILL');
    await until(async () => (await inspected('redis-22005')).State.Status === 'exited', {
      what: 'the container has exited',
      timeoutMs: WAIT_MS,
    });
    return 'redis-{port}';
  },
  'running, by label': async () => 'label:salvor.engine={address}',
  'by the id': async () => (await inspected('redis-22005')).Id.slice(0, 12),
  'by what an id begins with': async () => (await inspected('redis-22005')).Id.slice(0, 5),
  'created only': async () => {
    await container('created', { isCreatedOnly: true });
    return 'created';
  },
  'label of two': async () => {
    await container('one', { Labels: { 'salvor.engine': 'two' }, isCreatedOnly: true });
    await container('other', { Labels: { 'salvor.engine': 'two' }, isCreatedOnly: true });
    return 'label:salvor.engine=two';
  },
  'label of none': async () => 'label:salvor.engine=none',
  missing: async () => 'none',
  paused: async () => {
    await container('paused');
    await asked('POST', '/containers/paused/pause');
    return 'paused';
  },
  restarting: async () => {
    await container('restarting', { Cmd: ['false'], RestartPolicy: 'always' });
    // The pause between two starts doubles each time; by now it is long enough to be met.
    await until(
      async () => {
        const { RestartCount, State } = await inspected('restarting');
        return RestartCount >= 4 && State.Restarting;
      },
      { what: 'Docker waits before it starts the container again', timeoutMs: WAIT_MS },
    );
    return 'restarting';
  },
  dead: async () => {
    const id = await container('dead', { isCreatedOnly: true });
    const mountId = readFileSync(dir.join(`data/image/vfs/layerdb/mounts/${id}/mount-id`), 'utf8');
    const undeletable = dir.join(`data/vfs/dir/${mountId}/undeletable`);
    writeFileSync(undeletable, '');
    // A container whose files cannot be removed is dead: neither there nor gone.
    await run('chattr', ['+i', undeletable]);
    await ask('DELETE', '/containers/dead?force=true');
    await run('chattr', ['-i', undeletable]);
    return 'dead';
  },
  'does not start': async () => {
    await container('broken', { Cmd: ['redis-server'], isCreatedOnly: true });
    return 'broken';
  },
  'removed meanwhile': async () => {
    await container('removed', { isCreatedOnly: true });
    return 'removed';
  },
};

/** What befalls a container between the driver's look and its order. */
const meanwhile: Readonly<Record<string, () => Promise<unknown>>> = {
  'removed meanwhile': () => asked('DELETE', '/containers/removed?force=true'),
};

/** Lets the driver itself ask, through a line that takes down what is said. */
async function recordSituation(name: string, make: () => Promise<string>): Promise<Recording> {
  const wanted = await make();
  const answers: RecordedAnswer[] = [];
  const line = createServer((incoming, outgoing) => {
    const { method = '', url = '' } = incoming;
    const answered = async (): Promise<void> => {
      if (method === 'POST') await meanwhile[name]?.();
      const { status, contentType, body } = await ask(method, url);
      const text = body.toString('utf8').replaceAll(dir.path, '/var/lib/docker').trimEnd();
      answers.push({ request: `${method} ${url}`, status, contentType, text });
      outgoing.writeHead(status, contentType === undefined ? {} : { 'content-type': contentType });
      outgoing.end(body);
    };
    answered().catch((error: unknown) => outgoing.destroy(error as Error));
  });
  const socketPath = dir.join('line.sock');
  await new Promise<void>((resolve) => line.listen(socketPath, resolve));
  const driver = new DockerDriver({ socketPath, container: wanted, stopSeconds: STOP_SECONDS });
  const said = await driver.restart(target, AbortSignal.timeout(WAIT_MS)).catch(String);
  await new Promise((resolve) => line.close(resolve));
  process.stdout.write(`${name}: ${said}\n`);
  return { situation: name, container: wanted, answers };
}

async function importImage(): Promise<void> {
  const root = dir.join('image');
  mkdirSync(join(root, 'bin'), { recursive: true });
  copyFileSync('/bin/busybox', join(root, 'bin/busybox'));
  for (const name of ['sleep', 'false']) symlinkSync('busybox', join(root, 'bin', name));
  await run('tar', ['-C', root, '-cf', dir.join('image.tar'), '.']);
  await asked('POST', '/images/create?fromSrc=-&repo=engine&tag=1', readFileSync(dir.join('image.tar')));
}

const daemon = spawn(
  'dockerd',
  [
    ...['--bridge=none', '--iptables=false', '--ip-masq=false', '--storage-driver=vfs'],
    ...['--data-root', dir.join('data'), '--exec-root', dir.join('exec')],
    ...['--pidfile', dir.join('docker.pid'), '--host', `unix://${daemonSocket}`],
  ],
  { stdio: 'ignore' },
);
const ended = new Promise<void>((resolve) => daemon.once('exit', () => resolve()));
try {
  const isUp = async (): Promise<boolean> =>
    existsSync(daemonSocket) && (await ask('GET', '/_ping').catch(() => null))?.status === 200;
  await until(isUp, { what: 'the Docker Engine answers', timeoutMs: WAIT_MS });
  await importImage();
  const { Version, ApiVersion } = await asked<{ Version: string; ApiVersion: string }>('GET', '/version');
  const recordings: Recording[] = [];
  for (const [name, make] of Object.entries(situations)) recordings.push(await recordSituation(name, make));
  const recordedFrom = `Docker Engine ${Version}, API ${ApiVersion}`;
  writeFileSync(ANSWERS, `${JSON.stringify({ recordedFrom, recordings }, null, 2)}\n`);
  for (const { Id } of await asked<{ Id: string }[]>('GET', '/containers/json?all=true'))
    await ask('DELETE', `/containers/${Id}?force=true`);
} finally {
  daemon.kill('SIGTERM');
  await ended;
  await run('umount', [dir.join('exec/netns/default')]).catch(() => undefined);
  dir.remove();
}
