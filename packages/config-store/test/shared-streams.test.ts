import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { connectEtcd, type EtcdCalls } from '../src/etcd-calls.ts';
import { grantLease } from '../src/lease.ts';
import { startWatch } from '../src/watch.ts';
import { EtcdServer } from './etcd/etcd-server.ts';
import { PATIENCE_MS, until } from './etcd/until.ts';
import { AUDIT_INTERVAL_MS, Recorder } from './etcd/watch-recorder.ts';

const silent = { info: () => {}, warn: () => {} };
const SHORT_TTL_SECONDS = 2;

let server: EtcdServer;
let etcd: EtcdCalls;

before(async () => {
  server = await EtcdServer.start();
  etcd = connectEtcd([server.endpoint], PATIENCE_MS);
});

after(async () => {
  etcd?.close();
  await server?.remove();
});

async function put(key: string, value: string): Promise<void> {
  await etcd.kv.put({ key: Buffer.from(key), value: Buffer.from(value) });
}

/** The same connection, counting the streams that are opened and those that have ended. */
function counting(): {
  calls: EtcdCalls;
  watching: () => number;
  ended: () => number;
  keeping: () => number;
} {
  let [watching, ended, keeping] = [0, 0, 0];
  const calls: EtcdCalls = {
    ...etcd,
    openWatchStream: async () => {
      watching++;
      const stream = await etcd.openWatchStream();
      const end = stream.end.bind(stream);
      stream.end = () => {
        ended++;
        end();
      };
      return stream;
    },
    openKeepAliveStream: (timeoutMs) => {
      keeping++;
      return etcd.openKeepAliveStream(timeoutMs);
    },
  };
  return { calls, watching: () => watching, ended: () => ended, keeping: () => keeping };
}

const watchOptions = { auditIntervalMs: AUDIT_INTERVAL_MS, startTimeoutMs: PATIENCE_MS, log: silent };

test('watches share one stream, each hears its own, and the last one ends it', async () => {
  const { calls, watching, ended } = counting();
  const names = Array.from({ length: 30 }, (_, i) => `shared/${i}/`);
  const watched = await Promise.all(
    names.map(async (prefix) => {
      const recorder = new Recorder();
      const watch = await startWatch(calls, { prefixes: [prefix] }, recorder.listener, watchOptions);
      return { prefix, recorder, watch };
    }),
  );
  await Promise.all(names.map((prefix) => put(`${prefix}a`, prefix)));
  for (const { prefix, recorder } of watched)
    await until(`${prefix} hears of it`, () => recorder.values.get(`${prefix}a`) === prefix);
  assert.ok(watched.every(({ recorder }) => recorder.values.size === 1));
  const [first, ...others] = watched;
  first?.watch.close();
  await put(`${first?.prefix}b`, 'unheard');
  await Promise.all(others.map(({ prefix }) => put(`${prefix}b`, 'heard')));
  for (const { prefix, recorder } of others)
    await until(`${prefix} goes on`, () => recorder.values.get(`${prefix}b`) === 'heard');
  assert.equal(first?.recorder.values.size, 1);
  assert.deepEqual([watching(), ended()], [1, 0]);
  for (const { watch } of others) watch.close();
  assert.deepEqual([watching(), ended()], [1, 1]);
});

test('when their stream breaks, all that share it start over together', async () => {
  const { calls, watching } = counting();
  const recorders = [new Recorder(), new Recorder(), new Recorder()];
  const watches = await Promise.all(
    recorders.map((recorder, i) =>
      startWatch(calls, { prefixes: [`broken/${i}/`] }, recorder.listener, watchOptions),
    ),
  );
  await server.restart();
  await until('etcd answers', async () =>
    put('broken/0/a', 'after').then(
      () => true,
      () => false,
    ),
  );
  await put('broken/1/a', 'after');
  await put('broken/2/a', 'after');
  for (const [i, recorder] of recorders.entries())
    await until(`watch ${i} goes on`, () => recorder.values.get(`broken/${i}/a`) === 'after');
  assert.ok(watching() >= 2 && watching() < 2 * recorders.length, `${watching()} streams`);
  for (const watch of watches) watch.close();
});

test('leases that are due at the same moment are kept alive over one stream', async () => {
  const { calls, keeping } = counting();
  const leases = await Promise.all(
    Array.from({ length: 40 }, () => grantLease(calls, SHORT_TTL_SECONDS, silent)),
  );
  const granted = leases.map((lease) => lease.validUntilMs());
  await until('all are renewed', () =>
    leases.every((lease, i) => lease.validUntilMs() > (granted[i] ?? 0) + 2 * lease.ttlMs),
  );
  assert.ok(leases.every((lease) => lease.state() === 'valid'));
  assert.ok(keeping() < 2 * leases.length, `${keeping()} streams for ${leases.length} leases`);
  const [gone, ...kept] = leases;
  const lost: string[] = [];
  gone?.onLost((reason) => lost.push(reason));
  await etcd.lease.leaseRevoke({ ID: gone?.id ?? '' });
  await until('its loss is known', () => lost.length === 1);
  assert.ok(kept.every((lease) => lease.state() === 'valid'));
  await Promise.all(kept.map((lease) => lease.revoke()));
});
