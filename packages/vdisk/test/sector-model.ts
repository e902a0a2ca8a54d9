import assert from 'node:assert/strict';

export const SECTOR_BYTES = 1024;

interface SectorWrite {
  readonly value: number;
  readonly issuedAt: number;
  /** From then on no read may see anything older: it was acknowledged, or a read has seen it. */
  settledAt: number;
}

/**
 * What a device may answer: every sector remembers its writes in the order they were given. A read sees the last write
 * that had settled before it began, or a later one that was given before it ended.
 */
export class SectorModel {
  readonly #sectors: SectorWrite[][];
  #clock = 0;
  #values = 0;

  constructor(sectors: number) {
    this.#sectors = Array.from({ length: sectors }, () => [{ value: 0, issuedAt: -1, settledAt: -1 }]);
  }

  get now(): number {
    return ++this.#clock;
  }

  /** A number that no write had before. */
  nextValue(): number {
    return ++this.#values;
  }

  /** Gives a write to the device; call the result when it is acknowledged. A write that fails may still have happened. */
  issue(first: number, count: number, value: number): () => void {
    const issuedAt = this.now;
    const writes = Array.from({ length: count }, (_, i) => {
      const write: SectorWrite = { value, issuedAt, settledAt: Number.POSITIVE_INFINITY };
      this.#of(first + i).push(write);
      return write;
    });
    return () => {
      const at = this.now;
      for (const write of writes) write.settledAt = Math.min(write.settledAt, at);
    };
  }

  /** Checks what a read that began at `startedAt` and ends now has found. */
  check(first: number, content: Buffer, startedAt: number, what: string): void {
    const endedAt = this.now;
    for (let i = 0; i * SECTOR_BYTES < content.length; i++) {
      const sector = content.subarray(i * SECTOR_BYTES, (i + 1) * SECTOR_BYTES);
      const value = sector.readUInt32LE(0);
      assert.ok(sector.equals(sectorOf(value)), `${what}: sector ${first + i} is torn`);
      const log = this.#of(first + i);
      const last = log.findLastIndex(({ settledAt }) => settledAt < startedAt);
      const possible = log.slice(last).filter(({ issuedAt }) => issuedAt < endedAt);
      const seen = possible.filter((write) => write.value === value);
      const expected = possible.map((write) => write.value).join(' or ');
      assert.ok(seen.length > 0, `${what}: sector ${first + i} is ${value}, expected ${expected}`);
      const [only] = seen;
      if (seen.length === 1 && only !== undefined) only.settledAt = Math.min(only.settledAt, endedAt);
    }
  }

  #of(sector: number): SectorWrite[] {
    return this.#sectors[sector] ?? assert.fail(`no sector ${sector}`);
  }
}

/** `count` sectors filled with a value. */
export function sectorOf(value: number, count = 1): Buffer {
  const content = Buffer.alloc(SECTOR_BYTES * count);
  for (let at = 0; at < content.length; at += 4) content.writeUInt32LE(value, at);
  return content;
}
