/** Examples of the commands about volumes, as in `command-examples.ts`. */
import type { PlainJsonObject } from './types.ts';

const at = 1700000000000;
const applied = { volume: 'vol1', operation: 'op-5a11', outcome: 'applied' };

const volume = {
  zone: 'south',
  volume: 'vol1',
  vdisk: 'v1',
  role: 'secondary',
  status: 'active - secondary',
  conditions: [],
  phase: 'following',
  reason: 'volume vol1 is complete, and follows zone north behind record 8112',
  generation: 1,
  generationZone: 'north',
  lineage: [],
  begins: 0,
  sequence: 8190,
  container: 2,
  logBegins: 0,
  sizeBytes: 1_073_741_824,
  blockSize: 4096,
  peer: 'north',
  mode: 'instant',
  peerSeenAt: at + 60_000,
  lag: { level: true, bytes: 0, ms: 0, observedAt: at + 60_000 },
  point: {
    generation: 1,
    zone: 'north',
    number: 12,
    sequence: 8190,
    ownSequence: 8203,
    writtenAt: at + 59_000,
    at: at + 59_040,
    bytes: 319_488,
    beganAt: at + 54_040,
  },
  changedAt: at + 59_040,
};

export const volumeCommandExamples = {
  'volume.clone': {
    request: { volume: 'vol1', point: 'dr-7' },
    reply: {
      ...applied,
      reason: 'img-test-op-5a11 is a writable clone of point dr-7',
      clone: 'img-test-op-5a11',
    },
  },
  'volume.compare': {
    request: { volume: 'vol1', first: 0, count: 64 },
    reply: {
      ...{ volume: 'vol1', image: '812.813.4f0c', blockSize: 4096, bulkBlocks: 64 },
      hashes: 'ioFZi9lWNUJVQlw0uJEckxC/Kj4LPqDjScPnGpdPLWY=',
      positions: [
        { shard: 0, batch: 4101 },
        { shard: 1, batch: 4096 },
      ],
    },
  },
  'volume.demote': {
    request: { volume: 'vol1' },
    reply: { ...applied, reason: 'volume vol1 is primary no more' },
  },
  'volume.disable': {
    request: { volume: 'vol1' },
    reply: { ...applied, reason: 'vdisk v1 is a volume no more, and stays as it is' },
  },
  'volume.enable': {
    request: { volume: 'vol1', vdisk: 'v1', from: 'north' },
    reply: { ...applied, reason: 'volume vol1 becomes a copy of that of zone north' },
  },
  'volume.list': { request: {}, reply: { volumes: [volume] } },
  'volume.log': {
    request: { volume: 'vol1', container: 2, from: 41 },
    reply: { volume: 'vol1', places: [], lengths: [], next: 42, end: true },
  },
  'volume.promote': {
    request: { volume: 'vol1', force: true },
    reply: { ...applied, reason: 'volume vol1 becomes primary once all that arrived is applied' },
  },
  'volume.remove-clone': {
    request: { volume: 'vol1', clone: 'img-test-op-5a11' },
    reply: { ...applied, reason: 'img-test-op-5a11 is removed' },
  },
  'volume.replicate': {
    request: {
      volume: 'vol1',
      to: 'south',
      mode: 'periodic',
      everyMs: 900_000,
      bandwidthMib: 40,
      compression: 'brotli',
    },
    reply: { ...applied, reason: 'volume vol1 is replicated to zone south, instant' },
  },
  'volume.resync': {
    request: { volume: 'vol1', discard: 'north' },
    reply: {
      ...applied,
      reason:
        'volume vol1 gives up 14 records of zone north past the fork, and is brought to what zone south has',
    },
  },
  'volume.status': { request: { volume: 'vol1' }, reply: { volume } },
  'volume.tell': {
    request: {
      told: {
        ...{ zone: 'north', volume: 'vol1', vdisk: 'v1', role: 'primary', status: 'active - primary' },
        ...{ conditions: [], phase: 'serving', reason: 'volume vol1 is primary in zone north' },
        ...{ generation: 1, generationZone: 'north', lineage: [], begins: 0, container: 2, logBegins: 0 },
        ...{ sizeBytes: 1_073_741_824, blockSize: 4096, peer: 'south', mode: 'instant', changedAt: at },
      },
    },
    reply: { volume },
  },
} satisfies Record<string, { readonly request: PlainJsonObject; readonly reply: PlainJsonObject }>;
