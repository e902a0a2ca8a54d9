import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { IncidentRecord, ServerEntry } from '@salvor/config-store';
import fc from 'fast-check';
import type { KnownCluster } from '../../src/descriptions.ts';
import {
  type DarkMember,
  decideDarkShards,
  mayBeDark,
  type OpenIncident,
  type PlacedVdisk,
  servedLast,
} from '../../src/unavailable/dark-shards.ts';
import { decideUnavailableBlocks, type EngineAnswer } from '../../src/unavailable/unavailable-blocks.ts';

type Status = ServerEntry['status'];

const cluster = (name: string, role: 'primary' | 'slave', statuses: readonly Status[]): KnownCluster =>
  ({
    cluster: name,
    record: { role },
    storage: {
      servers: statuses.map((status, shard) => ({
        address: `${name}:${shard}`,
        db: 0,
        generation: 1,
        status,
      })),
    },
  }) as unknown as KnownCluster;

const vdisk = (name: string, primary: string, slave = ''): PlacedVdisk => ({
  vdisk: name,
  nbd: { storageClusterID: primary, slaveStorageClusterID: slave },
});

const incident = (name: string, shard: number, openedAt: number): OpenIncident => ({
  incident: { id: `${name}-${shard}`, cluster: name, shard, openedAt } as unknown as IncidentRecord,
  openedRevision: BigInt(openedAt),
});

describe('a shard', () => {
  const clusters = [
    cluster('p', 'primary', ['offline', 'repair-tmp-outage', 'online', 'rip']),
    cluster('s', 'slave', ['offline', 'online', 'offline', 'offline']),
  ];

  it('is dark for a vdisk when none of the members that this vdisk has is online', () => {
    const dark = decideDarkShards(clusters, [vdisk('both', 'p', 's'), vdisk('alone', 'p')], []);
    assert.deepEqual(
      dark.map(({ slaveCluster, shard, vdisks }) => [slaveCluster, shard, vdisks]),
      [
        ['s', 0, ['both']],
        [null, 0, ['alone']],
        [null, 1, ['alone']],
      ],
    );
  });

  it('says which member served last, where that is recorded', () => {
    const reasonOf = (...incidents: OpenIncident[]) =>
      decideDarkShards(clusters, [vdisk('v', 'p', 's')], incidents)[0]?.reason;
    const down = 'shard 0 has no live member: p:0 is offline and s:0 is offline';
    assert.equal(reasonOf(incident('p', 0, 5), incident('s', 0, 7)), `${down}; s:0 served last`);
    assert.equal(reasonOf(incident('p', 0, 5)), `${down}; which of them served last is not recorded`);
    const [dark] = decideDarkShards(
      clusters,
      [vdisk('v', 'p', 's')],
      [incident('p', 0, 5), incident('s', 0, 7)],
    );
    assert.equal(dark?.since, 7);
  });

  it('is never dark while one of its members is online, whatever the other one is', () => {
    const status = fc.constantFrom<Status>(
      'online',
      'offline',
      'repair-tmp-outage',
      'repair-final-outage',
      'rip',
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(status, status), { minLength: 1, maxLength: 6 }), (pairs) => {
        const pair = [
          cluster(
            'p',
            'primary',
            pairs.map(([primary]) => primary),
          ),
          cluster(
            's',
            'slave',
            pairs.map(([, slave]) => slave),
          ),
        ];
        const dark = new Set(decideDarkShards(pair, [vdisk('v', 'p', 's')], []).map(({ shard }) => shard));
        for (const [shard, members] of pairs.entries()) {
          const isServed = members.includes('online') || members[0] === 'rip';
          assert.equal(dark.has(shard), !isServed, members.join(' '));
        }
        if (!pair.some(mayBeDark)) assert.equal(dark.size, 0);
      }),
    );
  });

  it('has no last server when both went down at once', () => {
    const member = (staleRevision: bigint | null) => ({ staleRevision }) as unknown as DarkMember;
    assert.equal(servedLast([member(4n), member(4n)]), null);
    assert.equal(servedLast([member(4n), member(null)]), null);
    assert.equal(servedLast([member(null)])?.staleRevision, null);
  });
});

const size = { vdisk: 'v', type: 'db', blocks: 10, shard: 1, shards: 4, rip: [] };
const at = Date.UTC(2026, 0, 2);
const engine = (address: string, changes: Partial<EngineAnswer> = {}): EngineAnswer => ({
  ...{ address, servedLast: false, staleSince: at, found: { problem: 'connection refused' } },
  ...changes,
});
const holds = (blocks: number, dirtyBlocks = 0, exact = true) => ({ blocks, dirtyBlocks, exact });

describe('the blocks of a vdisk without a live copy', () => {
  it('are counted where the engine that served last answers', () => {
    const answers = [engine('a'), engine('b', { servedLast: true, found: holds(2, 1) })];
    assert.deepEqual(decideUnavailableBlocks(size, answers), {
      ...{ vdisk: 'v', blocks: 2, counted: true },
      detail: 'b served last, answers and holds 2 blocks; 1 were written while it served alone',
    });
  });

  it('are at most the share of the shard where only the older member answers, or none', () => {
    const older = decideUnavailableBlocks(size, [
      engine('a', { found: holds(1) }),
      engine('b', { servedLast: true }),
    ]);
    assert.deepEqual([older.blocks, older.counted], [3, false]);
    assert.equal(
      older.detail,
      'at most 3 blocks of shard 1: a answers and holds 1 blocks as of 2026-01-02T00:00:00.000Z; what was written later is not there',
    );
    const none = decideUnavailableBlocks(size, [engine('a'), engine('b', { servedLast: true })]);
    assert.equal(
      none.detail,
      'at most 3 blocks of shard 1: no engine answers (a: connection refused; b: connection refused)',
    );
  });

  it('may include those of shards that are gone for good, and all of a vdisk of type boot', () => {
    assert.equal(decideUnavailableBlocks({ ...size, rip: [0] }, [engine('a')]).blocks, 6);
    const boot = decideUnavailableBlocks({ ...size, type: 'boot' }, [
      engine('a', { servedLast: true, found: holds(1) }),
    ]);
    assert.deepEqual([boot.blocks, boot.counted], [10, false]);
  });

  it('are not called counted where the engine estimates', () => {
    const answers = [engine('b', { servedLast: true, found: holds(2, 0, false) })];
    const { blocks, counted, detail } = decideUnavailableBlocks(size, answers);
    assert.deepEqual([blocks, counted], [3, false]);
    assert.equal(detail, 'at most 3 blocks of shard 1: b served last, answers and holds about 2 blocks');
  });

  it('of all shards together are at most those of the vdisk', () => {
    fc.assert(
      fc.property(fc.nat(100_000), fc.integer({ min: 1, max: 16 }), (blocks, shards) => {
        const sum = Array.from({ length: shards }, (_, shard) =>
          decideUnavailableBlocks({ ...size, blocks, shards, shard }, []),
        ).reduce((total, one) => total + one.blocks, 0);
        assert.equal(sum, blocks);
      }),
    );
  });
});
