import type { LogStreamPort } from '@salvor/bus';
import { type LogSegment, sameSegment } from '@salvor/config-store';
import type { TlogSegment } from '@salvor/contracts';
import { SalvorError } from '@salvor/service-kit';
import {
  decodeSegment,
  JoinedSource,
  type LogSource,
  lastSequence,
  logStream,
  logSubject,
  type SegmentIndex,
  TailSource,
  Tier2Source,
  type Tier2Store,
  VdiskChunks,
} from '@salvor/tlog';

/** What reading a log needs of the streams. */
export type LogReads = Pick<LogStreamPort, 'facts' | 'last' | 'message' | 'readWindow'>;

/** The log of a vdisk as one zone has it: the hot tail, and the archive where that is reached. */
export interface ZoneLog {
  readonly streams: LogReads;
  readonly container: number;
  readonly vdisk: string;
  /** Segment behind which it begins. */
  readonly begins: number;
  /** Null: it is not reached from here. */
  readonly archive: Tier2Store | null;
}

/** Where a segment is in a stream. */
export type FoundSegment =
  | { readonly kind: 'here'; readonly place: number }
  /** The stream begins behind it. */
  | { readonly kind: 'trimmed'; readonly oldest: number }
  /** It is not in this log any more. */
  | { readonly kind: 'lost'; readonly reason: string };

type TailStreams = Pick<LogStreamPort, 'facts' | 'last' | 'readWindow'>;

const FIRST_SPAN = 16;
const SPAN_GROWTH = 8;

export function logSegmentOf(segment: TlogSegment): LogSegment {
  const { number, epoch, lastAt: at, base } = segment;
  return { number, epoch, at, base, last: lastSequence(segment) };
}

export function indexedSegmentOf({ number, epoch, lastAt: at, base, last }: SegmentIndex): LogSegment {
  return { number, epoch, at, base, last };
}

/** All of it that is reached. The caller closes it. @throws LogError `store` */
export async function wholeLog(log: ZoneLog): Promise<LogSource> {
  const tail = new TailSource(log);
  const archived = await archiveOf(log);
  return archived === null ? tail : new JoinedSource(archived, tail);
}

/**
 * Whether the log has this very segment; null: it does not tell any more.
 *
 * @throws SalvorError `archive-unreachable`; BusError; LogError
 */
export async function holdsSegment(log: ZoneLog, segment: LogSegment): Promise<boolean | null> {
  const found = await findSegment(log.streams, log, segment);
  if (found.kind !== 'trimmed') return found.kind === 'here';
  const archived = await archiveOf(log);
  // JetStream lets go of what is archived: an archive with nothing of it is not the one that has it.
  if (archived?.range === null)
    throw new SalvorError(
      'archive-unreachable',
      `the log of vdisk ${log.vdisk} begins in JetStream behind segment ${segment.number}, which was archived, and its archive (SALVOR_TLOG_STORE) holds nothing of the vdisk: mount the store that has it; where that is lost for good, 'salvor volume disable --force' and 'salvor volume replicate' copy the volume anew`,
    );
  return archiveHolds(log, segment);
}

/** As {@link holdsSegment}, of what was archived. */
export async function archiveHolds(log: ZoneLog, segment: LogSegment): Promise<boolean | null> {
  const archived = await archiveOf(log);
  if (archived === null) return null;
  try {
    const found = await archived.segment(segment.number);
    return found === null ? null : sameSegment(indexedSegmentOf(found), segment);
  } finally {
    await archived.close();
  }
}

/** Looks for a segment from the newest one backwards: one message is read at each of a few places. @throws BusError; LogError */
export async function findSegment(
  streams: TailStreams,
  { container, vdisk }: { readonly container: number; readonly vdisk: string },
  wanted: LogSegment,
): Promise<FoundSegment> {
  const [stream, subject] = [logStream(container), logSubject(container, vdisk)];
  const newest = await streams.last(stream, subject);
  if (newest === null) return { kind: 'lost', reason: 'JetStream has nothing of it' };
  const judge = (segment: TlogSegment, place: number): FoundSegment =>
    sameSegment(logSegmentOf(segment), wanted)
      ? { kind: 'here', place }
      : {
          kind: 'lost',
          reason: `segment ${wanted.number} is another one than it was: of epoch ${segment.epoch} up to record ${lastSequence(segment)}, expected epoch ${wanted.epoch} up to record ${wanted.last}`,
        };
  const last = decodeSegment(newest.data);
  if (last.number === wanted.number) return judge(last, newest.sequence);
  if (last.number < wanted.number)
    return { kind: 'lost', reason: `it ends with segment ${last.number}, and had segment ${wanted.number}` };
  const { firstSequence } = await streams.facts(stream);
  const at = async (from: number): Promise<{ place: number; segment: TlogSegment } | null> => {
    const { messages } = await streams.readWindow({ stream, subject, from, maxBytes: 1, atMost: () => 1 });
    const [message] = messages;
    return message === undefined ? null : { place: message.sequence, segment: decodeSegment(message.data) };
  };
  /** What lies before `low` is older than what is wanted, what lies at `high` and behind it newer. */
  let low = Math.max(1, firstSequence);
  let high = newest.sequence;
  let span = FIRST_SPAN;
  /** Place of an older segment that is there. */
  let below: number | null = null;
  while (low < high) {
    const from = below !== null ? Math.floor((low + high) / 2) : Math.max(low, high - span);
    const found = await at(from);
    if (found === null || found.place >= high) {
      if (from === low) break;
      high = from;
      continue;
    }
    const { place, segment } = found;
    if (segment.number === wanted.number) return judge(segment, place);
    if (segment.number < wanted.number) {
      low = place + 1;
      below = place;
      continue;
    }
    if (from <= Math.max(1, firstSequence)) return { kind: 'trimmed', oldest: segment.number };
    high = from;
    span *= SPAN_GROWTH;
  }
  // The archiver lets go of segments while they are looked for: then what was older is gone as well.
  const isLost = below !== null && (await at(below))?.place === below;
  return isLost
    ? { kind: 'lost', reason: `it lacks segment ${wanted.number}` }
    : { kind: 'trimmed', oldest: last.number };
}

async function archiveOf({ archive, container, vdisk, begins }: ZoneLog): Promise<Tier2Source | null> {
  if (archive === null) return null;
  return Tier2Source.open(new VdiskChunks(archive, container, vdisk), {
    after: begins,
    noticed: () => undefined,
  });
}
