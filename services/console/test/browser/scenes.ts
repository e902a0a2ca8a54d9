/** Scenes that are played to the page, as of `at`. */
import { healthy, type Incident, openIncident, type PlayedState, step, withEngine } from '../played-state.ts';

const ENGINE = '127.0.0.1:22002';
const MINUTE = 60_000;

/** The engine is back, and the blocks that it missed are copied. */
export function repairing(at: number): PlayedState {
  const incident = openIncident(at - 48_000, {
    status: 'repair-tmp-outage',
    verdict: { ...temporary(at - 31_000) },
    history: [
      step('online', 'offline', at - 48_000, 'nbd-1 reported it: connection refused', 'op-1'),
      step('offline', 'repair-tmp-outage', at - 31_000, 'the outage is temporary', 'op-2'),
    ],
  });
  const repair = {
    ...{ incident: incident.incident, attempt: 1, cluster: 'p1', shard: 1, address: ENGINE },
    kind: 'repair-tmp-outage',
  };
  return {
    ...withEngine(healthy(), 1, {
      status: 'repair-tmp-outage',
      state: 'repair',
      incident: incident.incident,
    }),
    incidents: [incident],
    repairs: [
      { ...repair, vdisk: 'v1', state: 'repairing', server: 'nbd-1', waitsFor: 'nbd-1 owns it and copies' },
      { ...repair, vdisk: 'v2', state: 'repairing', server: 'nbd-2', waitsFor: 'nbd-2 owns it and copies' },
      {
        ...{ ...repair, vdisk: 'backup', state: 'waiting' },
        waitsFor: 'nobody owns it: an NBD server with SALVOR_REPAIR_IDLE takes it for its repair',
      },
    ],
  };
}

/** Both members of a pair are gone; its blocks can come back from the log. */
export function unavailable(at: number): PlayedState {
  const shard = {
    ...{ cluster: 'p1', slaveCluster: 's1', shard: 1, since: at - 4 * MINUTE, blocks: 5_120, counted: true },
    reason: '127.0.0.1:22102 is down since 14:03:02, and 127.0.0.1:22002, which served alone, since 14:05:40',
    vdisks: [
      { vdisk: 'v1', blocks: 3_584, counted: true, detail: 'its log has all of them' },
      { vdisk: 'v2', blocks: 1_536, counted: true, detail: 'it has no log' },
    ],
  };
  const state = withEngine(healthy(), 1, { status: 'offline', state: 'offline' });
  const slave = { incident: 's1-1-mwpyqabc', cluster: 's1', address: '127.0.0.1:22102' };
  return {
    ...state,
    engines: state.engines.map((engine) =>
      engine.address === slave.address ? { ...engine, status: 'offline', state: 'offline' } : engine,
    ),
    clusters: state.clusters.map((cluster) => ({
      ...{ ...cluster, status: 'unhealthy', enginesOnline: 3 },
      unavailable: [shard],
    })),
    incidents: [openIncident(at - 4 * MINUTE), openIncident(at - 7 * MINUTE, slave)],
    alerts: [
      {
        ...{
          alert: 'a1',
          kind: 'cluster-unhealthy',
          subject: 'p1',
          since: at - 4 * MINUTE,
          raisedAt: at - 3 * MINUTE,
        },
        message:
          'shard 1 of p1 and s1 has no member that serves; bring one of its engines back, or recover it from the log',
      },
    ],
    recovery: {
      ...{ recovery: 'rec-1', cluster: 'p1', slaveCluster: 's1', status: 'prepared', attempt: 1 },
      reason: 'both engines of shard 1 were judged to be lost; it begins when an operator says so',
      ...{
        preparedAt: at - 2 * MINUTE,
        updatedAt: at - 2 * MINUTE,
        estimateMs: 42_000,
        bytesPerSecond: 50e6,
      },
      pairs: [
        {
          ...{ shard: 1, way: 'spares', lost: [ENGINE, slave.address], replacements: ['127.0.0.1:22201'] },
          ...{ incidents: [], applied: false },
        },
      ],
      vdisks: [
        { vdisk: 'v1', blocks: 3_584, counted: true, recoverable: 'all', state: 'waits' },
        {
          vdisk: 'v2',
          blocks: 1_536,
          counted: true,
          recoverable: 'nothing',
          why: 'it has no log',
          state: 'waits',
        },
      ],
      history: [],
    },
  };
}

/** An outage that is over, with its whole story. */
export function closed(at: number): PlayedState {
  const begun = at - 26 * MINUTE;
  const repair = (
    vdisk: string,
    server: string,
    copiedBlocks: number,
    after: number,
  ): NonNullable<Incident['repairs']>[number] => ({
    ...{ vdisk, incident: 'p1-1-mwpytthw', attempt: 1, server, dirtyBlocks: copiedBlocks, copiedBlocks },
    ...{ repairMs: 1_240, at: begun + after },
  });
  return {
    ...healthy(),
    incidents: [
      openIncident(begun, {
        ...{
          status: 'online',
          closedAt: begun + 21_400,
          outcome: 'repaired',
          verdict: temporary(begun + 8_100),
        },
        history: [
          step('online', 'offline', begun, 'nbd-1 reported it: connection refused', 'op-1'),
          step('offline', 'repair-tmp-outage', begun + 8_100, 'the outage is temporary', 'op-2'),
          step('repair-tmp-outage', 'online', begun + 21_400, 'every vdisk is repaired', 'op-3'),
        ],
        repairs: [repair('v1', 'nbd-1', 4_096, 19_000), repair('v2', 'nbd-2', 512, 20_800)],
        actions: [
          {
            action: 'incident.acknowledge',
            by: 'alice',
            reason: 'the switch was restarted',
            operation: 'op-9',
            at: begun + 4_000,
          },
        ],
      }),
      openIncident(begun - 300 * MINUTE, {
        ...{
          incident: 's1-3-mwp0aaaa',
          cluster: 's1',
          shard: 3,
          address: '127.0.0.1:22104',
          status: 'online',
        },
        ...{ closedAt: begun - 299 * MINUTE, outcome: 'false-alarm' },
      }),
    ],
  };
}

/** A replay onto empty engines, a volume that follows another zone, and one that is copied from there. */
export function replication(begun: number, at: number, lagMs: number, done: number): PlayedState {
  return {
    ...healthy(),
    operations: [
      {
        ...{
          operation: 'op-replay',
          kind: 'dr.replay',
          status: 'running',
          subject: 'v1',
          startedAt: begun,
        },
        ...{ message: 'writes the newest of each block, from the end of the log', done, total: 90_000 },
      },
    ],
    volumes: [
      volume('archive-7', { role: 'primary', status: 'active - primary', phase: 'serving', peerSeenAt: at }),
      volume('customers', {
        ...{ peerSeenAt: at, lag: { level: false, bytes: lagMs * 40_000, ms: lagMs, observedAt: at } },
        reason: 'takes what zone south writes, as it comes',
      }),
      volume('mail', {
        ...{ status: 'active - updating', phase: 'copying', peerSeenAt: at },
        conditions: [
          { condition: 'resyncing', reason: 'compares hashes with zone south, and takes what differs' },
        ],
        reason: 'what it has is older than what the log of the primary begins with',
        copy: {
          ...{ way: 'hash copy', reason: 'the log does not go back so far', next: done * 2, blocks: 262_144 },
          ...{ sentBlocks: 900, sentBytes: 3_686_400, hashBytes: 81_920, beganAt: begun },
        },
      }),
    ],
  };
}

/** A volume that both zones have written to. */
export function splitBrain(at: number): PlayedState {
  const reason =
    'this zone wrote 5 records that the primary in zone south lacks; decide which are given up: salvor volume resync customers --discard north';
  return {
    ...healthy(),
    volumes: [
      volume('customers', {
        ...{ status: 'active - updating', phase: 'split', peerSeenAt: at, reason },
        conditions: [{ condition: 'split-brain', reason }],
      }),
    ],
  };
}

/** A plan whose volumes come to this zone, and its run. */
export function moving(at: number, status: 'running' | 'completed'): PlayedState {
  const isOver = status === 'completed';
  const acts = [
    ['check', '', 'both zones have version 3, and all members'],
    ['stop', 'db', 'instance db is stopped'],
    ['demote', 'customers', 'volume customers is a secondary in zone north'],
    ['level', '', isOver ? 'all of it is applied' : '41 MB of the log are not applied yet'],
    ['promote', 'customers', ''],
  ] as const;
  const stateOf = (index: number): string =>
    isOver || index < 3 ? 'done' : index === 3 ? 'running' : 'pending';
  const plan = {
    ...{ plan: 'shop', version: 3, writtenIn: 'north', deleted: false, zones: ['north', 'south'] },
    changedAt: at - 100 * MINUTE,
  };
  const [here, there] = isOver
    ? ['active - primary', 'active - secondary']
    : ['active - secondary', 'active - primary'];
  return {
    ...healthy(),
    volumes: [volume('customers', { peerSeenAt: at })],
    plans: [isOver ? plan : { ...plan, active: 'move-1' }],
    planStatus: {
      members: [
        { group: 'database', kind: 'volume', subject: 'customers', here, there },
        { group: 'database', kind: 'instance', subject: 'db', here: 'stopped', there: 'stopped' },
      ],
      latest: {
        ...{ run: 'move-1', plan: 'shop', version: 3, kind: 'planned', target: 'south', source: 'north' },
        ...{ status, direction: 'forward', beganAt: at - 8_400, volumes: [] },
        reason: isOver ? 'the volumes are served in zone south' : 'waits until zone south is level',
        steps: acts.map(([act, subject, reason], index) => ({
          ...{
            act,
            zone: index === 2 ? 'north' : 'south',
            group: '',
            subject,
            status: stateOf(index),
            reason,
          },
        })),
        ...(isOver ? { endedAt: at, rpoWrites: 0, rpoMs: 0, rtoMs: 8_400 } : {}),
      },
    },
  };
}

type Volume = NonNullable<PlayedState['volumes']>[number];

function volume(id: string, change: Partial<Volume>): Volume {
  return {
    ...{
      zone: 'north',
      volume: id,
      vdisk: id,
      role: 'secondary',
      status: 'active - secondary',
      conditions: [],
    },
    ...{
      phase: 'following',
      reason: 'serves',
      generation: 3,
      generationZone: 'south',
      lineage: [],
      begins: 0,
    },
    ...{
      container: 2,
      logBegins: 1,
      sizeBytes: 2 ** 30,
      blockSize: 4096,
      peer: 'south',
      mode: 'instant',
      changedAt: 0,
    },
    ...change,
  };
}

function temporary(at: number): NonNullable<Incident['verdict']> {
  return {
    verdict: 'temporary',
    ...{ reason: 'it answers with its identity, twice in a row', by: 'health-analyzer', at },
    evidence: [
      { kind: 'identity', detail: 'p1 primary shard 1, generation 1', at: at - 260 },
      { kind: 'canary', detail: 'written and read back in 3 ms', at: at - 250, observer: 'nbd-2' },
    ],
  };
}
