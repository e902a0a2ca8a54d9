/** What arrived under generations that are over, and is needed no more. Pure. */
import { type Generation, type PeerTold, sameGeneration, type VolumeRecord } from '@salvor/config-store';

/** What arrived under one generation. */
export interface ReceivedPart {
  /** {@link generationToken} */
  readonly token: string;
  /** Its last record. */
  readonly last: number;
}

/** As it stands in a subject. */
export function generationToken({ number, zone, incarnation }: Generation): string {
  return `${number}-${logToken({ zone, incarnation })}`;
}

/** Generations of one zone and one life of a volume number one log. */
function logToken({ zone, incarnation }: Pick<Generation, 'zone' | 'incarnation'>): string {
  return incarnation === '' ? zone : `${zone}-${incarnation}`;
}

/**
 * Parts that nothing needs: of a copy, once another state is complete here and has taken their place, and of the same log once everything
 * they have is applied; of a primary, once the other zone has a complete copy of what is written here.
 */
export function decideSpent(
  { role, phase, generation, sequence, kept, group }: VolumeRecord,
  parts: readonly ReceivedPart[],
  told: PeerTold | null,
): ReceivedPart[] {
  const isFollowed =
    told !== null && told.phase === 'following' && sameGeneration(told.generation, generation);
  if (role === 'primary') return isFollowed ? [...parts] : [];
  if (phase !== 'following' || sequence === null || kept !== null) return [];
  const released = group?.released ?? null;
  const needed = [generation, ...(released === null ? [] : [released.generation])].map(generationToken);
  const isSameLog = ({ token }: ReceivedPart): boolean =>
    token.slice(token.indexOf('-') + 1) === logToken(generation);
  return parts.filter((part) => !needed.includes(part.token) && (!isSameLog(part) || part.last <= sequence));
}
