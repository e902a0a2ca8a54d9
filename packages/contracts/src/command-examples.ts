/** One request and reply of each command as plain JSON: shown by `salvor` and by service metadata, and tested. */

import { archiveCommandExamples } from './archive-command-examples.ts';
import type { CommandName } from './generated/types.ts';
import { instanceCommandExamples } from './instance-command-examples.ts';
import { operatorCommandExamples } from './operator-command-examples.ts';
import { planCommandExamples } from './plan-command-examples.ts';
import { recoveryCommandExamples } from './recovery-command-examples.ts';
import { segmentCommandExamples } from './segment-command-examples.ts';
import type { PlainJsonObject } from './types.ts';
import { volumeCommandExamples } from './volume-command-examples.ts';

const at = 1700000000000;

const applied = { operation: 'op-1b07', outcome: 'applied' };

const engine = {
  cluster: 'primary-1',
  role: 'primary',
  shard: 0,
  address: '10.100.0.1:22005',
  db: 0,
  status: 'online',
  state: 'online',
  generation: 1,
};

const incident = {
  incident: 'inc-7f3a',
  cluster: 'primary-1',
  shard: 0,
  address: '10.100.0.1:22005',
  db: 0,
  status: 'offline',
  attempt: 1,
  openedAt: at,
  reporters: [{ reporter: 'nbd-1', reason: 'connection refused', at }],
  reportedTimes: 3,
  history: [
    {
      from: 'online',
      to: 'offline',
      attempt: 1,
      reason: 'reported by nbd-1: connection refused',
      by: 'repair-coordinator',
      operation: 'op-1b07',
      at,
    },
  ],
};

const unavailable = {
  cluster: 'primary-1',
  slaveCluster: 'slave-1',
  shard: 0,
  since: at,
  blocks: 1200,
  counted: true,
  reason:
    'shard 0 has no live member: 10.100.0.1:22005 is offline and 10.100.0.2:22005 is offline; 10.100.0.2:22005 served last',
  vdisks: [
    {
      vdisk: 'v1',
      blocks: 1200,
      counted: true,
      detail:
        '10.100.0.2:22005 served last, answers and holds 1200 blocks; 40 were written while it served alone',
    },
  ],
};

const vdisk = {
  vdisk: 'v1',
  type: 'db',
  sizeGiB: 10,
  blockSize: 4096,
  readOnly: false,
  cluster: 'primary-1',
  slaveCluster: 'slave-1',
  owner: { server: 'nbd-1', epoch: 41, since: at },
  status: 'in-use',
};

const operation = {
  operation: 'op-5e80',
  kind: 'vdisk.clone',
  status: 'running',
  message: 'copies shard 1 of vdisk v1 to vdisk v2',
  startedAt: at,
  subject: 'v2',
  done: 4096,
  total: 16384,
  updatedAt: at + 900,
};

const audited = {
  run: '0loyw3v28-5f1c07a2be9d4430',
  hook: 'page-operator',
  point: 'cluster.unhealthy',
  kind: 'webhook',
  eventId: 'primary-1-1700000000000-repairing-unhealthy',
  eventType: 'salvor.cluster.status-changed.v1',
  subject: 'primary-1',
  by: 'repair-coordinator',
  status: 'succeeded',
  reason: 'answered 200 at attempt 2 of 5',
  createdAt: at,
  endedAt: at + 1900,
  attempts: [
    { attempt: 1, by: 'coordinator-1', startedAt: at, durationMs: 700, outcome: 'failed', httpStatus: 503 },
    {
      ...{ attempt: 2, by: 'coordinator-1', startedAt: at + 1700, durationMs: 200 },
      ...{ outcome: 'succeeded', httpStatus: 200 },
    },
  ],
};

export const commandExamples: Readonly<
  Record<CommandName, { readonly request: PlainJsonObject; readonly reply: PlainJsonObject }>
> = {
  ...operatorCommandExamples,
  ...recoveryCommandExamples,
  ...instanceCommandExamples,
  ...archiveCommandExamples,
  ...planCommandExamples,
  ...volumeCommandExamples,
  ...segmentCommandExamples,
  'alert.list': {
    request: {},
    reply: {
      alerts: [
        {
          alert: 'repair-stuck:primary-1-4-loyw3v28',
          kind: 'repair-stuck',
          subject: 'primary-1-4-loyw3v28',
          message: 'the repair of 10.100.0.1:22005 waits for vdisk v1, which nobody owns',
          since: at - 60000,
          raisedAt: at,
          incident: 'primary-1-4-loyw3v28',
          cluster: 'primary-1',
        },
      ],
    },
  },
  'audit.list': { request: { hook: 'page-operator', limit: 20 }, reply: { entries: [audited] } },
  'cluster.add-spares': {
    request: { cluster: 'primary-1', spares: [{ address: '10.100.0.9:22006' }] },
    reply: { cluster: 'primary-1', ...applied, reason: 'cluster primary-1 has one spare more' },
  },
  'cluster.collect-garbage': {
    request: { cluster: 'primary-1' },
    reply: { cluster: 'primary-1', ...applied, reason: 'collects the garbage of cluster primary-1' },
  },
  'cluster.create': {
    request: {
      cluster: 'primary-1',
      role: 'primary',
      engines: [{ address: '10.100.0.1:22005' }, { address: '10.100.0.1:22006', db: 1 }],
      spares: [{ address: '10.100.0.9:22005' }],
      partner: 'slave-1',
    },
    reply: { cluster: 'primary-1', ...applied, reason: 'cluster primary-1 has 2 engines and 1 spare' },
  },
  'cluster.get': {
    request: { cluster: 'primary-1' },
    reply: {
      cluster: {
        cluster: 'primary-1',
        role: 'primary',
        status: 'healthy',
        partner: 'slave-1',
        engines: [engine],
        spares: [{ address: '10.100.0.9:22005', db: 0 }],
        retired: [],
        updatedAt: at,
      },
    },
  },
  'cluster.list': {
    request: {},
    reply: {
      clusters: [
        {
          cluster: 'primary-1',
          role: 'primary',
          status: 'healthy',
          partner: 'slave-1',
          engines: 2,
          enginesOnline: 2,
          spares: 1,
          unavailable: [],
        },
      ],
    },
  },
  'engine.get': {
    request: { address: '10.100.0.1:22005' },
    reply: { engine: { ...engine, status: 'offline', state: 'offline', incident: 'inc-7f3a' }, incident },
  },
  'engine.list': { request: { cluster: 'primary-1' }, reply: { engines: [engine] } },
  'engine.probe': {
    request: { address: '10.100.0.1:22005' },
    reply: {
      address: '10.100.0.1:22005',
      status: 'healthy',
      reason: 'it answers, takes a write and has its identity',
      evidence: [{ kind: 'ping', detail: 'PONG after 1 ms', at, observer: '' }],
      at,
    },
  },
  'engine.report-failure': {
    request: { address: '10.100.0.1:22005', reason: 'the rack has no power' },
    reply: {
      address: '10.100.0.1:22005',
      status: 'offline',
      incident: 'inc-7f3a',
      ...applied,
      reason: 'engine 10.100.0.1:22005 is offline now; incident inc-7f3a is open',
    },
  },
  'engine.set-verdict': {
    request: { address: '10.100.0.1:22005', verdict: 'permanent', reason: 'the disk is broken', by: 'alice' },
    reply: {
      address: '10.100.0.1:22005',
      status: 'repair-final-outage',
      incident: 'inc-7f3a',
      ...applied,
      reason: 'the spare 10.100.0.9:22005 takes its place',
    },
  },
  'hook.list': {
    request: {},
    reply: {
      file: '/etc/salvor/hooks.yaml',
      hooks: [
        {
          hook: 'page-operator',
          points: ['cluster.unhealthy', 'cluster.healthy'],
          kind: 'webhook',
          target: 'https://pager.example.com/salvor',
          timeoutMs: 10000,
          attempts: 5,
          since: at - 86400000,
          pending: 0,
          lastRun: audited,
        },
      ],
    },
  },
  'hook.test': {
    request: { hook: 'page-operator' },
    reply: {
      run: audited.run,
      hook: 'page-operator',
      ...applied,
      reason: 'hook page-operator is to run with an example of cluster.unhealthy',
    },
  },
  'incident.get': {
    request: { incident: 'inc-7f3a' },
    reply: { incident: { ...incident, unavailable: [unavailable] } },
  },
  'incident.list': { request: { all: true }, reply: { incidents: [incident] } },
  'nbdserver.cut': {
    request: { cut: 'cut-90fe', vdisks: [{ vdisk: 'v1', epoch: 41 }], holdMs: 500 },
    reply: {
      server: 'nbd-1',
      cut: 'cut-90fe',
      places: [],
      ...applied,
      reason: 'server nbd-1 has cut vdisk v1, and answers its writes once that is collected',
    },
  },
  'nbdserver.probe': {
    request: { address: '10.100.0.1:22005' },
    reply: {
      server: 'nbd-1',
      address: '10.100.0.1:22005',
      status: 'unreachable',
      reason: 'engine 10.100.0.1:22005 cannot be reached: connect ETIMEDOUT',
      vdisks: [{ vdisk: 'v1', missedWrites: true }],
      at,
    },
  },
  'nbdserver.status': {
    request: {},
    reply: {
      server: 'nbd-1',
      uri: 'nbd://127.0.0.1:10809',
      vdisks: [
        {
          vdisk: 'v1',
          state: 'mounted',
          epoch: 41,
          connections: 1,
          pairs: [
            { shard: 0, mode: 'both' },
            { shard: 1, mode: 'slave-only' },
          ],
        },
      ],
    },
  },
  'operation.cancel': {
    request: { operation: 'op-5e80' },
    reply: {
      operation: 'op-5e80',
      outcome: 'applied',
      reason: 'operation op-5e80 (vdisk.clone) is asked to stop; ask for it again to see when it has',
    },
  },
  'operation.get': {
    request: { operation: 'op-1b07' },
    reply: {
      operation: {
        operation: 'op-1b07',
        kind: 'vdisk.create',
        status: 'completed',
        message: 'vdisk v1 is created',
        startedAt: at,
        endedAt: at + 42,
      },
    },
  },
  'operation.pause': {
    request: { operation: 'op-5e80' },
    reply: {
      operation: 'op-5e80',
      outcome: 'applied',
      reason: 'operation op-5e80 (vdisk.scrub) is paused; operation.resume lets it go on',
    },
  },
  'operation.resume': {
    request: { operation: 'op-5e80' },
    reply: {
      operation: 'op-5e80',
      outcome: 'applied',
      reason: 'operation op-5e80 (vdisk.scrub) goes on where it was',
    },
  },
  'operation.list': { request: { all: true }, reply: { operations: [operation] } },
  'source.list': {
    request: {},
    reply: {
      sources: [
        {
          source: 'nbd-1',
          kind: 'spawn',
          position: '18211',
          linesRead: 204,
          linesRejected: 0,
          child: { pid: 4711, restarts: 0 },
        },
      ],
    },
  },
  'vdisk.clone': {
    request: { source: 'v1', vdisk: 'v2' },
    reply: {
      vdisk: 'v2',
      operation: 'op-5e80',
      outcome: 'applied',
      reason: 'vdisk v1 is being cloned to vdisk v2 on primary-1 and slave-1',
    },
  },
  'vdisk.create': {
    request: { vdisk: 'v1', type: 'db', sizeGiB: 10, cluster: 'primary-1', slaveCluster: 'slave-1' },
    reply: { vdisk: 'v1', ...applied, reason: 'vdisk v1 is created' },
  },
  'vdisk.delete': {
    request: { vdisk: 'v1', operationId: 'op-21c4' },
    reply: {
      vdisk: 'v1',
      operation: 'op-21c4',
      outcome: 'applied',
      reason: 'vdisk v1 is deleted; what it held is being freed',
    },
  },
  'vdisk.delete-orphan': {
    request: { cluster: 'primary-1', vdisk: 'v0', confirm: 'v0' },
    reply: { vdisk: 'v0', ...applied, reason: 'what cluster primary-1 holds of vdisk v0 is being removed' },
  },
  'vdisk.describe': {
    request: { vdisk: 'v1' },
    reply: {
      vdisk: {
        ...vdisk,
        clusterStatus: 'repairing',
        slaveClusterStatus: 'healthy',
        openIncidents: ['inc-7f3a'],
        usedBlocks: 1200,
        usedBytes: 4_915_200,
        realBytes: 10_400_000,
        engines: [
          {
            cluster: 'primary-1',
            role: 'primary',
            shard: 0,
            address: '10.100.0.1:22005',
            status: 'offline',
            estimated: false,
            problem: 'engine 10.100.0.1:22005 cannot be reached: connection refused',
          },
          {
            cluster: 'slave-1',
            role: 'slave',
            shard: 0,
            address: '10.100.0.2:22005',
            status: 'online',
            blocks: 1200,
            estimated: false,
            dataBytes: 5_200_000,
            overheadBytes: 90_000,
            batch: 1240,
            dirtyBlocks: 12,
          },
        ],
        copies: [
          {
            shard: 0,
            state: 'slave-only',
            blocks: 1200,
            reason: '10.100.0.1:22005 is offline; 10.100.0.2:22005 serves',
          },
        ],
        mount: {
          vdisk: 'v1',
          state: 'mounted',
          epoch: 41,
          connections: 1,
          pairs: [{ shard: 0, mode: 'alone' }],
        },
        operations: [],
        repairs: [
          {
            vdisk: 'v1',
            incident: 'inc-7f3a',
            attempt: 1,
            server: 'nbd-1',
            dirtyBlocks: 1200,
            copiedBlocks: 1200,
            repairMs: 310,
            at,
          },
        ],
      },
    },
  },
  'vdisk.list': { request: { cluster: 'primary-1' }, reply: { vdisks: [vdisk] } },
  'vdisk.orphans': {
    request: { cluster: 'primary-1' },
    reply: {
      cluster: 'primary-1',
      orphans: [
        {
          vdisk: 'v0',
          why: 'unknown-vdisk',
          address: '10.100.0.1:22005',
          shard: 0,
          keys: ['nondedup:v0'],
          keyCount: 1,
          bytes: 4_200_000,
        },
      ],
      engines: [{ address: '10.100.0.1:22005', shard: 0, keys: 14, complete: true }],
    },
  },
  'tlog.disable': {
    request: { vdisk: 'v1' },
    reply: {
      vdisk: 'v1',
      ...applied,
      reason: 'vdisk v1 has no transaction log any more; what is archived of it stays',
    },
  },
  'tlog.enable': {
    request: { vdisk: 'v1', policy: 'block' },
    reply: {
      vdisk: 'v1',
      ...applied,
      reason:
        'vdisk v1 gets a transaction log; it can be restored from it once its owner has written every block there',
    },
  },
  'tlog.verify': {
    request: { vdisk: 'v1' },
    reply: { ...applied, reason: 'the archived log of vdisk v1 is being verified' },
  },
  'tlog.status': {
    request: { vdisk: 'v1' },
    reply: {
      logs: [
        {
          ...{ vdisk: 'v1', policy: 'block', container: 2, containers: 4, stream: 'TLOG_2' },
          ...{ status: 'whole', reason: 'it has a complete copy', since: 1_700_000_000_000 },
          ...{ segments: 118, newest: 4_711, archived: 4_593, streamBytes: 41_943_040 },
          ...{ streamMaxBytes: 1_073_741_824, replicas: 3, fsync: 'every 2 minutes' },
          powerLoss:
            'a loss of power that hits most of the 3 servers at once can lose the last 2 minutes of what was flushed',
          server: 'nbd-1',
          mounted: {
            ...{ status: 'whole', reason: 'it has a complete copy', base: 1, sequence: 90_112 },
            ...{ pendingBytes: 131_072, lagMs: 2, flushesWaiting: 0 },
          },
        },
      ],
    },
  },
  'vdisk.scrub': {
    request: { vdisk: 'v1', repair: true },
    reply: {
      vdisk: 'v1',
      operation: 'op-5c0b',
      outcome: 'applied',
      reason: 'both copies of vdisk v1 are being compared',
    },
  },
  'vdisk.export': {
    request: { vdisk: 'v1', file: 'v1-before-upgrade.avro', atSnapshot: 'before-upgrade' },
    reply: {
      vdisk: 'v1',
      operation: 'op-33e0',
      outcome: 'applied',
      reason: "vdisk v1, its snapshot 'before-upgrade', is being exported to exports/v1-before-upgrade.avro",
    },
  },
  'vdisk.import': {
    request: { file: 'v1-before-upgrade.avro', vdisk: 'v2', cluster: 'primary-1', slaveCluster: 'slave-1' },
    reply: {
      vdisk: 'v2',
      operation: 'op-4c19',
      outcome: 'applied',
      reason: 'vdisk v2 is being made from exports/v1-before-upgrade.avro on primary-1 and slave-1',
    },
  },
  'vdisk.rollback': {
    request: { vdisk: 'v1', atSnapshot: 'before-upgrade' },
    reply: {
      vdisk: 'v1',
      operation: 'op-7b14',
      outcome: 'applied',
      reason: "vdisk v1 is being brought back to its snapshot 'before-upgrade'",
    },
  },
  'vdisk.snapshot.create': {
    request: { vdisk: 'v1', name: 'before-upgrade' },
    reply: {
      vdisk: 'v1',
      operation: 'op-51a0',
      outcome: 'applied',
      reason: "snapshot 'before-upgrade' of vdisk v1 is being taken",
    },
  },
  'vdisk.snapshot.delete': {
    request: { vdisk: 'v1', name: 'before-upgrade' },
    reply: {
      vdisk: 'v1',
      operation: 'op-51a1',
      outcome: 'applied',
      reason: "snapshot 'before-upgrade' of vdisk v1 is deleted",
    },
  },
  'vdisk.snapshot.list': {
    request: { vdisk: 'v1' },
    reply: { snapshots: [{ name: 'before-upgrade', sequence: 90_112, at: 1_700_000_000_000 }] },
  },
  'vdisk.resize': {
    request: { vdisk: 'v1', sizeGiB: 20 },
    reply: {
      vdisk: 'v1',
      sizeGiB: 20,
      ...applied,
      reason: 'vdisk v1 grows from 10 to 20 GiB; clients see the new size when they connect again',
    },
  },
  'vdisk.takeover': {
    request: { vdisk: 'v1', server: 'nbd-2', operationId: 'op-21c5' },
    reply: {
      vdisk: 'v1',
      server: 'nbd-2',
      from: 'nbd-1',
      operation: 'op-21c5',
      outcome: 'applied',
      reason: 'server nbd-2 took vdisk v1 from server nbd-1',
    },
  },
};
