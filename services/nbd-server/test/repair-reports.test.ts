import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openStore, parseRecord, repairProgressKey, repairProgressSchema } from '@salvor/config-store';
import type { EventInits } from '@salvor/contracts';
import { silentLogger } from '@salvor/service-kit';
import { startEtcd, tempDir, until } from '@salvor/testkit';
import fc from 'fast-check';
import { decideProgress, type RepairSeen, type VdiskRepair } from '../src/repair-progress.ts';
import { RepairReports } from '../src/repair-reports.ts';
import type { MountState } from '../src/vdisk-exports.ts';

const repair = (changes: Partial<VdiskRepair> = {}): VdiskRepair => ({
  ...{ vdisk: 'v1', incident: 'i1', attempt: 1, address: '10.0.0.1:6379' },
  ...{ total: 100, done: 0, contentSteps: 0 },
  ...changes,
});

const movedAt = (seen: ReadonlyMap<string, RepairSeen>) => [...seen.values()].map((one) => one.movedAt);

describe('a repair', () => {
  it('has moved when fewer blocks are left than ever before, and not because it was tried again', () => {
    let seen = decideProgress(new Map(), [repair()], 1);
    seen = decideProgress(seen, [repair({ done: 60 })], 2);
    assert.deepEqual(movedAt(seen), [2]);
    seen = decideProgress(seen, [], 3); // between two tries
    seen = decideProgress(seen, [repair({ total: 100, done: 50 })], 4);
    assert.deepEqual(movedAt(seen), [2], 'it is where it was before');
    seen = decideProgress(seen, [repair({ total: 40, done: 1 })], 5);
    assert.deepEqual(movedAt(seen), [5]);
    seen = decideProgress(seen, [repair({ total: 40, done: 1, contentSteps: 3 })], 6);
    assert.deepEqual(movedAt(seen), [6], 'content is progress as well');
    seen = decideProgress(seen, [repair({ attempt: 2 })], 7);
    assert.deepEqual(movedAt(seen), [6, 7], 'another attempt is another repair');
    assert.deepEqual(movedAt(decideProgress(seen, [], 700_000)), [], 'what is over is forgotten');
  });

  it('that gets nowhere is never said to have moved, however it goes up and down', () => {
    const step = fc.record({ total: fc.integer({ min: 0, max: 50 }), done: fc.integer({ min: 0, max: 50 }) });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 30 }), (steps) => {
        let seen: Map<string, RepairSeen> = new Map();
        let least = Number.POSITIVE_INFINITY;
        let last = 0;
        for (const [now, changes] of steps.entries()) {
          seen = decideProgress(seen, [repair(changes)], now);
          const left = Math.max(0, changes.total - changes.done);
          if (left < least) last = now;
          least = Math.min(least, left);
          assert.deepEqual(movedAt(seen), [last]);
        }
      }),
    );
  });
});

it('a server says how far its repairs are, on the bus and in one record of etcd, until there are none', async () => {
  using dir = tempDir('repair-reports');
  const etcd = await startEtcd({ dir: dir.join('etcd') });
  const store = openStore({ endpoints: [etcd.endpoint] });
  const announced: EventInits['repair.progress'][] = [];
  let states: MountState[] = ['v1', 'v2'].map((vdisk) => ({
    ...{ vdisk, state: 'mounted', epoch: '7', users: 0 },
    shards: [],
    log: null,
    repairs: [repair({ done: 30 })],
  }));
  const reports = new RepairReports({
    ...{ store, server: 'nbd-1', log: silentLogger, states: () => states },
    announce: (progress) => void announced.push(progress),
    intervalMs: 20,
  });
  const key = repairProgressKey('nbd-1');
  reports.start();
  try {
    const entry = await until(() => store.get(key), { what: 'a record', timeoutMs: 10_000 });
    const { server, repairs } = parseRecord(repairProgressSchema, key, entry.value);
    assert.deepEqual(
      [server, ...repairs.map(({ vdisk, done, total }) => [vdisk, done, total])],
      ['nbd-1', ['v1', 30, 100], ['v2', 30, 100]],
    );
    assert.deepEqual(
      [announced[0]?.vdisk, announced[0]?.doneBlocks, announced[0]?.totalBlocks],
      ['v1', 30, 100],
    );
    states = [];
    const isGone = async (): Promise<boolean> => (await store.get(key)) === null;
    await until(isGone, { what: 'the end of the record', timeoutMs: 10_000 });
  } finally {
    await reports.stop();
    store.close();
    await etcd.process.kill();
  }
});
