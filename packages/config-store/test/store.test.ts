import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { type ConfigStore, openStore, StoreError, type TransactionResult } from '@salvor/config-store';
import { GRPCUnavailableError } from 'etcd3';
import { connectEtcd } from '../src/etcd-calls.ts';
import { transact } from '../src/transaction.ts';
import { EtcdServer } from './etcd/etcd-server.ts';
import { TcpRelay } from './etcd/tcp-relay.ts';

const CALL_TIMEOUT_MS = 20_000;
let server: EtcdServer;
let store: ConfigStore;

before(async () => {
  server = await EtcdServer.start();
  store = openStore({ endpoints: [server.endpoint], callTimeoutMs: CALL_TIMEOUT_MS });
});

after(async () => {
  store.close();
  await server.remove();
});

const put = (key: string, value: string): Promise<TransactionResult> =>
  store.transact({ compare: [], puts: [{ key, value }] });

function failsWith(code: string): (error: unknown) => boolean {
  return (error) => error instanceof StoreError && error.code === code;
}

describe('reading', () => {
  it('answers null for a key that does not exist', async () => {
    assert.equal(await store.get('nothing-here'), null);
  });

  it('answers value and revisions of a key', async () => {
    const created = await put('read/one', 'a');
    const changed = await put('read/one', 'b');
    assert.deepEqual(await store.get('read/one'), {
      key: 'read/one',
      value: 'b',
      revision: changed.revision,
      createRevision: created.revision,
      lease: null,
    });
    assert.ok(BigInt(changed.revision) > BigInt(created.revision));
  });

  it('reads several keys at one revision', async () => {
    await put('many/a', '1');
    const { entries, revision } = await store.getMany(['many/a', 'many/b', 'many/a']);
    assert.equal(entries.get('many/a')?.value, '1');
    assert.equal(entries.get('many/b'), null);
    assert.equal(BigInt(revision) >= BigInt(entries.get('many/a')?.revision ?? '0'), true);
  });

  it('answers what a key was at a revision, and says when that is forgotten or not reached', async () => {
    const first = await put('then/one', 'a');
    const second = await put('then/one', 'b');
    assert.equal((await store.getAt('then/one', first.revision))?.value, 'a');
    assert.equal(await store.getAt('then/two', first.revision), null);
    await server.compact(second.revision);
    await assert.rejects(store.getAt('then/one', first.revision), failsWith('compacted'));
    await assert.rejects(store.getAt('then/one', '99999999'), failsWith('future-revision'));
  });

  it('reads everything as it was at the first read of a snapshot, in whatever way it is read', async () => {
    await put('snap/a', '1');
    await put('snap/b', '1');
    const then = store.snapshot();
    const { revision } = await then.getMany(['snap/a']);
    await put('snap/a', '2');
    await put('snap/c', '2');
    await store.transact({ compare: [], deletes: ['snap/b'] });
    assert.equal((await then.get('snap/a'))?.value, '1');
    assert.deepEqual(
      (await then.list('snap/')).entries.map(({ key, value }) => [key, value]),
      [
        ['snap/a', '1'],
        ['snap/b', '1'],
      ],
    );
    assert.deepEqual(await then.listKeys({ from: 'snap/', to: 'snap0' }), ['snap/a', 'snap/b']);
    const again = await then.getMany(['snap/a', 'snap/c']);
    assert.deepEqual([again.revision, again.entries.get('snap/c')], [revision, null]);
    assert.equal((await store.snapshot().get('snap/a'))?.value, '2');
  });

  it('reads at one revision although the reads of a snapshot begin at the same time', async () => {
    await put('together/a', '0');
    await put('together/b', '0');
    let isOver = false;
    const changing = (async () => {
      for (let i = 1; !isOver; i++) {
        const puts = ['together/a', 'together/b'].map((key) => ({ key, value: `${i}` }));
        await store.transact({ compare: [], puts });
      }
    })();
    for (let i = 0; i < 50; i++) {
      const then = store.snapshot();
      const [a, b] = await Promise.all([then.list('together/a'), then.get('together/b')]);
      assert.equal(a.entries[0]?.value, b?.value);
    }
    isOver = true;
    await changing;
  });

  it('rejects the reads of a snapshot whose revision etcd has forgotten', async () => {
    await put('forgotten/a', '1');
    const then = store.snapshot();
    await then.get('forgotten/a');
    await put('forgotten/a', '2');
    const { revision } = await put('forgotten/a', '3');
    await server.compact(revision);
    await assert.rejects(then.get('forgotten/a'), failsWith('compacted'));
  });

  it('lists more entries than one page holds, all of one prefix, in key order', async () => {
    const keys = Array.from({ length: 1_100 }, (_, index) => `page/${String(index).padStart(5, '0')}`);
    for (let from = 0; from < keys.length; from += 100) {
      const puts = keys.slice(from, from + 100).map((key) => ({ key, value: key }));
      await store.transact({ compare: [], puts });
    }
    await put('page0', 'the first key after the prefix page/');
    const { entries } = await store.list('page/');
    assert.deepEqual(
      entries.map(({ key, value }) => [key, value]),
      keys.map((key) => [key, key]),
    );
    assert.deepEqual(await store.listKeys({ from: 'page/00001', to: 'page/00004' }), keys.slice(1, 4));
    assert.equal((await store.listKeys({ from: 'page/', to: null })).includes('page0'), true);
  });
});

describe('a transaction', () => {
  it('creates a key only once', async () => {
    const create = (value: string) =>
      store.transact({
        compare: [{ key: 'tx/once', revision: 'absent' }],
        puts: [{ key: 'tx/once', value }],
      });
    assert.equal((await create('first')).ok, true);
    const second = await create('second');
    assert.ok(!second.ok);
    assert.equal(second.current.get('tx/once')?.value, 'first');
  });

  it('writes and deletes all keys together, or none', async () => {
    const { revision } = await put('tx/a', '1');
    await put('tx/b', '1');
    const change = (expected: string) =>
      store.transact({
        compare: [{ key: 'tx/a', revision: expected }],
        puts: [{ key: 'tx/a', value: '2' }],
        deletes: ['tx/b'],
      });
    assert.equal((await change('1')).ok, false);
    assert.equal((await store.get('tx/b'))?.value, '1');
    assert.equal((await change(revision)).ok, true);
    assert.equal(await store.get('tx/b'), null);
    assert.equal((await store.get('tx/a'))?.value, '2');
  });

  it('can ask that a key is still the one that was created then', async () => {
    const { revision } = await put('tx/created', '1');
    const condition = { key: 'tx/created', createRevision: revision };
    const write = (value: string) =>
      store.transact({ compare: [condition], puts: [{ key: 'tx/guarded', value }] });
    await put('tx/created', '2');
    assert.equal((await write('while it lives')).ok, true);
    await store.transact({ compare: [], deletes: ['tx/created'] });
    await put('tx/created', '3');
    assert.equal((await write('after it was created anew')).ok, false);
  });

  it('is refused when it is too large or writes a key twice', async () => {
    const puts = Array.from({ length: 129 }, (_, index) => ({ key: `big/${index}`, value: '' }));
    await assert.rejects(store.transact({ compare: [], puts }), failsWith('invalid-transaction'));
    const twice = { compare: [], puts: [{ key: 'k', value: '' }], deletes: ['k'] };
    await assert.rejects(store.transact(twice), failsWith('invalid-transaction'));
  });

  it('lets many writers count on one key without losing a step', async () => {
    const writers = 8;
    const steps = 10;
    const increment = async (): Promise<void> => {
      for (let step = 0; step < steps; ) {
        const entry = await store.get('tx/counter');
        const { ok } = await store.transact({
          compare: [{ key: 'tx/counter', revision: entry?.revision ?? 'absent' }],
          puts: [{ key: 'tx/counter', value: String(Number(entry?.value ?? 0) + 1) }],
        });
        if (ok) step += 1;
      }
    };
    await Promise.all(Array.from({ length: writers }, increment));
    assert.equal((await store.get('tx/counter'))?.value, String(writers * steps));
  });

  it('is recognised as applied when its first answer was lost', async () => {
    const etcd = connectEtcd([server.endpoint], CALL_TIMEOUT_MS);
    let attempts = 0;
    const lossy = Object.assign(Object.create(etcd), {
      kv: Object.assign(Object.create(etcd.kv), {
        txn: async (...args: Parameters<typeof etcd.kv.txn>) => {
          const answer = await etcd.kv.txn(...args);
          attempts += 1;
          if (attempts === 1) throw new GRPCUnavailableError('the answer was lost');
          return answer;
        },
      }),
    }) as typeof etcd;
    const result = await transact(lossy, {
      compare: [{ key: 'tx/lost', revision: 'absent' }],
      puts: [{ key: 'tx/lost', value: randomUUID() }],
    });
    etcd.close();
    assert.equal(attempts, 2);
    assert.deepEqual(result, { ok: true, revision: (await store.get('tx/lost'))?.revision });
  });
});

describe('when etcd is away', () => {
  it('a call fails within its deadline and names the reason', async () => {
    const away = openStore({ endpoints: ['127.0.0.1:1'], callTimeoutMs: 300 });
    const begunAtMs = performance.now();
    await assert.rejects(away.get('k'), failsWith('store-unavailable'));
    assert.ok(performance.now() - begunAtMs < 10_000);
    away.close();
  });

  it('a call to a hung server fails within its deadline, and succeeds once it goes on', async () => {
    const hasty = openStore({ endpoints: [server.endpoint], callTimeoutMs: 300 });
    await hasty.get('k');
    server.pause();
    try {
      await assert.rejects(hasty.get('k'), failsWith('store-unavailable'));
    } finally {
      server.resume();
    }
    assert.equal(await store.get('nothing-here'), null);
    hasty.close();
  });

  it('a call gets through although the link it had carries nothing any more', async () => {
    const relay = await TcpRelay.to(server.endpoint);
    const relayed = openStore({ endpoints: [relay.endpoint], callTimeoutMs: CALL_TIMEOUT_MS });
    await relayed.get('k');
    relay.strand();
    assert.equal(await relayed.get('k'), null);
    relayed.close();
    relay.close();
  });

  it('a closed store says so', async () => {
    const closed = openStore({ endpoints: [server.endpoint] });
    await closed.get('k');
    closed.close();
    await assert.rejects(closed.get('k'), failsWith('store-closed'));
  });

  it('writers count exactly across kills: each success is one step, each step one success', async () => {
    const kills = 3;
    let killing = true;
    const write = async (key: string): Promise<number> => {
      let steps = 0;
      while (killing || steps < 5) {
        const entry = await store.get(key);
        const { ok } = await store.transact({
          compare: [{ key, revision: entry?.revision ?? 'absent' }],
          puts: [{ key, value: `${steps + 1} ${randomUUID()}` }],
        });
        assert.equal(ok, true, `${key} has one writer, so nothing can come between`);
        steps += 1;
      }
      return steps;
    };
    const keys = ['kill/a', 'kill/b', 'kill/c'];
    const writing = Promise.all(keys.map(write));
    for (let kill = 0; kill < kills; kill += 1) await server.restart();
    killing = false;
    const steps = await writing;
    for (const [index, key] of keys.entries()) {
      assert.equal(Number.parseInt((await store.get(key))?.value ?? '', 10), steps[index]);
    }
  });
});
