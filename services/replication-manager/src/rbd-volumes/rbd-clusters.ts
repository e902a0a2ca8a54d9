/** The Ceph clusters of this zone and of others. */
import { asksAtMost, type RbdExec, rbdProcess, sparing } from '../drivers/rbd/rbd-command.ts';
import type { RbdClusterSettings } from '../settings.ts';

export interface RbdZoneCluster {
  readonly exec: RbdExec;
  /** The same, for looks that nobody's order waits for. */
  readonly looks: RbdExec;
  readonly pool: string;
}

/** Null: none is configured for that zone. */
export type RbdClusters = (zone: string) => RbdZoneCluster | null;

/** Calls that ask, of one cluster at the same time. */
const ASKS_MAX = 4;

export function rbdClusters(settings: readonly RbdClusterSettings[]): RbdClusters {
  const known = new Map<string, RbdZoneCluster>(
    settings.map((cluster) => {
      const exec = asksAtMost(ASKS_MAX, rbdProcess(cluster));
      return [cluster.zone, { exec, looks: sparing(exec), pool: cluster.pool }];
    }),
  );
  return (zone) => known.get(zone) ?? null;
}

/** Of a zone that has no cluster, or is not named yet. */
export function noCluster(reason: string): Omit<RbdZoneCluster, 'pool'> {
  const exec: RbdExec = async () => ({
    ...{ exitCode: 1, signal: null, timedOut: false, stdout: '', stderr: reason },
  });
  return { exec, looks: exec };
}
