/** Examples of the commands about archives, as in `command-examples.ts`. */
import type { PlainJsonObject } from './types.ts';

const at = 1700000000000;
const both = { archive: 'a1', volume: 'vol1' };
const applied = { operation: 'op-5a11', outcome: 'applied' };
const following = 'archive a1 of volume vol1 is complete and follows';

const archive = {
  ...both,
  role: 'primary',
  source: 'zone north',
  phase: 'following',
  status: 'protected',
  reason: following,
  generation: 1,
  sizeBytes: 1_073_741_824,
  blockSize: 4096,
  sequence: 8203,
  sourceSequence: 8112,
  writtenAt: at,
  isLevel: true,
  isRestorable: true,
  holes: [],
  snapshots: [{ name: 'monday', state: 'restorable', generation: 1, sequence: 8100, at }],
  retention: { everyStateMs: 604_800_000, points: 30, pointEveryMs: 86_400_000 },
  changedAt: at + 40,
};

const fine = { archive: 'a1', is: false, reason: '' };

export const archiveCommandExamples = {
  'archive.full-backup': {
    request: both,
    reply: { ...both, ...applied, reason: 'archive a1 of volume vol1: a full backup is made' },
  },
  'archive.hash-backup': {
    request: both,
    reply: { ...both, ...applied, reason: 'archive a1 of volume vol1: a hash backup is made' },
  },
  'archive.init-storage': {
    request: { volume: 'vol1', vdisk: 'v1' },
    reply: { volume: 'vol1', ...applied, reason: 'vdisk v1 is volume vol1, primary in zone north' },
  },
  'archive.is-overflow': {
    request: { volume: 'vol1' },
    reply: { volume: 'vol1', isOverflow: false, archives: [fine] },
  },
  'archive.is-send-error': {
    request: { volume: 'vol1' },
    reply: { volume: 'vol1', isSendError: false, archives: [fine] },
  },
  'archive.kick': {
    request: { volume: 'vol1' },
    reply: { ...applied, kicked: [fine], reason: '1 archive was kicked' },
  },
  'archive.list': { request: {}, reply: { archives: [archive] } },
  'archive.make-primary': {
    request: { ...both, archive: 'a2' },
    reply: {
      ...{ ...both, archive: 'a2', ...applied },
      reason: 'archive a2 of volume vol1 is primary, in the place of archive a1',
    },
  },
  'archive.replicate': {
    request: { ...both, to: 'a2' },
    reply: {
      ...both,
      archive: 'a2',
      ...applied,
      reason: 'archive a2 of volume vol1 is made from archive a1',
    },
  },
  'archive.restore': {
    request: { ...both, vdisk: 'v1-restored', cluster: 'p1', slaveCluster: 's1', atSnapshot: 'monday' },
    reply: {
      ...{ ...both, vdisk: 'v1-restored', ...applied },
      reason: 'brings vdisk v1-restored to snapshot monday of volume vol1 in archive a1',
    },
  },
  'archive.set-retention': {
    request: { ...both, everyStateMs: 86_400_000, points: 7 },
    reply: { ...both, ...applied, reason: following },
  },
  'archive.snapshot': {
    request: { ...both, name: 'monday' },
    reply: { ...both, ...applied, reason: 'snapshot monday is promised' },
  },
  'archive.start-synchronizing': {
    request: { ...both, zone: 'north' },
    reply: { ...both, ...applied, reason: 'archive a1 of volume vol1 is made from zone north' },
  },
  'archive.status': { request: { volume: 'vol1' }, reply: { archives: [archive] } },
  'archive.stop-synchronizing': {
    request: both,
    reply: { ...both, ...applied, reason: 'archive a1 of volume vol1 is stopped; what it holds stays' },
  },
  'archive.verify': {
    request: both,
    reply: { ...both, ...applied, reason: 'reads what archive a1 holds of volume vol1' },
  },
} satisfies Record<string, { request: PlainJsonObject; reply: PlainJsonObject }>;
