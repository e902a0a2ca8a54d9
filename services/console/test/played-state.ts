import type { CommandShapes } from '@salvor/contracts';

type Init<C extends keyof CommandShapes> = CommandShapes[C]['replyInit'];

/** What services answer while a state is played. */
export interface PlayedState {
  readonly clusters: Init<'cluster.list'>['clusters'];
  readonly engines: Init<'engine.list'>['engines'];
  readonly vdisks: Init<'vdisk.list'>['vdisks'];
  readonly incidents: Init<'incident.list'>['incidents'];
  readonly alerts: Init<'alert.list'>['alerts'];
  readonly healing: Init<'healing.status'>;
  readonly repairs: Init<'repair.list'>['repairs'];
  readonly operations: Init<'operation.list'>['operations'];
  /** Null: no replication-manager runs. */
  readonly volumes: Init<'volume.list'>['volumes'] | null;
  readonly plans?: Init<'plan.list'>['plans'];
  /** Of each of them. */
  readonly planStatus?: Partial<Init<'plan.status'>>;
  readonly recovery?: Init<'dr.status'>['recovery'];
}

type Engine = PlayedState['engines'][number];
export type Incident = PlayedState['incidents'][number];

const PAIRS = 4;
const START = Date.UTC(2026, 2, 1, 14, 3, 2);

/** Four pairs of engines, three vdisks, all well. */
export function healthy(): PlayedState {
  return {
    clusters: [
      { ...clusterOf('p1', 'primary'), partner: 's1' },
      { ...clusterOf('s1', 'slave'), partner: 'p1' },
    ],
    engines: [...enginesOf('p1', 'primary', 22_001), ...enginesOf('s1', 'slave', 22_101)],
    vdisks: [
      vdisk('v1', { server: 'nbd-1', epoch: 41, since: START }),
      vdisk('v2', { server: 'nbd-2', epoch: 57, since: START }),
      vdisk('backup', undefined),
    ],
    incidents: [],
    alerts: [],
    healing: { clusters: [] },
    repairs: [],
    operations: [],
    volumes: null,
  };
}

/** The engine of a pair of the primary cluster as it is then. */
export function withEngine(state: PlayedState, shard: number, change: Partial<Engine>): PlayedState {
  const engines = state.engines.map((engine) =>
    engine.cluster === 'p1' && engine.shard === shard ? { ...engine, ...change } : engine,
  );
  const isWell = engines.every(({ status }) => status === 'online');
  const clusters = state.clusters.map((cluster) =>
    cluster.cluster === 'p1' && !isWell
      ? { ...cluster, status: 'repairing', enginesOnline: PAIRS - 1 }
      : cluster,
  );
  return { ...state, engines, clusters };
}

/** An outage of the engine of shard 1 of p1 that nobody has judged. */
export function openIncident(at: number, change: Partial<Incident> = {}): Incident {
  return {
    incident: 'p1-1-mwpytthw',
    ...{
      cluster: 'p1',
      shard: 1,
      address: '127.0.0.1:22002',
      db: 0,
      status: 'offline',
      attempt: 1,
      openedAt: at,
    },
    reporters: [
      { reporter: 'nbd-1', reason: 'connection refused', at },
      { reporter: 'nbd-2', reason: 'connection refused', at: at + 12 },
    ],
    reportedTimes: 2,
    history: [step('online', 'offline', at, 'nbd-1 reported it: connection refused', 'op-1')],
    ...{ repairs: [], earlierRepairs: [], unavailable: [], actions: [], lost: [] },
    ...change,
  };
}

export function step(
  from: string,
  to: string,
  at: number,
  reason: string,
  operation: string,
): Incident['history'][number] {
  return { from, to, attempt: 1, reason, by: 'repair-coordinator', operation, at };
}

function clusterOf(cluster: string, role: 'primary' | 'slave'): PlayedState['clusters'][number] {
  return {
    cluster,
    role,
    status: 'healthy',
    engines: PAIRS,
    enginesOnline: PAIRS,
    spares: 1,
    unavailable: [],
  };
}

function enginesOf(cluster: string, role: 'primary' | 'slave', port: number): Engine[] {
  return Array.from({ length: PAIRS }, (_, shard) => ({
    ...{ cluster, role, shard, address: `127.0.0.1:${port + shard}`, db: 0 },
    ...{ status: 'online', state: 'online', generation: 1 },
  }));
}

function vdisk(id: string, owner: PlayedState['vdisks'][number]['owner']): PlayedState['vdisks'][number] {
  return {
    ...{
      vdisk: id,
      type: 'db',
      sizeGiB: 10,
      blockSize: 4096,
      readOnly: false,
      cluster: 'p1',
      slaveCluster: 's1',
    },
    owner,
    status: owner === undefined ? 'available' : 'in-use',
  };
}
