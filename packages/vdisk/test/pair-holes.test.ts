import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { decideHoleScan } from '../src/hole-scan.ts';
import type { BlockLayout } from '../src/layout/block-layout.ts';
import { NondedupedLayout } from '../src/layout/nondeduped.ts';
import { VolumeLayout } from '../src/layout/volume.ts';
import { PairHarness, stored, TestEngine, until } from './pair-harness.ts';

const BLOCKS = 65_536;

const engines: TestEngine[] = [];
after(async () => {
  for (const engine of engines) await engine.stop();
});

async function startEngine(): Promise<TestEngine> {
  const engine = await TestEngine.start();
  engines.push(engine);
  return engine;
}

/** A layout that tells of every page of a scan before it is answered, with the number of pages told so far. */
function tellingLayout(layout: BlockLayout): {
  layout: BlockLayout;
  onPage: (page: number) => Promise<void>;
} {
  const telling = { layout, onPage: async (_page: number): Promise<void> => {} };
  const scan = layout.scanStored.bind(layout);
  let pages = 0;
  layout.scanStored = async (...args) => {
    const page = await scan(...args);
    await telling.onPage(pages++);
    return page;
  };
  return telling;
}

async function startPair(blocks = BLOCKS) {
  const [a, b] = await Promise.all([startEngine(), startEngine()]);
  const telling = tellingLayout(new NondedupedLayout('v1', 4096));
  const h = await new PairHarness(a, b, { blocks, layout: telling.layout }).mount();
  return { a, b, h, telling };
}

async function loseFirst(h: PairHarness, a: TestEngine): Promise<void> {
  await a.kill();
  h.record(a.address, 'offline');
}

/** How often an engine has carried out a command since its counts were reset. */
async function calls(engine: TestEngine, command: string): Promise<number> {
  const stats = await engine.cli('INFO', 'commandstats');
  return Number(new RegExp(`^cmdstat_${command}:calls=(\\d+)`, 'm').exec(stats)?.[1] ?? 0);
}

const waitRepaired = (h: PairHarness, count = 1): Promise<void> =>
  until(
    () => h.repairs.length >= count,
    `repair ${count} completes (mode ${h.pair.mode.kind}: ${h.pair.mode.reason})`,
    60_000,
  );

describe('a repair of a nearly empty shard', () => {
  it('rebuilds a spare without stepping through the holes', async () => {
    const { a, b, h } = await startPair();
    const blocks = [0, 1, 40_000, 65_535];
    for (const block of blocks) await h.write(block, 0x41);
    await loseFirst(h, a);
    const spare = await startEngine();
    await b.cli('CONFIG', 'RESETSTAT');
    h.repairFinal(spare);
    await waitRepaired(h);
    const [outcome] = h.repairs;
    assert.deepEqual(
      [outcome?.dirtyBlocks, outcome?.copiedBlocks, outcome?.storedBlocks],
      [BLOCKS, BLOCKS, blocks.length],
    );
    // In steps of 256 blocks the holes alone are 256 reads on the one, and as many transactions on the other.
    for (const [engine, command] of [
      [b, 'hmget'],
      [b, 'exec'],
      [spare, 'exec'],
    ] as const)
      assert.ok((await calls(engine, command)) < 32, `${await calls(engine, command)} ${command}`);
    assert.equal(await b.cli('EXISTS', 'salvor:dirty:v1'), '0');
    h.record(spare.address, 'online');
    await h.write(7, 0x44);
    assert.deepEqual(await stored(spare), await stored(b));
    assert.deepEqual([...(await stored(spare)).keys()], [0, 1, 7, 40_000, 65_535]);
    h.pair.close(new Error('done'));
  });

  it('of the native layout neither', async () => {
    const [a, b, spare] = await Promise.all([startEngine(), startEngine(), startEngine()]);
    const h = await new PairHarness(a, b, {
      blocks: BLOCKS,
      layout: new VolumeLayout('v1', 4096, 1),
    }).mount();
    for (const block of [0, 1, 40_000, 65_535]) await h.write(block, 0x41);
    await loseFirst(h, a);
    await b.cli('CONFIG', 'RESETSTAT');
    h.repairFinal(spare);
    await waitRepaired(h);
    assert.equal(h.repairs[0]?.copiedBlocks, BLOCKS);
    assert.ok((await calls(b, 'exec')) < 32, `${await calls(b, 'exec')} exec`);
    assert.ok((await calls(b, 'getrange')) < 64, `${await calls(b, 'getrange')} getrange`);
    h.record(spare.address, 'online');
    h.pair.close(new Error('done'));
    const [ours, theirs] = await Promise.all(
      [b, spare].map(async (engine) => {
        const found = (await engine.cli('KEYS', 'salvor:[cs]*')).split('\n');
        const hash = "return redis.sha1hex(redis.call('GET', KEYS[1]))";
        const hashes = found
          .filter((key) => /chunk|sums/.test(key))
          .sort()
          .map(async (key) => `${key} ${await engine.cli('EVAL', hash, '1', key)}`);
        return await Promise.all(hashes);
      }),
    );
    assert.ok((ours?.length ?? 0) >= 5, 'chunks and pages');
    for (const line of ours ?? []) assert.match(line, / [0-9a-f]{40}$/);
    assert.deepEqual(theirs, ours);
  });

  it('takes away what a comparison finds on the returning engine only, and skips what neither has', async () => {
    const { a, b, h } = await startPair();
    for (let block = 0; block < 40; block++) await h.write(block * 1_000, 0x11);
    await loseFirst(h, a);
    for (let block = 0; block < 20; block++) await h.write(block * 1_000, 0);
    await h.write(30_001, 0x22);
    await a.start();
    // As one that once served alone: then every block is compared.
    await a.cli('HSET', 'salvor:writes:v1', 'fork', '1');
    await b.cli('CONFIG', 'RESETSTAT');
    h.repairTemporary(a.address);
    await waitRepaired(h);
    assert.match(h.repairs[0]?.reason ?? '', /every block is compared/);
    assert.ok((await calls(b, 'hmget')) < 32, `${await calls(b, 'hmget')} hmget`);
    h.record(a.address, 'online');
    assert.deepEqual(await stored(a), await stored(b));
    assert.equal((await stored(a)).size, 21);
    h.pair.close(new Error('done'));
  });

  it('removes what lies on a spare that should be empty', async () => {
    const { a, b, h } = await startPair();
    await h.write(5, 0x41);
    await loseFirst(h, a);
    const spare = await startEngine();
    const identity = JSON.stringify({ cluster: 'p1', role: 'primary', shard: 0, generation: 2 });
    await spare.cli('SET', 'salvor:identity', identity);
    await spare.cli('HSET', 'nondedup:v1', '9', 'left over', '60000', 'left over');
    h.repairFinal(spare);
    await waitRepaired(h);
    assert.deepEqual(await stored(spare), await stored(b));
    assert.deepEqual([...(await stored(spare)).keys()], [5]);
    h.pair.close(new Error('done'));
  });

  it('misses no write and no removal of a client while it looks for what is stored', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.tuple(fc.integer({ min: 0, max: 4_095 }), fc.integer({ min: 0, max: 3 }))), {
          minLength: 1,
          maxLength: 4,
        }),
        async (changes) => {
          const { a, b, h, telling } = await startPair(8_192);
          const model = new Map<number, number>();
          const change = async (block: number, fill: number): Promise<void> => {
            await h.write(block, fill);
            if (fill === 0) model.delete(block);
            else model.set(block, fill);
          };
          await Promise.all(Array.from({ length: 1_200 }, (_, i) => change(i * 3, 0x51)));
          await loseFirst(h, a);
          const spare = await startEngine();
          let pages = 0;
          telling.onPage = async (page) => {
            pages++;
            await Promise.all((changes[page] ?? []).map(([block, fill]) => change(block, fill)));
          };
          h.repairFinal(spare);
          await waitRepaired(h);
          assert.ok(pages >= 4, `${pages} pages`);
          assert.deepEqual(await stored(spare), await stored(b));
          const expected = new Map([...model].sort(([x], [y]) => x - y));
          assert.deepEqual(await stored(spare), expected);
          h.pair.close(new Error('done'));
          for (const engine of engines.splice(-3)) await engine.stop();
        },
      ),
      { numRuns: 4 },
    );
  });

  it('gives a spare back what it loses of a rebuild, holes that were filled meanwhile too', async () => {
    const { a, b, h, telling } = await startPair();
    for (let i = 0; i < 8; i++) await h.write(i * 5_000, 0x61);
    await loseFirst(h, a);
    const spare = await startEngine();
    let cutBack: (() => void) | null = null;
    telling.onPage = async () => {
      // Right behind its preparation, before any mark is gone: the worst that it can fall back to and still be known.
      cutBack ??= spare.mark();
    };
    h.repairFinal(spare);
    await waitRepaired(h);
    h.record(spare.address, 'online');
    await h.write(60_000, 0x62);
    await h.write(5_000, 0);
    await spare.kill();
    assert.ok(cutBack !== null);
    (cutBack as () => void)();
    await spare.start();
    h.record(spare.address, 'offline');
    await h.write(60_001, 0x63);
    h.repairTemporary(spare.address, 2);
    await waitRepaired(h, 2);
    assert.deepEqual(await stored(spare), await stored(b));
    assert.equal((await stored(spare)).size, 9);
    h.pair.close(new Error('done'));
  });

  it('goes on with what is left when its owner dies in between, and does not mark the holes again', async () => {
    const { a, b, h } = await startPair();
    for (let i = 0; i < 600; i++) await h.write(i * 100, 0x71);
    await loseFirst(h, a);
    const spare = await startEngine();
    const died = new Promise<void>((resolve) => {
      h.pair.copied = async () => {
        h.pair.close(new Error('the owner dies'));
        resolve();
      };
    });
    h.repairFinal(spare);
    await died;
    const left = Number(await b.cli('BITCOUNT', 'salvor:dirty:v1'));
    assert.equal(left, 600);
    const next = new PairHarness(spare, b, { epoch: '8', blocks: BLOCKS });
    next.primary = h.primary;
    next.pair.applyRecords(h.primary, h.slave);
    await next.mount();
    await waitRepaired(next);
    assert.equal(next.repairs[0]?.dirtyBlocks, 600);
    assert.deepEqual(await stored(spare), await stored(b));
    next.pair.close(new Error('done'));
  });
});

it('a scan is made where it is less work than to go through the marked blocks', () => {
  assert.equal(decideHoleScan({ marked: 65_536, stored: 0 }), true);
  assert.equal(decideHoleScan({ marked: 65_536, stored: 32_768 }), true);
  assert.equal(decideHoleScan({ marked: 65_536, stored: 32_769 }), false);
  assert.equal(decideHoleScan({ marked: 1_023, stored: 0 }), false);
});
