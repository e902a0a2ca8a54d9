import { writeFileSync } from 'node:fs';
import { groupMembers, isAlive, isStopped, type ProcessIdentity, signalGroup } from './process-identity.ts';
import { forget } from './stored-json.ts';

/** A group that does not stand still within this is left alone, and tried again later. */
const FREEZE_TIMEOUT_MS = 20;

/**
 * Does something short while no process of the group can write. Synchronous, so that the group stands still for about a
 * millisecond. The marker tells a later start of this service that the group is to be woken.
 *
 * @returns what `act` returned; false when the group is gone, was stopped by somebody else, or does not stand still
 */
export function whileFrozen(leader: ProcessIdentity, markerPath: string, act: () => boolean): boolean {
  if (!isAlive(leader) || isStopped(leader.pid)) return false;
  writeFileSync(markerPath, '');
  try {
    signalGroup(leader.pid, 'SIGSTOP');
    const giveUpAt = performance.now() + FREEZE_TIMEOUT_MS;
    while (!groupMembers(leader.pid).every(isStopped)) if (performance.now() > giveUpAt) return false;
    return act();
  } finally {
    signalGroup(leader.pid, 'SIGCONT');
    forget(markerPath);
  }
}
