/** One request and reply of each command with which operators steer healing, as plain JSON. */
import type { CommandName } from './generated/types.ts';
import type { PlainJsonObject } from './types.ts';

const at = 1700000000000;
const address = '10.100.0.1:22005';
const incident = 'inc-7f3a';
const applied = { operation: 'op-1b07', outcome: 'applied' };
const ordered = { address, status: 'offline', incident };

const downtime = {
  cluster: 'primary-1',
  address,
  begunAt: at,
  until: at + 7_200_000,
  by: 'alice',
  reason: 'new memory',
};

type OperatorCommand = Extract<
  CommandName,
  | 'cluster.remove-spare'
  | 'engine.bring-online'
  | 'engine.replace'
  | 'engine.retire'
  | 'engine.take-offline'
  | 'incident.acknowledge'
  | `downtime.${string}`
  | `healing.${string}`
  | `repair.${string}`
>;

export const operatorCommandExamples: Readonly<
  Record<OperatorCommand, { request: PlainJsonObject; reply: PlainJsonObject }>
> = {
  'cluster.remove-spare': {
    request: { cluster: 'primary-1', address: '10.100.0.9:22005', reason: 'needed elsewhere' },
    reply: {
      ...{ cluster: 'primary-1', address: '10.100.0.9:22005', ...applied },
      reason: '10.100.0.9:22005 is no spare of primary-1 any more',
    },
  },
  'engine.take-offline': {
    request: { address, reason: 'new memory', by: 'alice', operationId: 'op-1b07' },
    reply: { ...ordered, ...applied, reason: `alice took ${address} offline: new memory` },
  },
  'engine.bring-online': {
    request: { address, reason: 'memory is in', by: 'alice' },
    reply: {
      ...{ ...ordered, ...applied, status: 'repair-tmp-outage' },
      reason: `alice brought ${address} back: memory is in`,
    },
  },
  'engine.retire': {
    request: { address, reason: 'out of warranty', by: 'alice' },
    reply: {
      ...{ ...ordered, ...applied, status: 'repair-final-outage', replacement: '10.100.0.9:22005' },
      reason: `alice retired ${address}: out of warranty; its blocks are rebuilt on 10.100.0.9:22005`,
    },
  },
  'engine.replace': {
    request: { address, with: { address: '10.100.0.9:22005' }, reason: 'a faster one', by: 'alice' },
    reply: {
      ...{ ...ordered, ...applied, status: 'repair-final-outage', replacement: '10.100.0.9:22005' },
      reason: `alice retired ${address}: a faster one; its blocks are rebuilt on 10.100.0.9:22005`,
    },
  },
  'incident.acknowledge': {
    request: { incident, reason: 'the cable is changed', by: 'alice' },
    reply: {
      ...{ incident, status: 'offline', ...applied },
      reason: `alice acknowledged ${incident}, and lets ${address} be judged again: the cable is changed`,
    },
  },
  'repair.list': {
    request: {},
    reply: {
      repairs: [
        {
          ...{ incident, attempt: 1, cluster: 'primary-1', shard: 0, address, kind: 'repair-tmp-outage' },
          ...{ vdisk: 'v1', state: 'repairing', server: 'nbd-1' },
          waitsFor: 'nbd-1 owns it and copies',
        },
      ],
    },
  },
  'repair.retry': {
    request: { incident, reason: 'the network is back', by: 'alice' },
    reply: {
      ...{ incident, status: 'repair-tmp-outage', ...applied },
      reason: `alice began the repair of ${address} anew: the network is back`,
    },
  },
  'repair.cancel': {
    request: { incident, reason: 'it slows the backup down', by: 'alice' },
    reply: {
      ...{ incident, status: 'offline', ...applied },
      reason: `alice cancelled the repair of ${address}: it slows the backup down`,
    },
  },
  'repair.resume': {
    request: { incident, reason: 'the backup is done', by: 'alice' },
    reply: {
      ...{ incident, status: 'repair-tmp-outage', ...applied },
      reason: `alice resumed the repair of ${address}: the backup is done`,
    },
  },
  'healing.pause': {
    request: { cluster: 'primary-1', reason: 'moving racks', by: 'alice' },
    reply: {
      ...{ cluster: 'primary-1', ...applied },
      reason: 'alice paused the healing of primary-1: moving racks',
    },
  },
  'healing.resume': {
    request: { cluster: 'primary-1', reason: 'racks are moved', by: 'alice' },
    reply: {
      ...{ cluster: 'primary-1', ...applied },
      reason: 'alice resumed the healing of primary-1: racks are moved',
    },
  },
  'healing.status': {
    request: {},
    reply: {
      clusters: [
        {
          cluster: 'primary-1',
          pause: { by: 'alice', reason: 'moving racks', at },
          downtimes: [downtime],
          held: [{ address, incident, hold: { kind: 'planned', by: 'alice', reason: 'new memory', at } }],
        },
      ],
    },
  },
  'downtime.begin': {
    request: { target: address, seconds: 7_200, reason: 'new memory', by: 'alice' },
    reply: {
      ...{ target: address, cluster: 'primary-1', until: at + 7_200_000, ...applied },
      reason: `alice announced a downtime of ${address} for 7200 s: new memory`,
    },
  },
  'downtime.end': {
    request: { target: address, reason: 'memory is in', by: 'alice' },
    reply: {
      ...{ target: address, cluster: 'primary-1', ...applied },
      reason: `alice ended the downtime of ${address}: memory is in`,
    },
  },
  'downtime.list': { request: {}, reply: { downtimes: [downtime] } },
};
