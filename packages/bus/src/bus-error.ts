import { SalvorError } from '@salvor/service-kit';

export type BusErrorCode =
  | 'not-authorized'
  | 'bad-seed'
  | 'bad-people'
  | 'not-permitted'
  | 'connect-timeout'
  | 'connect-aborted'
  | 'bus-closed'
  /** Too many events wait for the stream. */
  | 'outbox-full'
  /** Not acknowledged in the time the publisher gave; may be stored or not. */
  | 'publish-deadline'
  | 'publish-refused'
  /** Something else was stored last under this subject than the publisher expected. */
  | 'wrong-last-sequence'
  /** The stream has no room left. */
  | 'stream-full'
  | 'no-stream'
  /** JetStream refused something else that a log asked for. */
  | 'log-refused'
  /** The connection broke before the acknowledgement came; may be stored or not. */
  | 'disconnected'
  | 'payload-too-large'
  | 'no-responders'
  | 'request-timeout'
  | 'request-aborted'
  | 'registry-unavailable'
  | 'invalid-service'
  | 'invalid-event-id'
  | 'invalid-source'
  | 'unknown-consumer'
  /** The streams are not as the manifest wants them. */
  | 'manifest-drift'
  | 'manifest-refused';

/** What went wrong between us and NATS. */
export class BusError extends SalvorError {
  declare readonly code: BusErrorCode;

  constructor(code: BusErrorCode, message: string, options?: ErrorOptions) {
    super(code, message, [], options);
  }
}
