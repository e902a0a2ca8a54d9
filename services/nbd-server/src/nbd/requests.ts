import { command, requestHeaderBytes, requestMagic } from './constants.ts';
import { type Slab, type SlabAccount, type SlabPool, smallSlabBytes } from './slabs.ts';

/** A request as it stands on the wire. The cookie is kept as two halves; offsets above 2^53 lose their low bits. */
export interface Request {
  readonly flags: number;
  readonly type: number;
  readonly cookieHigh: number;
  readonly cookieLow: number;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

/** The bytes of a WRITE, valid until `release` is called, exactly once. */
export interface Payload {
  readonly data: Buffer;
  readonly slab: Slab | undefined;
}

export class ProtocolViolation extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ProtocolViolation';
  }
}

/** Reads the request header at `at`; undefined when it is incomplete. Throws ProtocolViolation on a wrong magic. */
export function parseRequest(bytes: Buffer, at: number, end: number): Request | undefined {
  if (end - at < requestHeaderBytes) return undefined;
  const magic = bytes.readUInt32BE(at);
  if (magic !== requestMagic) {
    throw new ProtocolViolation(`expected a request, found magic 0x${magic.toString(16).padStart(8, '0')}`);
  }
  return {
    flags: bytes.readUInt16BE(at + 4),
    type: bytes.readUInt16BE(at + 6),
    cookieHigh: bytes.readUInt32BE(at + 8),
    cookieLow: bytes.readUInt32BE(at + 12),
    offsetBytes: bytes.readUInt32BE(at + 16) * 2 ** 32 + bytes.readUInt32BE(at + 20),
    lengthBytes: bytes.readUInt32BE(at + 24),
  };
}

/** The least room offered to the socket, and the most. */
const minRoomBytes = 64 * 1024;
const maxRoomBytes = 1024 * 1024;
const maxQuietBytes = 8 * 1024;
/** Where the next bytes of quiet connections go, of all of them: what is not taken at once is moved to a slab. */
const idleRoom = Buffer.allocUnsafeSlow(minRoomBytes);
/** Above this much memory held only by unfinished small writes, further payloads are copied out of their slab. */
const maxRetainedBytes = 32 * 1024 * 1024;

/**
 * Finds requests in what a busy socket delivers without copying payloads: they stay slices of the slab they arrived in.
 * A quiet one has no slab.
 * Fill `room()` and tell `filled()`; then, for each `head()`, call one of `consume`, `discardPayload`, or, for an
 * admitted WRITE, `payload` until it is complete. Memory for a payload is taken only after `admit()`.
 */
export class RequestReader {
  #slab: Slab | undefined;
  #read = 0;
  #written = 0;
  #discardBytes = 0;
  #head: Request | undefined;
  #admitted = false;
  readonly #account: SlabAccount = { retainedBytes: 0 };
  readonly #pool: SlabPool;

  constructor(pool: SlabPool) {
    this.#pool = pool;
  }

  /**
   * Where the next bytes go: contiguous with what is unparsed, at least 64 KiB. Valid until the next call. After bytes that
   * a quiet connection received, and the requests taken from them, `keep()` must be called before anything else is received.
   */
  room(isQuiet = false): Buffer {
    const have = this.#written - this.#read;
    if (have === 0 && isQuiet) {
      this.#leaveSlab();
      return idleRoom;
    }
    if (have === 0 && this.#slab?.refs === 1) this.#read = this.#written = 0;
    const want = Math.max(minRoomBytes, this.#missingPayloadBytes(have));
    const idleInLargeSlab = have === 0 && this.#bytes.length > smallSlabBytes;
    const isTooSmall = this.#slab === undefined || this.#bytes.length - this.#written < want;
    if (isTooSmall || idleInLargeSlab) this.#move(have, want);
    const end = Math.min(this.#written + maxRoomBytes, this.#bytes.length);
    return this.#bytes.subarray(this.#written, end);
  }

  filled(bytes: number): void {
    this.#written += bytes;
    // So much at once is no quiet connection: one copy of all costs less than one of each payload.
    if (this.#slab === undefined && bytes > maxQuietBytes)
      this.#move(this.#written - this.#read, minRoomBytes);
    this.#discard();
  }

  /** Moves what is unparsed out of the memory that quiet connections share. */
  keep(): void {
    if (this.#slab !== undefined) return;
    const have = this.#written - this.#read;
    if (have > 0) this.#move(have, Math.max(minRoomBytes, this.#missingPayloadBytes(have)));
    else this.#read = this.#written = 0;
  }

  /** Takes bytes that were received elsewhere, such as those that followed the handshake. */
  push(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      const copied = bytes.copy(this.room(), 0, at);
      at += copied;
      this.filled(copied);
    }
  }

  /** The next request, payload not looked at; undefined until its header is complete. */
  head(): Request | undefined {
    if (this.#discardBytes > 0) return undefined;
    this.#head ??= parseRequest(this.#bytes, this.#read, this.#written);
    return this.#head;
  }

  get admitted(): boolean {
    return this.#admitted;
  }

  /** From now on memory may be taken for the payload of the current request. */
  admit(): void {
    this.#admitted = true;
  }

  /** The payload of the current WRITE once it is complete; then the request is consumed. */
  payload(): Payload | undefined {
    const head = this.head();
    if (head === undefined || head.type !== command.write) throw new Error('payload() is for a WRITE');
    const start = this.#read + requestHeaderBytes;
    const end = start + head.lengthBytes;
    if (this.#written < end) return undefined;
    this.#next(end);
    const slab = this.#slab;
    const data = this.#bytes.subarray(start, end);
    if (slab === undefined || this.#account.retainedBytes > maxRetainedBytes) {
      const copy = Buffer.allocUnsafeSlow(data.length);
      data.copy(copy);
      return { data: copy, slab: undefined };
    }
    slab.refs += 1;
    return { data, slab };
  }

  release(payload: Payload): void {
    if (payload.slab !== undefined) this.#pool.release(payload.slab);
  }

  /** Takes the current request, which has no payload. */
  consume(): void {
    this.#next(this.#read + requestHeaderBytes);
  }

  /** Takes the current request and drops its payload as it arrives, using no memory for it. */
  discardPayload(): void {
    this.#discardBytes = this.head()?.lengthBytes ?? 0;
    this.consume();
    this.#discard();
  }

  /** Gives the memory back. Nothing but `release` may be called afterwards. */
  close(): void {
    this.#leaveSlab();
  }

  #next(at: number): void {
    this.#read = at;
    this.#head = undefined;
    this.#admitted = false;
  }

  #discard(): void {
    const bytes = Math.min(this.#discardBytes, this.#written - this.#read);
    this.#discardBytes -= bytes;
    this.#read += bytes;
  }

  #missingPayloadBytes(have: number): number {
    if (!this.#admitted || this.#head === undefined || this.#head.type !== command.write) return 0;
    return requestHeaderBytes + this.#head.lengthBytes - have;
  }

  /** Moves the unparsed tail to another slab; payloads in the old one keep it alive. */
  #move(have: number, want: number): void {
    const next = this.#pool.take(
      want > minRoomBytes ? Math.max(have + want, smallSlabBytes + 1) : have + want,
    );
    this.#bytes.copy(next.bytes, 0, this.#read, this.#written);
    this.#leaveSlab();
    this.#slab = next;
    this.#written = have;
  }

  #leaveSlab(): void {
    const slab = this.#slab;
    this.#slab = undefined;
    this.#read = this.#written = 0;
    if (slab === undefined) return;
    if (slab.refs > 1) {
      slab.retainedBy = this.#account;
      this.#account.retainedBytes += slab.bytes.length;
    }
    this.#pool.release(slab);
  }

  get #bytes(): Buffer {
    return this.#slab?.bytes ?? idleRoom;
  }
}
