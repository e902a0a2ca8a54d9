/**
 * The Redis serialization protocol, version 2 (RESP2), as far as block I/O needs it: the values of replies, and commands
 * as bytes. Replies are parsed in `resp-reader.ts`. No I/O here.
 */

/** An error reply such as `LOADING …`; a value, since inside a transaction it stands beside good replies. */
export class RespError {
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

export type RespValue = number | string | Buffer | null | RespError | RespValue[];

/** What a peer sent is not RESP2: the link cannot be trusted any further. */
export class RespProtocolError extends Error {}

/** Payloads longer than this are sent from where they lie; shorter ones are copied between the commands. */
const COPY_MAX_BYTES = 16 << 10;
const FIRST_PIECE_BYTES = 512;
const SMALL_SLAB_BYTES = 16 << 10;
const LARGE_SLAB_BYTES = 256 << 10;
/** Slabs kept for reuse, of each size. */
const FREE_SLABS_MAX = 64;
/** Bytes of the longest header line: type, sixteen digits, CRLF. */
const LINE_MAX_BYTES = 20;

const freeSlabs = { small: [] as Buffer[], large: [] as Buffer[] };

const [STAR, DOLLAR, CR, LF, DIGIT_0] = [42, 36, 13, 10, 48];

/** One or more commands, as the bytes that will be written to the socket. */
export class Frame {
  /** How many replies the engine will send for this frame. */
  replies = 0;
  readonly #chunks: Buffer[] = [];
  /** Slabs of the pool that this frame holds; null when it takes none. */
  readonly #slabs: Buffer[] | null;
  #piece: Buffer = NO_BYTES;
  /** The part of the piece that is not among the chunks yet. */
  #from = 0;
  #at = 0;

  constructor(isPooled = false) {
    this.#slabs = isPooled ? [] : null;
  }

  /**
   * A frame in recycled memory. Whoever makes one calls {@link release} when the engine has answered it.
   *
   * @param bytes about how long it will be: what lies in one piece is sent with less ado
   */
  static pooled(bytes = 0): Frame {
    const frame = new Frame(true);
    if (bytes > SMALL_SLAB_BYTES) frame.#room(Math.min(bytes, LARGE_SLAB_BYTES));
    return frame;
  }

  command(...args: readonly (string | number | Buffer)[]): this {
    this.begin(args.length);
    for (const arg of args) this.arg(arg);
    return this;
  }

  /** Starts a command of `count` arguments, its name included; `count` calls of {@link arg} follow. */
  begin(count: number): this {
    this.#room(LINE_MAX_BYTES);
    this.#piece[this.#at++] = STAR;
    this.#putLine(count);
    this.replies++;
    return this;
  }

  arg(value: string | number | Buffer): this {
    if (typeof value === 'number') return this.#number(value);
    if (typeof value === 'string') return this.#string(value);
    this.head(value.length);
    return this.data(value).tail();
  }

  /** The bytes of commands that were encoded before, for which the engine sends `replies` replies. */
  encoded(bytes: Buffer, replies: number): this {
    this.replies += replies;
    return this.data(bytes);
  }

  /** Starts an argument of `lengthBytes`; calls of {@link data} bring as many, then comes {@link tail}. */
  head(lengthBytes: number): this {
    this.#room(LINE_MAX_BYTES);
    this.#piece[this.#at++] = DOLLAR;
    this.#putLine(lengthBytes);
    return this;
  }

  data(bytes: Buffer): this {
    if (bytes.length > COPY_MAX_BYTES) {
      this.#cut();
      this.#chunks.push(bytes);
      return this;
    }
    this.#room(bytes.length);
    this.#piece.set(bytes, this.#at);
    this.#at += bytes.length;
    return this;
  }

  tail(): this {
    this.#room(2);
    this.#piece[this.#at++] = CR;
    this.#piece[this.#at++] = LF;
    return this;
  }

  /** Appends the commands of another frame. */
  append(other: Frame): this {
    this.#cut();
    this.#chunks.push(...other.end());
    this.replies += other.replies;
    return this;
  }

  /** The finished chunks. */
  end(): readonly Buffer[] {
    this.#cut();
    return this.#chunks;
  }

  /** Gives the memory of a pooled frame back: nothing may look at its chunks any more. */
  release(): void {
    for (const slab of this.#slabs?.splice(0) ?? []) {
      const free = slab.length === SMALL_SLAB_BYTES ? freeSlabs.small : freeSlabs.large;
      if (free.length < FREE_SLABS_MAX) free.push(slab);
    }
    this.#chunks.length = 0;
    this.#piece = NO_BYTES;
    this.#from = this.#at = 0;
  }

  #number(value: number): this {
    if (!Number.isSafeInteger(value) || value < 0) return this.#string(String(value));
    this.#room(2 * LINE_MAX_BYTES);
    const piece = this.#piece;
    piece[this.#at++] = DOLLAR;
    this.#putLine(digitsOf(value));
    this.#putLine(value);
    return this;
  }

  #string(text: string): this {
    this.#room(LINE_MAX_BYTES + text.length + 2);
    const start = this.#at;
    const piece = this.#piece;
    piece[this.#at++] = DOLLAR;
    this.#putLine(text.length);
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code > 127) {
        this.#at = start;
        return this.arg(Buffer.from(text, 'utf8'));
      }
      piece[this.#at++] = code;
    }
    return this.tail();
  }

  /** `<value>\r\n`; there is room for it. */
  #putLine(value: number): void {
    const piece = this.#piece;
    const end = this.#at + digitsOf(value);
    let rest = value;
    for (let at = end - 1; at >= this.#at; at--) {
      const tenth = Math.floor(rest / 10);
      piece[at] = DIGIT_0 + rest - tenth * 10;
      rest = tenth;
    }
    piece[end] = CR;
    piece[end + 1] = LF;
    this.#at = end + 2;
  }

  #room(bytes: number): void {
    if (this.#piece.length - this.#at >= bytes) return;
    this.#cut();
    const before = this.#piece.length;
    this.#piece = this.#slabs === null ? newPiece(before, bytes) : this.#takeSlab(this.#slabs, before, bytes);
    this.#from = this.#at = 0;
  }

  #takeSlab(slabs: Buffer[], before: number, bytes: number): Buffer {
    const isSmall = before === 0 && bytes <= SMALL_SLAB_BYTES;
    const slab =
      (isSmall ? freeSlabs.small : freeSlabs.large).pop() ??
      Buffer.allocUnsafeSlow(isSmall ? SMALL_SLAB_BYTES : LARGE_SLAB_BYTES);
    slabs.push(slab);
    return slab;
  }

  #cut(): void {
    if (this.#at > this.#from) this.#chunks.push(this.#piece.subarray(this.#from, this.#at));
    this.#from = this.#at;
  }
}

const NO_BYTES = Buffer.alloc(0);

/** Each piece larger than the one before, so that a frame has few. */
function newPiece(before: number, bytes: number): Buffer {
  return Buffer.allocUnsafe(Math.max(bytes, Math.min(LARGE_SLAB_BYTES, before * 8 || FIRST_PIECE_BYTES)));
}

function digitsOf(value: number): number {
  let digits = 1;
  for (let power = 10; value >= power; power *= 10) digits++;
  return digits;
}
