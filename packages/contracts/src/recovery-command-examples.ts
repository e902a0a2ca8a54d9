/** One request and reply of each command with which lost data is brought back from the log, as plain JSON. */
import type { CommandName } from './generated/types.ts';
import type { PlainJsonObject } from './types.ts';

const at = 1700000000000;
const cluster = 'primary-1';
const operation = 'op-77d0';
const applied = { operation, outcome: 'applied' };

const recovery = {
  recovery: 'primary-1-dr-loyw3v28',
  cluster,
  slaveCluster: 'slave-1',
  status: 'prepared',
  attempt: 1,
  reason: 'both members of pair 4 of primary-1 are gone for good; the plan waits for an operator',
  preparedAt: at,
  updatedAt: at,
  pairs: [
    {
      shard: 4,
      way: 'spares',
      lost: ['10.100.0.1:22005', '10.200.0.1:22005'],
      replacements: ['10.100.0.9:22005', '10.200.0.9:22005'],
      incidents: ['primary-1-4-loyw3v28', 'slave-1-4-loyw3v30'],
      applied: false,
    },
  ],
  vdisks: [
    {
      vdisk: 'v1',
      blocks: 52_429,
      counted: false,
      recoverable: 'all',
      logBlocks: 20_480,
      logBytes: 83_886_080,
      estimateMs: 4_000,
      state: 'waits',
    },
    {
      vdisk: 'v2',
      blocks: 52_429,
      counted: false,
      recoverable: 'nothing',
      why: 'it has no log',
      state: 'waits',
    },
  ],
  beforeRevision: 1801,
  bytesPerSecond: 20_971_520,
  rateFrom: 'assumed: nothing was replayed here yet',
  estimateMs: 4_000,
  history: [{ at, to: 'prepared', reason: 'both members are gone', by: 'repair-coordinator', operation }],
};

export const recoveryCommandExamples: Readonly<
  Record<
    Exclude<Extract<CommandName, `dr.${string}`>, 'dr.recover' | 'dr.report' | 'dr.verify'>,
    { readonly request: PlainJsonObject; readonly reply: PlainJsonObject }
  >
> = {
  'dr.accept-loss': {
    request: { vdisk: 'v2', blocks: 52_429, reason: 'it held a cache', by: 'alice' },
    reply: {
      ...{ vdisk: 'v2', ...applied },
      reason: 'alice gave up 52429 blocks of vdisk v2 (it has no log): it held a cache',
    },
  },
  'dr.cancel': {
    request: { cluster, by: 'alice' },
    reply: { cluster, ...applied, reason: 'cancelled by alice before anything was changed' },
  },
  'dr.plan': {
    request: { cluster },
    reply: { recovery, operation, outcome: 'already', reason: recovery.reason },
  },
  'dr.replay': {
    request: { cluster, by: 'alice', operationId: operation },
    reply: {
      ...{ cluster, ...applied },
      reason: 'brings back blocks of the vdisks of cluster primary-1 from the log',
    },
  },
  'dr.status': { request: { cluster }, reply: { recovery } },
};
