import type { Pair } from '../pair.ts';
import { HASH_BYTES } from './content-hash.ts';
import {
  hashesIn,
  hashIn,
  parseSector,
  SECTOR_BYTES,
  SLOTS_PER_SECTOR,
  sectorOf,
  sectorsKey,
} from './sector.ts';

/** Bytes of sectors kept in memory: 16 MiB name 2 GiB of 4 KiB blocks. */
const CACHE_MAX_BYTES = 16 << 20;
const CACHED_MAX: number = CACHE_MAX_BYTES / SECTOR_BYTES;
/** Sectors asked for with one command. */
const READ_RUN = 32;

interface Change {
  readonly slot: number;
  /** Null = the block is zeros. */
  readonly hash: Buffer | null;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** A sector as its owner knows it. Contents are never changed in place: who has read one may keep it. */
interface Sector {
  readonly number: number;
  /** What every member that must have it has; null = nothing stored, undefined = not known. */
  content: Buffer | null | undefined;
  loading: Promise<void> | null;
  /** Changes on their way to the engines, and those that wait for their turn. */
  flight: { readonly slots: ReadonlySet<number>; readonly ended: Promise<void> } | null;
  waiting: Change[];
  isWriting: boolean;
}

/**
 * The block map of a deduped vdisk: which content each block has. Only its owner changes it, so sectors are cached;
 * changes of one sector that come while it is being written go out together, in one write.
 */
export class SectorMap {
  readonly #vdisk: string;
  readonly #pairOf: (sector: number) => Pair;
  /** In the order of their last use. */
  readonly #sectors = new Map<number, Sector>();

  constructor(vdisk: string, pairOf: (sector: number) => Pair) {
    this.#vdisk = vdisk;
    this.#pairOf = pairOf;
  }

  /**
   * The content hashes of `count` blocks from `first` on, null where a block is zeros. A change that is under way is waited
   * for: what is answered stays true.
   */
  async hashes(first: number, count: number): Promise<(Buffer | null)[]> {
    const end = first + count;
    for (let sector = sectorOf(first); sector * SLOTS_PER_SECTOR < end; sector++) this.prepare(sector);
    const found: (Buffer | null)[] = [];
    for (let block = first; block < end; ) {
      const number = sectorOf(block);
      const slot = block - number * SLOTS_PER_SECTOR;
      const slots = Math.min(SLOTS_PER_SECTOR - slot, end - block);
      const content = await this.#settled(number, slot, slots);
      for (let i = 0; i < slots; i++) found.push(hashIn(content, slot + i));
      block += slots;
    }
    return found;
  }

  /** Starts to read a sector that is not in memory; whoever needs it is told of errors. */
  prepare(number: number): void {
    const sector = this.#sector(number);
    if (sector.content === undefined) this.#load(sector).catch(() => undefined);
  }

  /** Resolves when the block is recorded on every member that must have it. */
  set(block: number, hash: Buffer | null): Promise<void> {
    const sector = this.#sector(sectorOf(block));
    return new Promise((resolve, reject) => {
      sector.waiting.push({ slot: block % SLOTS_PER_SECTOR, hash, resolve, reject });
      if (sector.isWriting) return;
      sector.isWriting = true;
      // Behind the microtasks of this event: what one reply of an engine lets through goes into one write.
      process.nextTick(() => void this.#write(sector));
    });
  }

  async #write(sector: Sector): Promise<void> {
    while (sector.waiting.length > 0) {
      let changes: Change[] = [];
      try {
        if (sector.content === undefined) await this.#load(sector);
        changes = sector.waiting.splice(0);
        const content = changed(sector.content ?? null, changes);
        const written = this.#pairOf(sector.number).write([{ block: sector.number, data: content }]);
        const ended = written.catch(() => undefined);
        sector.flight = { slots: new Set(changes.map(({ slot }) => slot)), ended };
        await written;
        sector.content = content;
        sector.flight = null;
        for (const { resolve } of changes) resolve();
      } catch (error) {
        // It may have been written or not: the next one to look asks the engines.
        sector.content = undefined;
        sector.flight = null;
        if (changes.length === 0) changes = sector.waiting.splice(0);
        for (const { reject } of changes) reject(error);
      }
    }
    sector.isWriting = false;
  }

  /** The sector, once no change of these slots is under way. */
  async #settled(number: number, slot: number, slots: number): Promise<Buffer | null> {
    for (;;) {
      const sector = this.#sector(number);
      const { flight } = sector;
      if (flight !== null && overlaps(flight.slots, slot, slots)) {
        await flight.ended;
        continue;
      }
      if (sector.content !== undefined) return sector.content;
      await this.#load(sector);
    }
  }

  #load(sector: Sector): Promise<void> {
    sector.loading ??= this.#read(sector).finally(() => {
      sector.loading = null;
    });
    return sector.loading;
  }

  async #read(sector: Sector): Promise<void> {
    const [found] = await readSectors(this.#pairOf(sector.number), this.#vdisk, [sector.number]);
    // A write that began meanwhile has read it itself.
    if (sector.content === undefined) sector.content = found ?? null;
  }

  #sector(number: number): Sector {
    const known = this.#sectors.get(number);
    const sector = known ?? {
      number,
      content: undefined,
      loading: null,
      flight: null,
      waiting: [],
      isWriting: false,
    };
    if (known !== undefined) this.#sectors.delete(number);
    this.#sectors.set(number, sector);
    if (this.#sectors.size > CACHED_MAX) this.#dropOldest();
    return sector;
  }

  #dropOldest(): void {
    for (const { number, loading, isWriting } of this.#sectors.values()) {
      if (loading !== null || isWriting) continue;
      this.#sectors.delete(number);
      return;
    }
  }
}

/** The sectors of a vdisk as the engines of one pair have them; null = nothing stored. Rejects like a read of the pair. */
export async function readSectors(
  pair: Pair,
  vdisk: string,
  sectors: readonly number[],
): Promise<(Buffer | null)[]> {
  if (sectors.length === 0) return [];
  const replies = await pair.query((frame) => {
    for (let from = 0; from < sectors.length; from += READ_RUN)
      frame.command('HMGET', sectorsKey(vdisk), ...sectors.slice(from, from + READ_RUN));
  });
  const values = replies.flatMap((reply) => (Array.isArray(reply) ? reply : []));
  return sectors.map((sector, i) => parseSector(vdisk, sector, values[i]));
}

function changed(content: Buffer | null, changes: readonly Change[]): Buffer | null {
  const next = content === null ? Buffer.alloc(SECTOR_BYTES) : Buffer.from(content);
  for (const { slot, hash } of changes) {
    if (hash === null) next.fill(0, slot * HASH_BYTES, (slot + 1) * HASH_BYTES);
    else hash.copy(next, slot * HASH_BYTES);
  }
  return hashesIn(next).next().done === true ? null : next;
}

function overlaps(changing: ReadonlySet<number>, slot: number, slots: number): boolean {
  for (const one of changing) if (one >= slot && one < slot + slots) return true;
  return false;
}
