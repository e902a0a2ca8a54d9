/** Events in a stream segment (`io.pravega.shared.protocol.netty.WireCommands.Event`): `0 i32 | length i32 | payload`. */
import type { ByteRange, SegmentBytes } from '../tree/segment-bytes.ts';

const EVENT_HEADER_BYTES = 8;
const EVENT_TYPE = 0;

export interface EventWalk {
  /** Whole events that begin in the range and outside of what is left out. */
  readonly count: number;
  /** Behind the last whole event. */
  readonly endsAt: number;
  /** `torn`: the last event goes on beyond the range. `not-events`: what follows is no event. */
  readonly ending: 'whole' | 'torn' | 'not-events';
}

/** Walks events from the beginning of one. Only headers are read; those in `except` are walked, and not counted. */
export async function walkEvents(
  bytes: SegmentBytes,
  from: number,
  to: number,
  except: readonly ByteRange[] = [],
): Promise<EventWalk> {
  let count = 0;
  let at = from;
  while (at < to) {
    const header = await bytes.read(at, EVENT_HEADER_BYTES);
    const isCut = header.length < EVENT_HEADER_BYTES && at + header.length >= to;
    if (isCut) return { count, endsAt: at, ending: 'torn' };
    if (header.length < EVENT_HEADER_BYTES || header.readInt32BE(0) !== EVENT_TYPE)
      return { count, endsAt: at, ending: 'not-events' };
    const length = header.readInt32BE(4);
    if (length < 0) return { count, endsAt: at, ending: 'not-events' };
    const next = at + EVENT_HEADER_BYTES + length;
    if (next > to) return { count, endsAt: at, ending: 'torn' };
    const begun = at;
    if (!except.some((range) => begun >= range.from && begun < range.to)) count += 1;
    at = next;
  }
  return { count, endsAt: at, ending: 'whole' };
}
