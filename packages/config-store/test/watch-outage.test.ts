import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type ConfigStore, openStore, StoreError } from '@salvor/config-store';
import { connectEtcd, type EtcdCalls } from '../src/etcd-calls.ts';
import { startWatch } from '../src/watch.ts';
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

describe('a watch outlives', () => {
  it('kills and restarts of etcd', async () => {
    await watching('kill/', async ({ recorder }) => {
      for (let round = 0; round < 3; round += 1) {
        await put('kill/a', `before ${round}`);
        await server.restart();
        await put('kill/a', `after ${round}`);
        await until('the change arrives', () => recorder.values.get('kill/a') === `after ${round}`);
      }
    });
  });

  it('a cut link, and folds what happened meanwhile', async () => {
    await put('cut/gone', '1');
    await watching('cut/', async ({ recorder, relay }) => {
      relay.cut();
      await remove('cut/gone');
      await put('cut/new', '1');
      await put('cut/new', '2');
      relay.open();
      await until('the change arrives', () => recorder.values.get('cut/new') === '2');
      assert.deepEqual(recorder.seen('cut/gone'), ['1', null]);
    });
  });

  it('compaction of what it missed', async () => {
    await watching('compact/', async ({ recorder, relay }) => {
      relay.cut();
      await put('compact/a', '1');
      await server.compact(await put('compact/a', '2'));
      await put('compact/a', '3');
      relay.open();
      await until('the newest value arrives', () => recorder.values.get('compact/a') === '3');
    });
  });

  it('a link that stays open and carries nothing', async () => {
    await watching('frozen/', async ({ recorder, relay, watch }) => {
      await put('frozen/ready', '1');
      await until('the stream works', () => recorder.values.has('frozen/ready'));
      relay.freeze();
      await put('frozen/a', '1');
      const before = watch.confirmedAtMs();
      relay.open();
      await until('the change arrives', () => recorder.values.get('frozen/a') === '1');
      await until('it is confirmed again', () => watch.confirmedAtMs() > before);
    });
  });

  it('a link that never carries anything again', async () => {
    await watching('stranded/', async ({ recorder, relay }) => {
      await put('stranded/ready', '1');
      await until('the stream works', () => recorder.values.has('stranded/ready'));
      relay.strand();
      await put('stranded/a', '1');
      await until('the change arrives', () => recorder.values.get('stranded/a') === '1');
      await put('stranded/a', '2');
      await until('the next change arrives', () => recorder.values.get('stranded/a') === '2');
    });
  });

  it('a hung server', async () => {
    await watching('hung/', async ({ recorder, watch }) => {
      await put('hung/a', '1');
      server.pause();
      const pausedAtMs = performance.now();
      await until('two audits are due', () => performance.now() - pausedAtMs > 2 * AUDIT_INTERVAL_MS);
      assert.ok(watch.confirmedAtMs() < pausedAtMs + AUDIT_INTERVAL_MS);
      server.resume();
      await put('hung/a', '2');
      await until('the change arrives', () => recorder.values.get('hung/a') === '2');
    });
  });

  it('a stream that is silently dead', async () => {
    const etcd = connectEtcd([server.endpoint], PATIENCE_MS);
    let streams = 0;
    const firstIsMute: EtcdCalls = {
      ...etcd,
      openWatchStream: async () => {
        const stream = await etcd.openWatchStream();
        streams += 1;
        if (streams > 1) return stream;
        const on = stream.on.bind(stream) as (
          event: string,
          listener: (item: never) => void,
        ) => typeof stream;
        const muted = (event: string, listener: (item: never) => void) =>
          on(event, (item: { created?: boolean }) => {
            if (event !== 'data' || item.created === true) listener(item as never);
          });
        return Object.assign(Object.create(stream), {
          on: muted,
          write: stream.write.bind(stream),
          end: stream.end.bind(stream),
          cancel: stream.cancel.bind(stream),
        }) as typeof stream;
      },
    };
    const recorder = new Recorder();
    const reasons: unknown[] = [];
    const watch = await startWatch(firstIsMute, { prefixes: ['mute/'] }, recorder.listener, {
      auditIntervalMs: AUDIT_INTERVAL_MS,
      startTimeoutMs: PATIENCE_MS,
      log: { info: () => {}, warn: ({ reason }) => reasons.push(reason) },
    });
    await until('the stream is open', () => streams === 1);
    await put('mute/a', '1');
    await until('the audit brings the change', () => recorder.values.get('mute/a') === '1');
    assert.match(String(reasons[0]), /audit/);
    await remove('mute/a');
    await until('the next stream works', () => recorder.values.size === 0);
    assert.deepEqual(recorder.faults, []);
    watch.close();
    etcd.close();
  });

  it('anything, and ends up with what etcd holds', async () => {
    await watching('any/', async ({ recorder, relay }) => {
      let writing = true;
      let seed = 7;
      const random = (below: number) => {
        seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
        return Math.floor((seed / 2_147_483_648) * below);
      };
      const write = async () => {
        for (let step = 0; writing; step += 1) {
          const key = `any/${random(8)}`;
          if (random(3) === 0) await remove(key);
          else await put(key, String(step));
        }
      };
      const writer = write();
      for (const disturb of [
        () => relay.cut(),
        () => relay.open(),
        async () => server.compact((await direct.list('any/')).revision),
        () => relay.freeze(),
        () => server.restart(),
        () => relay.open(),
        () => relay.cut(),
        () => relay.open(),
      ]) {
        const batches = recorder.batches.length;
        const sinceMs = performance.now();
        await until(
          'some time or changes',
          () => recorder.batches.length > batches + 20 || performance.now() - sinceMs > 200,
        );
        await disturb();
      }
      writing = false;
      await writer;
      const { entries } = await direct.list('any/');
      const wanted = entries.map(({ key, value }) => `${key}=${value}`).join();
      await until(
        'the watch knows what etcd holds',
        () =>
          [...recorder.values]
            .sort()
            .map(([key, value]) => `${key}=${value}`)
            .join() === wanted,
      );
    });
  });
});

describe('a watch that cannot start', () => {
  it('fails in time, and says why', async () => {
    const away = openStore({ endpoints: ['127.0.0.1:1'], callTimeoutMs: 300 });
    await assert.rejects(
      away.watch({ keys: ['k'] }, () => {}),
      (error) => error instanceof StoreError && error.code === 'store-unavailable',
    );
    away.close();
  });

  it('starts once etcd is there', async () => {
    const late = await EtcdServer.prepare();
    const store = openStore({ endpoints: [late.endpoint], callTimeoutMs: PATIENCE_MS });
    const recorder = new Recorder();
    const starting = store.watch({ keys: ['k'] }, recorder.listener);
    try {
      await late.start();
      await starting;
      assert.equal(recorder.batches[0]?.kind, 'initial');
    } finally {
      store.close();
      await late.remove();
    }
  });
});
