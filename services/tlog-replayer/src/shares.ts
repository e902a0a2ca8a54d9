import { createHash } from 'node:crypto';

/**
 * Which vdisks are this replica's: each goes to the replica that its hash likes best, so all replicas agree without talking, and
 * one that comes or goes moves no vdisk but those it takes or leaves.
 */
export function ownShare(vdisks: readonly string[], replicas: readonly string[], self: string): string[] {
  return vdisks.filter((vdisk) => {
    const own = liking(self, vdisk);
    return replicas.every(
      (replica) => replica === self || isBelow([liking(replica, vdisk), replica], [own, self]),
    );
  });
}

function isBelow([a, nameA]: [string, string], [b, nameB]: [string, string]): boolean {
  return a < b || (a === b && nameA < nameB);
}

function liking(replica: string, vdisk: string): string {
  return createHash('sha256').update(`${replica}\0${vdisk}`).digest('hex');
}
