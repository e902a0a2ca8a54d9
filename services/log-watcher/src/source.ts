import type { RecordInits } from '@salvor/contracts';

/** What was counted since the start. */
export interface SourceTally {
  linesRead: number;
  linesRejected: number;
}

/** One place that lines are read from. */
export interface LogSource {
  start(): void;
  describe(): RecordInits['SourceDescription'];
  /** Events sent and not yet acknowledged. */
  readonly unacknowledged: number;
  /** Ends the process behind the source, where there is one that should not outlive this service. */
  stopChild(timeoutMs: number): Promise<void>;
  /** Reads and announces what is there, no longer than `drainMs`. */
  stop(drainMs: number): Promise<void>;
}
