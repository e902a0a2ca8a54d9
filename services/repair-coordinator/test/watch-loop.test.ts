import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type ConfigStore, openStore } from '@salvor/config-store';
import { type EtcdHandle, startEtcd, tempDir, until } from '@salvor/testkit';
import { WatchLoop, type WatchLoopOptions } from '../src/watch-loop.ts';
import { keepingLogger } from './coordinated-cluster.ts';

const HOUR_MS = 3_600_000;
const dir = tempDir('watch-loop');
let etcd: EtcdHandle;
let store: ConfigStore;

before(async () => {
  etcd = await startEtcd({ dir: dir.path });
  store = openStore({ endpoints: [etcd.endpoint] });
});

after(async () => {
  store.close();
  await etcd.process.kill();
  dir.remove();
});

const log = keepingLogger();
const put = (key: string, value: string) => store.transact({ compare: [], puts: [{ key, value }] });

async function looping(
  prefix: string,
  look: (loop: WatchLoop) => Promise<void>,
  more: Partial<WatchLoopOptions> = {},
): Promise<WatchLoop & AsyncDisposable> {
  const loop: WatchLoop = new WatchLoop({
    ...{ store, log, prefixes: [prefix], safetyIntervalMs: HOUR_MS, trouble: `trouble with ${prefix}` },
    look: () => look(loop),
    ...more,
  });
  await loop.start();
  return Object.assign(loop, { [Symbol.asyncDispose]: () => loop.stop() });
}

const valuesOf = (loop: WatchLoop): string[] => [...loop.entries().values()].map(({ value }) => value);

/** A promise that the test settles. */
function gate(): { readonly passed: Promise<void>; open(): void } {
  let open = (): void => {};
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { passed, open: () => open() };
}

describe('a loop over what etcd holds', () => {
  it('looks at what is there when it starts, and at each change', async () => {
    await put('/a/1', 'one');
    const seen: string[][] = [];
    await using _loop = await looping('/a/', async (loop) => void seen.push(valuesOf(loop)));
    assert.deepEqual(seen[0], ['one']);
    await put('/b/1', 'not watched');
    await put('/a/2', 'two');
    await until(() => seen.at(-1)?.length === 2, { what: 'a look at both', timeoutMs: 10_000 });
    assert.equal(seen.flat().includes('not watched'), false);
  });

  it('looks once more after a look during which something changed, and never at two things at once', async () => {
    const gates = [gate(), gate(), gate()];
    const seen: string[][] = [];
    let underWay = 0;
    let mostUnderWay = 0;
    await using loop = await looping('/c/', async (own) => {
      mostUnderWay = Math.max(mostUnderWay, ++underWay);
      const place = seen.push(valuesOf(own)) - 1;
      await gates[place]?.passed;
      underWay--;
    });
    await put('/c/1', 'one');
    await put('/c/2', 'two');
    await until(() => loop.entries().size === 2, { what: 'both are told', timeoutMs: 10_000 });
    assert.deepEqual(seen, [[]], 'the first look is still under way');
    for (const { open } of gates) open();
    await until(() => seen.length === 2 && underWay === 0, { what: 'the next look', timeoutMs: 10_000 });
    assert.deepEqual(seen[1], ['one', 'two'], 'both changes are looked at together');
    assert.equal(mostUnderWay, 1);
  });

  it('rests between two looks when it is told to, and misses nothing meanwhile', async () => {
    const beganAt: number[] = [];
    const seen: number[] = [];
    const restMs = 50;
    await using _loop = await looping(
      '/d/',
      async (own) => {
        beganAt.push(performance.now());
        seen.push(own.entries().size);
      },
      { restMs },
    );
    for (let i = 0; i < 20; i++) await put(`/d/${i}`, 'x');
    await until(() => seen.at(-1) === 20, { what: 'a look at all', timeoutMs: 10_000 });
    const pauses = beganAt.slice(1).map((at, i) => at - (beganAt[i] ?? 0));
    // Timers may fire a millisecond early.
    assert.ok(Math.min(...pauses) >= restMs - 1, `pauses of ${pauses.map(Math.round).join(', ')} ms`);
  });

  it('goes on after a look that failed, and says so', async () => {
    let looks = 0;
    await using _loop = await looping('/e/', async () => {
      if (++looks === 1) throw new Error('no luck');
    });
    await put('/e/1', 'x');
    await until(() => looks === 2, { what: 'the look after it', timeoutMs: 10_000 });
    const line = log.lines.find(({ msg }) => msg === 'trouble with /e/');
    assert.deepEqual([line?.level, line?.fields.error], ['warn', 'no luck']);
  });

  it('waits at its end for the look that is under way, which is told of it, and begins no other', async () => {
    const { passed, open } = gate();
    let isOver = false;
    let looks = 0;
    const loop = await looping('/f/', async (own) => {
      looks++;
      await passed;
      isOver = own.isStopped;
    });
    const stopped = loop.stop();
    open();
    await stopped;
    assert.equal(isOver, true);
    loop.wake();
    assert.equal(looks, 1);
  });
});
