/** What JetStream still has: tails of logs, and what events tell of vdisks. */
import { EVENT_STREAM, type LogStreamPort } from '@salvor/bus';
import { DecodeError, decode, decodeAs, EVENT_SUBJECT_PREFIX, type TlogSegment } from '@salvor/contracts';
import { codeOf } from '@salvor/service-kit';
import { decodeSegment, LOG_SUBJECT_PREFIX, LogError, lastSequence, logStream } from '@salvor/tlog';
import type { LostRange, SegmentTrace, TailTrace, VdiskEvents } from './tier1-sources.ts';

const WINDOW_BYTES: number = 8 * 1024 * 1024;

export interface ReadTails {
  readonly tails: Map<string, TailTrace[]>;
  /** Not there, or as good as new: they never had a message. */
  readonly lostStreams: string[];
  readonly damage: string[];
}

/** @throws BusError but for streams that are not there */
export async function readTails(
  streams: LogStreamPort,
  containers: number,
  signal: AbortSignal,
): Promise<ReadTails> {
  const found: ReadTails = { tails: new Map(), lostStreams: [], damage: [] };
  for (let container = 0; container < containers; container++) {
    const stream = logStream(container);
    const subjects = await subjectsOf(streams, stream);
    if (subjects === null) {
      found.lostStreams.push(stream);
      continue;
    }
    for (const [subject, messages] of subjects) {
      signal.throwIfAborted();
      const vdisk = subject.slice(`${LOG_SUBJECT_PREFIX}.${container}.`.length);
      const tail = await readTail(streams, { stream, subject, container, messages }, found.damage);
      if (tail !== null) found.tails.set(vdisk, [...(found.tails.get(vdisk) ?? []), tail]);
    }
  }
  return found;
}

/** Null: it is gone. */
async function subjectsOf(
  streams: LogStreamPort,
  stream: string,
): Promise<ReadonlyMap<string, number> | null> {
  try {
    const { lastSequence } = await streams.facts(stream);
    return lastSequence === 0 ? null : await streams.subjects(stream);
  } catch (error) {
    if (codeOf(error) === 'no-stream') return null;
    throw error;
  }
}

interface Subject {
  readonly stream: string;
  readonly subject: string;
  readonly container: number;
  readonly messages: number;
}

async function readTail(streams: LogStreamPort, asked: Subject, damage: string[]): Promise<TailTrace | null> {
  const { stream, subject, container, messages } = asked;
  const { messages: begin } = await streams.readWindow({ stream, subject, from: 1, maxBytes: 1 });
  const oldest = traceOf(begin[0]?.data, subject, damage);
  const newest = traceOf((await streams.last(stream, subject))?.data, subject, damage);
  if (oldest !== null && newest !== null && newest.number - oldest.number + 1 === messages)
    return { container, oldest, newest, lost: [] };
  // Something is missing in between, or cannot be read: all of it is gone through.
  return walk(streams, asked, damage);
}

async function walk(
  streams: LogStreamPort,
  { stream, subject, container }: Subject,
  damage: string[],
): Promise<TailTrace | null> {
  const lost: LostRange[] = [];
  let oldest: SegmentTrace | null = null;
  let newest: SegmentTrace | null = null;
  for (let from = 1; ; ) {
    const window = await streams.readWindow({ stream, subject, from, maxBytes: WINDOW_BYTES });
    for (const { data } of window.messages) {
      const trace = traceOf(data, subject, damage);
      if (trace === null || (newest !== null && trace.number <= newest.number)) continue;
      if (newest !== null && trace.number > newest.number + 1)
        lost.push({
          ...{ from: newest.number + 1, to: trace.number - 1, after: newest.last, before: trace.first },
          why: `JetStream has segment ${trace.number} behind ${newest.number}`,
        });
      oldest ??= trace;
      newest = trace;
    }
    if (window.end) break;
    from = window.next;
  }
  return oldest === null || newest === null ? null : { container, oldest, newest, lost };
}

function traceOf(data: Buffer | undefined, subject: string, damage: string[]): SegmentTrace | null {
  if (data === undefined) return null;
  try {
    const segment: TlogSegment = decodeSegment(data);
    const { number, first, epoch, base, lastAt } = segment;
    return { number, first, last: lastSequence(segment), epoch, base, lastAt };
  } catch (error) {
    if (!(error instanceof LogError)) throw error;
    if (!damage.some((line) => line.startsWith(subject))) damage.push(`${subject}: ${error.message}`);
    return null;
  }
}

export interface ReadEvents {
  /** Null: the stream is gone. */
  readonly events: Map<string, VdiskEvents> | null;
  /** Highest epoch that one of them tells of. */
  readonly epoch: bigint;
}

/** Events are kept for days; what is younger than the configuration is among them where the stream survived. */
export async function readEvents(streams: LogStreamPort, signal: AbortSignal): Promise<ReadEvents> {
  const events = new Map<string, VdiskEvents>();
  let epoch = 0n;
  const none: VdiskEvents = { deletedAt: null, created: null };
  const each = async (type: string, take: (data: Buffer) => void): Promise<void> => {
    for (let from = 1; ; ) {
      signal.throwIfAborted();
      const subject = `${EVENT_SUBJECT_PREFIX}.${type}.>`;
      const window = await streams.readWindow({
        stream: EVENT_STREAM,
        subject,
        from,
        maxBytes: WINDOW_BYTES,
      });
      for (const { data } of window.messages) {
        try {
          take(data);
        } catch (error) {
          // Of a version that this one cannot read: it tells nothing here.
          if (!(error instanceof DecodeError)) throw error;
        }
      }
      if (window.end) return;
      from = window.next;
    }
  };
  try {
    if ((await streams.facts(EVENT_STREAM)).lastSequence === 0) return { events: null, epoch };
    await each('vdisk.created', (data) => {
      const { vdisk, at, type, sizeGiB, blockSize, cluster, slaveCluster } = decodeAs('VdiskCreated', data);
      const created = { at, type, sizeGiB, blockSize, cluster, slaveCluster: slaveCluster ?? null };
      events.set(vdisk, { ...(events.get(vdisk) ?? none), created });
    });
    await each('vdisk.deleted', (data) => {
      const { vdisk, at } = decodeAs('VdiskDeleted', data);
      events.set(vdisk, { ...(events.get(vdisk) ?? none), deletedAt: at });
    });
    await each('vdisk.mounted', (data) => {
      const { name, value } = decode(data);
      const found = name === 'VdiskMounted' ? BigInt((value as { epoch: number }).epoch) : 0n;
      if (found > epoch) epoch = found;
    });
    return { events, epoch };
  } catch (error) {
    if (codeOf(error) === 'no-stream') return { events: null, epoch };
    throw error;
  }
}
