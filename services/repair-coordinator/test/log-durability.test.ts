import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decideDurability, syncIn } from '../src/tlog/log-durability.ts';

const of = (
  replicas: number,
  serverVersion: string | null,
  sync: Parameters<typeof decideDurability>[0]['sync'],
) => decideDurability({ replicas, serverVersion, sync });

describe('what a loss of power can cost a log', () => {
  it('is nothing only where every write is on disk', () => {
    assert.equal(of(1, '2.10.1', 'always').fsync, 'at every write');
    assert.match(of(1, '2.10.1', 'always').powerLoss, /^nothing/);
  });

  it('is what came since the last write to disk, at one server', () => {
    const { fsync, powerLoss } = of(1, '2.9.10', null);
    assert.equal(fsync, 'every 2 minutes');
    assert.match(powerLoss, /one server can lose the last 2 minutes.*end of the process alone loses nothing/);
    assert.equal(of(1, '2.11.0', { everyMs: 10_000 }).fsync, 'every 10 seconds');
  });

  it('needs most of the servers at once where there are several', () => {
    assert.match(
      of(3, '2.9.10', null).powerLoss,
      /most of its 3 servers at once can lose the last 2 minutes/,
    );
  });

  it('is not known where a server may be configured otherwise and is not asked', () => {
    for (const version of ['2.10.0', '3.0.0', 'custom', null])
      assert.match(of(1, version, null).fsync, /^unknown; every 2 minutes unless/);
  });
});

describe('the monitoring of nats-server', () => {
  it('tells how it writes to its disks, or does not', () => {
    assert.deepEqual(syncIn({ jetstream: { config: { sync_interval: 120_000_000_000 } } }), {
      everyMs: 120_000,
    });
    assert.equal(syncIn({ jetstream: { config: { sync_interval: 1, sync_always: true } } }), 'always');
    for (const answer of [
      null,
      'text',
      {},
      { jetstream: null },
      { jetstream: { config: { sync_interval: 'x' } } },
    ])
      assert.equal(syncIn(answer), null);
  });
});
