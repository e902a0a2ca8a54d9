import type { NbdConnectionLostError } from '../nbd/errors.ts';
import type { NbdTarget } from '../nbd/target.ts';

export interface LoadOptions {
  /** Servers of the export; after a lost connection they are tried in turn. */
  targets: string | NbdTarget | readonly (string | NbdTarget)[];
  seed: number;
  /** Default 4096. */
  blockSize?: number;
  /** Default 0. */
  firstBlock?: number;
  blockCount: number;
  /** Requests outstanding at most; default 16. One block never has two. */
  queueDepth?: number;
  /** Default: as fast as the server answers. */
  requestsPerSecond?: number;
  /** Share of requests that read and are judged at once; default 0. */
  readShare?: number;
  /** Share of writes with FUA; default 0. */
  fuaShare?: number;
  /** Between two tries to connect; default 50 ms. */
  reconnectDelayMs?: number;
  /** How long the server may be away before the load gives up; default 60 s. */
  reconnectTimeoutMs?: number;
  /** Default 30 s. */
  requestTimeoutMs?: number;
  /** Times are `performance.now()` milliseconds. */
  onAck?: (block: number, submittedAt: number, ackedAt: number) => void;
  onIoError?: (block: number, error: Error) => void;
  onConnectionLost?: (error: NbdConnectionLostError) => void;
}

export interface LoadStats {
  writesSubmitted: number;
  writesAcknowledged: number;
  readsCompared: number;
  /** Requests the server answered with an error, or not in time; lost connections do not count. */
  ioErrors: number;
  connectionsLost: number;
  /** Writes in flight when a connection was lost: they may or may not be there. */
  writesInDoubt: number;
  /** The longest a write waited for its acknowledgement. */
  longestWriteMs: number;
}
