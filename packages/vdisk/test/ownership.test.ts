import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type ConfigStore, openStore, ownerKey } from '@salvor/config-store';
import { type EtcdHandle, startEtcd, tempDir, until } from '@salvor/testkit';
import { OwnedElsewhereError } from '../src/index.ts';
import { LeaseGuard } from '../src/lease-guard.ts';
import { takeOwnership } from '../src/ownership.ts';

const dir = tempDir('ownership');
let etcd: EtcdHandle;
let store: ConfigStore;

before(async () => {
  etcd = await startEtcd({ dir: dir.path });
  store = openStore({ endpoints: [etcd.endpoint] });
});

after(async () => {
  store?.close();
  await etcd?.process.kill();
  dir.remove();
});

const run = (server: string, instance = 'run-1') => ({ server, instance });

async function take(vdisk: string, server: string, instance?: string, ttlSeconds = 30) {
  const lease = await store.grantLease(ttlSeconds);
  try {
    return { lease, epoch: await takeOwnership(store, lease, vdisk, run(server, instance)) };
  } catch (error) {
    await lease.revoke();
    throw error;
  }
}

describe('the owner of a vdisk', () => {
  it('is whoever took it first; the epoch is the create revision of the owner key, under the lease', async () => {
    const { lease, epoch } = await take('v1', 'nbd-1');
    const key = await store.get(ownerKey('v1'));
    assert.deepEqual([key?.createRevision, key?.lease], [epoch, lease.id]);
    const { server, instance } = JSON.parse(key?.value ?? '{}') as Record<string, unknown>;
    assert.deepEqual([server, instance], ['nbd-1', 'run-1']);
  });

  it('keeps it against other servers, who learn who has it', async () => {
    const { epoch } = await take('v2', 'nbd-1');
    await assert.rejects(take('v2', 'nbd-2'), (error) => {
      assert.ok(error instanceof OwnedElsewhereError);
      assert.equal(error.code, 'owned-elsewhere');
      assert.match(error.message, /vdisk v2 is owned by server nbd-1 since 20/);
      return true;
    });
    assert.equal((await store.get(ownerKey('v2')))?.createRevision, epoch);
  });

  it('gives way to a new run of the same server at once, with a higher epoch', async () => {
    const first = await take('v3', 'nbd-1', 'run-1');
    const second = await take('v3', 'nbd-1', 'run-2');
    assert.ok(BigInt(second.epoch) > BigInt(first.epoch));
    const key = await store.get(ownerKey('v3'));
    assert.deepEqual([key?.createRevision, key?.lease], [second.epoch, second.lease.id]);
    await first.lease.revoke();
    assert.notEqual(
      await store.get(ownerKey('v3')),
      null,
      'the end of the first lease is nothing to the second',
    );
  });

  it('is free again once it gave its lease back, and the epoch rises', async () => {
    const first = await take('v4', 'nbd-1');
    await first.lease.revoke();
    const second = await take('v4', 'nbd-2');
    assert.ok(BigInt(second.epoch) > BigInt(first.epoch));
  });

  it('that is gone without a word is followed when its lease has expired, not before it can have', async () => {
    const gone = await take('v5', 'nbd-1', 'run-1', 2);
    const validUntilMs = gone.lease.validUntilMs();
    gone.lease.release();
    let takenAtMs = 0;
    await until(
      async () => {
        try {
          await take('v5', 'nbd-2');
          takenAtMs = performance.now();
          return true;
        } catch (error) {
          if (error instanceof OwnedElsewhereError) return false;
          throw error;
        }
      },
      { what: 'the lease to expire', timeoutMs: 15_000 },
    );
    assert.ok(takenAtMs >= validUntilMs, `taken ${validUntilMs - takenAtMs} ms too early`);
  });

  it('is one, however many try at once', async () => {
    const tries = await Promise.allSettled(Array.from({ length: 8 }, (_, i) => take('v6', `nbd-${i}`)));
    const winners = tries.filter(({ status }) => status === 'fulfilled');
    assert.equal(winners.length, 1);
    for (const tried of tries) {
      if (tried.status === 'rejected')
        assert.ok(tried.reason instanceof OwnedElsewhereError, String(tried.reason));
    }
  });

  it('is one run, however many runs of one server try at once', async () => {
    const tries = await Promise.all(Array.from({ length: 4 }, (_, i) => take('v7', 'nbd-1', `run-${i}`)));
    const epochs = tries.map(({ epoch }) => epoch);
    assert.equal(new Set(epochs).size, epochs.length, 'no epoch is given twice');
    const highest = epochs.toSorted((a, b) => Number(BigInt(a) - BigInt(b))).at(-1);
    assert.equal((await store.get(ownerKey('v7')))?.createRevision, highest);
  });
});

describe('the guard of a lease', () => {
  it('lets pass while the lease holds, and refuses for good once it is lost', async () => {
    const lease = await store.grantLease(30);
    const guard = new LeaseGuard(lease, 'v1', 5_000);
    await guard.leaseHeld();
    guard.lose('the owner key is gone');
    await assert.rejects(guard.leaseHeld(), {
      code: 'ownership-lost',
      message: /v1: the owner key is gone/,
    });
    await lease.revoke();
  });

  it('waits for a lease in doubt no longer than it may', async () => {
    const lease = await store.grantLease(30);
    const guard = new LeaseGuard(lease, 'v1', 50);
    lease.release();
    await assert.rejects(guard.leaseHeld(), { code: 'ownership-in-doubt', nbdErrno: 5 });
    await lease.revoke();
  });
});
