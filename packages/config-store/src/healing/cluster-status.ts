/** The status of a cluster, derived from its engines and those of its partner. */
import type { ServerEntry } from '../cluster-storage.ts';
import type { ClusterRole, ClusterStatus, SalvorClusterRecord } from './records.ts';

export interface ClusterJudgement {
  status: ClusterStatus;
  reason: string;
}

/** As `judgeCluster`; while a recovery brings blocks back, engines that serve are not enough. */
export function judged(
  { role, recovery }: Pick<SalvorClusterRecord, 'role' | 'recovery'>,
  servers: readonly ServerEntry[],
  partner?: readonly ServerEntry[],
): ClusterJudgement {
  const judgement = judgeCluster(servers, role, partner);
  if (recovery === undefined || judgement.status === 'unhealthy') return judgement;
  return { status: 'unhealthy', reason: `recovery ${recovery} is bringing back blocks from the log` };
}

/**
 * `unhealthy` when a pair has no live member, else `repairing` while an engine is neither online nor rip,
 * else `healthy`. A cluster without a partner has pairs of one. A pair whose own shard is rip is no pair any
 * more: its blocks live elsewhere. Engines of a slave beyond the length of its primary hold no blocks.
 */
export function judgeCluster(
  servers: readonly ServerEntry[],
  role: ClusterRole,
  partner?: readonly ServerEntry[],
): ClusterJudgement {
  const down = [...servers.entries()].filter(([, { status }]) => status !== 'online' && status !== 'rip');
  const first = down[0];
  if (first === undefined) return { status: 'healthy', reason: 'every engine is online or rip' };
  const dark = down.find(([shard]) => {
    const holdsNothing = role === 'slave' && partner !== undefined && shard >= partner.length;
    return !holdsNothing && partner?.[shard]?.status !== 'online';
  });
  if (dark !== undefined) {
    const [shard, entry] = dark;
    const other = partner?.[shard];
    const company =
      other === undefined ? 'it has no partner' : `its partner ${other.address} is ${other.status}`;
    return {
      status: 'unhealthy',
      reason: `pair ${shard} has no live member: ${entry.address} is ${entry.status} and ${company}`,
    };
  }
  const [shard, entry] = first;
  const more = down.length > 1 ? ` (${down.length} engines in all)` : '';
  return {
    status: 'repairing',
    reason: `${entry.address} (shard ${shard}) is ${entry.status}; its partner serves${more}`,
  };
}
