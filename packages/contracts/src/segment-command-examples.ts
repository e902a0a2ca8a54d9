/** Examples of the commands about segments and their recovery, as in `command-examples.ts`. */
import type { PlainJsonObject } from './types.ts';

const at = 1700000000000;
const operation = 'op-90d1';

const segment = {
  ...{ segment: 'farm/orders/1.#epoch.0', container: 2, length: 3_036, startOffset: 782, appendAt: 3_036 },
  ...{ sealed: false, framing: 'events', events: 41, runs: [{ from: 790, to: 3_036 }] },
  sha256: 'bef57ec7f53a6d40beb640a780a639c83bc29ac8a9816f1fc6c5c6dcd93c4721',
  lost: [],
  coreAttributes: [{ id: '80000000-0000-0000-0000-000000000001', value: '54' }],
  extendedAttributes: 1,
  uncertain: [],
  ...{ stream: 'SEGMENTS_2', subject: 'salvor.segment.v1.2.farm/orders/1%2E#epoch%2E0', messages: 3 },
  ...{ operation, at },
};

const recovery = {
  ...{ operation, root: '/mnt/tier2', dryRun: false, layout: 'chunked', containerCount: 4 },
  containers: [{ container: 2, segments: 9, bytes: 21_504, uncertain: 1 }],
  ...{ segments: 9, bytes: 21_504, looked: 9, written: 9, already: 0, differing: 0, failed: 0 },
  ...{ events: 311, entries: 134, uncertain: 1, damage: 0, notes: 3 },
  trouble: ['segment farm/late/0.#epoch.0: length is uncertain: deduced from the data: metadata says 0'],
  moreTrouble: 0,
  backup: '/mnt/tier2/backup_system/containers',
  report: `/mnt/tier2/backup_system/reports/${operation}.ndjson`,
  at,
};

export const segmentCommandExamples: Readonly<
  Record<
    'dr.recover' | 'dr.report' | 'dr.verify' | 'segment.get' | 'segment.list',
    { readonly request: PlainJsonObject; readonly reply: PlainJsonObject }
  >
> = {
  'dr.recover': {
    request: { root: '/mnt/tier2', layout: 'salvor', confirm: 'yes', operationId: operation },
    reply: { operation, outcome: 'applied', reason: 'brings Tier-1 back from /mnt/tier2' },
  },
  'dr.report': {
    request: { operation },
    reply: {
      ...{ operation, status: 'completed', message: '9 of 9 segments are in Tier-1', done: 9, total: 9 },
      recovery,
    },
  },
  'dr.verify': {
    request: { root: '/mnt/tier2', layout: 'pravega', operationId: 'op-90d2' },
    reply: { operation: 'op-90d2', outcome: 'applied', reason: 'verifies /mnt/tier2' },
  },
  'segment.get': { request: { segment: segment.segment }, reply: { segment } },
  'segment.list': {
    request: { container: 2, limit: 1 },
    reply: { segments: [segment] },
  },
};
