import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { listRepairRecords, ownerKey } from '@salvor/config-store';
import { silentLogger } from '@salvor/service-kit';
import { until } from '@salvor/testkit';
import { decideRecordingStep } from '../src/recording-step.ts';
import { recordRepair } from '../src/repair-record.ts';
import { DataPlane, primary } from './data-plane.ts';

describe('a finished repair', () => {
  it('is tried again by its owner while it is not clear whose the vdisk is, and when others were quicker', () => {
    assert.equal(decideRecordingStep({ outcome: 'refused', code: 'not-owner' }), 'again');
    assert.equal(decideRecordingStep({ outcome: 'conflict', code: 'conflict' }), 'again');
  });

  it('is on record once it is written, whoever wrote it', () => {
    assert.equal(decideRecordingStep({ outcome: 'applied', code: 'recorded' }), 'recorded');
    assert.equal(decideRecordingStep({ outcome: 'already', code: 'same-state' }), 'recorded');
  });

  it('is wanted no more when its attempt is over', () => {
    for (const code of ['incident-not-open', 'stale-attempt', 'not-under-repair'] as const)
      assert.equal(decideRecordingStep({ outcome: 'refused', code }), 'unwanted');
  });

  it('is put on record after the vdisk was taken again, and not at all when it was not', async () => {
    await using plane = await DataPlane.start({ shards: 1 });
    const [engine = assert.fail()] = plane.primaries;
    await plane.reportFailure(engine.address);
    const { incident } = await plane.judge(engine.address, 'temporary');
    const { id, attempt } = incident ?? assert.fail();
    const lease = await plane.store.grantLease(30);
    const take = async (vdisk: string): Promise<string> => {
      const value = JSON.stringify({ server: 'nbd-1', instance: 'run', since: 1 });
      await plane.store.transact({ compare: [], puts: [{ key: ownerKey(vdisk), value, lease: lease.id }] });
      return (await plane.store.get(ownerKey(vdisk)))?.createRevision ?? assert.fail();
    };
    const record = (vdisk: string, epoch: () => string | null): Promise<boolean> =>
      recordRepair({
        ...{ store: plane.store, log: silentLogger, server: 'nbd-1', epoch },
        outcome: {
          ...{ vdisk, cluster: primary, shard: 0, address: engine.address, incident: id, attempt },
          ...{ kind: 'repair-tmp-outage', dirtyBlocks: 1, copiedBlocks: 1, storedBlocks: 1 },
          ...{ repairMs: 1, reason: 'it is back' },
        },
      });

    let proof: string | null = '1';
    let asked = 0;
    const epoch = (): string | null => {
      asked++;
      return proof;
    };
    const again = record('taken-again', epoch);
    await until(() => asked > 1, { what: 'a second try, without an owner key', timeoutMs: 20_000 });
    proof = await take('taken-again');
    assert.equal(await again, true);
    const [recorded] = await listRepairRecords(plane.store, id, attempt);
    assert.deepEqual([recorded?.vdisk, recorded?.epoch], ['taken-again', proof]);

    [proof, asked] = ['1', 0];
    const lost = record('lost', epoch);
    await until(() => asked > 1, { what: 'a second try of the other', timeoutMs: 20_000 });
    proof = null;
    assert.equal(await lost, false);
    assert.equal((await listRepairRecords(plane.store, id, attempt)).length, 1);
    await lease.revoke();
  });
});
