import { Frame } from '../resp.ts';

/** Bytes that name and length of a block take in a write at most: `$16\r\n<16 digits>\r\n$8\r\n<8 digits>\r\n` and the CRLF behind. */
const NAME_MAX_BYTES = 64;
/** Digits of the largest number of arguments. */
const COUNT_MAX_DIGITS = 7;
const [CR, LF, DOLLAR, ZERO] = [13, 10, 36, 48];

/** Which blocks of a frame are left out, by their place in it. */
export type Skip = (i: number) => boolean;

/**
 * The blocks of one read in 0-Disk's nondeduped layout, laid down as they arrive in the form in which the target takes
 * them: between the values stand the names and lengths of an HSET, so that the bytes of a block are copied once and sent
 * from where they lie.
 */
export class RelayFrame {
  readonly #key: string;
  readonly #headMaxBytes: number;
  #buffer: Buffer;
  #blocks: readonly number[] = [];
  /** Of each block: where its name begins and its value ends in the buffer, and the value's length; -1 for a hole. */
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  readonly #lengths: number[] = [];
  #end = 0;

  constructor(key: string, blocks: number, blockSizeBytes: number) {
    this.#key = key;
    this.#headMaxBytes = this.#head(0).length + COUNT_MAX_DIGITS;
    this.#buffer = Buffer.allocUnsafeSlow(this.#headMaxBytes + blocks * (blockSizeBytes + NAME_MAX_BYTES));
  }

  /** The command that reads `blocks`; makes the frame ready for their values. */
  begin(blocks: readonly number[]): Frame {
    this.#blocks = blocks;
    this.#starts.length = this.#ends.length = this.#lengths.length = 0;
    this.#end = this.#headMaxBytes;
    const frame = new Frame()
      .begin(2 + blocks.length)
      .arg('HMGET')
      .arg(this.#key);
    for (const block of blocks) frame.arg(block);
    return frame;
  }

  /** Makes room for the next block's value, and returns its place. */
  add(length: number): { readonly into: Buffer; readonly at: number } {
    const block = this.#blocks[this.#starts.length] ?? 0;
    this.#reserve(length + NAME_MAX_BYTES);
    const start = this.#end;
    const name = putNumber(this.#buffer, start, block);
    const at = putLength(this.#buffer, name, length);
    this.#buffer[at + length] = CR;
    this.#buffer[at + length + 1] = LF;
    this.#end = at + length + 2;
    this.#starts.push(start);
    this.#ends.push(this.#end);
    this.#lengths.push(length);
    return { into: this.#buffer, at };
  }

  /** The next block is a hole. */
  addHole(): void {
    this.#starts.push(-1);
    this.#ends.push(-1);
    this.#lengths.push(-1);
  }

  /** Whether every block that was asked for has come. */
  get isWhole(): boolean {
    return this.#starts.length === this.#blocks.length;
  }

  /** The value of the i-th block, null for a hole. */
  value(i: number): Buffer | null {
    const length = this.#lengths[i] ?? -1;
    if (length < 0) return null;
    const end = (this.#ends[i] ?? 0) - 2;
    return this.#buffer.subarray(end - length, end);
  }

  /** Adds the command that stores what is stored in the frame; returns how many blocks that is. */
  addStore(frame: Frame, skip: Skip | null): number {
    const runs: { from: number; to: number }[] = [];
    let blocks = 0;
    for (const [i, start] of this.#starts.entries()) {
      if (start < 0 || skip?.(i) === true) continue;
      blocks++;
      const to = this.#ends[i] ?? start;
      const last = runs.at(-1);
      if (last?.to === start) last.to = to;
      else runs.push({ from: start, to });
    }
    const [first] = runs;
    if (first === undefined) return 0;
    const head = this.#head(blocks);
    frame.replies++;
    if (first.from === this.#headMaxBytes) {
      // In front of the very first block there is room for it.
      first.from -= head.length;
      this.#buffer.write(head, first.from, 'latin1');
    } else frame.data(Buffer.from(head, 'latin1'));
    for (const { from, to } of runs) frame.data(this.#buffer.subarray(from, to));
    return blocks;
  }

  /** Adds the command that removes what is a hole in the frame; returns how many blocks that is. */
  addRemove(frame: Frame, skip: Skip | null): number {
    const holes = this.#blocks.filter((_, i) => (this.#starts[i] ?? -1) < 0 && skip?.(i) !== true);
    if (holes.length === 0) return 0;
    frame
      .begin(2 + holes.length)
      .arg('HDEL')
      .arg(this.#key);
    for (const block of holes) frame.arg(block);
    return holes.length;
  }

  #head(blocks: number): string {
    return `*${2 + 2 * blocks}\r\n$4\r\nHSET\r\n$${this.#key.length}\r\n${this.#key}\r\n`;
  }

  /** A value longer than a block, which another writer left, is copied as it is. */
  #reserve(bytes: number): void {
    if (this.#end + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow((this.#end + bytes) * 2);
    this.#buffer.copy(larger, 0, 0, this.#end);
    this.#buffer = larger;
  }
}

function digitsOf(value: number): number {
  let digits = 1;
  for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) digits++;
  return digits;
}

/** Writes `<value>\r\n`; returns the place behind it. */
function putLine(buffer: Buffer, at: number, value: number): number {
  const end = at + digitsOf(value);
  let rest = value;
  for (let place = end - 1; place >= at; place--) {
    const tens = Math.floor(rest / 10);
    buffer[place] = ZERO + rest - tens * 10;
    rest = tens;
  }
  buffer[end] = CR;
  buffer[end + 1] = LF;
  return end + 2;
}

function putLength(buffer: Buffer, at: number, length: number): number {
  buffer[at] = DOLLAR;
  return putLine(buffer, at + 1, length);
}

function putNumber(buffer: Buffer, at: number, value: number): number {
  return putLine(buffer, putLength(buffer, at, digitsOf(value)), value);
}
