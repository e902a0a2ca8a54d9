/**
 * The Redis serialization protocol, version 2 (RESP2), as far as block I/O needs it: commands out, replies in.
 * No I/O here. Bulk strings stay Buffers and are copied once, from the receive buffer to their own memory.
 */

/** An error reply such as `LOADING …`; a value, since inside a transaction it stands beside good replies. */
export class RespError {
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

export type RespValue = number | string | Buffer | null | RespError | RespValue[];

/** Longest bulk string accepted from an engine, in bytes: well above any block, below what could hurt. */
const BULK_MAX_BYTES = 64 << 20;
/** Longest status, error or length line accepted, in bytes. */
const LINE_MAX_BYTES = 64 << 10;
const ARRAY_MAX = 1 << 20;
/** Nested arrays deeper than this do not occur in the commands used. */
const DEPTH_MAX = 8;
/** Payloads at least this long are sent as they are; shorter ones are copied into the frame's text. */
const COPY_BELOW_BYTES = 512;

/** One or more commands, collected as the chunks that will be written to the socket. */
export class Frame {
  readonly chunks: Buffer[] = [];
  /** How many replies the engine will send for this frame. */
  replies = 0;
  #text = '';

  command(...args: readonly (string | number | Buffer)[]): this {
    this.begin(args.length);
    for (const arg of args) this.arg(arg);
    return this;
  }

  /** Starts a command of `count` arguments, its name included; `count` calls of {@link arg} follow. */
  begin(count: number): this {
    this.#text += `*${count}\r\n`;
    this.replies++;
    return this;
  }

  arg(value: string | number | Buffer): this {
    if (typeof value === 'object') {
      this.#text += `$${value.length}\r\n`;
      if (value.length < COPY_BELOW_BYTES) {
        this.#text += value.toString('latin1');
      } else {
        this.#flushText();
        this.chunks.push(value);
      }
      this.#text += '\r\n';
      return this;
    }
    const text = typeof value === 'number' ? String(value) : Buffer.from(value, 'utf8').toString('latin1');
    this.#text += `$${text.length}\r\n${text}\r\n`;
    return this;
  }

  /** Appends the commands of another frame. */
  append(other: Frame): this {
    const chunks = other.end();
    this.#flushText();
    this.chunks.push(...chunks);
    this.replies += other.replies;
    return this;
  }

  /** The finished chunks. */
  end(): readonly Buffer[] {
    this.#flushText();
    return this.chunks;
  }

  #flushText(): void {
    if (this.#text === '') return;
    this.chunks.push(Buffer.from(this.#text, 'latin1'));
    this.#text = '';
  }
}

/** What a peer sent is not RESP2: the link cannot be trusted any further. */
export class RespProtocolError extends Error {}

interface OpenArray {
  readonly items: RespValue[];
  left: number;
}

/** Incremental reply parser: feed it what arrived, it hands out complete top-level replies in order. */
export class RespReader {
  readonly #onReply: (value: RespValue) => void;
  readonly #open: OpenArray[] = [];
  #line = '';
  #bulk: Buffer | null = null;
  #filled = 0;
  /** Bytes of the CRLF behind a bulk string still to come. */
  #tail = 0;

  constructor(onReply: (value: RespValue) => void) {
    this.#onReply = onReply;
  }

  /** @throws RespProtocolError when the bytes are not RESP2 */
  feed(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#bulk !== null) at = this.#fillBulk(this.#bulk, bytes, at);
      else at = this.#readLine(bytes, at);
    }
  }

  #fillBulk(bulk: Buffer, bytes: Buffer, from: number): number {
    let at = from;
    if (this.#filled < bulk.length) {
      const copied = bytes.copy(bulk, this.#filled, at, at + bulk.length - this.#filled);
      this.#filled += copied;
      at += copied;
    }
    if (this.#filled < bulk.length) return at;
    while (this.#tail > 0 && at < bytes.length) {
      const wanted = this.#tail === 2 ? 13 : 10;
      if (bytes[at] !== wanted) throw new RespProtocolError('a bulk string is not followed by CRLF');
      this.#tail--;
      at++;
    }
    if (this.#tail === 0) {
      this.#bulk = null;
      this.#deliver(bulk);
    }
    return at;
  }

  #readLine(bytes: Buffer, from: number): number {
    const end = bytes.indexOf(10, from);
    const stop = end < 0 ? bytes.length : end;
    if (this.#line.length + stop - from > LINE_MAX_BYTES)
      throw new RespProtocolError('a reply line is too long');
    this.#line += bytes.toString('latin1', from, stop);
    if (end < 0) return bytes.length;
    const line = this.#line;
    this.#line = '';
    if (!line.endsWith('\r')) throw new RespProtocolError('a reply line does not end with CRLF');
    this.#takeLine(line.slice(0, -1));
    return end + 1;
  }

  #takeLine(line: string): void {
    const rest = line.slice(1);
    switch (line[0]) {
      case '+':
        return this.#deliver(rest);
      case '-':
        return this.#deliver(new RespError(rest));
      case ':':
        return this.#deliver(wholeNumber(rest, -Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER));
      case '$': {
        const length = wholeNumber(rest, -1, BULK_MAX_BYTES);
        if (length < 0) return this.#deliver(null);
        this.#bulk = Buffer.allocUnsafe(length);
        this.#filled = 0;
        this.#tail = 2;
        return;
      }
      case '*': {
        const count = wholeNumber(rest, -1, ARRAY_MAX);
        if (count < 0) return this.#deliver(null);
        if (count === 0) return this.#deliver([]);
        if (this.#open.length >= DEPTH_MAX) throw new RespProtocolError('reply arrays are nested too deep');
        this.#open.push({ items: [], left: count });
        return;
      }
      default:
        throw new RespProtocolError(`a reply starts with ${JSON.stringify(line.slice(0, 16))}`);
    }
  }

  #deliver(value: RespValue): void {
    let complete = value;
    for (;;) {
      const array = this.#open.at(-1);
      if (array === undefined) return this.#onReply(complete);
      array.items.push(complete);
      if (--array.left > 0) return;
      this.#open.pop();
      complete = array.items;
    }
  }
}

function wholeNumber(text: string, min: number, max: number): number {
  const value = Number(text);
  if (!/^[+-]?\d+$/.test(text) || value < min || value > max) {
    throw new RespProtocolError(
      `expected a whole number from ${min} to ${max}, found ${JSON.stringify(text.slice(0, 32))}`,
    );
  }
  return value;
}
