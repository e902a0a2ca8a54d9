import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type ConfigStore,
  formatRecord,
  vdiskLifecycleKey,
  vdiskLifecycleSchema,
  volumeKey,
  volumeSchema,
} from '@salvor/config-store';
import { ComparedSource } from '../src/compared-source.ts';

const volume = formatRecord(volumeSchema, volumeKey('vol1'), {
  ...volumeSchema.parse({
    ...{
      volume: 'vol1',
      vdisk: 'v1',
      role: 'primary',
      phase: 'serving',
      lineage: [],
      begins: 0,
      begun: null,
    },
    generation: { number: 1, zone: 'north', incarnation: '' },
    ...{ sequence: null, segment: null, known: 1, peer: 'south', mode: 'instant', promotion: null },
    ...{ divergence: null, rival: null, trouble: null, point: null, changedAt: 1, reason: '' },
  }),
});

function storeOf(entries: Readonly<Record<string, string>>): ConfigStore {
  const get = async (key: string) => {
    const value = entries[key];
    return value === undefined ? null : { key, value, revision: '1', createRevision: '1', lease: null };
  };
  return { get } as unknown as ConfigStore;
}

test('nobody compares with a vdisk whose blocks are being brought back: what is read of them is in no log', async () => {
  const key = vdiskLifecycleKey('v1');
  const lifecycle = formatRecord(vdiskLifecycleSchema, key, {
    ...{ state: 'restoring', operations: ['recovery-1'], at: 1 },
  });
  const store = storeOf({ [volumeKey('vol1')]: volume, [key]: lifecycle });
  const access = { timeoutMs: 100, login: undefined };
  const source = new ComparedSource({ store, zone: 'north', access });
  const request = { volume: 'vol1', generation: 1, generationZone: 'north', incarnation: '' };
  await assert.rejects(
    source.answer({ ...request, first: 0, count: 1 } as Parameters<ComparedSource['answer']>[0]),
    {
      code: 'source-stale',
      message: /being brought back from its log/,
    },
  );
});
