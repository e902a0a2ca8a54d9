/** Where the whole events of a segment are: never a part of one, whatever was truncated, lost or cut off. */
import type { ByteRange, SegmentBytes } from '../tree/segment-bytes.ts';
import type { FindBoundary } from './event-index-search.ts';
import { type EventWalk, walkEvents } from './event-walk.ts';

export interface EventRun extends ByteRange {
  /** Whole events, one after the other, from the first to the last byte. */
  readonly events: number;
}

export interface SkippedBytes extends ByteRange {
  readonly why: string;
}

export interface EventFraming {
  /** `bytes`: what the segment holds are no events. */
  readonly kind: 'events' | 'bytes';
  readonly runs: readonly EventRun[];
  /** What lies between the runs. */
  readonly skipped: readonly SkippedBytes[];
}

export interface FramedBytes {
  readonly bytes: SegmentBytes;
  readonly from: number;
  readonly to: number;
  readonly boundary: FindBoundary;
}

/** An ordinary event is not longer, so that one begins within so many bytes. */
const MAX_SEARCH_BYTES: number = 8 * 1024 * 1024 + 8;
/** Headers that all searches in a segment follow together. */
const MAX_SEARCH_STEPS = 1_000_000;
const MAX_RUNS = 1_000;
/** So many events in a row are no accident of the bytes. */
const CHAIN_EVENTS = 3;

/**
 * Walks a whole segment. Where an event begins is certain at offset 0, behind another event, and where the event index
 * says so; behind a truncation or a hole without an index it is deduced: the first offset from which events follow each
 * other to the end.
 */
export async function readEventFraming({ bytes, from, to, boundary }: FramedBytes): Promise<EventFraming> {
  const runs: EventRun[] = [];
  const skipped: SkippedBytes[] = [];
  const budget = { steps: MAX_SEARCH_STEPS };
  const hasIndex = (await boundary(0)) !== undefined;
  const skip = (begin: number, end: number, why: string) => {
    if (end > begin) skipped.push({ from: begin, to: end, why });
  };
  for (const range of readable(bytes, from, to)) {
    let at = range.from;
    let isKnown = at === 0;
    while (at < range.to) {
      if (!isKnown) {
        const found = await nextEvent(bytes, at, range.to, boundary, budget);
        if (found === undefined) {
          skip(at, range.to, 'no event could be found to begin here');
          break;
        }
        skip(at, found.at, found.why);
        at = found.at;
      }
      const walk = await walkEvents(bytes, at, range.to);
      if (at === 0 && walk.count === 0 && walk.ending !== 'whole' && !hasIndex)
        return { kind: 'bytes', runs: [], skipped: [] };
      if (walk.endsAt > at) runs.push({ from: at, to: walk.endsAt, events: walk.count });
      if (walk.ending === 'whole') break;
      const next = await boundary(walk.endsAt + 1);
      const isCut = walk.ending === 'torn' && (next === undefined || next >= range.to);
      if (isCut || runs.length >= MAX_RUNS) {
        skip(walk.endsAt, range.to, isCut ? 'the last event is cut off' : 'too many damaged places');
        break;
      }
      // What is no event is behind this one: the search goes on there.
      skip(walk.endsAt, walk.endsAt + 1, 'not an event');
      at = walk.endsAt + 1;
      isKnown = false;
    }
  }
  const isEvents = runs.length > 0 || hasIndex || from === to;
  return isEvents
    ? { kind: 'events', runs, skipped: joined(skipped) }
    : { kind: 'bytes', runs: [], skipped: [] };
}

/** Where the segment can be appended to without ruining its events. */
export function appendableAt({ kind, skipped }: EventFraming, length: number): number {
  const last = skipped.at(-1);
  return kind === 'events' && last !== undefined && last.to === length ? last.from : length;
}

async function nextEvent(
  bytes: SegmentBytes,
  from: number,
  end: number,
  boundary: FindBoundary,
  budget: { steps: number },
): Promise<{ readonly at: number; readonly why: string } | undefined> {
  const indexed = await boundary(from);
  if (indexed !== undefined && indexed <= end) {
    const { endsAt, ending } = await walkEvents(bytes, from, indexed);
    if (ending === 'whole' && endsAt === indexed) return { at: from, why: '' };
    return { at: indexed, why: 'inside of an event; the event index tells where the next one begins' };
  }
  const searchEnd = Math.min(end, from + MAX_SEARCH_BYTES);
  for (let at = from; at < searchEnd && budget.steps > 0; at += 1) {
    if ((await bytes.read(at, 4)).some((byte) => byte !== 0)) continue;
    const walk = await walkEvents(bytes, at, end);
    budget.steps -= walk.count + 1;
    if (isEvidence(walk, at === from))
      return { at, why: 'inside of an event; where the next one begins is deduced from those behind it' };
  }
  return undefined;
}

function isEvidence({ count, ending }: EventWalk, isFirst: boolean): boolean {
  if (ending === 'whole') return count >= (isFirst ? 1 : 2);
  return count >= CHAIN_EVENTS;
}

/** The parts of a range that are there. */
function readable(bytes: SegmentBytes, from: number, to: number): ByteRange[] {
  const parts: ByteRange[] = [];
  let at = from;
  for (const hole of bytes.holes(from, to)) {
    if (hole.from > at) parts.push({ from: at, to: hole.from });
    at = hole.to;
  }
  if (at < to) parts.push({ from: at, to });
  return parts;
}

function joined(skipped: readonly SkippedBytes[]): SkippedBytes[] {
  const together: SkippedBytes[] = [];
  for (const part of skipped) {
    const last = together.at(-1);
    if (last !== undefined && last.to === part.from)
      together[together.length - 1] = { from: last.from, to: part.to, why: last.why };
    else together.push(part);
  }
  return together;
}
