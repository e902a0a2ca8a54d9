import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  EngineLink,
  findProcessesByEnv,
  identifyProcess,
  isSameProcessAlive,
  readStackFile,
  type StackOptions,
  startStack,
  until,
} from '@salvor/local-stack';

/** Small, and each test with its own. */
async function withDir(use: (dir: string) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'salvor-stack-'));
  try {
    await use(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

function small(dir: string): StackOptions {
  return { dir, primaries: 2, slaves: 2, spares: 2 };
}

const bare = {
  createClusters: false,
  nbdServers: 0,
  services: {
    'repair-coordinator': { replicas: 0 },
    'health-analyzer': { replicas: 0 },
    'tlog-replayer': { replicas: 0 },
    'log-watcher': { replicas: 0 },
  },
} as const;

describe('a stack', () => {
  it('comes up with two paired clusters and its NBD server', async () => {
    await withDir(async (dir) => {
      await using stack = await startStack(small(dir));
      const bus = await stack.connectBus();
      try {
        const { clusters } = await bus.request('cluster.list', {});
        const shown = clusters.map(({ cluster, role, status, partner, engines, spares }) => ({
          ...{ cluster, role, status, partner, engines, spares },
        }));
        assert.deepEqual(
          shown.sort((a, b) => a.cluster.localeCompare(b.cluster)),
          [
            { cluster: 'p1', role: 'primary', status: 'healthy', partner: 's1', engines: 2, spares: 1 },
            { cluster: 's1', role: 'slave', status: 'healthy', partner: 'p1', engines: 2, spares: 1 },
          ],
        );
        assert.deepEqual(await bus.checkManifest(), []);
      } finally {
        await bus.close({ deadlineMs: 1_000 });
      }
      assert.deepEqual(readStackFile(dir)?.nbdServers, { 'nbd-1': stack.nbdServer().uri('') });
    });
  });

  it('starts a killed NBD server again through log-watcher', async () => {
    await withDir(async (dir) => {
      await using stack = await startStack(small(dir));
      const server = stack.nbdServer('nbd-1');
      const first = server.identity();
      await server.kill('SIGKILL');
      await until(() => server.identity() !== null, { what: 'a new nbd-1', timeoutMs: 10_000 });
      await server.waitUntilReady(10_000);
      assert.notEqual(server.identity()?.pid, first?.pid);
    });
  });

  it('runs NBD servers and replicas itself when asked to', async () => {
    await withDir(async (dir) => {
      await using stack = await startStack({
        ...small(dir),
        nbdServers: 2,
        services: { 'log-watcher': { replicas: 0 }, 'repair-coordinator': { replicas: 2 } },
      });
      assert.deepEqual([...stack.services.keys()].sort(), [
        'health-analyzer',
        'nbd-1',
        'nbd-2',
        'repair-coordinator',
        'repair-coordinator-2',
        'tlog-replayer',
      ]);
      assert.equal(stack.nbdServer('nbd-2').identity()?.pid, stack.service('nbd-2').pid);
      await stack.stop();
    });
  });

  it('comes back in the same folder with its data at the same addresses', async () => {
    await withDir(async (dir) => {
      const first = await startStack({ ...small(dir), ...bare });
      const { address, port } = first.engine('primary', 1);
      using link = await EngineLink.open(port);
      await link.send('SET', 'kept', 'yes');
      await first.stop();
      await using second = await startStack({ ...small(dir), ...bare });
      assert.equal(second.natsUrl, first.natsUrl);
      assert.equal(second.engineAt(address).name, 'p1-1');
      using again = await EngineLink.open(port);
      assert.equal(await again.send('GET', 'kept'), 'yes');
    });
  });

  it('is not started twice in one folder', async () => {
    await withDir(async (dir) => {
      await using _stack = await startStack({ ...small(dir), ...bare });
      await assert.rejects(startStack({ ...small(dir), ...bare }), { code: 'stack-running' });
    });
  });

  it('leaves no process behind: not when stopped, not when a part does not start', async () => {
    await withDir(async (dir) => {
      const stack = await startStack({ ...small(dir), ...bare });
      const id = readStackFile(dir)?.id ?? '';
      const parts = [stack.nats, stack.etcd, ...stack.engines.primary, ...stack.engines.spares];
      const pids = parts.map((part) => part.process.pid ?? 0);
      assert.ok(pids.every((pid) => identifyProcess(pid) !== null));
      await stack.destroy();
      assert.ok(pids.every((pid) => identifyProcess(pid) === null));
      const broken = startStack({ ...small(dir), repoRoot: dir });
      await assert.rejects(broken, { code: 'process-exited', message: /Cannot find module/ });
      assert.deepEqual(findProcessesByEnv({ SALVOR_STACK: id }), []);
    });
  });

  it('whose owner was killed by SIGKILL is cleared away by the next start in its folder', async () => {
    await withDir(async (dir) => {
      const options = { ...small(dir), ...bare };
      const script = join(import.meta.dirname, `.owner-${process.pid}.mjs`);
      const source = `import { startStack } from '@salvor/local-stack';
        const stack = await startStack(${JSON.stringify(options)});
        process.stdout.write(JSON.stringify([stack.nats, ...stack.engines.slave].map((part) => part.process.pid)));`;
      writeFileSync(script, source);
      const owner = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
      const [output] = (await once(owner.stdout, 'data')) as [Buffer];
      rmSync(script);
      owner.kill('SIGKILL');
      await once(owner, 'exit');
      const orphans = (JSON.parse(output.toString()) as number[]).map(identifyProcess);
      assert.ok(orphans.every((orphan) => orphan !== null && isSameProcessAlive(orphan)));
      await using _stack = await startStack(options);
      assert.ok(orphans.every((orphan) => orphan !== null && !isSameProcessAlive(orphan)));
    });
  });

  it('names the parts it has when asked for one it has not', async () => {
    await withDir(async (dir) => {
      await using stack = await startStack({ ...small(dir), ...bare });
      assert.throws(() => stack.engine('slave', 7), { message: /no slave shard '7'; it has 0, 1/ });
      assert.throws(() => stack.service('x'), { message: /no service 'x'; it has none/ });
    });
  });
});
