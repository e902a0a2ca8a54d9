import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  countAofCommands,
  cutAofTail,
  EngineLink,
  killEngine,
  type RedisHandle,
  restartEmpty,
  restartFromSnapshot,
  restartWithData,
  restartWithoutTail,
  snapshotEngine,
  startRedis,
  tempDir,
} from '@salvor/testkit';

async function onEngine<T>(engine: RedisHandle, use: (link: EngineLink) => Promise<T>): Promise<T> {
  using link = await EngineLink.open(engine.port);
  return await use(link);
}

/** Writes fields first..last of the hash, one command each. */
function writeBlocks(engine: RedisHandle, first: number, last: number): Promise<void> {
  return onEngine(engine, async (link) => {
    for (let block = first; block <= last; block++)
      await link.send('HSET', 'nondedup:v1', block, Buffer.alloc(4096, block));
  });
}

function blocks(engine: RedisHandle): Promise<number[]> {
  return onEngine(engine, async (link) => {
    const fields = await link.send('HKEYS', 'nondedup:v1');
    return Array.isArray(fields) ? fields.map(Number).sort((a, b) => a - b) : [];
  });
}

describe('an engine', () => {
  it('comes back with its data, or empty, at the same address', async () => {
    await using dir = tempDir('engine');
    const engine = await startRedis({ dir: dir.path });
    await using _process = engine.process;
    await writeBlocks(engine, 1, 5);
    await killEngine(engine);
    await restartWithData(engine);
    assert.deepEqual(await blocks(engine), [1, 2, 3, 4, 5]);
    await restartEmpty(engine);
    assert.deepEqual(await blocks(engine), []);
  });

  it('comes back without its last commands', async () => {
    await using dir = tempDir('engine');
    const engine = await startRedis({ dir: dir.path });
    await using _process = engine.process;
    await writeBlocks(engine, 1, 10);
    const cut = await restartWithoutTail(engine, { commands: 3 });
    assert.equal(cut.removedCommands, 3);
    assert.deepEqual(await blocks(engine), [1, 2, 3, 4, 5, 6, 7]);
    const byBytes = await restartWithoutTail(engine, { bytes: 4097 });
    assert.equal(byBytes.removedCommands, 1);
    assert.deepEqual(await blocks(engine), [1, 2, 3, 4, 5, 6]);
  });

  it('never comes back with half a transaction', async () => {
    await using dir = tempDir('engine');
    const engine = await startRedis({ dir: dir.path });
    await using process = engine.process;
    await writeBlocks(engine, 1, 2);
    await onEngine(engine, async (link) => {
      await link.send('MULTI');
      await link.send('HSET', 'nondedup:v1', 3, 'x');
      await link.send('HSET', 'nondedup:v1', 4, 'x');
      await link.send('EXEC');
    });
    await process.kill();
    assert.equal(countAofCommands(engine.dataDir), 7);
    assert.deepEqual(cutAofTail(engine.dataDir, { bytes: 1 }).removedCommands, 4);
    await process.start();
    assert.deepEqual(await blocks(engine), [1, 2]);
  });

  it('comes back as it was at a snapshot taken while it ran, again and again', async () => {
    await using dir = tempDir('engine');
    const engine = await startRedis({ dir: dir.join('engine') });
    await using _process = engine.process;
    await writeBlocks(engine, 1, 3);
    snapshotEngine(engine, dir.join('snapshot'));
    for (let times = 0; times < 2; times++) {
      await writeBlocks(engine, 4, 9);
      await restartFromSnapshot(engine, dir.join('snapshot'));
      assert.deepEqual(await blocks(engine), [1, 2, 3]);
    }
  });

  it('without a log, or with too short a one, says so', async () => {
    await using dir = tempDir('engine');
    const engine = await startRedis({ dir: dir.path, appendonly: false });
    await using _process = engine.process;
    assert.throws(() => cutAofTail(engine.dataDir, { commands: 1 }), { code: 'aof-missing' });
    await using second = tempDir('engine');
    const logged = await startRedis({ dir: second.path });
    await using process = logged.process;
    await process.kill();
    assert.throws(() => cutAofTail(logged.dataDir, { commands: 9 }), { code: 'aof-too-short' });
  });
});
