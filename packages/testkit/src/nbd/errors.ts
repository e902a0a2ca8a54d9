import { TestkitError } from '../errors.ts';
import { errnoNames, optionErrorNames } from './protocol.ts';

/** The connection ended: every outstanding request is rejected with it. Whether a write among them happened is unknown. */
export class NbdConnectionLostError extends TestkitError {
  constructor(message: string, options?: ErrorOptions) {
    super('nbd-connection-lost', message, options);
  }
}

/** The server answered a request with an error number of the protocol. */
export class NbdRequestError extends TestkitError {
  /** 5 EIO, 22 EINVAL, 28 ENOSPC, 1 EPERM, 95 ENOTSUP, 75 EOVERFLOW, 108 ESHUTDOWN. */
  readonly errno: number;

  constructor(what: string, errno: number) {
    super('nbd-request-failed', `${what}: server answered ${errnoNames[errno] ?? `error ${errno}`}`);
    this.errno = errno;
  }
}

/** The server has not answered a request in time; the connection is still open. */
export class NbdTimeoutError extends TestkitError {
  constructor(what: string, timeoutMs: number) {
    super('nbd-timeout', `${what}: no answer within ${timeoutMs} ms`);
  }
}

/** The server refused an option of the handshake. */
export class NbdOptionError extends TestkitError {
  /** The reply type of the protocol, 2^31 + n. */
  readonly replyType: number;

  constructor(what: string, replyType: number, text: string) {
    const name = optionErrorNames[replyType] ?? `reply ${replyType}`;
    super('nbd-option-refused', `${what}: server answered ${name}${text === '' ? '' : ` (${text})`}`);
    this.replyType = replyType;
  }
}

/** The server broke the protocol. */
export class NbdProtocolError extends TestkitError {
  constructor(message: string) {
    super('nbd-protocol', message);
  }
}
