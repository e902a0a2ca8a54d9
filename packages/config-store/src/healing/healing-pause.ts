/** Whether somebody has paused healing, from entries at hand. */
import { ConfigValueError } from '../errors.ts';
import { healingClusterKey, healingEverywhereKey } from '../keys.ts';
import type { StoreEntry } from '../types.ts';
import { parseRecord } from './record-text.ts';
import { healingControlsSchema } from './records.ts';

/** The keys that tell whether the healing of a cluster is paused. */
export function healingPauseKeys(cluster: string): string[] {
  return [healingEverywhereKey, healingClusterKey(cluster)];
}

/** Why nothing is repaired on a cluster, undefined when nobody holds it back. What cannot be read may be a pause. */
export function healingPause(
  entries: Pick<ReadonlyMap<string, StoreEntry | null>, 'get'>,
  cluster: string,
): string | undefined {
  for (const key of healingPauseKeys(cluster)) {
    const entry = entries.get(key);
    if (entry == null) continue;
    try {
      const { pause } = parseRecord(healingControlsSchema, key, entry.value);
      if (pause !== undefined) return `${pause.by} paused healing: ${pause.reason}`;
    } catch (error) {
      if (!(error instanceof ConfigValueError)) throw error;
      return `whether healing is paused cannot be read: ${error.message}`;
    }
  }
  return undefined;
}
