/** Which vdisks have no live member on which shard. */
import { engineInPlace, type IncidentRecord, type ServerEntry, type VdiskNbd } from '@salvor/config-store';
import type { KnownCluster } from '../descriptions.ts';

/** A member of a pair that does not serve. */
export interface DarkMember {
  readonly cluster: string;
  readonly role: 'primary' | 'slave';
  readonly address: string;
  readonly db: number;
  readonly generation: number;
  readonly status: ServerEntry['status'];
  readonly incident: string | null;
  /** Since when it does not take every write, as recorded; null where no incident is open. */
  readonly staleSince: number | null;
  /** The revision of etcd that recorded it: clocks of those who recorded may differ. */
  readonly staleRevision: bigint | null;
}

/** An open incident, with the revision of etcd in which it was opened. */
export interface OpenIncident {
  readonly incident: IncidentRecord;
  readonly openedRevision: bigint;
}

/** A shard of a primary cluster, for those vdisks that use the same slave cluster, or none. */
export interface DarkShard {
  readonly cluster: string;
  readonly slaveCluster: string | null;
  readonly shard: number;
  readonly members: readonly DarkMember[];
  readonly vdisks: readonly string[];
  /** Which engines are down, and which of them served last, as a sentence. */
  readonly reason: string;
  readonly since: number;
}

export interface PlacedVdisk {
  readonly vdisk: string;
  readonly nbd: Pick<VdiskNbd, 'storageClusterID' | 'slaveStorageClusterID'>;
}

/** Whether any shard may be dark: while every engine of a cluster is online, its vdisks need not be looked at. */
export function mayBeDark({ storage }: Pick<KnownCluster, 'storage'>): boolean {
  return storage.servers.some(({ status }) => status !== 'online' && status !== 'rip');
}

/**
 * A shard is dark for a vdisk when none of its own members is online: so one engine is enough for a vdisk without a slave
 * cluster. Where several slave clusters share a primary, the shard is told of once for each.
 */
export function decideDarkShards(
  clusters: readonly KnownCluster[],
  vdisks: readonly PlacedVdisk[],
  incidents: readonly OpenIncident[],
): DarkShard[] {
  const known = new Map(clusters.map((cluster) => [cluster.cluster, cluster]));
  const dark = new Map<string, DarkShard>();
  for (const { vdisk, nbd } of vdisks) {
    const primary = known.get(nbd.storageClusterID);
    const slave = known.get(nbd.slaveStorageClusterID) ?? null;
    for (const [shard, entry] of primary?.storage.servers.entries() ?? []) {
      const other = slave?.storage.servers[shard];
      if (primary === undefined || !isDark(entry, other)) continue;
      const key = JSON.stringify([primary.cluster, slave?.cluster ?? null, shard]);
      const before = dark.get(key);
      if (before !== undefined) {
        dark.set(key, { ...before, vdisks: [...before.vdisks, vdisk] });
        continue;
      }
      const members = [memberOf(primary, shard, entry, incidents)];
      if (slave !== null && other !== undefined) members.push(memberOf(slave, shard, other, incidents));
      const slaveCluster = slave?.cluster ?? null;
      const about = { cluster: primary.cluster, slaveCluster, shard, members, vdisks: [vdisk] };
      dark.set(key, { ...about, reason: reasonOf(shard, members), since: sinceOf(members) });
    }
  }
  return [...dark.values()];
}

/** The member that took the last writes: writes were acknowledged without another one only after that one was stale. */
export function servedLast(members: readonly DarkMember[]): DarkMember | null {
  const [first, second] = members;
  if (first === undefined) return null;
  if (second === undefined) return first;
  const [one, other] = [first.staleRevision, second.staleRevision];
  if (one === null || other === null || one === other) return null;
  return one > other ? first : second;
}

/** A pair whose shard is `rip` is no pair any more: its blocks are placed elsewhere. */
function isDark(primary: ServerEntry, slave: ServerEntry | undefined): boolean {
  return primary.status !== 'rip' && primary.status !== 'online' && slave?.status !== 'online';
}

function memberOf(
  { cluster, record }: KnownCluster,
  shard: number,
  entry: ServerEntry,
  incidents: readonly OpenIncident[],
): DarkMember {
  const { status } = entry;
  const { address, db, generation } = engineInPlace(entry);
  const open = incidents.find(({ incident: one }) => one.cluster === cluster && one.shard === shard);
  return {
    ...{ cluster, role: record.role, address, db, generation, status },
    incident: open?.incident.id ?? null,
    staleSince: open?.incident.openedAt ?? null,
    staleRevision: open?.openedRevision ?? null,
  };
}

function reasonOf(shard: number, members: readonly DarkMember[]): string {
  const each = members.map(({ address, status }) => `${address} is ${status}`).join(' and ');
  if (members.length === 1) return `shard ${shard} has no live member: ${each}, and there is no slave`;
  const last = servedLast(members);
  const which = last === null ? 'which of them served last is not recorded' : `${last.address} served last`;
  return `shard ${shard} has no live member: ${each}; ${which}`;
}

/** From when the last of its members was down. */
function sinceOf(members: readonly DarkMember[]): number {
  return Math.max(0, ...members.map(({ staleSince }) => staleSince ?? 0));
}
