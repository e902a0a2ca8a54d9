import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ConfigValueError } from '../../src/errors.ts';
import { formatRecord, parseRecord } from '../../src/healing/record-text.ts';
import { ownerSchema, repairSchema, salvorClusterSchema } from '../../src/healing/records.ts';
import { record } from './cluster-fixture.ts';

it('names key, path, what was expected and what was found, for every wrong member', () => {
  const value = JSON.stringify({ ...record(), status: 'fine', spares: [{ db: 0 }], updatedAt: -1 });
  assert.throws(
    () => parseRecord(salvorClusterSchema, '/salvor/clusters/c', value),
    (error) => {
      assert.ok(error instanceof ConfigValueError);
      assert.match(error.message, /\/salvor\/clusters\/c/);
      assert.deepEqual(error.details, [
        { path: 'status', expected: '"healthy" or "repairing" or "unhealthy"', found: '"fine"' },
        { path: 'spares[0].address', expected: 'string', found: 'nothing' },
        { path: 'updatedAt', expected: 'at least 0', found: '-1' },
      ]);
      return true;
    },
  );
});

it('says that a value is no JSON', () => {
  assert.throws(() => parseRecord(ownerSchema, 'k', 'servers:\n'), /the record k .*expected JSON/);
});

it('keeps members of a later version', () => {
  const later = { server: 's', instance: 'i', since: 1, zone: 'z' };
  const read = parseRecord(ownerSchema, 'k', JSON.stringify(later));
  assert.deepEqual(JSON.parse(formatRecord(ownerSchema, 'k', read)), later);
});

it('writes nothing that it could not read', () => {
  const repair = { vdisk: 'v', incident: 'i', attempt: 0, server: 's', epoch: '1', dirtyBlocks: 0 };
  const broken = { ...repair, copiedBlocks: 0, repairMs: 0, at: 0 };
  assert.throws(() => formatRecord(repairSchema, 'k', broken), /attempt/);
});
