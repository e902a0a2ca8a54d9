import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { describe, it } from 'node:test';
import {
  EngineLink,
  killEngine,
  type RedisHandle,
  type RedisOptions,
  restartEmpty,
  startRedis,
  tempDir,
  until,
} from '@salvor/testkit';
import type { ProbeFinding } from '@salvor/vdisk';
import { EngineControl, identityText, probeEngine } from '@salvor/vdisk';

const identity = { cluster: 'p1', role: 'primary', shard: 3, generation: 1 } as const;
const patience = { timeoutMs: 2_000 };

type Started = RedisHandle & AsyncDisposable & { probe(options?: ProbeChanges): Promise<ProbeFinding> };
interface ProbeChanges {
  login?: { password: string };
  timeoutMs?: number;
  identity?: string | null;
}

/** An engine that is shard 3 of cluster p1. */
async function startEngine(options: Partial<RedisOptions> & { password?: string } = {}): Promise<Started> {
  const dir = tempDir('probe');
  const { password, ...more } = options;
  const engine = await startRedis({ dir: dir.path, ...more });
  const { address } = engine;
  await EngineControl.with({ address, db: 0, ...patience }, (control) =>
    control.claim(identity, { mustBeEmpty: true }),
  );
  if (password !== undefined) await send(engine, 'CONFIG', 'SET', 'requirepass', password);
  return {
    ...engine,
    probe: ({ identity: wanted = identityText(identity), ...changes } = {}) =>
      probeEngine(
        { address, db: 0, identity: wanted },
        { ...patience, observer: 'test', now: () => 42, ...changes },
      ),
    async [Symbol.asyncDispose]() {
      await engine.process.kill('SIGKILL').catch(() => undefined);
      dir.remove();
    },
  };
}

async function send(engine: RedisHandle, ...args: string[]): Promise<unknown> {
  using link = await EngineLink.open(engine.port);
  return await link.send(...args);
}

describe('a probe of an engine', () => {
  it('that is well finds it healthy and leaves nothing behind', async () => {
    await using engine = await startEngine();
    const { kind, detail, at } = await engine.probe();
    assert.deepEqual([kind, at], ['healthy', 42]);
    assert.match(detail, /answered PING in [\d.]+ ms, has its identity and took a canary write/);
    assert.deepEqual(await send(engine, 'KEYS', '*'), ['salvor:identity']);
  });

  it('that is in no cluster asks for no identity', async () => {
    await using engine = await startEngine();
    await send(engine, 'FLUSHALL');
    assert.equal((await engine.probe({ identity: null })).kind, 'healthy');
  });

  it('that came back empty finds the identity lost', async () => {
    await using engine = await startEngine();
    await restartEmpty(engine);
    const { kind, detail } = await engine.probe();
    assert.equal(kind, 'identity-lost');
    assert.match(detail, /expected identity .*"cluster":"p1".*found none: it lost its data/);
  });

  it('that is another engine finds the mismatch, and writes nothing there', async () => {
    await using engine = await startEngine();
    const wanted = identityText({ ...identity, generation: 2 });
    const { kind, detail } = await engine.probe({ identity: wanted });
    assert.equal(kind, 'identity-mismatch');
    assert.match(detail, /expected identity .*"generation":2.*found .*"generation":1/);
  });

  it('that hangs ends at its deadline', async () => {
    await using engine = await startEngine();
    engine.process.pause();
    const startedAt = performance.now();
    const finding = await engine.probe({ timeoutMs: 200 });
    assert.equal(finding.kind, 'hung', finding.detail);
    assert.ok(performance.now() - startedAt < 1_500, 'far later than its deadline');
    engine.process.resume();
    await until(async () => (await engine.probe()).kind === 'healthy', {
      what: 'the engine to be healthy once it runs again',
      timeoutMs: 5_000,
    });
  });

  it('that is dead finds it unreachable', async () => {
    await using engine = await startEngine();
    await killEngine(engine);
    const { kind, detail } = await engine.probe();
    assert.equal(kind, 'unreachable');
    assert.match(detail, new RegExp(`${engine.address}.*ECONNREFUSED`));
  });

  it('that is a read-only replica finds that it takes no writes', async () => {
    await using engine = await startEngine();
    await using replica = await startEngine();
    await send(engine, 'CONFIG', 'SET', 'repl-diskless-sync-delay', '0');
    await send(replica, 'REPLICAOF', '127.0.0.1', String(engine.port));
    await until(async () => String(await send(replica, 'INFO')).includes('master_link_status:up'), {
      what: 'the replica to follow',
      timeoutMs: 10_000,
    });
    // For a moment it may still be loading what it was sent.
    await until(async () => /read-only slave/.test((await replica.probe()).detail), {
      what: 'the replica to answer',
      timeoutMs: 10_000,
    });
    assert.equal((await replica.probe()).kind, 'refuses-commands');
  });

  it('that wants another password, or any, finds that it refuses', async () => {
    await using engine = await startEngine({ password: 'right' });
    const wrong = await engine.probe({ login: { password: 'wrong' } });
    assert.deepEqual([wrong.kind, /WRONGPASS/.test(wrong.detail)], ['refuses-commands', true], wrong.detail);
    const none = await engine.probe();
    assert.deepEqual([none.kind, /NOAUTH/.test(none.detail)], ['refuses-commands', true], none.detail);
    assert.equal((await engine.probe({ login: { password: 'right' } })).kind, 'healthy');
  });

  it('that cannot save its data finds that it refuses writes', async () => {
    await using engine = await startEngine({ appendonly: false });
    await send(engine, 'CONFIG', 'SET', 'save', '3600 1');
    rmSync(engine.dataDir, { recursive: true });
    await send(engine, 'BGSAVE');
    await until(async () => String(await send(engine, 'INFO')).includes('rdb_last_bgsave_status:err'), {
      what: 'the save to fail',
      timeoutMs: 5_000,
    });
    const { kind, detail } = await engine.probe();
    assert.deepEqual([kind, /MISCONF/.test(detail)], ['refuses-commands', true], detail);
  });

  it('that is still loading its data finds that, and not that it lost anything', async () => {
    await using engine = await startEngine({ appendonly: false });
    for (let i = 0; i < 100; i++) await send(engine, 'SET', `key-${i}`, randomBytes(1_000).toString('hex'));
    await send(engine, 'SAVE');
    await killEngine(engine);
    const { args } = engine.process.spec;
    const slowly = ['--key-load-delay', '50000', '--loading-process-events-interval-bytes', '1024'];
    await engine.process.start({ args: [...args, ...slowly], ready: () => true });
    let finding = await engine.probe();
    await until(
      async () => {
        finding = await engine.probe();
        return finding.kind !== 'unreachable';
      },
      { what: 'the engine to answer', timeoutMs: 5_000 },
    );
    assert.equal(finding.kind, 'loading', finding.detail);
  });
});
