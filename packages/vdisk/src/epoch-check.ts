/** What the epoch that an engine holds says of an owner: `higher` another one took over, `lost` the engine lost writes. */
export type EpochState = 'ours' | 'higher' | 'lost';

/**
 * Compares the epoch found on an engine with that of the owner; both decimal.
 *
 * @param found null or empty where there is none
 */
export function decideEpoch(ours: string, found: string | null): EpochState {
  if (found === ours) return 'ours';
  return found !== null && /^\d+$/.test(found) && BigInt(found) > BigInt(ours) ? 'higher' : 'lost';
}
