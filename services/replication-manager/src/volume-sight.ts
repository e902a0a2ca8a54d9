import type { VolumeRecord, VolumeSight } from '@salvor/config-store';
import type { Sight } from './secondary.ts';
import type { Contact } from './volume-contact.ts';

/** What whoever keeps a volume puts on record of what it sees. */
export function sightOf(
  record: VolumeRecord,
  { told, reason }: Contact,
  { level, bytes, writtenAt }: Sight,
  known: { readonly cleared: boolean; readonly peerSeenAt: number | null },
): VolumeSight {
  const { role, peer, mode } = record;
  const isReplicated = peer !== null && mode !== 'none';
  const isBehind = role === 'primary' && told !== null && told.phase !== 'following';
  return {
    ...known,
    ...{ reachable: !isReplicated || told !== null, at: Date.now() },
    reason: isBehind ? `zone ${peer} has no complete copy that follows: it is ${told.phase}` : reason,
    ...(role === 'primary'
      ? { level: false, bytes: 0, writtenAt: 0 }
      : { level: level && told !== null, bytes, writtenAt }),
  };
}
