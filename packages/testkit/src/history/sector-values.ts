import { DAMAGED, SECTOR_BYTES, ZEROES } from './block-history.ts';

const WORDS_PER_SECTOR = SECTOR_BYTES / 4;
const HEAD_WORDS = 4;
const MAGIC = 0x53_4c_48_59;
const FILLING = fillingOfSector();
const FILLING_BYTES = SECTOR_BYTES - 8 * HEAD_WORDS;
const NOTHING = Buffer.alloc(SECTOR_BYTES);

/**
 * Bytes of sectors that carry one value each: at both ends of a sector its place and the value, in between what every sector has.
 * The bytes are written once; after that a value is eight words. Words have the order of this machine.
 */
export class SectorBytes {
  readonly bytes: Buffer;
  readonly #words: Int32Array;
  readonly #from: number;

  /** Room for `sectors` after `headerBytes` (a multiple of 4) that are the owner's. */
  constructor(headerBytes: number, sectors: number) {
    const room = new ArrayBuffer(headerBytes + sectors * SECTOR_BYTES);
    this.bytes = Buffer.from(room);
    this.#words = new Int32Array(room);
    this.#from = headerBytes;
    for (let sector = 0; sector < sectors; sector++) this.#fill(sector);
  }

  /** Sets the value of the first `count` sectors. `place` is the number of the first one, unique over all devices. */
  set(value: number, place: number, count: number): void {
    const words = this.#words;
    for (let sector = 0; sector < count; sector++) {
      const head = this.#from / 4 + sector * WORDS_PER_SECTOR;
      const tail = head + WORDS_PER_SECTOR - HEAD_WORDS;
      words[head] = MAGIC;
      words[head + 1] = value;
      words[head + 2] = place + sector;
      words[head + 3] = ~value;
      words[tail] = MAGIC;
      words[tail + 1] = value;
      words[tail + 2] = place + sector;
      words[tail + 3] = ~value;
    }
  }

  /** What the first `count` sectors hold: values, ZEROES, or DAMAGED for anything else. */
  values(place: number, count: number, into: Int32Array): void {
    for (let sector = 0; sector < count; sector++) into[sector] = this.#value(sector, place + sector);
  }

  /** A sentence about a sector that is DAMAGED. */
  describe(sector: number): string {
    const at = this.#from + sector * SECTOR_BYTES;
    const word = (index: number): string => (this.#words[at / 4 + index] ?? 0).toString();
    const tail = WORDS_PER_SECTOR - HEAD_WORDS;
    const ends =
      `begins with value ${word(1)} of place ${word(2)}, ` +
      `ends with value ${word(tail + 1)} of place ${word(tail + 2)}`;
    return `${ends}; first bytes ${this.bytes.toString('hex', at, at + 32)}`;
  }

  #value(sector: number, place: number): number {
    const words = this.#words;
    const at = this.#from + sector * SECTOR_BYTES;
    const head = at / 4;
    const tail = head + WORDS_PER_SECTOR - HEAD_WORDS;
    const value = words[head + 1] ?? 0;
    if (words[head] === 0) {
      return NOTHING.compare(this.bytes, at, at + SECTOR_BYTES) === 0 ? ZEROES : DAMAGED;
    }
    const whole =
      words[head] === MAGIC &&
      words[head + 2] === place &&
      words[head + 3] === ~value &&
      words[tail] === MAGIC &&
      words[tail + 1] === value &&
      words[tail + 2] === place &&
      words[tail + 3] === ~value;
    const middle = at + 4 * HEAD_WORDS;
    return whole && value > 0 && FILLING.compare(this.bytes, middle, middle + FILLING_BYTES) === 0
      ? value
      : DAMAGED;
  }

  #fill(sector: number): void {
    FILLING.copy(this.bytes, this.#from + sector * SECTOR_BYTES + 4 * HEAD_WORDS);
  }
}

function fillingOfSector(): Buffer {
  const bytes = Buffer.alloc(SECTOR_BYTES - 8 * HEAD_WORDS);
  for (let at = 0; at < bytes.length; at++) bytes[at] = 1 + ((at * 151) % 255);
  return bytes;
}
