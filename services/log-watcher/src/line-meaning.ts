import { z } from 'zod';
import type { Announcement } from './announcement.ts';
import { engineAddress, maybeText, vdiskId, whatIsWrong } from './contract-message.ts';
import type { LogRecord } from './log-line.ts';

export interface LineContext {
  /** Name of the log source: the id of the server that wrote the line. */
  readonly source: string;
  /** Milliseconds since 1970 UTC. */
  readonly now: number;
  /** The line as read. */
  readonly raw: Buffer;
}

/** What a record asks this service to do. */
export interface LineMeaning {
  readonly announcement?: Announcement;
  /** A 0-Disk server prints one failure once per connection: the same key soon again is the same failure. */
  readonly repeatKey?: string;
  /** For the log of this service: trouble that no event stands for. */
  readonly note?: { readonly message: string; readonly fields: Readonly<Record<string, unknown>> };
}

export const MAX_REJECTED_BYTES: number = 8 * 1024;
const MAX_RAW_CHARS = 4 * 1024;

/** Decides what follows from a record. Pure. */
export function decideMeaning(record: LogRecord, context: LineContext): LineMeaning {
  switch (record.kind) {
    case 'contract':
      return contractMeaning(record.message, context);
    case 'json':
      return zeroDiskMeaning(record.value, context);
    case 'invalid':
      return { announcement: rejection(record.reason, context) };
    case 'statistic':
    case 'text':
    case 'other':
      return {};
  }
}

function contractMeaning(
  message: Extract<LogRecord, { kind: 'contract' }>['message'],
  { source, now, raw }: LineContext,
): LineMeaning {
  if (message.type === 'storageengine-failure') {
    const { address, cluster, vdisk, reason, at } = message;
    return {
      announcement: {
        type: 'engine.failure-reported',
        payload: {
          address,
          reporter: source,
          cluster,
          vdisk,
          reason: reason ?? 'the NBD server reported a failure of the engine',
          source: 'nbd-server',
          detectedAt: at ?? now,
          raw: rawText(raw),
          at: now,
        },
      },
    };
  }
  const { type: _, repair, server, at, ...more } = message;
  return {
    announcement: {
      type: 'repair.completed',
      payload: { kind: repair, server: server ?? source, ...more, at: at ?? now },
    },
  };
}

const FAILURES: Readonly<Record<number, string>> = {
  400: 'could not be reached',
  421: 'did not answer in time',
  422: 'ended the connection while in use',
  423: 'had a temporary network error',
};
const REPAIRS: Readonly<Record<number, string>> = { 210: 'repair-tmp-outage', 211: 'repair-final-outage' };

const zeroDiskMessage = z.object({ status: z.int(), subject: z.string(), data: z.unknown() });
const engineFailed = z.object({
  address: engineAddress,
  db: z.int().min(0).optional().catch(undefined),
  type: maybeText,
  vdiskID: maybeText,
});
const engineRepaired = z.object({ address: engineAddress, vdiskID: vdiskId });

function zeroDiskMeaning(value: unknown, context: LineContext): LineMeaning {
  const message = zeroDiskMessage.safeParse(value);
  if (!message.success) return {};
  const { status, subject, data } = message.data;
  if (subject === 'ardb' && FAILURES[status] !== undefined) return engineFailure(status, data, context);
  if (subject === 'ardb' && REPAIRS[status] !== undefined) return engineRepair(status, data, context);
  if (status < 400) return {};
  return { note: { message: '0-Disk server reports trouble', fields: { subject, status, data } } };
}

function engineFailure(status: number, data: unknown, context: LineContext): LineMeaning {
  const parsed = engineFailed.safeParse(data);
  if (!parsed.success) return { announcement: rejection(`data.${whatIsWrong(parsed.error)}`, context) };
  const { address, db = 0, type = 'engine', vdiskID } = parsed.data;
  const { source, now, raw } = context;
  return {
    repeatKey: `${address} ${db} ${type}`,
    announcement: {
      type: 'engine.failure-reported',
      payload: {
        address,
        reporter: source,
        vdisk: vdiskID,
        reason: `0-Disk status ${status}: the ${type} engine (db ${db}) ${FAILURES[status]}`,
        source: '0-disk',
        detectedAt: now,
        raw: rawText(raw),
        at: now,
      },
    },
  };
}

/** Planned by 0-Disk, never shipped; harmless to understand. */
function engineRepair(status: number, data: unknown, context: LineContext): LineMeaning {
  const parsed = engineRepaired.safeParse(data);
  if (!parsed.success) return { announcement: rejection(`data.${whatIsWrong(parsed.error)}`, context) };
  const { address, vdiskID } = parsed.data;
  const { source, now } = context;
  return {
    announcement: {
      type: 'repair.completed',
      payload: { kind: REPAIRS[status] ?? '', address, vdisk: vdiskID, server: source, at: now },
    },
  };
}

function rejection(reason: string, { source, now, raw }: LineContext): Announcement {
  // Copied: the bytes belong to a read buffer that is used again.
  const line = Buffer.from(raw.subarray(0, MAX_REJECTED_BYTES));
  return { type: 'log.line-rejected', payload: { source, reason, line, at: now } };
}

function rawText(raw: Buffer): string {
  return raw.toString('utf8', 0, MAX_RAW_CHARS).trimEnd();
}
