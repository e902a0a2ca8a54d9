import { SalvorError } from '@salvor/service-kit';

export type LogErrorCode =
  /** Bytes that are no whole segment. */
  | 'bad-segment'
  /** Segments are missing between two others. */
  | 'gap'
  /** The log does not tell the state that was asked for: no base, or nothing from that time. */
  | 'not-restorable'
  /** What a replay wrote reads back otherwise. */
  | 'differs'
  /** Another owner writes the log. */
  | 'fenced'
  /** Tier-1 does not take what is to be logged. */
  | 'unavailable'
  /** A file or object of Tier-2 is missing, torn or altered. */
  | 'bad-chunk'
  /** The file of an exported vdisk is damaged, or is none. */
  | 'bad-export'
  /** Tier-2 cannot be reached or does not do what it is asked. */
  | 'store';

/** What can be wrong with a log. */
export class LogError extends SalvorError {
  constructor(code: LogErrorCode, message: string) {
    super(code, message);
  }
}
