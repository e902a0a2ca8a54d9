/** Sectors in a block: the grain in which requests of a history read and write. */
export const SECTORS_PER_BLOCK = 8;
export const SECTOR_BYTES = 512;
export const BLOCK_BYTES = SECTORS_PER_BLOCK * SECTOR_BYTES;
/** Later than everything: the time of what has not happened, and may never. */
export const NEVER = 0x3fff_ffff;
/** The value of sectors that were never written, or zeroed. */
export const ZEROES = 0;
/** What a sector reads as whose bytes are no value at all. */
export const DAMAGED = -1;

/** Entries that may pile up before those that no read can return any more are dropped. */
const PRUNE_FROM = 12;

/**
 * What one write did, or may still do, to one block. Times are ticks: the place of an event in the one order in which
 * the recorder saw requests go out and answers come in.
 */
export class BlockWrite {
  /** Unique, but for zeroes. */
  readonly value: number;
  /** Bit i stands for sector i of the block. */
  readonly mask: number;
  readonly invokedAt: number;
  /** When the client was told that it is done; NEVER when it was not told, or told of an error. */
  answeredAt = NEVER;
  /** It has taken effect by then: it was answered, or a read that saw it was. */
  effectiveBy = NEVER;
  /** If it has not taken effect by then, it never will: whoever might have carried it out is gone. */
  fencedAt = NEVER;
  /** Its answer said that it is durable (NBD_CMD_FLAG_FUA). */
  fua = false;
  /** By sector: the latest time at which a read that returned it was sent; at first, when it was sent itself. */
  readonly seenFrom: number[];

  constructor(value: number, mask: number, invokedAt: number) {
    this.value = value;
    this.mask = mask;
    this.invokedAt = invokedAt;
    const at = invokedAt;
    this.seenFrom = [at, at, at, at, at, at, at, at];
  }

  get lastPossibleEffect(): number {
    return Math.min(this.effectiveBy, this.fencedAt);
  }
}

/** Why no order of the operations explains what a read returned. */
export interface Contradiction {
  readonly kind: 'unknown-value' | 'overwritten-value' | 'torn-block';
  /** Sector within the block that the read is wrong about. */
  readonly sector: number;
  readonly found: number;
  /** What the sector should show instead; null when it is not known. */
  readonly missing: BlockWrite | null;
  /** A sentence. */
  readonly reason: string;
}

/**
 * The history of one block, checked while it is made, in memory that does not grow with its length.
 *
 * The block is a register per sector. As every value is written once, whoever returns it says which write it saw, and the
 * check is the one of Gibbons and Korach (Testing Shared Memories, 1997): write u comes before write v where an operation
 * on u (the write, or a read that returned it) was answered before one on v was sent; a history is linearizable if and
 * only if no read is answered before its write was sent and no two writes come before each other. For writes u and v of
 * one sector, with f the first answer and s the last sending of their operations, that is: not (f(u) < s(v) and f(v) < s(u)).
 *
 * Beyond that a write of several sectors of a block is one step: f is shared by its sectors, and one read must not show
 * it half. Zeroes are no unique value: a read of them counts for a write of zeroes only where it is the only one possible.
 */
export class BlockHistory {
  #writes: BlockWrite[];
  /** When the reads that wait for their answers were sent, oldest first. */
  readonly #reads: number[] = [];
  readonly #pruneFrom: number;
  #pruneAt: number;
  readonly #observed: (BlockWrite | null)[] = new Array<BlockWrite | null>(SECTORS_PER_BLOCK).fill(null);

  constructor(pruneFrom: number = PRUNE_FROM) {
    this.#pruneFrom = pruneFrom;
    this.#pruneAt = pruneFrom;
    const initial = new BlockWrite(ZEROES, 0xff, 0);
    initial.answeredAt = 0;
    initial.effectiveBy = 0;
    this.#writes = [initial];
  }

  /** Writes that a read may still return, or that prove others overwritten. */
  get candidates(): readonly BlockWrite[] {
    return this.#writes;
  }

  writeSent(value: number, mask: number, at: number): BlockWrite {
    const write = new BlockWrite(value, mask, at);
    this.#writes.push(write);
    return write;
  }

  writeAnswered(write: BlockWrite, at: number): void {
    write.answeredAt = at;
    if (at < write.effectiveBy) write.effectiveBy = at;
    if (this.#writes.length > this.#pruneAt) this.#prune(at);
  }

  readSent(at: number): void {
    this.#reads.push(at);
  }

  /** The read was answered with an error, or is not waited for any more. */
  readForgotten(sentAt: number): void {
    const index = this.#reads.indexOf(sentAt);
    if (index >= 0) this.#reads.splice(index, 1);
  }

  /** Judges a read of `values.length` sectors from `firstSector` on; null when all is well. */
  readAnswered(
    sentAt: number,
    at: number,
    firstSector: number,
    values: Int32Array,
    from: number,
    count: number,
  ): Contradiction | null {
    this.readForgotten(sentAt);
    const fault = this.#judge(sentAt, at, firstSector, values, from, count);
    if (this.#writes.length > this.#pruneAt) this.#prune(at);
    return fault;
  }

  #judge(
    sentAt: number,
    at: number,
    first: number,
    values: Int32Array,
    from: number,
    count: number,
  ): Contradiction | null {
    const observed = this.#observed;
    let last: BlockWrite | null = null;
    let mixed = false;
    for (let i = 0; i < count; i++) {
      const sector = first + i;
      const value = values[from + i] ?? DAMAGED;
      let write: BlockWrite | null;
      if (last !== null && last.value === value && (last.mask >> sector) & 1 && value !== ZEROES)
        write = last;
      else if (value === ZEROES) {
        const zeroes = this.#zeroesFor(sector, sentAt, at);
        if (zeroes === undefined) return this.#zeroesContradict(sector, sentAt);
        write = zeroes;
      } else {
        write = this.#find(value, sector);
        if (write === null) {
          const reason = 'no write that may still be there has this value';
          return { kind: 'unknown-value', sector, found: value, missing: this.#newest(sector), reason };
        }
      }
      observed[sector] = write;
      if (i > 0 && write !== last) mixed = true;
      last = write;
    }
    for (let sector = first; sector < first + count; sector++) {
      const write = observed[sector];
      if (write == null) continue;
      const effect = Math.min(write.fencedAt, at);
      if (effect < write.effectiveBy) write.effectiveBy = effect;
      if (sentAt > (write.seenFrom[sector] ?? 0)) write.seenFrom[sector] = sentAt;
    }
    for (let sector = first; sector < first + count; sector++) {
      const write = observed[sector];
      if (write == null) continue;
      const newer = this.#conflicting(write, sector, write.effectiveBy, write.seenFrom[sector] ?? 0);
      if (newer !== null) return overwritten(write, newer, sector, sentAt);
    }
    return mixed ? torn(observed, first, count) : null;
  }

  #find(value: number, sector: number): BlockWrite | null {
    for (let i = this.#writes.length - 1; i >= 0; i--) {
      const write = this.#writes[i];
      if (write !== undefined && write.value === value && (write.mask >> sector) & 1) return write;
    }
    return null;
  }

  /** The one write of zeroes that the read can have seen; null when there are several, undefined when there is none. */
  #zeroesFor(sector: number, sentAt: number, at: number): BlockWrite | null | undefined {
    let only: BlockWrite | undefined;
    for (const write of this.#writes) {
      if (write.value !== ZEROES || ((write.mask >> sector) & 1) === 0) continue;
      const effect = Math.min(write.effectiveBy, write.fencedAt, at);
      const seen = Math.max(write.seenFrom[sector] ?? 0, sentAt);
      if (this.#conflicting(write, sector, effect, seen) !== null) continue;
      if (only !== undefined) return null;
      only = write;
    }
    return only;
  }

  #zeroesContradict(sector: number, sentAt: number): Contradiction {
    let newest: BlockWrite | null = null;
    for (const write of this.#writes) {
      if (write.value === ZEROES || ((write.mask >> sector) & 1) === 0 || write.effectiveBy >= sentAt)
        continue;
      if (newest === null || write.invokedAt > newest.invokedAt) newest = write;
    }
    const reason = 'every write of zeroes, and the time before the first write, is definitely over';
    return { kind: 'overwritten-value', sector, found: ZEROES, missing: newest, reason };
  }

  /** A write that is both before and after this one, on this sector. */
  #conflicting(write: BlockWrite, sector: number, effectiveBy: number, seenFrom: number): BlockWrite | null {
    for (const other of this.#writes) {
      if (
        other.effectiveBy < seenFrom &&
        effectiveBy < (other.seenFrom[sector] ?? 0) &&
        (other.mask >> sector) & 1 &&
        other !== write
      ) {
        return other;
      }
    }
    return null;
  }

  #newest(sector: number): BlockWrite | null {
    let newest: BlockWrite | null = null;
    for (const write of this.#writes) {
      if (((write.mask >> sector) & 1) === 0 || write.answeredAt === NEVER) continue;
      if (newest === null || write.invokedAt > newest.invokedAt) newest = write;
    }
    return newest;
  }

  /**
   * Drops what no read that is answered from now on may return. A write is over on a sector where another one, in
   * effect before the oldest waiting read was sent, comes after it.
   */
  #prune(now: number): void {
    const horizon = this.#reads[0] ?? now;
    const over = new Set<BlockWrite>();
    const heirs: (BlockWrite | null)[] = new Array<BlockWrite | null>(SECTORS_PER_BLOCK).fill(null);
    const seconds = [...heirs];
    for (const write of this.#writes) {
      if (write.effectiveBy >= horizon) continue;
      for (let sector = 0; sector < SECTORS_PER_BLOCK; sector++) {
        if (((write.mask >> sector) & 1) === 0) continue;
        const seen = write.seenFrom[sector] ?? 0;
        const heir = heirs[sector];
        if (heir == null || seen > (heir.seenFrom[sector] ?? 0)) {
          seconds[sector] = heir ?? null;
          heirs[sector] = write;
        } else {
          const second = seconds[sector];
          if (second == null || seen > (second.seenFrom[sector] ?? 0)) seconds[sector] = write;
        }
      }
    }
    for (const write of this.#writes) {
      // One that is in effect only since the horizon may yet prove another one over, to a read that waits.
      if (write.effectiveBy >= horizon && write.effectiveBy !== NEVER) continue;
      const effect = write.lastPossibleEffect;
      let alive = false;
      for (let sector = 0; sector < SECTORS_PER_BLOCK && !alive; sector++) {
        if (((write.mask >> sector) & 1) === 0) continue;
        const heir = heirs[sector] === write ? seconds[sector] : heirs[sector];
        alive = heir == null || effect >= (heir.seenFrom[sector] ?? 0);
      }
      if (!alive) over.add(write);
    }
    if (over.size > 0) this.#writes = this.#writes.filter((write) => !over.has(write));
    this.#pruneAt = Math.max(this.#pruneFrom, 2 * this.#writes.length * Math.sign(this.#pruneFrom));
  }
}

function overwritten(write: BlockWrite, newer: BlockWrite, sector: number, sentAt: number): Contradiction {
  const how =
    newer.answeredAt === newer.effectiveBy ? 'was answered' : 'was seen by a read that was answered';
  const reason =
    `write ${newer.value} ${how} at ${newer.effectiveBy}, before ${sentAt}, ` +
    `and came after this one, in effect by ${write.effectiveBy}`;
  return { kind: 'overwritten-value', sector, found: write.value, missing: newer, reason };
}

/** One read shows sectors of two writes that cannot both be as they are seen, since each write of a block is one step. */
function torn(observed: readonly (BlockWrite | null)[], first: number, count: number): Contradiction | null {
  for (let sector = first; sector < first + count; sector++) {
    const write = observed[sector];
    if (write == null) continue;
    for (let at = first; at < first + count; at++) {
      const other = observed[at];
      if (other == null || other === write || ((write.mask >> at) & 1) === 0) continue;
      // `write` is in effect and covers the sector where `other` is seen: so `other` came after it.
      const both = (other.mask >> sector) & 1;
      if (both || other.effectiveBy < (write.seenFrom[at] ?? 0)) {
        const what = both ? 'each covers the sector of the other' : `${other.value} came before it`;
        const reason = `sector ${sector} shows write ${write.value}, sector ${at} write ${other.value}, and ${what}`;
        return { kind: 'torn-block', sector: at, found: other.value, missing: write, reason };
      }
    }
  }
  return null;
}
