/** How a whole volume is brought over: whatever moves least. Pure. */
import { type CopyWay, type Generation, sameGeneration, type VolumeRecord } from '@salvor/config-store';
import type { VolumeDescription } from '@salvor/contracts';

export interface CopyFacts {
  /** How many blocks both logs name behind the fork; null: they do not tell, or there is none. */
  readonly changed: number | null;
  /** Why hashes cannot be compared; null: they can. */
  readonly incomparable: string | null;
}

export interface ChosenWay {
  readonly way: CopyWay;
  /** A sentence. */
  readonly reason: string;
}

export function decideCopyWay(
  { kept, generation, copy }: Pick<VolumeRecord, 'kept' | 'generation' | 'copy'>,
  { changed, incomparable }: CopyFacts,
): ChosenWay {
  if (changed !== null)
    return { way: 'since-fork', reason: `both logs tell what was written since the fork: ${changed} blocks` };
  const isBegun = copy?.way === 'compare' && copy.endedAt === null;
  if (incomparable === null && isBegun && sameGeneration(copy.generation, generation))
    return { way: 'compare', reason: copy.reason };
  if (kept === null) return { way: 'replay', reason: 'nothing complete was here before' };
  if (incomparable !== null) return { way: 'replay', reason: `hashes cannot be compared: ${incomparable}` };
  return {
    way: 'compare',
    reason: 'a complete state was here before, and the logs do not tell in which blocks it differs',
  };
}

export interface Fork {
  readonly generation: Generation;
  readonly sequence: number;
}

/** The fork behind which the logs of both zones count from a record that both have; null: none is proven. */
export function provenFork(
  { phase, divergence }: Pick<VolumeRecord, 'phase' | 'divergence'>,
  { lineage, zone }: Pick<VolumeDescription, 'lineage' | 'zone'>,
): Fork | null {
  // How many records there are past the fork is known only where both have the very segment before it.
  if (phase !== 'resyncing' || divergence === null || divergence.records === null) return null;
  const { fork } = divergence;
  const ended = lineage.at(-1);
  if (fork === null || ended === undefined) return null;
  const { number, zone: held, incarnation } = ended;
  const isLast = sameGeneration({ number, zone: held, incarnation }, fork.generation);
  // This zone held that generation, so its own log has these very numbers.
  return isLast && fork.generation.zone !== zone ? fork : null;
}
