/** Examples of the commands about recovery plans, as in `command-examples.ts`. */
import type { PlainJsonObject } from './types.ts';

const at = 1700000000000;
const applied = { plan: 'shop', operation: 'op-91be', outcome: 'applied' };

const plan = {
  ...{ plan: 'shop', version: 2, writtenIn: 'north', deleted: false, zones: ['north', 'south'] },
  changedAt: at,
};

const document = {
  plan: 'shop',
  zones: ['north', 'south'],
  groups: [
    { name: 'database', volumes: ['vol1'], instances: ['db'] },
    { name: 'web', instances: ['web-1'], after: ['database'] },
  ],
};

const run = {
  run: 'op-91be',
  ...{ plan: 'shop', version: 2, kind: 'planned', target: 'south', source: 'north' },
  ...{ status: 'completed', direction: 'forward', reason: 'plan shop runs in zone south: nothing was lost' },
  steps: [
    {
      ...{ act: 'promote', zone: 'south', group: 'database', subject: 'vol1', status: 'done' },
      ...{ reason: 'volume vol1 is primary in zone south', beganAt: at + 900, endedAt: at + 1_040 },
    },
  ],
  volumes: [
    {
      volume: 'vol1',
      ...{ lostWrites: 0, lostMs: 0, promotedMs: 1_040, generation: 1, sequence: 8190 },
    },
  ],
  ...{ rpoWrites: 0, rpoMs: 0, rtoMs: 1_900, beganAt: at, endedAt: at + 2_400 },
};

export const planCommandExamples = {
  'plan.apply': {
    request: { document: JSON.stringify(document) },
    reply: { ...applied, reason: 'plan shop has version 2', version: 2 },
  },
  'plan.delete': { request: { plan: 'shop' }, reply: { ...applied, reason: 'plan shop is deleted' } },
  'plan.get': { request: { plan: 'shop' }, reply: { plan, document: JSON.stringify(document) } },
  'plan.list': { request: {}, reply: { zone: 'north', plans: [plan] } },
  'plan.report': { request: { plan: 'shop' }, reply: { run } },
  'plan.run': {
    request: { plan: 'shop', kind: 'planned' },
    reply: { ...applied, reason: 'plan shop comes to zone south, planned' },
  },
  'plan.status': {
    request: { plan: 'shop' },
    reply: {
      ...{ plan, zone: 'south', other: 'north', otherVersion: 2, otherReason: '' },
      members: [
        {
          ...{ group: 'database', kind: 'volume', subject: 'vol1' },
          ...{ here: 'active - secondary', there: 'active - primary' },
        },
        { group: 'database', kind: 'instance', subject: 'db', here: 'stopped', there: 'started' },
      ],
      latest: run,
      testedAt: at,
    },
  },
} satisfies Record<string, { readonly request: PlainJsonObject; readonly reply: PlainJsonObject }>;
