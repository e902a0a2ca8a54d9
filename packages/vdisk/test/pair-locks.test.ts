import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { type Pending, takeBatch } from '../src/batch.ts';
import { PairHarness, stored, TestEngine, until } from './pair-harness.ts';

function write(...blocks: number[]): Pending {
  return {
    kind: 'write',
    changes: blocks.map((block) => ({ block, data: null })),
    resolve: () => {},
    reject: () => {},
  };
}

function blocksOf(pending: Pending): number[] {
  return pending.kind === 'write' ? pending.changes.map(({ block }) => block) : [];
}

test('writes to locked blocks wait, others pass, and writes that share a block keep their order', () => {
  const writes = fc.array(fc.uniqueArray(fc.nat(9), { minLength: 1, maxLength: 4 }), { maxLength: 30 });
  fc.assert(
    fc.property(writes, fc.uniqueArray(fc.nat(9), { maxLength: 4 }), (all, locked) => {
      const queue = all.map((blocks) => write(...blocks));
      const arrived = [...queue];
      const taken = takeBatch(queue, 4096, (block) => locked.includes(block));
      assert.deepEqual(new Set([...taken, ...queue]), new Set(arrived));
      for (const pending of taken) {
        const blocks = blocksOf(pending);
        assert.ok(!blocks.some((block) => locked.includes(block)));
        const before = arrived
          .slice(0, arrived.indexOf(pending))
          .filter((earlier) => !taken.includes(earlier));
        for (const earlier of before) assert.ok(!blocksOf(earlier).some((block) => blocks.includes(block)));
      }
      assert.deepEqual(
        queue,
        arrived.filter((pending) => !taken.includes(pending)),
      );
      if (queue.length > 0 && locked.length === 0) assert.ok(taken.length > 0);
    }),
  );
});

test('a locked block is written when it is let go, read-modify-write too, and other blocks at once', async () => {
  const [a, b] = await Promise.all([TestEngine.start(), TestEngine.start()]);
  after(() => Promise.all([a.stop(), b.stop()]));
  const h = await new PairHarness(a, b).mount();
  await h.write(1, 0x11);
  const unlock = await h.pair.lock([1, 2]);
  let isWritten = false;
  const held = h.pair
    .write([{ block: 1, data: Buffer.alloc(512, 0x22), part: { at: 0, length: 512 } }])
    .then(() => {
      isWritten = true;
    });
  await h.write(3, 0x33);
  await h.pair.exclusive(async () => {});
  assert.ok(!isWritten);
  assert.equal(await h.read(1), 0x11);
  unlock();
  await held;
  assert.equal(await h.read(1), 0x22);
  assert.deepEqual(await stored(a), await stored(b));
  h.pair.close(new Error('done'));
});

test('a lock waits for the batch that is writing its block', async () => {
  const [a, b] = await Promise.all([TestEngine.start(), TestEngine.start()]);
  after(() => Promise.all([a.stop(), b.stop()]));
  const h = await new PairHarness(a, b).mount();
  await h.write(1, 0x11);
  b.pause();
  const written = h.write(1, 0x22);
  const seqBefore = h.pair.seq;
  await until(
    () => h.pair.member('primary').session?.head.seq === seqBefore + 1,
    'the primary has the batch',
  );
  const locked = h.pair.lock([1]).then(async (unlock) => {
    assert.equal(h.pair.member('slave').session?.head.seq, h.pair.seq);
    assert.equal(await h.read(1), 0x22);
    unlock();
  });
  b.resume();
  await Promise.all([written, locked]);
  h.pair.close(new Error('done'));
});
