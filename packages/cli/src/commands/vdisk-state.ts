/** How a state of a vdisk in its log is named on the command line. */
import { usageError } from '../failure.ts';

const SNAPSHOT_PREFIX = 'snapshot:';

/** The members of a request that name a state: a record of the log, a time, or a snapshot. */
export function stateOf(
  command: string,
  text: string,
): { atSequence?: number; atTime?: number; atSnapshot?: string } {
  if (text.startsWith(SNAPSHOT_PREFIX)) return { atSnapshot: text.slice(SNAPSHOT_PREFIX.length) };
  if (/^\d+$/.test(text)) {
    const atSequence = Number(text);
    if (Number.isSafeInteger(atSequence)) return { atSequence };
    throw usageError(`${command}: expected a record of the log, found ${text}`);
  }
  if (!/^\d{4}-\d\d-\d\d/.test(text)) return { atSnapshot: text };
  const atTime = Date.parse(text);
  if (Number.isFinite(atTime) && atTime >= 0) return { atTime };
  throw usageError(`${command}: expected a time such as 2024-05-01T12:00:00Z, found ${text}`);
}

/** Names a state on the command line. */
export const stateHelp =
  "a record of the log (90112), a time (2024-05-01T12:00:00Z), or the name of a snapshot ('snapshot:7' where it looks like one of the others)";
