import { DurationCounts } from '@salvor/service-kit';

/** What the front end has done since it started, for metrics. Bytes count payloads of successful requests. */
export interface NbdTraffic {
  acceptedConnections: number;
  refusedConnections: number;
  failedHandshakes: number;
  reads: number;
  writes: number;
  flushes: number;
  trims: number;
  zeroes: number;
  caches: number;
  blockStatuses: number;
  /** Requests the rules refused: out of range, read-only, unknown, shutting down. */
  refusedRequests: number;
  /** Requests the device failed. */
  failedRequests: number;
  readBytes: number;
  writtenBytes: number;
  /** From a request taken to its answer by the device, by kind of request. */
  readonly durations: Readonly<Record<TimedRequest, DurationCounts>>;
}

export type TimedRequest = 'read' | 'write' | 'flush' | 'other';

export function noTraffic(): NbdTraffic {
  return {
    acceptedConnections: 0,
    refusedConnections: 0,
    failedHandshakes: 0,
    reads: 0,
    writes: 0,
    flushes: 0,
    trims: 0,
    zeroes: 0,
    caches: 0,
    blockStatuses: 0,
    refusedRequests: 0,
    failedRequests: 0,
    readBytes: 0,
    writtenBytes: 0,
    durations: {
      read: new DurationCounts(),
      write: new DurationCounts(),
      flush: new DurationCounts(),
      other: new DurationCounts(),
    },
  };
}

/** The part of a service's logger that the front end writes to. */
export interface NbdLog {
  debug(fields: Record<string, unknown>, msg: string): void;
  info(fields: Record<string, unknown>, msg: string): void;
  warn(fields: Record<string, unknown>, msg: string): void;
}
