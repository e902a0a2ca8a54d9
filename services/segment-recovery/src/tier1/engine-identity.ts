/** What an engine says it is, against the place that it has. Pure. */
import type { PlannedPlace } from './planned-engines.ts';

export interface EngineIdentity {
  readonly cluster: string;
  readonly shard: number;
  readonly generation: number;
}

/** Null: it cannot be read. */
export function identityIn(text: string): EngineIdentity | null {
  try {
    const found: unknown = JSON.parse(text);
    if (typeof found !== 'object' || found === null) return null;
    const { cluster, shard, generation } = found as Record<string, unknown>;
    return typeof cluster === 'string' && typeof shard === 'number' && typeof generation === 'number'
      ? { cluster, shard, generation }
      : null;
  } catch {
    return null;
  }
}

export function isInPlace(
  { cluster, shard, generation }: EngineIdentity,
  { entry, ...place }: PlannedPlace,
): boolean {
  return cluster === place.cluster && shard === place.shard && generation === entry.generation;
}
