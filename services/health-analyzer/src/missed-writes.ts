import type { Observation } from './observation.ts';

/** A vdisk that a server owns now. */
export interface OwnedVdisk {
  readonly vdisk: string;
  readonly server: string;
}

/**
 * Whether a write was taken without an engine since it is offline: no only where the owner of every vdisk says so; null when
 * somebody cannot tell. An owner that takes a write right after it said no finds the engine behind, as the next owner would
 * of a vdisk that nobody owns now: both treat it as an outage.
 */
export function decideMissedWrites(
  owned: readonly OwnedVdisk[],
  others: readonly Observation[],
): boolean | null {
  const said = owned.map(({ vdisk, server }) => {
    const observation = others.find(({ observer, role }) => observer === server && role === 'server');
    return observation?.vdisks.find((one) => one.vdisk === vdisk)?.missedWrites ?? null;
  });
  if (said.includes(true)) return true;
  return said.includes(null) ? null : false;
}
