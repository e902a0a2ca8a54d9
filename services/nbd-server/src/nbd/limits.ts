import { maxPayloadBytes } from './constants.ts';

/** Every bound of the NBD front end. One client can use up its own share, never that of the others. */
export interface NbdLimits {
  /** Open connections of all endpoints together; more are closed at once. */
  maxConnections: number;
  /** Of those, connections that have not reached the transmission phase. */
  maxHandshakes: number;
  /** Time a client may take for its whole handshake, the server's own work not counted. */
  handshakeTimeoutMs: number;
  /** Time an `Exports` call may take during a handshake. */
  exportTimeoutMs: number;
  maxOptions: number;
  /** An option with more data ends the connection; this is far above any legal one. */
  maxOptionBytes: number;
  maxListedExports: number;
  /** Requests of one connection that were read and whose reply is not yet with the kernel. */
  maxRequestsPerConnection: number;
  /** Payload bytes of those requests. */
  maxBytesPerConnection: number;
  /** Of those, what a connection may use even when the others have used up `maxBytesInFlight`. */
  guaranteedBytesPerConnection: number;
  /** Payload bytes in flight over all connections; only guaranteed bytes can come on top. */
  maxBytesInFlight: number;
  /** While others wait for `maxBytesInFlight`, a client stuck this long in sending a payload or taking replies is cut. */
  stallTimeoutMs: number;
  /** After DISC, end of stream or shutdown: time for outstanding requests and their replies. */
  drainTimeoutMs: number;
  /** After our end of the stream is closed: time for the client to close its own. */
  lingerTimeoutMs: number;
}

export const defaultNbdLimits: NbdLimits = {
  maxConnections: 2048,
  maxHandshakes: 64,
  handshakeTimeoutMs: 10_000,
  exportTimeoutMs: 30_000,
  maxOptions: 4096,
  maxOptionBytes: 1024 * 1024,
  maxListedExports: 10_000,
  maxRequestsPerConnection: 512,
  maxBytesPerConnection: 2 * maxPayloadBytes,
  guaranteedBytesPerConnection: 256 * 1024,
  maxBytesInFlight: 128 * 1024 * 1024,
  stallTimeoutMs: 30_000,
  drainTimeoutMs: 30_000,
  lingerTimeoutMs: 1_000,
};

/** The defaults with `overrides`; throws a RangeError when a bound is not a positive integer or below its floor. */
export function nbdLimits(overrides: Partial<NbdLimits> = {}): NbdLimits {
  const limits = { ...defaultNbdLimits, ...overrides };
  for (const [name, value] of Object.entries(limits)) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new RangeError(`NBD limit ${name} must be a positive integer, found ${value}`);
    }
  }
  // A request of the largest size must be servable, or its connection would wait for ever.
  for (const name of ['maxBytesPerConnection', 'maxBytesInFlight'] as const) {
    if (limits[name] < maxPayloadBytes) {
      throw new RangeError(`NBD limit ${name} must be at least ${maxPayloadBytes}, found ${limits[name]}`);
    }
  }
  return limits;
}
