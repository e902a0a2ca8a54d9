import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type ConfigStore, type Lease, openStore, StoreError } from '@salvor/config-store';
import { connectEtcd, type EtcdCalls } from '../src/etcd-calls.ts';
import { grantLease } from '../src/lease.ts';
import { EtcdServer } from './etcd/etcd-server.ts';
import { TcpRelay } from './etcd/tcp-relay.ts';
import { PATIENCE_MS, until } from './etcd/until.ts';

const SHORT_TTL_SECONDS = 2;
const LONG_TTL_SECONDS = 60;
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

/** Grants a lease through a relay and puts `key` under it. */
async function holding(
  key: string,
  ttlSeconds: number,
  body: (held: { lease: Lease; relay: TcpRelay; store: ConfigStore; happened: string[] }) => Promise<void>,
): Promise<void> {
  const relay = await TcpRelay.to(server.endpoint);
  const store = openStore({ endpoints: [relay.endpoint], callTimeoutMs: PATIENCE_MS });
  const lease = await store.grantLease(ttlSeconds);
  const happened: string[] = [];
  lease.onDoubt(() => happened.push('doubt'));
  lease.onRestored(() => happened.push('restored'));
  lease.onLost(() => happened.push('lost'));
  try {
    const taken = await store.transact({
      compare: [{ key, revision: 'absent' }],
      puts: [{ key, value: 'me', lease: lease.id }],
    });
    assert.ok(taken.ok);
    await body({ lease, relay, store, happened });
  } finally {
    store.close();
    relay.close();
  }
}

describe('a lease', () => {
  it('counts validity from when a keep-alive was sent, not from its answer', async () => {
    const etcd = connectEtcd([server.endpoint], PATIENCE_MS);
    const ttlMs = SHORT_TTL_SECONDS * 1_000;
    const sentAtMs: number[] = [];
    const slow: EtcdCalls = {
      ...etcd,
      openKeepAliveStream: async (timeoutMs) => {
        sentAtMs.push(performance.now());
        const opened = await etcd.openKeepAliveStream(timeoutMs);
        await delay(ttlMs / 8);
        return opened;
      },
    };
    const lease = await grantLease(slow, SHORT_TTL_SECONDS, { info: () => {}, warn: () => {} });
    const granted = lease.validUntilMs();
    await until('it is renewed', () => lease.validUntilMs() > granted);
    const promisedFromMs = lease.validUntilMs() - ttlMs;
    assert.ok(promisedFromMs <= (sentAtMs[0] ?? 0), 'the promise starts before the keep-alive could be sent');
    await lease.revoke();
    etcd.close();
  });

  it('is kept alive, and its keys with it', async () => {
    await holding('lease/alive', SHORT_TTL_SECONDS, async ({ lease, happened }) => {
      const first = lease.validUntilMs();
      await until('it lives three times its time', () => lease.validUntilMs() > first + 2 * lease.ttlMs);
      assert.equal(lease.state(), 'valid');
      assert.equal((await direct.get('lease/alive'))?.lease, lease.id);
      assert.deepEqual(happened, []);
    });
  });

  it('promises no more than its time to live from now', async () => {
    const askedAtMs = performance.now();
    const lease = await direct.grantLease(LONG_TTL_SECONDS);
    assert.ok(lease.validUntilMs() >= askedAtMs + lease.ttlMs);
    assert.ok(lease.validUntilMs() <= performance.now() + lease.ttlMs);
    assert.equal(lease.isValid(), true);
    assert.equal(lease.isValid(LONG_TTL_SECONDS * 1_000 + 1), false);
    await lease.revoke();
  });

  it('stops promising before etcd can have let the keys go', async () => {
    await holding('lease/frozen', SHORT_TTL_SECONDS, async ({ lease, relay, happened }) => {
      relay.freeze();
      let gone = false;
      const watch = await direct.watch({ keys: ['lease/frozen'] }, ({ changes }) => {
        if (changes.some(({ entry }) => entry === null)) {
          gone = true;
          assert.equal(lease.isValid(), false);
          assert.ok(performance.now() >= lease.validUntilMs());
        }
      });
      await until('etcd let the key go', () => gone);
      assert.equal(lease.isValid(), false);
      relay.open();
      await until('the loss is known', () => happened.includes('lost'));
      assert.deepEqual(happened, ['doubt', 'lost']);
      assert.equal(lease.state(), 'lost');
      await lease.revoke();
      watch.close();
    });
  });

  it('outlives a link that never carries anything again', async () => {
    await holding('lease/stranded', 10, async ({ lease, relay, happened }) => {
      relay.strand();
      const strandedAtMs = performance.now();
      await until('it is renewed', () => lease.validUntilMs() > strandedAtMs + lease.ttlMs);
      assert.deepEqual(happened, []);
    });
  });

  it('outlives a restart of etcd that is shorter than its time to live', async () => {
    await holding('lease/restart', LONG_TTL_SECONDS, async ({ lease, store, happened }) => {
      const taken = await direct.get('lease/restart');
      await server.restart();
      assert.equal((await direct.get('lease/restart'))?.createRevision, taken?.createRevision);
      assert.equal(lease.isValid(), true);
      const guarded = await store.transact({
        compare: [{ key: 'lease/restart', createRevision: taken?.createRevision ?? '' }],
        puts: [{ key: 'lease/guarded', value: '' }],
      });
      assert.equal(guarded.ok, true);
      assert.deepEqual(happened, []);
    });
  });

  it('goes on being kept alive after a restart', async () => {
    await holding('lease/kept', 3, async ({ lease }) => {
      await server.restart();
      const restarted = performance.now();
      await until('it is renewed', () => lease.validUntilMs() > restarted + lease.ttlMs);
      assert.equal(lease.state(), 'valid');
    });
  });

  it('is in doubt while etcd is away for long, and restored when etcd still holds it', async () => {
    await holding('lease/doubt', SHORT_TTL_SECONDS, async ({ lease, happened }) => {
      const taken = await direct.get('lease/doubt');
      await server.kill();
      await until('its validity runs out', () => happened.includes('doubt'));
      assert.equal(lease.isValid(), false);
      assert.equal(lease.state(), 'doubt');
      await server.start();
      await until('etcd answers again', () => happened.length > 1);
      // A restarted etcd counts every lease from its start: the lease never ended.
      assert.deepEqual(happened, ['doubt', 'restored']);
      assert.equal((await direct.get('lease/doubt'))?.createRevision, taken?.createRevision);
      assert.equal(lease.isValid(), true);
    });
  });

  it('is lost when someone revoked it, and fences whoever held it', async () => {
    await holding('lease/revoked', SHORT_TTL_SECONDS, async ({ lease, store, happened }) => {
      const taken = await direct.get('lease/revoked');
      await server.revokeLease(lease.id);
      const guarded = await store.transact({
        compare: [{ key: 'lease/revoked', createRevision: taken?.createRevision ?? '' }],
        puts: [{ key: 'lease/fenced', value: '' }],
      });
      assert.equal(guarded.ok, false);
      await until('the loss is known', () => happened.includes('lost'));
      assert.equal(lease.isValid(), false);
      await assert.rejects(
        store.transact({ compare: [], puts: [{ key: 'lease/x', value: '', lease: lease.id }] }),
        (error) => error instanceof StoreError && error.code === 'lease-lost',
      );
    });
  });

  it('that is revoked frees its keys at once and tells nobody of a loss', async () => {
    await holding('lease/free', LONG_TTL_SECONDS, async ({ lease, happened }) => {
      await lease.revoke();
      assert.equal(await direct.get('lease/free'), null);
      assert.equal(lease.isValid(), false);
      assert.equal(lease.state(), 'closed');
      assert.deepEqual(happened, []);
    });
  });

  it('is refused for a time to live that is not whole seconds', async () => {
    await assert.rejects(direct.grantLease(1.5), (error) => error instanceof StoreError);
  });
});
