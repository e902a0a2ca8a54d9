import { RespError, RespProtocolError, type RespValue } from './resp.ts';

/** Takes the parts of replies as they arrive. What it throws ends the link: RespProtocolError when it makes no sense. */
export interface ReplySink {
  /** A bulk string of `length` bytes comes: returns the memory that its bytes go into, from {@link at} on. */
  bulk(length: number): Buffer;
  readonly at: number;
  /** An integer, a status, an error, or null for a nil bulk string or array. */
  scalar(value: number | string | RespError | null): void;
  /** An array of `count` replies begins. */
  array(count: number): void;
}

/** Who gets the reply that is arriving. */
export interface ReplyTaker {
  /** The sink of the reply that begins or goes on here. */
  sink(): ReplySink;
  /** That reply is complete. */
  complete(): void;
}

/** Longest bulk string accepted from an engine, in bytes: well above any block, below what could hurt. */
const BULK_MAX_BYTES = 64 << 20;
/** Longest status, error or length line accepted, in bytes. */
const LINE_MAX_BYTES = 64 << 10;
const NOTHING = Buffer.alloc(0);
const DIGITS_MAX = 16;
const ARRAY_MAX = 1 << 20;

const [PLUS, MINUS, COLON, DOLLAR, STAR, CR, LF, DIGIT_0] = [43, 45, 58, 36, 42, 13, 10, 48];

/**
 * Incremental parser of RESP2 replies: feed it what arrived. Bytes of bulk strings are copied once, from the receive
 * buffer to the place that the sink names.
 */
export class RespReader {
  readonly #taker: ReplyTaker;
  /** Type byte of the line that is being read, 0 between lines. */
  #kind = 0;
  #value = 0;
  #digits = 0;
  #isNegative = false;
  #text = '';
  #sawCr = false;
  /** Bytes of a bulk string still to come, their place, and the bytes of its CRLF still to come. */
  #need = 0;
  #into: Buffer = NOTHING;
  #at = 0;
  #tail = 0;
  /** Replies still to come until the top-level one is complete: nested arrays need no stack. */
  #left = 1;

  constructor(taker: ReplyTaker) {
    this.#taker = taker;
  }

  /** @throws RespProtocolError when the bytes are not RESP2 */
  feed(bytes: Buffer, end: number = bytes.length): void {
    let at = 0;
    while (at < end) {
      if (this.#need > 0) at = this.#fill(bytes, at, end);
      else if (this.#tail > 0) at = this.#readTail(bytes, at);
      else at = this.#readLine(bytes, at, end);
    }
  }

  #fill(bytes: Buffer, from: number, end: number): number {
    const count = Math.min(this.#need, end - from);
    bytes.copy(this.#into, this.#at, from, from + count);
    this.#at += count;
    this.#need -= count;
    if (this.#need === 0) this.#tail = 2;
    return from + count;
  }

  #readTail(bytes: Buffer, at: number): number {
    if (bytes[at] !== (this.#tail === 2 ? CR : LF))
      throw new RespProtocolError('a bulk string is not followed by CRLF');
    if (--this.#tail === 0) {
      this.#into = NOTHING; // an idle link keeps no memory alive
      this.#ended();
    }
    return at + 1;
  }

  #readLine(bytes: Buffer, from: number, end: number): number {
    let at = from;
    if (this.#kind === 0) {
      this.#kind = bytes[at++] ?? 0;
      this.#value = this.#digits = 0;
      this.#isNegative = this.#sawCr = false;
      this.#text = '';
      if (!isKind(this.#kind))
        throw new RespProtocolError(
          `a reply starts with ${JSON.stringify(bytes.toString('latin1', from, Math.min(end, from + 16)))}`,
        );
    }
    if (this.#kind === PLUS || this.#kind === MINUS) return this.#readText(bytes, at, end);
    for (; at < end; at++) {
      const byte = bytes[at] ?? 0;
      if (this.#sawCr) {
        if (byte !== LF) throw new RespProtocolError('a reply line does not end with CRLF');
        this.#takeNumber();
        return at + 1;
      }
      if (byte === CR) this.#sawCr = true;
      else if (byte >= DIGIT_0 && byte <= DIGIT_0 + 9 && this.#digits < DIGITS_MAX) {
        this.#value = this.#value * 10 + byte - DIGIT_0;
        this.#digits++;
      } else if ((byte === MINUS || byte === PLUS) && this.#digits === 0 && !this.#isNegative)
        this.#isNegative = byte === MINUS;
      else throw new RespProtocolError(`expected a whole number in a reply, found byte ${byte}`);
    }
    return at;
  }

  #readText(bytes: Buffer, from: number, end: number): number {
    let at = from;
    if (!this.#sawCr) {
      while (at < end && bytes[at] !== CR) at++;
      if (this.#text.length + at - from > LINE_MAX_BYTES)
        throw new RespProtocolError('a reply line is too long');
      if (at > from) this.#text += knownText(bytes, from, at) ?? bytes.toString('latin1', from, at);
      if (at === end) return at;
      this.#sawCr = true;
      at++;
    }
    if (at === end) return at;
    if (bytes[at] !== LF) throw new RespProtocolError('a reply line does not end with CRLF');
    const isError = this.#kind === MINUS;
    this.#kind = 0;
    this.#taker.sink().scalar(isError ? new RespError(this.#text) : this.#text);
    this.#ended();
    return at + 1;
  }

  #takeNumber(): void {
    const kind = this.#kind;
    const value = this.#isNegative ? -this.#value : this.#value;
    this.#kind = 0;
    if (this.#digits === 0) throw new RespProtocolError('expected a whole number in a reply, found none');
    if (!Number.isSafeInteger(value)) throw new RespProtocolError('a number in a reply is too large');
    const sink = this.#taker.sink();
    if (kind === COLON) {
      sink.scalar(value);
      return this.#ended();
    }
    const most = kind === DOLLAR ? BULK_MAX_BYTES : ARRAY_MAX;
    if (value < -1 || value > most)
      throw new RespProtocolError(`expected a length from -1 to ${most}, found ${value}`);
    if (value === -1) {
      sink.scalar(null);
      return this.#ended();
    }
    if (kind === DOLLAR) {
      this.#into = sink.bulk(value);
      this.#at = sink.at;
      this.#need = value;
      if (value === 0) this.#tail = 2;
      return;
    }
    sink.array(value);
    this.#left += value;
    this.#ended();
  }

  #ended(): void {
    if (--this.#left > 0) return;
    this.#left = 1;
    this.#taker.complete();
  }
}

function isKind(byte: number): boolean {
  return byte === PLUS || byte === MINUS || byte === COLON || byte === DOLLAR || byte === STAR;
}

/** The two statuses that nearly all lines are, without making a string. */
function knownText(bytes: Buffer, from: number, to: number): string | null {
  if (to - from === 2 && bytes[from] === 79 && bytes[from + 1] === 75) return 'OK';
  if (
    to - from === 6 &&
    bytes[from] === 81 &&
    bytes[from + 5] === 68 &&
    bytes[from + 1] === 85 &&
    bytes[from + 2] === 69
  )
    return 'QUEUED';
  return null;
}

/** Nested arrays deeper than this do not occur in the commands used. */
const DEPTH_MAX = 8;

interface OpenArray {
  readonly items: RespValue[];
  left: number;
}

/** Collects top-level replies as values; bulk strings get memory of their own. */
export class ValueSink implements ReplySink {
  readonly values: RespValue[] = [];
  readonly at = 0;
  readonly #open: OpenArray[] = [];

  bulk(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    this.#add(bytes);
    return bytes;
  }

  scalar(value: number | string | RespError | null): void {
    this.#add(value);
  }

  array(count: number): void {
    if (count === 0) return this.#add([]);
    if (this.#open.length >= DEPTH_MAX) throw new RespProtocolError('reply arrays are nested too deep');
    this.#open.push({ items: [], left: count });
  }

  #add(value: RespValue): void {
    let complete = value;
    for (;;) {
      const array = this.#open.at(-1);
      if (array === undefined) {
        this.values.push(complete);
        return;
      }
      array.items.push(complete);
      if (--array.left > 0) return;
      this.#open.pop();
      complete = array.items;
    }
  }
}
