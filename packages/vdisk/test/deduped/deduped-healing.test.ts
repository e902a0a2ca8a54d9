import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';
import {
  EngineLink,
  killEngine,
  type RedisHandle,
  restartWithData,
  restartWithoutTail,
} from '@salvor/testkit';
import { contentHash } from '../../src/deduped/content-hash.ts';
import { DataPlane, type Mounted } from '../data-plane.ts';
import { contentOn, sectorsOn } from './engine-contents.ts';

const BLOCK_BYTES = 4096;
const SLOTS = 128;
const SECTORS = 4;

/** Every block another content, spread over the shards by its hash. */
function block(sector: number, round: number): Buffer {
  const data = Buffer.alloc(BLOCK_BYTES, round);
  data.writeUInt32LE(sector, 0);
  return data;
}

/** Writes a few blocks of each sector. */
async function writeRound({ vdisk }: Mounted, round: number, sectors = SECTORS): Promise<void> {
  for (let sector = 0; sector < sectors; sector++)
    for (let i = 0; i < 5; i++)
      await vdisk.device.write((sector * SLOTS + i) * BLOCK_BYTES, block(sector * 10 + i, round));
}

async function assertRounds({ vdisk }: Mounted, rounds: readonly number[]): Promise<void> {
  for (const [sector, round] of rounds.entries()) {
    for (let i = 0; i < 5; i++) {
      const found = await vdisk.device.read((sector * SLOTS + i) * BLOCK_BYTES, BLOCK_BYTES);
      assert.ok(found.equals(block(sector * 10 + i, round)), `sector ${sector}, block ${i}, round ${round}`);
    }
  }
}

async function startMounted(options: Parameters<typeof DataPlane.start>[0] = {}) {
  const plane = await DataPlane.start(options);
  await plane.addVdisk('v1', { type: 'boot' });
  const mounted = await plane.mount('v1');
  await writeRound(mounted, 1);
  const [engine = assert.fail()] = plane.primaries;
  const [partner = assert.fail()] = plane.slaves;
  return { plane, mounted, engine, partner };
}

/** Both engines hold the same sectors, and all the content that the vdisk still names there. */
async function assertSame(engine: RedisHandle, partner: RedisHandle, mounted: Mounted): Promise<void> {
  assert.deepEqual(await sectorsOn(engine, 'v1'), await sectorsOn(partner, 'v1'));
  const [here, there] = [await contentOn(engine), await contentOn(partner)];
  const named = new Set<string>();
  for (let sector = 0; sector < SECTORS; sector++) {
    const { device } = mounted.vdisk;
    for (let i = 0; i < 5; i++) {
      const content = await device.read((sector * SLOTS + i) * BLOCK_BYTES, BLOCK_BYTES);
      const hash = contentHash(content);
      if ((hash[0] ?? 0) % 2 === 0) named.add(hash.toString('hex'));
    }
  }
  assert.ok(named.size > 0, 'some content lies on the shard');
  for (const hash of named) {
    assert.ok(there.has(hash), `the partner holds ${hash}`);
    assert.ok(here.has(hash), `the repaired engine holds ${hash}`);
  }
}

describe('an engine that dies under a boot vdisk', () => {
  it('is repaired with the content it missed', async () => {
    const { plane, mounted, engine, partner } = await startMounted();
    await using _plane = plane;
    await killEngine(engine);
    await writeRound(mounted, 2, 3);
    assert.equal(await plane.statusOf(engine.address), 'offline');
    await assertRounds(mounted, [2, 2, 2, 1]);
    await restartWithData(engine);
    const done = await plane.complete(await plane.judge(engine.address, 'temporary'), ['v1']);
    assert.equal(done.outcome, 'applied', done.reason);
    await assertSame(engine, partner, mounted);
    assert.match(
      mounted.repairs[0]?.reason ?? '',
      /of \d+ contents that the block map names [1-9]\d* were copied/,
    );
  });

  it('and comes back after the vdisk was unmounted is repaired by the next owner', async () => {
    const { plane, mounted, engine, partner } = await startMounted();
    await using _plane = plane;
    await killEngine(engine);
    await writeRound(mounted, 2, 3);
    await mounted.vdisk.unmount();
    await restartWithData(engine);
    const judged = await plane.judge(engine.address, 'temporary');
    const next = await plane.mount('v1', 'nbd-2');
    await plane.complete(judged, ['v1']);
    await assertSame(engine, partner, next);
    await assertRounds(next, [2, 2, 2, 1]);
  });

  it('and lost its tail gets the content of the tail back', async () => {
    const { plane, mounted, engine, partner } = await startMounted();
    await using _plane = plane;
    await writeRound(mounted, 2);
    await restartWithoutTail(engine, { commands: 12 });
    await plane.waitForStatus(engine.address, 'offline');
    await plane.complete(await plane.judge(engine.address, 'temporary'), ['v1']);
    await assertSame(engine, partner, mounted);
    await assertRounds(mounted, [2, 2, 2, 2]);
  });

  it('for good is rebuilt on a spare, content included, while clients go on writing', async () => {
    const { plane, mounted, engine, partner } = await startMounted({ spares: 1 });
    await using _plane = plane;
    const [spare = assert.fail()] = plane.spares;
    await killEngine(engine);
    await writeRound(mounted, 2, 2);
    const judged = await plane.judge(engine.address, 'permanent');
    const [, done] = await Promise.all([writeRound(mounted, 3, 1), plane.complete(judged, ['v1'])]);
    assert.equal(done.outcome, 'applied', done.reason);
    await assertSame(spare, partner, mounted);
    await killEngine(partner);
    await assertRounds(mounted, [3, 2, 1, 1]);
  });

  it('again while its content is being copied is repaired from where that stood', async () => {
    const { plane, mounted, engine, partner } = await startMounted();
    await using _plane = plane;
    await killEngine(engine);
    await writeRound(mounted, 2);
    await restartWithData(engine);
    const judged = await plane.judge(engine.address, 'temporary');
    await killEngine(engine);
    await plane.reportFailure(engine.address);
    await restartWithData(engine);
    const again = await plane.judge(engine.address, 'temporary');
    assert.equal(again.incident?.id, judged.incident?.id);
    await plane.complete(again, ['v1']);
    await assertSame(engine, partner, mounted);
  });

  it('one batch behind its partner at a mount gets the content of that batch', async () => {
    const { plane, mounted, engine, partner } = await startMounted();
    await using _plane = plane;
    await mounted.vdisk.unmount();
    // As an owner leaves it that died between the two members: the content is on one of them, and so is its batch.
    const content = block(999, 9);
    const hash = contentHash(content);
    const seq = Number(await ask(partner, 'HGET', 'salvor:writes:v1', 'seq')) + 1;
    const number = Buffer.alloc(6);
    number.writeUIntLE(seq, 0, 6);
    await ask(partner, 'SET', hash, content);
    await ask(partner, 'HSET', 'salvor:writes:v1', 'seq', String(seq), `r${seq % 8192}`, number);
    await ask(partner, 'HSET', 'salvor:writes:v1', 'objects', Buffer.concat([number, hash]));
    await plane.mount('v1', 'nbd-2');
    assert.ok((await contentOn(engine)).get(hash.toString('hex'))?.equals(content));
    assert.equal(await ask(engine, 'HGET', 'salvor:writes:v1', 'seq'), String(seq));
  });
});

describe('an owner of a boot vdisk', () => {
  it('killed in the middle of its writes leaves no block without its content', async () => {
    await using plane = await DataPlane.start();
    await plane.addVdisk('v1', { type: 'boot' });
    for (let round = 0; round < 3; round++) {
      const script = join(import.meta.dirname, '../writing-owner.ts');
      const args = ['--import', 'tsx', script, plane.etcd.endpoint, 'v1', 'nbd-1', '10'];
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      for await (const line of createInterface(child.stdout)) if (line.includes('written')) break;
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
      // The same server again: it takes over at once.
      const next = await plane.mount('v1', 'nbd-1');
      const found = await next.vdisk.device.read(0, 8 * BLOCK_BYTES);
      for (let at = 0; at < found.length; at += BLOCK_BYTES) {
        const content = found.subarray(at, at + BLOCK_BYTES);
        assert.ok(content.equals(Buffer.alloc(BLOCK_BYTES, content[0])), 'no block is torn');
        assert.notEqual(content[0], 0);
      }
      await next.vdisk.unmount();
    }
  });

  it('that was overtaken writes neither content nor sectors', async () => {
    const { plane, mounted } = await startMounted();
    await using _plane = plane;
    const next = await plane.mount('v1', 'nbd-1');
    const late = block(12345, 7);
    await assert.rejects(mounted.vdisk.device.write(0, late));
    const hash = contentHash(late).toString('hex');
    for (const engine of [...plane.primaries, ...plane.slaves])
      assert.equal((await contentOn(engine)).has(hash), false);
    await assertRounds(next, [1, 1, 1, 1]);
  });
});

async function ask(engine: RedisHandle, ...args: (string | Buffer)[]): Promise<string> {
  using link = await EngineLink.open(engine.port);
  return String(await link.send(...args));
}
