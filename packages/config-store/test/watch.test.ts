import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type ConfigStore, openStore, StoreError } from '@salvor/config-store';
import { EtcdServer } from './etcd/etcd-server.ts';
import { PATIENCE_MS, until } from './etcd/until.ts';
import { AUDIT_INTERVAL_MS, Recorder, watching as watchThrough } from './etcd/watch-recorder.ts';

let server: EtcdServer;
let direct: ConfigStore;

before(async () => {
  server = await EtcdServer.start();
  direct = openStore({ endpoints: [server.endpoint], callTimeoutMs: PATIENCE_MS });
});

after(async () => {
  direct.close();
  await server.remove();
});

async function put(key: string, value: string): Promise<string> {
  return (await direct.transact({ compare: [], puts: [{ key, value }] })).revision;
}

async function remove(...deletes: string[]): Promise<string> {
  return (await direct.transact({ compare: [], deletes })).revision;
}

const watching = (prefix: string, body: Parameters<typeof watchThrough>[2]): Promise<void> =>
  watchThrough(server, prefix, body);

describe('a watch', () => {
  it('delivers what is there first, then every change in order', async () => {
    await put('order/a', '1');
    await watching('order/', async ({ recorder, watch }) => {
      assert.equal(recorder.batches[0]?.kind, 'initial');
      assert.deepEqual(recorder.seen('order/a'), ['1']);
      await put('order/a', '2');
      await put('order/b', '1');
      await remove('order/a');
      await put('order/a', '3');
      await put('order0', 'outside');
      await until('the last change arrives', () => recorder.values.get('order/a') === '3');
      assert.deepEqual(recorder.seen('order/a'), ['1', '2', null, '3']);
      assert.deepEqual([...watch.entries().keys()].sort(), ['order/a', 'order/b']);
    });
  });

  it('delivers an empty initial batch when there is nothing', async () => {
    await watching('empty/', async ({ recorder }) => {
      assert.deepEqual(
        recorder.batches.map(({ kind, changes }) => ({ kind, changes })),
        [{ kind: 'initial', changes: [] }],
      );
    });
  });

  it('delivers a key once, however many selections it matches', async () => {
    const recorder = new Recorder();
    const watch = await direct.watch(
      { keys: ['twice/a', 'single', 'single'], prefixes: ['twice/', 'twice/a'] },
      recorder.listener,
    );
    await put('twice/a', '1');
    await put('single', '1');
    await put('twice/a', '2');
    await until('all arrived', () => recorder.seen('twice/a').length === 2 && recorder.values.has('single'));
    assert.deepEqual(recorder.seen('twice/a'), ['1', '2']);
    assert.deepEqual(recorder.seen('single'), ['1']);
    assert.deepEqual(recorder.faults, []);
    watch.close();
  });

  it('delivers a PUT of the same value, for to a 0-Disk server that is news', async () => {
    await put('same/a', '1');
    await watching('same/', async ({ recorder }) => {
      await put('same/a', '1');
      await until('the second PUT arrives', () => recorder.seen('same/a').length === 2);
    });
  });

  it('brings a change without waiting for anything', async () => {
    await watching('fast/', async ({ recorder }) => {
      const latenciesMs: number[] = [];
      for (let round = 0; round < 30; round += 1) {
        const arrived = until('the change arrives', () => recorder.values.get('fast/a') === String(round));
        const key = 'fast/a';
        const begunAtMs = performance.now();
        await put(key, String(round));
        latenciesMs.push(performance.now() - begunAtMs);
        await arrived;
      }
      latenciesMs.sort((a, b) => a - b);
      // The typical round is a few milliseconds; one that polls, at any interval used here, is not.
      assert.ok((latenciesMs[15] ?? Number.POSITIVE_INFINITY) < AUDIT_INTERVAL_MS / 2);
    });
  });

  it('goes on after its listener threw', async () => {
    const values: string[] = [];
    const watch = await direct.watch({ keys: ['throw/a'] }, ({ changes }) => {
      values.push(...changes.map(({ entry }) => entry?.value ?? ''));
      if (values.length === 1) throw new Error('a defect of the listener');
    });
    await put('throw/a', '1');
    await put('throw/a', '2');
    await until('the second change arrives', () => values.length === 2);
    watch.close();
  });

  it('follows more keys and longer lists than fit into one call', async () => {
    const keys = Array.from({ length: 300 }, (_, i) => `wide/${i}`);
    const long = Array.from({ length: 1_200 }, (_, i) => `long/${String(i).padStart(5, '0')}`);
    const all = [...keys, ...long].map((key) => ({ key, value: key }));
    for (let from = 0; from < all.length; from += 100)
      await direct.transact({ compare: [], puts: all.slice(from, from + 100) });
    const recorder = new Recorder();
    const watch = await direct.watch({ keys, prefixes: ['long/'] }, recorder.listener);
    assert.equal(recorder.values.size, all.length);
    assert.deepEqual([...watch.entries().keys()].sort(), all.map(({ key }) => key).sort());
    await direct.transact({
      compare: [],
      puts: [{ key: 'wide/299', value: 'new' }],
      deletes: ['long/01199'],
    });
    await until(
      'both changes arrive',
      () => recorder.values.get('wide/299') === 'new' && !recorder.values.has('long/01199'),
    );
    assert.deepEqual(recorder.faults, []);
    watch.close();
  });

  it('delivers nothing after it was closed', async () => {
    await watching('closed/', async ({ recorder, watch }) => {
      watch.close();
      const other = new Recorder();
      const witness = await direct.watch({ prefixes: ['closed/'] }, other.listener);
      await put('closed/a', '1');
      await until('another watch saw the change', () => other.values.has('closed/a'));
      witness.close();
      assert.deepEqual(recorder.seen('closed/a'), []);
    });
  });

  it('refuses to select nothing', async () => {
    await assert.rejects(
      direct.watch({}, () => {}),
      (error) => error instanceof StoreError,
    );
  });
});
