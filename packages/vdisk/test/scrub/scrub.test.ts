import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Bandwidth } from '../../src/copy/bandwidth.ts';
import { SCRUB_BEGIN, type ScrubOptions, type ScrubState, scrubVdisk } from '../../src/scrub/vdisk-scrub.ts';
import { PairHarness, stored, TestEngine } from '../pair-harness.ts';

const BLOCKS = 1000;

async function startPair(): Promise<{ a: TestEngine; b: TestEngine; h: PairHarness }> {
  const [a, b] = await Promise.all([TestEngine.start(), TestEngine.start()]);
  after(() => Promise.all([a.stop(), b.stop()]));
  const h = await new PairHarness(a, b, { blocks: BLOCKS }).mount();
  after(() => h.pair.close(new Error('done')));
  for (let block = 0; block < 600; block += 2) await h.write(block, 0x11);
  return { a, b, h };
}

async function plant(engine: TestEngine, block: number, letter: string): Promise<void> {
  await engine.cli('HSET', 'nondedup:v1', String(block), letter.repeat(4096));
}

function options(more: Partial<ScrubOptions> = {}): ScrubOptions {
  return {
    repair: true,
    prefer: null,
    bandwidth: new Bandwidth(0),
    signal: new AbortController().signal,
    onProgress: async () => {},
    ...more,
  };
}

test('a scrub of equal copies goes through every block and finds nothing, while clients write', async () => {
  const { h } = await startPair();
  let isOver = false;
  const client = (async () => {
    for (let i = 0; !isOver; i++) await h.write((i * 7) % BLOCKS, 1 + (i % 200));
  })();
  const result = await scrubVdisk([h.pair], SCRUB_BEGIN, options());
  isOver = true;
  await client;
  assert.equal(result.blocks, BLOCKS);
  assert.deepEqual(result.named, []);
});

test('planted differences are found, all of them, and left alone while nothing proves which copy is right', async () => {
  const { a, b, h } = await startPair();
  await plant(a, 4, 'x');
  await plant(b, 5, 'y');
  await b.cli('HDEL', 'nondedup:v1', '300');
  const result = await scrubVdisk([h.pair], SCRUB_BEGIN, options());
  assert.deepEqual(
    result.named.map(({ block, repairedFrom }) => [block, repairedFrom]),
    [
      [4, null],
      [5, null],
      [300, null],
    ],
  );
  assert.match(result.named[0]?.reason ?? '', /nothing proves which copy is right/);
  assert.equal((await stored(a)).get(4), 'x'.charCodeAt(0));
});

test('with a side that the operator names exactly the differing blocks are repaired, under a batch of their own', async () => {
  const { a, b, h } = await startPair();
  await plant(b, 4, 'x');
  await plant(b, 5, 'y');
  await b.cli('HDEL', 'nondedup:v1', '300');
  const before = await stored(a);
  const seq = h.pair.seq;
  const result = await scrubVdisk([h.pair], SCRUB_BEGIN, options({ prefer: 'primary' }));
  assert.deepEqual([result.mismatches, result.repaired], [3, 3]);
  assert.deepEqual(await stored(a), before);
  assert.deepEqual(await stored(b), before);
  assert.equal(h.pair.seq, seq + 3);
  const again = await scrubVdisk([h.pair], SCRUB_BEGIN, options());
  assert.equal(again.mismatches, 0);
});

test('the copy that the write history shows to be later is right, though the operator prefers the other', async () => {
  const { a, b, h } = await startPair();
  await h.write(4, 0x44);
  const seq = h.pair.seq;
  // As if the slave had lost this one write in the middle of its log: neither the block nor the ring entry is there.
  await plant(b, 4, 'x');
  await b.cli('HDEL', 'salvor:writes:v1', `r${seq}`);
  await b.cli('HDEL', 'salvor:writes:v1', 'r3');
  const result = await scrubVdisk([h.pair], SCRUB_BEGIN, options({ prefer: 'slave' }));
  assert.deepEqual(
    result.named.map(({ block, repairedFrom }) => [block, repairedFrom]),
    [[4, 'primary']],
  );
  assert.deepEqual(await stored(a), await stored(b));
});

test('without repair a proven difference is reported only', async () => {
  const { b, h } = await startPair();
  await plant(b, 4, 'x');
  const result = await scrubVdisk([h.pair], SCRUB_BEGIN, options({ repair: false, prefer: 'primary' }));
  assert.deepEqual([result.mismatches, result.repaired], [1, 0]);
  assert.equal((await stored(b)).get(4), 'x'.charCodeAt(0));
});

test('a scrub that is stopped goes on where it was, and counts nothing twice', async () => {
  const { b, h } = await startPair();
  await plant(b, 4, 'x');
  await plant(b, 900, 'y');
  const stop = new AbortController();
  let state: ScrubState = SCRUB_BEGIN;
  const first = scrubVdisk(
    [h.pair],
    SCRUB_BEGIN,
    options({
      signal: stop.signal,
      onProgress: async (now) => {
        state = now;
        stop.abort(new Error('stopped by the test'));
      },
    }),
  );
  await assert.rejects(first, /stopped by the test/);
  assert.ok(state.bit > 0 && state.bit < BLOCKS, `it got to ${state.bit}`);
  const result = await scrubVdisk([h.pair], state, options());
  assert.equal(result.blocks, BLOCKS);
  assert.deepEqual(
    result.named.map(({ block }) => block),
    [4, 900],
  );
});

test('a shard that is not mirrored is not scrubbed', async () => {
  const { a, h } = await startPair();
  await a.kill();
  h.record(a.address, 'offline');
  await assert.rejects(scrubVdisk([h.pair], SCRUB_BEGIN, options()), /cannot be scrubbed now/);
});
