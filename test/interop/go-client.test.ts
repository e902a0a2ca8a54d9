import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { HealingStack } from '../e2e/healing-stack.ts';

/** Where Debian and Ubuntu have the sources of golang-github-nats-io-go-nats-dev. */
const GOPATH = process.env.SALVOR_GOPATH ?? '/usr/share/gocode';
const SERVICES = ['health-analyzer', 'log-watcher', 'nbd-server', 'repair-coordinator'];
const BUILD_TIMEOUT_MS = 300_000;

/** Null: the Go client can be built here. */
function missing(): string | null {
  try {
    execFileSync('go', ['version'], { stdio: 'ignore' });
  } catch {
    return 'go is not on PATH';
  }
  const client = join(GOPATH, 'src/github.com/nats-io/nats.go/micro');
  return existsSync(client) ? null : `${client} is not there (golang-github-nats-io-go-nats-dev)`;
}

test('the Go client gets answers, errors and $SRV answers that its types hold', async (context) => {
  const reason = missing();
  if (reason !== null) {
    context.diagnostic(`the Go client was not tried: ${reason}`);
    return;
  }
  await using healing = await HealingStack.start({
    ...{ primaries: 1, slaves: 1, spares: 0 },
    services: { 'tlog-replayer': { replicas: 0 } },
  });
  const env = { ...process.env, GOPATH, GO111MODULE: 'off', GOFLAGS: '' };
  const program = join(import.meta.dirname, 'go', 'main.go');
  const run = promisify(execFile)('go', ['run', program, healing.stack.natsUrl, SERVICES.join(',')], {
    ...{ env, timeout: BUILD_TIMEOUT_MS },
  });
  const { stdout } = await run.catch((error: Error & { stderr?: string }) => {
    throw new Error(`the Go client: ${error.stderr ?? error.message}`);
  });
  assert.deepEqual(
    stdout
      .trim()
      .split('\n')
      .map((line) => line.split(':')[0]),
    ['answers', 'errors', 'repetition', 'services'],
  );
});
