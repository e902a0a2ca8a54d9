import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, test } from 'node:test';

const folder = mkdtempSync(join(import.meta.dirname, 'service-'));
after(() => rmSync(folder, { recursive: true }));

interface Ended {
  code: number | null;
  lines: Record<string, unknown>[];
  stderr: string;
}

/** Runs a service whose `start` is the given code; `act` is called when it says that it started. */
async function run(
  start: string,
  act: (child: ChildProcess) => void,
  env: Record<string, string> = {},
): Promise<Ended> {
  const file = join(folder, `${Math.abs(hash(start))}.mjs`);
  writeFileSync(
    file,
    `import { runService } from '@salvor/service-kit'; await runService({ name: 'test', settings: {}, shutdownTimeoutMs: 2000, start: async (context) => { ${start} } });`,
  );
  const child = spawn(process.execPath, [file], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  let started = false;
  child.stderr.on('data', (bytes) => {
    stderr += bytes;
  });
  child.stdout.on('data', (bytes) => {
    stdout += bytes;
    if (!started && stdout.includes('service started')) {
      started = true;
      act(child);
    }
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return {
    code,
    stderr,
    lines: stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line)),
  };
}

function hash(text: string): number {
  return [...text].reduce((sum, c) => (sum * 31 + c.charCodeAt(0)) | 0, 7);
}

test('a signal ends the service in the order of its steps, a second one changes nothing', async () => {
  const steps =
    "const step = (name) => ({ name, run: async () => context.log.info({ name }, 'step') }); return { checks: {}, shutdown: [step('consumers'), step('bus'), step('lease')] };";
  const { code, lines } = await run(steps, (child) => {
    child.kill('SIGTERM');
    child.kill('SIGTERM');
  });
  assert.equal(code, 0);
  assert.deepEqual(
    lines.filter(({ msg }) => msg === 'step').map(({ name }) => name),
    ['consumers', 'bus', 'lease'],
  );
});

test('a step that fails or hangs does not keep the others from running', async () => {
  const steps =
    "return { checks: {}, shutdown: [{ name: 'bad', run: () => { throw new Error('no'); } }, { name: 'hung', run: () => new Promise(() => {}) }, { name: 'last', run: () => context.log.info({}, 'reached') }] };";
  const { code, lines } = await run(steps, (child) => child.kill('SIGTERM'));
  assert.equal(code, 0);
  assert.ok(lines.some(({ msg }) => msg === 'reached'));
  assert.deepEqual(
    lines.filter(({ msg }) => msg === 'shutdown step failed').map(({ step }) => step),
    ['bad', 'hung'],
  );
});

test('an unhandled rejection is logged and ends the process with 1', async () => {
  const { code, lines } = await run(
    "setTimeout(() => { void Promise.reject(new Error('forgotten')); }, 50); return { checks: {}, shutdown: [] };",
    () => {},
  );
  assert.equal(code, 1);
  assert.ok(lines.some(({ msg, error }) => msg === 'unhandled rejection' && error === 'forgotten'));
});

test('a bad configuration ends the process with 2 and says what to set', async () => {
  const { code, stderr } = await run('return { checks: {}, shutdown: [] };', () => {}, {
    SALVOR_HTTP_PORT: 'eighty',
  });
  assert.equal(code, 2);
  assert.match(stderr, /SALVOR_HTTP_PORT is "eighty".*for example SALVOR_HTTP_PORT=9101/);
});

test('secrets do not reach the log', async () => {
  const log =
    "context.log.info({ password: 'hunter2', nats: { seed: 'SUABC' } }, 'connecting'); return { checks: {}, shutdown: [] };";
  const { lines } = await run(log, (child) => child.kill('SIGTERM'));
  assert.doesNotMatch(JSON.stringify(lines), /hunter2|SUABC/);
  assert.match(JSON.stringify(lines), /\[redacted\]/);
});

test('a service is alive and not ready while it starts, and can be stopped then', async () => {
  const start =
    "const get = async (path) => (await fetch('http://127.0.0.1:' + process.env.SALVOR_HTTP_PORT + path)).status; const health = await get('/healthz'); const ready = await get('/readyz'); context.log.info({ health, ready }, 'service started, says the test'); return new Promise(() => {});";
  const { code, lines } = await run(start, (child) => child.kill('SIGTERM'), {
    SALVOR_HTTP_PORT: String(await freePort()),
  });
  assert.equal(code, 0);
  const { health, ready } = lines.find(({ msg }) => msg === 'service started, says the test') ?? {};
  assert.deepEqual({ health, ready }, { health: 200, ready: 503 });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}
